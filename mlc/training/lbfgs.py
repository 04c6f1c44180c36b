"""L-BFGS: full-batch minimisation of a smooth loss, along a path of penalties."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from mlc.config.errors import ConfigError
from mlc.config.options import option
from mlc.training.stacked import StackedOptimizer, register_optimizer

_PATH = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0]


@dataclass
class LBFGSOptions:
    """Options of L-BFGS.

    Attributes:
        C: the inverse strengths of the L2 penalty, as in scikit-learn's LogisticRegression: the
            minimised sum is C * (losses of all training rows) + |weights|^2 / 2, biases excluded. One
            epoch minimises it for one value, and starts from the weights of the value before. The
            monitored validation metric selects the epoch, hence the penalty; the path ends after two
            values (trainer.patience) with neither a better one nor a smaller validation loss.
        max_iter: the maximum number of iterations for one value.
        tolerance: the iterations end when no entry of the gradient of the mean loss exceeds it.
        history_size: the number of updates from which the curvature is estimated.
    """

    C: list[float] = option(_PATH, above=0)
    max_iter: int = option(100, at_least=1)
    tolerance: float = option(1e-4, above=0)
    history_size: int = option(20, at_least=1)

    def validate(self, prefix: str) -> None:
        """Require at least one value of C."""
        if not self.C:
            raise ConfigError(f"{prefix}C is empty: give at least one positive number.")


@register_optimizer("lbfgs")
class LBFGS(StackedOptimizer):
    """torch.optim.LBFGS with a strong Wolfe line search, on all training rows at once.

    It trains one run at a time, because each run needs its own line search. There is no learning rate:
    the first trial step is the quasi-Newton step. `mlc.training.full_batch` computes the loss.

    Source: Liu and Nocedal 1989, "On the limited memory BFGS method for large scale optimization".

    Raises:
        ConfigError: there are several runs.
    """

    Options = LBFGSOptions
    per_run = ()
    # The history holds as many differences of weights as of gradients.
    state_per_weight = 2 * LBFGSOptions().history_size
    stacked = False
    patience = 2

    def __init__(
        self,
        parameters: Iterable[Parameter],
        options: Sequence[Any],
        without_axis: Collection[Parameter] = (),
    ) -> None:
        if len(options) != 1:
            raise ConfigError(
                f"optimizer=lbfgs trains one run at a time, and {len(options)} runs are to be trained"
                " together: train them separately."
            )
        self.parameters = list(parameters)
        self.options = options[0]

    @property
    def n_epochs(self) -> int:
        """The number of epochs after which nothing is left to minimise."""
        return len(self.options.C)

    @property
    def learning_rates(self) -> Tensor:
        """The first trial step of each iteration: (1,)."""
        return torch.ones(1, device=self.parameters[0].device)

    def minimise(self, loss: Callable[[], Tensor]) -> None:
        """Minimise over the parameters.

        Args:
            loss: sets the parameters' gradients and returns the loss, ().
        """
        options = self.options
        # A new history, because another penalty has another curvature.
        optimizer = _Minimiser(
            self.parameters,
            max_iter=options.max_iter,
            tolerance_grad=options.tolerance,
            # At a minimum with curvature 1/2, a gradient g changes the loss by g^2.
            tolerance_change=options.tolerance**2,
            history_size=options.history_size,
            line_search_fn="strong_wolfe",
        )
        optimizer.step(loss)


class _Minimiser(torch.optim.LBFGS):
    # Torch's wrapper of the method imports torch's compiler, which takes three seconds.
    add_param_group = getattr(
        torch.optim.LBFGS.add_param_group, "__wrapped__", torch.optim.LBFGS.add_param_group
    )
