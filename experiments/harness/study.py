"""A study: what is measured of which trials, and the columns that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import Any, ClassVar

import torch

# Settings by their keys, as on the command line: {"data": "yeast", "head": "pick_one", "seed": 3}.
Trial = Mapping[str, Any]
# One line of a study's CSV, without the trial.
Row = dict[str, Any]
Measured = tuple[Trial, list[Row]]

BUDGETS = ("quick", "full")


def command_of(trial: Trial) -> str:
    """The trial as overrides, which is also what it is known by."""
    return " ".join(f"{key}={_written(value)}" for key, value in trial.items())


def options_of(trial: Trial, part: str) -> dict[str, Any]:
    """What a trial sets of a part: {"gamma": 2.0} of {"head": "focal", "head.gamma": 2.0}."""
    prefix = f"{part}."
    return {k.removeprefix(prefix): v for k, v in trial.items() if k.startswith(prefix)}


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_written, value)) + "]"
    return str(value)


class Study:
    """One CSV of an experiment.

    Attributes:
        name: the CSV's.
    """

    name: str = "runs"

    @property
    def columns(self) -> tuple[str, ...]:
        """What is kept of each trial, in their order; "error" says why a trial failed."""
        raise NotImplementedError

    def trials(self, budget: str) -> list[Trial]:
        """What is measured at a budget; "full" holds all of "quick"."""
        raise NotImplementedError

    def measure(self, trials: Sequence[Trial], n_workers: int) -> Iterator[list[Measured]]:
        """The rows of all trials, some at a time, as they come."""
        raise NotImplementedError


class Measurements(Study):
    """Each trial is one call of `measured`.

    Class attributes:
        alone: whether nothing may run beside it, as where time is measured.
    """

    alone: ClassVar[bool] = False

    def measured(self, trial: Trial) -> list[Row]:
        """The rows of one trial."""
        raise NotImplementedError

    def measure(self, trials: Sequence[Trial], n_workers: int) -> Iterator[list[Measured]]:
        """One after another, or side by side in processes."""
        if self.alone:
            for trial in trials:
                yield [(trial, self.measured(trial))]
            return
        for place, rows in in_processes(self.measured, [(trial,) for trial in trials], n_workers):
            yield [(trials[place], rows)]


def in_processes(
    function: Any, arguments: Sequence[tuple[Any, ...]], n_workers: int
) -> Iterator[tuple[int, Any]]:
    """function(*arguments[i]) for all i, as they end, in forked processes of one thread each."""
    with ProcessPoolExecutor(n_workers, get_context("fork"), torch.set_num_threads, (1,)) as pool:
        pending = {pool.submit(function, *own): place for place, own in enumerate(arguments)}
        try:
            for future in as_completed(pending):
                yield pending[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)
