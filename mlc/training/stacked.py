"""What an optimiser on the runs axis is: one step for all runs, each with its own rate and decay."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import Parameter

from mlc.config import registry
from mlc.config.errors import ConfigError
from mlc.config.options import Auto, option
from mlc.config.registry import Registry
from mlc.training.schedules import SCHEDULES

State = dict[str, Tensor]


@dataclass
class OptimizerOptions:
    """What every optimiser takes; the schedule multiplies the learning rate step by step."""

    lr: Auto[float] = option(1e-3, above=0)
    weight_decay: float = option(0.0, at_least=0)
    schedule: Auto[str] = option("constant", choices=tuple(SCHEDULES))


class StackedOptimizer:
    """Updates tensors (R, ...) by their gradients.

    Subclasses implement `update` for one parameter. Options whose value differs between runs must be
    named in `per_run`; all others must be the same in all runs.

    Class attributes:
        state_per_weight: the number of values that are stored for each weight.
        stacked: whether several runs can be trained together.
        full_batch: whether an epoch is one minimisation over all training rows, as in
            `mlc.training.lbfgs`, in place of steps on batches.
        patience: the default of trainer.patience; None to train all epochs.

    Args:
        parameters: tensors with the runs axis first.
        options: one `Options` for each run.
        without_axis: those of the parameters that lack the runs axis, for there is one run.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = OptimizerOptions
    per_run: ClassVar[tuple[str, ...]] = ("lr", "weight_decay")
    state_per_weight: ClassVar[int] = 0
    stacked: ClassVar[bool] = True
    full_batch: ClassVar[bool] = False
    patience: ClassVar[int | None] = None

    def __init__(
        self,
        parameters: Iterable[Parameter],
        options: Sequence[Any],
        without_axis: Collection[Parameter] = (),
    ) -> None:
        self.parameters = list(parameters)
        self._lacks_axis = [parameter in without_axis for parameter in self.parameters]
        # The same memory, with the runs axis.
        self._weights = [
            parameter.detach().unsqueeze(0) if lacks else parameter
            for parameter, lacks in zip(self.parameters, self._lacks_axis, strict=True)
        ]
        self.options = options[0]
        self._n_steps = 0
        self._state: list[State] = [{} for _ in self.parameters]
        for field in dataclasses.fields(self.options):
            values = [getattr(run, field.name) for run in options]
            if field.name not in (*self.per_run, "schedule") and values.count(values[0]) < len(
                values
            ):
                raise ConfigError(
                    f"optimizer.{field.name} must be the same in all runs trained together, and is"
                    f" {values}."
                )
        device, dtype = self.parameters[0].device, self.parameters[0].dtype
        self._values = {
            name: torch.tensor([getattr(run, name) for run in options], device=device, dtype=dtype)
            for name in self.per_run
        }
        self._used = {name: bool(values.any()) for name, values in self._values.items()}
        cuts = [place for place in range(1, len(options)) if options[place] != options[place - 1]]
        # Neighbours with the same options, which can be updated as one.
        self._alike = [
            (slice(first, last), options[first])
            for first, last in pairwise([0, *cuts, len(options)])
        ]
        self._schedules = [SCHEDULES[run.schedule] for run in options]
        self._base_lr = self._values["lr"].clone()
        self._tables: dict[str, Tensor] = {}
        # The run of each row, while rows of several runs are updated as one tensor.
        self._runs: Tensor | None = None

    def plan(self, progress: Sequence[float]) -> None:
        """Bring what changes from step to step to the device, for as many steps as are to come.

        Args:
            progress: for each step the share of the training that is done before it, in [0, 1).
        """
        factors = [[schedule(done) for schedule in self._schedules] for done in progress]
        numbers = range(self._n_steps + 1, self._n_steps + len(progress) + 1)
        self._tables = {
            name: torch.tensor(values, dtype=self._base_lr.dtype).to(self._base_lr.device)
            for name, values in {"lr": factors, **self.changing(numbers)}.items()
        }
        self._tables["lr"] *= self._base_lr
        for name, table in self._tables.items():
            self._values.setdefault(name, torch.empty_like(table[0]))

    def advance(self, step: int) -> None:
        """Make the numbers of this step of the plan current, in place: a captured update reads them."""
        self._n_steps += 1
        for name, table in self._tables.items():
            self._values[name].copy_(table[step])

    def apply(self) -> None:
        """One update of all parameters by their gradients."""
        with torch.no_grad():
            for weights, gradient, state in zip(
                self._weights, self._gradients(), self._state, strict=True
            ):
                if gradient is None:
                    continue
                if gradient.is_sparse:
                    self._update_rows(weights, gradient.coalesce(), state)
                else:
                    self.update(weights, gradient, state)

    def _gradients(self) -> list[Tensor | None]:
        """With the runs axis."""
        return [
            parameter.grad.unsqueeze(0) if lacks and parameter.grad is not None else parameter.grad
            for parameter, lacks in zip(self.parameters, self._lacks_axis, strict=True)
        ]

    def step(self, progress: float = 0.0) -> None:
        """One planned step; `progress` is the share of the training that is done, in [0, 1)."""
        self.plan([progress])
        self.advance(0)
        self.apply()

    def changing(self, steps: range) -> dict[str, list[list[float]]]:
        """What `update` takes, beside the rate, that differs between steps counted from 1: (1,) each."""
        return {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @property
    def learning_rates(self) -> Tensor:
        """Of the last step: (R,)."""
        return self._values["lr"].clone()

    def update(self, parameter: Tensor, gradient: Tensor, state: State) -> None:
        """Change one parameter in place; `state` is empty before its first update."""
        raise NotImplementedError

    def _update_rows(self, parameter: Tensor, gradient: Tensor, state: State) -> None:
        """`update` on the rows (run, row) that a sparse gradient has; the others rest."""
        runs, rows = gradient.indices()
        values, own = parameter[runs, rows], {name: s[runs, rows] for name, s in state.items()}
        self._runs = runs
        self.update(values, gradient.values(), own)
        self._runs = None
        parameter[runs, rows] = values
        for name, value in own.items():
            # All optimisers' states begin at 0.
            state.setdefault(name, torch.zeros_like(parameter))[runs, rows] = value

    def of(self, name: str, like: Tensor) -> Tensor:
        """A per-run option, shaped to multiply a tensor (R, ...)."""
        values = self._values[name]
        if self._runs is not None:
            values = values[self._runs]
        return values.view(-1, *[1] * (like.ndim - 1))

    def decayed(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """The gradient of the loss plus weight_decay / 2 * |parameter|^2."""
        if not self._used["weight_decay"]:
            return gradient
        return gradient + self.of("weight_decay", parameter) * parameter


OPTIMIZERS: Registry[type[StackedOptimizer]] = registry.OPTIMIZERS
register_optimizer = OPTIMIZERS.register
