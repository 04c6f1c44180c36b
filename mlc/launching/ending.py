"""How a job's error leaves Hydra and is told once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hydra.core.utils import JobReturn, JobStatus


class Ended(JobReturn):
    """Raises a job's error without a line of Hydra's own before it."""

    @property
    def return_value(self) -> Any:
        """The job's value; raises its error where it failed."""
        if self.status == JobStatus.FAILED:
            raise self._return_value
        return self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


@contextmanager
def told_at_the_end(logger: str) -> Iterator[None]:
    """Write a logger's lines on failures into log files alone: the command's last line tells them."""

    def is_shown(record: logging.LogRecord) -> bool:
        if not getattr(record, "failed", False):
            return True
        for handler in logging.getLogger().handlers:
            if isinstance(handler, logging.FileHandler):
                handler.handle(record)
        return False

    own = logging.getLogger(logger)
    own.addFilter(is_shown)
    try:
        yield
    finally:
        own.removeFilter(is_shown)
