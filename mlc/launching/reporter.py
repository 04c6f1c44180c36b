"""Messages from a worker process to the launching process."""

from __future__ import annotations

import logging
import os
import pickle
from multiprocessing.connection import Connection
from typing import Any

from mlc.config.errors import MlcError
from mlc.runs.cohort import Outcome
from mlc.tracking.progress import Progress


class Reporter(Progress):
    """Sends the progress of a cohort from the worker to the launching process."""

    def __init__(self, sender: Connection) -> None:
        self._sender = sender
        self._title, self._total = "", 0

    def begin(self, title: str, n_epochs: int) -> None:
        """Keep the title and the number of epochs for the messages."""
        self._title, self._total = title, n_epochs

    def epoch(self, number: int) -> None:
        """Send the number of the epoch."""
        self._send("epoch", number, self._total, self._title)

    def ended(self, index: int, outcome: Outcome, message: str) -> None:
        """Send the outcome of a run; an exception that cannot be pickled is sent as its text."""
        if isinstance(outcome, Exception):
            try:
                pickle.loads(pickle.dumps(outcome))
            except Exception:
                outcome = MlcError(f"{type(outcome).__name__}: {outcome}")
        self._send("ended", index, outcome, message)

    def notice(self, level: int, key: str, message: str) -> None:
        """Send a notice that the launch logs once, however many cohorts send it."""
        self._send("notice", level, key, message)

    def _send(self, *message: Any) -> None:
        try:
            self._sender.send(message)
        except BrokenPipeError:
            # The launching process has ended: the runs have not failed, and resuming will train them.
            os._exit(1)


class Notices(logging.Handler):
    """Sends log records with an attribute `once` to the launching process."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.INFO)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        """Send the record if it has the attribute."""
        key = getattr(record, "once", None)
        if key is not None:
            self._reporter.notice(record.levelno, key, record.getMessage())
