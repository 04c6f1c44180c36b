"""Reports of a job's error, each printed once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus

_MOST_SHOWN = 5


class RaisingJobReturn(JobReturn):
    """A job's result that raises the job's error without a message by Hydra."""

    @property
    def return_value(self) -> Any:
        """The value of the job; raises the error of a failed job."""
        if self.status == JobStatus.FAILED:
            raise self._return_value
        return self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


@dataclass
class FolderJobReturn(RaisingJobReturn):
    """The result of a job whose configs are stored in its run's folder, and are None here."""

    folder: Path | None = None


@contextmanager
def filtered(names: Sequence[str], is_shown: Callable[[logging.LogRecord], bool]) -> Iterator[None]:
    """Drop the records of the loggers of these names that are not to be shown."""
    loggers = [logging.getLogger(name) for name in names]
    for logger in loggers:
        logger.addFilter(is_shown)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_shown)


@contextmanager
def finished_runs_folded(loggers: Sequence[str], ending: str) -> Iterator[None]:
    """Show the first few records that end so, and then only how many more there were."""
    n_records = 0

    def is_shown(record: logging.LogRecord) -> bool:
        nonlocal n_records
        if not record.getMessage().endswith(ending):
            return True
        n_records += 1
        return n_records <= _MOST_SHOWN

    try:
        with filtered(loggers, is_shown):
            yield
    finally:
        if n_records > _MOST_SHOWN:
            n_more = n_records - _MOST_SHOWN
            logging.getLogger(loggers[0]).info("%d more runs were finished before", n_more)


@contextmanager
def failures_in_files_only(logger: str) -> Iterator[None]:
    """Write a logger's records of failures only to log files: the command prints the error last."""

    def is_shown(record: logging.LogRecord) -> bool:
        if not getattr(record, "failed", False):
            return True
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handle(record)
        return False

    with filtered([logger], is_shown):
        yield
