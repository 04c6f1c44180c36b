"""The base class of optimisers with a runs axis: one step for all runs, with a rate for each."""

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
from mlc.training.schedules import SCHEDULES, warmed_up

State = dict[str, Tensor]
# By parameter; None for those that the loss does not depend on.
Gradients = list[Tensor | None]


@dataclass
class OptimizerOptions:
    """Options of every optimiser; the schedule multiplies the learning rate in each step."""

    lr: Auto[float] = option(1e-3, above=0)
    weight_decay: float = option(0.0, at_least=0)
    schedule: Auto[str] = option("constant", choices=tuple(SCHEDULES))


class StackedOptimizer:
    """An optimiser of parameters (R, ...).

    Subclasses implement `update` for one parameter. Only options in `per_run` may differ between runs.

    Class attributes:
        state_per_weight: the number of values that are stored for each weight.
        stacked: whether several runs can be trained together.
        patience: the default of trainer.patience; None to train all epochs.

    Args:
        parameters: parameters whose first axis is the runs axis.
        options: one `Options` per run.
        without_axis: the parameters without the runs axis; there must be one run.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = OptimizerOptions
    per_run: ClassVar[tuple[str, ...]] = ("lr", "weight_decay")
    state_per_weight: ClassVar[int] = 0
    stacked: ClassVar[bool] = True
    patience: ClassVar[int | None] = None

    def __init__(
        self,
        parameters: Iterable[Parameter],
        options: Sequence[Any],
        without_axis: Collection[Parameter] = (),
    ) -> None:
        self.parameters = list(parameters)
        self._lacks_axis = [parameter in without_axis for parameter in self.parameters]
        # Views of the parameters with the runs axis; changes of them are not recorded for gradients.
        self.weights = [
            parameter.detach().unsqueeze(0) if lacks else parameter.detach()
            for parameter, lacks in zip(self.parameters, self._lacks_axis, strict=True)
        ]
        self.options = options[0]
        self._n_steps = 0
        self._state: list[State] = [{} for _ in self.parameters]
        self._check_shared(options)
        device, dtype = self.parameters[0].device, self.parameters[0].dtype
        self._values = {
            name: torch.tensor([getattr(run, name) for run in options], device=device, dtype=dtype)
            for name in self.per_run
        }
        self._used = {name: bool(values.any()) for name, values in self._values.items()}
        cuts = [run for run in range(1, len(options)) if options[run] != options[run - 1]]
        # Neighbouring runs with equal options, which can be updated together.
        self._alike = [
            (slice(first, last), options[first])
            for first, last in pairwise([0, *cuts, len(options)])
        ]
        names = list(dict.fromkeys(run.schedule for run in options))
        self._kinds_of_schedule = [SCHEDULES[name] for name in names]
        # The kind of each run.
        self._schedules = [names.index(run.schedule) for run in options]
        self._base_lr = self._values["lr"].clone()
        self._tables: dict[str, Tensor] = {}
        # On other devices: the tables side by side, and their values in the present step.
        self._packed = torch.empty(0)
        self._current: Tensor | None = None
        # On the CPU: the tables by step, and the rates of the runs as numbers.
        self._rows: list[dict[str, Tensor]] = []
        self._rates: list[list[float]] = []
        self._step = 0
        # Multiples of the learning rate by parameter, and that of the parameter in an update.
        self._factors = [1.0 for _ in self.parameters]
        # The indices of the parameters with each of the factors.
        self._of_factor = {1.0: list(range(len(self.parameters)))}
        self._factor = 1.0
        # The steps in which a parameter had no gradient, and those of the parameter in an update.
        self._n_missed = [0 for _ in self.parameters]
        self._missed = 0
        # The run of each row during an update of rows of several runs.
        self._runs: Tensor | None = None

    def _check_shared(self, options: Sequence[Any]) -> None:
        for field in dataclasses.fields(options[0]):
            values = [getattr(run, field.name) for run in options]
            shared = field.name not in (*self.per_run, "schedule")
            if shared and any(value != values[0] for value in values):
                raise ConfigError(
                    f"optimizer.{field.name} must be the same in all runs trained together, and is"
                    f" {values}."
                )

    def scale_rates(self, parameters: Iterable[Parameter], factor: float) -> None:
        """Update these parameters with a multiple of the learning rate."""
        scaled = set(parameters)
        self._factors = [
            factor if parameter in scaled else known
            for parameter, known in zip(self.parameters, self._factors, strict=True)
        ]
        self._of_factor = {
            factor: [index for index, other in enumerate(self._factors) if other == factor]
            for factor in dict.fromkeys(self._factors)
        }

    def clip(self, max_norm: float, given: Gradients | None = None) -> None:
        """Scale the gradient of each run to at most this norm, like torch's `clip_grad_norm_`."""
        # The norm of a sparse gradient needs one entry for each weight.
        gradients = [
            gradient.coalesce() if gradient is not None and gradient.is_sparse else gradient
            for gradient in given or self.gradients()
        ]
        n_runs = len(self._base_lr)
        squares = self._base_lr.new_zeros(n_runs)
        for gradient in gradients:
            if gradient is None:
                continue
            if gradient.is_sparse:
                squares.index_add_(0, gradient.indices()[0], gradient.values().square().sum(-1))
            else:
                squares += gradient.reshape(n_runs, -1).square().sum(dim=1)
        factor = (max_norm / (squares.sqrt() + 1e-6)).clamp(max=1)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            if gradient is None:
                continue
            if gradient.is_sparse:
                indices = gradient.indices()
                values = gradient.values() * factor[indices[0]].unsqueeze(-1)
                first = gradient.ndim - parameter.ndim  # 1 where the parameter lacks the runs axis.
                parameter.grad = torch.sparse_coo_tensor(
                    indices[first:], values, parameter.shape, check_invariants=False
                )
            else:
                gradient.mul_(factor.view(-1, *[1] * (gradient.ndim - 1)))

    def plan(self, progress: Sequence[float], warmup: float = 0.0) -> None:
        """Move the values that change from step to step to the device, for the next steps.

        Args:
            progress: for each step, the share of the training before it, in [0, 1).
            warmup: the share of the training in which the rates rise.
        """
        schedules = [warmed_up(schedule, warmup) for schedule in self._kinds_of_schedule]
        factors = [[schedule(share) for schedule in schedules] for share in progress]
        numbers = range(self._n_steps + 1, self._n_steps + len(progress) + 1)
        dtype, device = self._base_lr.dtype, self._base_lr.device
        tables = {
            "lr": torch.tensor(factors, dtype=dtype)[:, self._schedules],
            **{name: torch.tensor(v, dtype=dtype) for name, v in self.changing(numbers).items()},
        }
        # Moved as one, for each copy to a device waits.
        self._packed = torch.cat(list(tables.values()), dim=1).to(device)
        parts = self._packed.split([table.shape[1] for table in tables.values()], dim=1)
        self._tables = dict(zip(tables, parts, strict=True))
        self._tables["lr"] *= self._base_lr
        if self._base_lr.device.type == "cpu":
            names, rows = list(self._tables), zip(*self._tables.values(), strict=True)
            self._rows = [dict(zip(names, row, strict=True)) for row in rows]
            self._rates = self._tables["lr"].tolist()
            return
        if self._current is None:
            self._current = torch.empty_like(self._packed[0])
            widths = [table.shape[1] for table in self._tables.values()]
            self._values.update(zip(self._tables, self._current.split(widths), strict=True))

    def advance(self, step: int) -> None:
        """Set the values of this step of the plan."""
        self._n_steps += 1
        self._step = step
        if self._rows:
            self._values.update(self._rows[step])
            return
        # In place, since a captured update reads them.
        if self._current is not None:
            self._current.copy_(self._packed[step])

    def apply(self, given: Gradients | None = None) -> None:
        """Update all parameters by their gradients, or by the given ones, which have the runs axis."""
        gradients = given or self.gradients()
        for index, (weights, gradient, state, factor) in enumerate(
            zip(self.weights, gradients, self._state, self._factors, strict=True)
        ):
            if gradient is None:
                # In a compiled step, a number that changes would compile it again.
                if given is None:
                    self._n_missed[index] += 1
                continue
            self._factor, self._missed = factor, self._n_missed[index]
            if gradient.is_sparse:
                self._update_rows(weights, _coalesced(gradient), state)
            else:
                self.update(weights, gradient, state)

    def gradients(self) -> Gradients:
        """Return the gradients with the runs axis."""
        return [
            parameter.grad.unsqueeze(0) if lacks and parameter.grad is not None else parameter.grad
            for parameter, lacks in zip(self.parameters, self._lacks_axis, strict=True)
        ]

    def step(self, progress: float = 0.0) -> None:
        """Plan and do one step; `progress` is the share of the training before it, in [0, 1)."""
        self.plan([progress])
        self.advance(0)
        self.apply()

    def changing(self, steps: range) -> dict[str, list[list[float]]]:
        """Return further values of `update`, (1,) for each step; steps count from 1."""
        return {}

    def zero_grad(self) -> None:
        """Reset the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @property
    def learning_rates(self) -> Tensor:
        """Learning rates of the last step: (R,)."""
        return self._values["lr"].clone()

    def update(self, parameter: Tensor, gradient: Tensor, state: State) -> None:
        """Change one parameter in place; `state` is empty before its first update."""
        raise NotImplementedError

    def _update_rows(self, parameter: Tensor, gradient: Tensor, state: State) -> None:
        """Apply `update` to the rows (run, row) of a sparse gradient only."""
        runs, rows = gradient.indices()
        place = runs * parameter.shape[1] + rows
        values = parameter.flatten(0, 1).index_select(0, place)
        row_state = {n: value.flatten(0, 1).index_select(0, place) for n, value in state.items()}
        self._runs = runs
        self.update(values, gradient.values(), row_state)
        self._runs = None
        if parameter.is_contiguous():
            parameter.flatten(0, 1).index_copy_(0, place, values)
        else:
            parameter[runs, rows] = values
        for name, value in row_state.items():
            if name not in state:
                # The state of every optimiser begins at 0.
                state[name] = parameter.new_zeros(parameter.shape)
            state[name].flatten(0, 1).index_copy_(0, place, value)

    def of(self, name: str, like: Tensor) -> Tensor:
        """Return a per-run option in a shape that broadcasts to a tensor (R, ...)."""
        values = self._values[name]
        if self._runs is not None:
            values = values[self._runs]
        if name == "lr" and self._factor != 1:
            values = values * self._factor
        return values.view(-1, *[1] * (like.ndim - 1))

    def decayed(self, parameter: Tensor, gradient: Tensor) -> Tensor:
        """Return the gradient of the loss plus weight_decay / 2 * |parameter|^2."""
        if not self._used["weight_decay"]:
            return gradient
        return gradient + self.of("weight_decay", parameter) * parameter


def _coalesced(gradient: Tensor) -> Tensor:
    """Return a sparse gradient (run, row) with each row once."""
    if gradient.device.type != "cpu" or gradient.is_coalesced():
        return gradient.coalesce()
    runs, rows = gradient._indices()
    place = runs * gradient.shape[1] + rows
    if bool((place[1:] <= place[:-1]).any()):
        return gradient.coalesce()
    # Autograd forgets that each row is there once, and coalesce would sort and copy all values.
    return gradient._coalesced_(True)


OPTIMIZERS: Registry[type[StackedOptimizer]] = registry.OPTIMIZERS
register_optimizer = OPTIMIZERS.register
