"""How many jobs the sweeps of a command line make."""

from __future__ import annotations

import math
from typing import Any

from hydra.core.override_parser.types import Override

from mlc.config.errors import ConfigError

MOST_JOBS = 100_000


def n_values(override: Override) -> int:
    """Count the values of a sweep over a choice or a range, without listing a range."""
    swept: Any = override.value()
    if not override.is_range_sweep():
        return sum(1 for _ in override.sweep_iterator())
    if swept.step == 0:
        raise ConfigError(f"{override.input_line} has a step of 0: give another step.")
    n_steps: int = math.ceil((swept.stop - swept.start) / swept.step)
    return max(0, n_steps)


def refuse_too_many(override: Override, n_jobs: int | None) -> None:
    """Raise ConfigError if a sweep up to this override has too many jobs.

    Args:
        override: the last override that is counted.
        n_jobs: number of jobs; None to count only the values of the override.
    """
    n_jobs = n_values(override) if n_jobs is None else n_jobs
    if n_jobs > MOST_JOBS:
        raise ConfigError(
            f"{override.input_line} makes {n_jobs} jobs, more than {MOST_JOBS}: sweep"
            " over fewer values."
        )
