"""The progress of a cohort, shown by bars on a terminal."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from typing import Self

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from mlc.config.errors import BeingTrainedError

log = logging.getLogger(__name__)


class Progress:
    """Callbacks of a cohort in training. This base class ignores them."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def begin(self, title: str, n_epochs: int) -> None:
        """Begin a stacked training."""

    def epoch(self, number: int) -> None:
        """End an epoch."""

    def ended(self, index: int, outcome: float | Exception, message: str) -> None:
        """End the run at an index of the cohort, with its outcome."""


def ending(outcome: float | Exception, finished: str) -> str:
    """Return how a run ended, as text; `finished` is the text for success."""
    if isinstance(outcome, BeingTrainedError):
        return f"is being trained by {outcome.owner}"
    return f"failed: {outcome}" if isinstance(outcome, Exception) else finished


def report_outcome(
    progress: Progress, index: int, name: str, outcome: float | Exception, finished: str = ""
) -> None:
    """Report how a run ended, also in the run's log unless another process writes that log."""
    message = f"{name} {ending(outcome, finished)}"
    if isinstance(outcome, Exception):
        outcome.reported = True  # type: ignore[attr-defined]
    progress.ended(index, outcome, message)
    elsewhere = isinstance(outcome, BeingTrainedError)
    failed = isinstance(outcome, Exception) and not elsewhere
    log.info("%s", message, extra={"run": "" if elsewhere else name, "failed": failed})


class BarProgress(Progress):
    """A progress bar over epochs, shown if standard error is a terminal."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(logging_redirect_tqdm())
        return self

    def __exit__(self, *error: object) -> None:
        self._close()
        self._stack.close()

    def begin(self, title: str, n_epochs: int) -> None:
        """Open a bar."""
        self._close()
        self._bar = bar(title, n_epochs, "epoch")

    def epoch(self, number: int) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(number - self._bar.n)

    def ended(self, index: int, outcome: float | Exception, message: str) -> None:
        """Close the bar, so that the next line of the log is legible."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def bar(title: str, total: int, unit: str, position: int | None = None) -> tqdm[None]:
    """Return a bar that vanishes when closed, and is shown on a terminal only."""
    return tqdm(
        total=total, desc=title, unit=f" {unit}", position=position,
        leave=False, disable=None, file=sys.stderr,
    )  # fmt: skip
