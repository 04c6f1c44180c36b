"""A launch's log without what a comparison says in its own way."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mlc.launching.ending import filtered
from mlc.runs.recording import WAS_FINISHED

# Loggers of runs that have ended, of cohorts, of notices and of the memory of heads, in this process or
# from its workers.
_LOGGERS = (
    "mlc.tracking.progress", "mlc.launching.workers", "mlc.launching.fused", "mlc.runs.cohort",
    "mlc.heads.memory",
)  # fmt: skip


@contextmanager
def brief_log() -> Iterator[None]:
    """Drop the data card and each finished run from the terminal: the log files have them."""
    with filtered(_LOGGERS, _in_files_only):
        yield


def _in_files_only(record: logging.LogRecord) -> bool:
    """Whether the record is shown; others go to the log files alone."""
    message = record.getMessage()
    is_card = str(getattr(record, "once", "")).startswith("card of ")
    is_run = " finished, " in message or message.endswith(WAS_FINISHED)
    is_memory = record.name == "mlc.heads.memory"
    if not (is_card or is_run or is_memory or message.startswith("Launching ")):
        return True
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.FileHandler) or not isinstance(
            handler, logging.StreamHandler
        ):
            handler.handle(record)
    return False
