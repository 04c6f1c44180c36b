"""Optimisers with a runs axis; torch.optim documents the algorithm of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import ClassVar

import torch
from torch import Tensor

from mlc.config.errors import ConfigError
from mlc.config.options import Auto, Interval, option
from mlc.training.stacked import (
    Gradients,
    OptimizerOptions,
    StackedOptimizer,
    State,
    register_optimizer,
)

# The fused kernel, which takes one rate, is faster from this many neighbouring runs with equal rate, or
# this many weights of a run.
_LEAST_ALIKE, _LEAST_WEIGHTS = 4, 2**14


@dataclass
class SGDOptions(OptimizerOptions):
    """Options of stochastic gradient descent."""

    lr: Auto[float] = option(0.1, above=0)
    momentum: float = option(0.9, at_least=0, below=1)
    nesterov: bool = False


@register_optimizer("sgd")
class SGD(StackedOptimizer):
    """torch.optim.SGD, with momentum (Sutskever et al. 2013)."""

    Options = SGDOptions
    per_run = ("lr", "weight_decay", "momentum")
    state_per_weight = 1

    def update(self, parameter: Tensor, gradient: Tensor, state: State) -> None:
        """v = momentum v + g; p -= lr v."""
        direction = self.decayed(parameter, gradient)
        if self._used["momentum"]:
            momentum = self.of("momentum", parameter)
            if not state:
                state["velocity"] = torch.zeros_like(parameter)
            velocity = state["velocity"].mul_(momentum).add_(direction)
            direction = direction + momentum * velocity if self.options.nesterov else velocity
        parameter.sub_(self.of("lr", parameter) * direction)


@dataclass
class AdamOptions(OptimizerOptions):
    """Options of Adam; `betas` are the decay rates of the two moments."""

    betas: list[float] = option([0.9, 0.999], at_least=0, below=1)
    eps: float = option(1e-8, above=0)

    def validate(self, prefix: str) -> None:
        """Check that there are two betas."""
        if len(self.betas) != 2:
            raise ConfigError(f"{prefix}betas={self.betas} must be two numbers.")


@register_optimizer("adam")
class Adam(StackedOptimizer):
    """torch.optim.Adam (Kingma and Ba 2015, algorithm 1)."""

    Options = AdamOptions
    state_per_weight = 2
    decoupled: ClassVar[bool] = False
    _moments: tuple[list[Tensor], list[Tensor]] | None = None

    def changing(self, steps: range) -> dict[str, list[list[float]]]:
        """Return the bias corrections of the moments, which start at 0."""
        shares = [self._shares(step) for step in steps]
        return {name: [[share[name]] for share in shares] for name in self._shares(1)}

    def _shares(self, step: int) -> dict[str, float]:
        first, second = self.options.betas
        return {"mean_share": 1 - first**step, "deviation_share": (1 - second**step) ** 0.5}

    def apply(self, given: Gradients | None = None) -> None:
        """Update all parameters; use torch's fused kernel where it is faster.

        The kernel takes one pass over the weights instead of ten, and a call for each rate.
        """
        gradients = [g for g in given or self.gradients() if g is not None and not g.is_sparse]
        is_on_cpu = bool(self._rates)
        kernel_fits = is_on_cpu and self._gains_by_kernel and self._are_dense
        if not kernel_fits or len(gradients) < len(self.parameters):
            super().apply(given)
            return
        if self._moments is None:
            for weights, state in zip(self.weights, self._state, strict=True):
                self._begin(weights, state)
            means, squares = ([state[name] for state in self._state] for name in ("mean", "square"))
            self._moments = means, squares
        kinds = self.weights, gradients, *self._moments
        # torch.optim.adam.adam calls the kernel too, and takes several times as long before it does.
        kernel = torch._fused_adamw_ if self.decoupled else torch._fused_adam_
        count_of = {n: torch.tensor(float(self._n_steps - n)) for n in set(self._n_missed)}
        for (runs, options), (factor, chosen) in product(self._alike, self._of_factor.items()):
            rate = factor * self._rates[self._step][runs.start]
            parts = [[tensors[index] for index in chosen] for tensors in kinds]
            counts = [count_of[self._n_missed[index]] for index in chosen]
            if len(self._alike) > 1:
                parts = [[tensor[runs] for tensor in tensors] for tensors in parts]
            kernel(
                parts[0], parts[1], parts[2], parts[3], [], counts,
                amsgrad=False, maximize=False, lr=rate,
                beta1=options.betas[0], beta2=options.betas[1], eps=options.eps,
                weight_decay=options.weight_decay,
            )  # fmt: skip

    @cached_property
    def _gains_by_kernel(self) -> bool:
        """Whether a call for each rate takes less time than several passes over all weights."""
        n_runs, n_rates = len(self._base_lr), len(self._alike)
        n_weights = sum(weights.numel() for weights in self.weights) // n_runs
        is_large = n_weights >= _LEAST_WEIGHTS
        return n_rates == 1 or is_large or n_runs >= _LEAST_ALIKE * n_rates

    @cached_property
    def _are_dense(self) -> bool:
        """Whether the weights of neighbouring runs have no gaps: the kernel goes by addresses alone."""
        parts = [weights[runs] for weights in self.weights for runs, _ in self._alike]
        return all(torch.empty_like(part).stride() == part.stride() for part in parts)

    def update(self, parameter: Tensor, gradient: Tensor, state: State) -> None:
        """p -= lr m / (sqrt(v) + eps), with bias-corrected m and v."""
        self._begin(parameter, state)
        first, second = self.options.betas
        gradient = self._with_decay(parameter, gradient)
        mean = state["mean"].lerp_(gradient, 1 - first)
        square = state["square"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        # As in torch, a parameter counts the steps in which it had a gradient.
        shares = self._shares(self._n_steps - self._missed) if self._missed else self._values
        deviation = square.sqrt().div_(shares["deviation_share"]).add_(self.options.eps)
        rate = self.of("lr", parameter) / shares["mean_share"]
        parameter.addcmul_(torch.div(mean, deviation, out=deviation), rate, value=-1)

    @staticmethod
    def _begin(parameter: Tensor, state: State) -> None:
        if not state:
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)

    def _with_decay(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """Add weight decay to the gradient, or apply decoupled decay: p *= 1 - lr weight_decay."""
        if not self.decoupled:
            return self.decayed(parameter, gradient)
        if self._used["weight_decay"]:
            parameter.mul_(1 - self.of("lr", parameter) * self.of("weight_decay", parameter))
        return gradient


@dataclass
class AdamWOptions(AdamOptions):
    """Options of AdamW, with torch's default decay."""

    lr: Auto[float] = option(1e-3, above=0, search=Interval(3e-4, 1e-2, log=True))
    weight_decay: float = option(0.01, at_least=0, search=Interval(1e-3, 1, log=True))


@register_optimizer("adamw")
class AdamW(Adam):
    """torch.optim.AdamW: Adam with decoupled decay (Loshchilov and Hutter 2019, algorithm 2)."""

    Options = AdamWOptions
    decoupled = True


@dataclass
class AdagradOptions(OptimizerOptions):
    """Options of Adagrad."""

    lr: Auto[float] = option(0.01, above=0)
    eps: float = option(1e-10, above=0)


@register_optimizer("adagrad")
class Adagrad(StackedOptimizer):
    """torch.optim.Adagrad (Duchi et al. 2011)."""

    Options = AdagradOptions
    state_per_weight = 1

    def update(self, parameter: Tensor, gradient: Tensor, state: State) -> None:
        """s += g^2; p -= lr g / (sqrt(s) + eps)."""
        if not state:
            state["sum"] = torch.zeros_like(parameter)
        gradient = self.decayed(parameter, gradient)
        deviation = state["sum"].addcmul_(gradient, gradient).sqrt().add_(self.options.eps)
        parameter.sub_(self.of("lr", parameter) * gradient / deviation)


@dataclass
class AdadeltaOptions(OptimizerOptions):
    """Options of Adadelta; `rho` is the decay rate of both averages."""

    lr: Auto[float] = option(1.0, above=0)
    rho: float = option(0.9, at_least=0, below=1)
    eps: float = option(1e-6, above=0)


@register_optimizer("adadelta")
class Adadelta(StackedOptimizer):
    """torch.optim.Adadelta (Zeiler 2012, algorithm 1)."""

    Options = AdadeltaOptions
    state_per_weight = 2

    def update(self, parameter: Tensor, gradient: Tensor, state: State) -> None:
        """d = g sqrt(u + eps) / sqrt(v + eps); p -= lr d."""
        if not state:
            state["square"] = torch.zeros_like(parameter)
            state["step"] = torch.zeros_like(parameter)
        rho, eps = self.options.rho, self.options.eps
        gradient = self.decayed(parameter, gradient)
        square = state["square"].mul_(rho).addcmul_(gradient, gradient, value=1 - rho)
        step = (state["step"] + eps).sqrt_().div_((square + eps).sqrt_()).mul_(gradient)
        state["step"].mul_(rho).addcmul_(step, step, value=1 - rho)
        parameter.sub_(self.of("lr", parameter) * step)


@dataclass
class RMSpropOptions(OptimizerOptions):
    """Options of RMSprop; `alpha` is the decay rate of the average."""

    lr: Auto[float] = option(0.01, above=0)
    alpha: float = option(0.99, at_least=0, below=1)
    eps: float = option(1e-8, above=0)
    momentum: float = option(0.0, at_least=0, below=1)


@register_optimizer("rmsprop")
class RMSprop(StackedOptimizer):
    """torch.optim.RMSprop (Hinton 2012, lecture 6e), not centered."""

    Options = RMSpropOptions
    per_run = ("lr", "weight_decay", "momentum")
    state_per_weight = 2

    def update(self, parameter: Tensor, gradient: Tensor, state: State) -> None:
        """u = momentum u + g / (sqrt(v) + eps); p -= lr u."""
        if not state:
            state["square"] = torch.zeros_like(parameter)
            state["velocity"] = torch.zeros_like(parameter)
        alpha = self.options.alpha
        gradient = self.decayed(parameter, gradient)
        square = state["square"].mul_(alpha).addcmul_(gradient, gradient, value=1 - alpha)
        direction = gradient / square.sqrt().add_(self.options.eps)
        if self._used["momentum"]:
            momentum = self.of("momentum", parameter)
            direction = state["velocity"].mul_(momentum).add_(direction)
        parameter.sub_(self.of("lr", parameter) * direction)
