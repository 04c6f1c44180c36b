"""The progress bars of a sweep in worker processes."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from mlc.runs.recording import Run
from mlc.tracking.progress import bar


class Board:
    """Progress bars of the sweep and of each active cohort, on a terminal.

    Args:
        cohorts: the cohorts of the sweep, by number.
    """

    def __init__(self, cohorts: Sequence[Sequence[Run]]) -> None:
        self._n_left = [len(runs) for runs in cohorts]
        self._sweep = bar(self._title(), sum(self._n_left), "run", position=0)
        self._bars: dict[int, tqdm[None]] = {}

    def __enter__(self) -> Board:
        self._stack = ExitStack()
        self._stack.enter_context(logging_redirect_tqdm())
        return self

    def __exit__(self, *error: object) -> None:
        for number in list(self._bars):
            self._close(number)
        self._sweep.close()
        self._stack.close()

    def epoch(self, number: int, epoch: int, total: int, title: str) -> None:
        """Show the epoch of a cohort."""
        if number not in self._bars:
            self._bars[number] = bar(title, total, "epoch", position=1 + len(self._bars))
        epochs = self._bars[number]
        epochs.update(epoch - epochs.n)

    def ended(self, number: int) -> None:
        """Count a run of a cohort as ended."""
        self._n_left[number] -= 1
        self._close(number)
        self._sweep.set_description(self._title())
        self._sweep.update()

    def _close(self, number: int) -> None:
        if number in self._bars:
            self._bars.pop(number).close()

    def _title(self) -> str:
        return f"{sum(n > 0 for n in self._n_left)} cohorts left"
