"""Progress of a cohort, as bars on a terminal."""

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
    """What a cohort tells while it trains; here it is told to nobody."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def begin(self, title: str, n_epochs: int) -> None:
        """A stacked training begins."""

    def epoch(self, number: int) -> None:
        """One of its epochs is over."""

    def ended(self, place: int, outcome: float | Exception, message: str) -> None:
        """A run of the cohort has its outcome; `place` is its place among the cohort's runs."""


def ending(outcome: float | Exception, finished: str) -> str:
    """What to say of a run that has ended; `finished` where all is well."""
    if isinstance(outcome, BeingTrainedError):
        return f"is being trained by {outcome.owner}"
    return f"failed: {outcome}" if isinstance(outcome, Exception) else finished


def tell(
    progress: Progress, place: int, name: str, outcome: float | Exception, finished: str = ""
) -> None:
    """Say how a run ended, in its own log as well unless that is another process's now."""
    message = f"{name} {ending(outcome, finished)}"
    progress.ended(place, outcome, message)
    elsewhere = isinstance(outcome, BeingTrainedError)
    failed = isinstance(outcome, Exception) and not elsewhere
    log.info("%s", message, extra={"run": "" if elsewhere else name, "failed": failed})


class BarProgress(Progress):
    """A bar for the epochs if standard error is a terminal."""

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

    def ended(self, place: int, outcome: float | Exception, message: str) -> None:
        """Close the bar, for the line that the log gets now."""
        self._close()

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def bar(title: str, total: int, unit: str, position: int | None = None) -> tqdm[None]:
    """A bar that is gone when it is closed, and that only a terminal shows."""
    return tqdm(
        total=total, desc=title, unit=f" {unit}", position=position,
        leave=False, disable=None, file=sys.stderr,
    )  # fmt: skip
