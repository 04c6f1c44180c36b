"""How a job's error leaves Hydra."""

from __future__ import annotations

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
