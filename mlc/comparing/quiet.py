"""A launch's log without what a comparison says in its own way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

# Loggers of runs that have ended, of cohorts and of notices, in this process or from its workers.
_LOGGERS = (
    "mlc.tracking.progress", "mlc.launching.workers", "mlc.launching.fused", "mlc.runs.cohort",
)  # fmt: skip


@contextmanager
def brief_log() -> Iterator[None]:
    """Drop the data card and each finished run from the terminal: the log files have them."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addFilter(_in_files_only)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(_in_files_only)


def _in_files_only(record: logging.LogRecord) -> bool:
    """Whether the record is shown; others go to the log files alone."""
    message = record.getMessage()
    is_card = str(getattr(record, "once", "")).startswith("card of ")
    is_run = " finished, " in message or message.endswith("was finished before")
    if not is_card and not is_run and not message.startswith("Launching "):
        return True
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler) or not isinstance(
            handler, logging.StreamHandler
        ):
            handler.handle(record)
    return False
