"""A study: its trials, their measurement, and the stored columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, ClassVar

import torch

# Settings by key, as on the command line: {"data": "yeast", "head": "pick_one", "seed": 3}.
Trial = Mapping[str, Any]
# One row of a study's CSV, without the trial.
Row = dict[str, Any]
Measured = tuple[Trial, list[Row]]

BUDGETS = ("quick", "full")


def command_of(trial: Trial) -> str:
    """Return the trial as overrides, which also identify it."""
    return " ".join(f"{key}={_text(value)}" for key, value in trial.items())


def options_of(trial: Trial, part: str) -> dict[str, Any]:
    """Return the settings of one part: {"gamma": 2.0} of {"head.gamma": 2.0}."""
    prefix = f"{part}."
    return {k.removeprefix(prefix): v for k, v in trial.items() if k.startswith(prefix)}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_text, value)) + "]"
    return str(value)


class Study:
    """A set of measurements, stored in one CSV.

    Attributes:
        name: of the CSV.
    """

    name: str = "runs"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order; the column "error" says why a trial failed."""
        raise NotImplementedError

    def trials(self, budget: str) -> list[Trial]:
        """Return the trials of a budget; "full" includes all of "quick"."""
        raise NotImplementedError

    def measure(self, trials: Sequence[Trial], n_workers: int) -> Iterator[list[Measured]]:
        """Measure all trials, and yield their rows in groups as they are finished."""
        raise NotImplementedError

    def keep(self, folder: Path, measured: Sequence[Measured]) -> None:
        """Store what the CSV does not hold; called before the rows are added to it."""


class Measurements(Study):
    """A study whose trials are separate calls of `measured`.

    Class attributes:
        alone: whether trials must not run in parallel, as in measurements of time.
    """

    alone: ClassVar[bool] = False

    def measured(self, trial: Trial) -> list[Row]:
        """Measure one trial and return its rows."""
        raise NotImplementedError

    def measure(self, trials: Sequence[Trial], n_workers: int) -> Iterator[list[Measured]]:
        """Measure trials one after another if `alone`, or else in parallel processes."""
        if self.alone:
            for trial in trials:
                yield [(trial, self.measured(trial))]
            return
        for index, rows in in_processes(self.measured, [(trial,) for trial in trials], n_workers):
            yield [(trials[index], rows)]


def in_processes(
    function: Any, arguments: Sequence[tuple[Any, ...]], n_workers: int
) -> Iterator[tuple[int, Any]]:
    """Yield i and function(*arguments[i]) as they end, in forked processes of one thread each."""
    with ProcessPoolExecutor(n_workers, get_context("fork"), torch.set_num_threads, (1,)) as pool:
        pending = {pool.submit(function, *values): index for index, values in enumerate(arguments)}
        try:
            for future in as_completed(pending):
                yield pending[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)
