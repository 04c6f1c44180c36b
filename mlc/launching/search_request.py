"""A requested search, read from a command line: a grid, seeds, fixed options and search spaces."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import Override
from omegaconf import DictConfig

from mlc.config.errors import ConfigError
from mlc.config.options import Choice, Interval, Search, check, require_known
from mlc.config.schema import GROUPS
from mlc.launching.job_counts import MOST_JOBS, n_values
from mlc.launching.names import key_of
from mlc.search.options import SearchOptions
from mlc.search.spaces import searched_options

TARGET = "hydra_plugins.mlc_search_sweeper.SearchSweeper"
_PREFIX = "hydra.sweeper."


@dataclass(frozen=True)
class Request:
    """A requested search.

    Attributes:
        options: of the search.
        fixed: overrides with one value, which no trial changes.
        grid: overrides with several values; each combination is searched separately.
        seeds: the override of the seeds, if there are several.
        spaces: the search spaces of the command line, by dotted key.
    """

    options: SearchOptions
    fixed: list[Override]
    grid: list[Override]
    seeds: list[Override]
    spaces: dict[str, Search]

    @property
    def grid_and_seeds(self) -> list[Override]:
        """The overrides with several values."""
        return [*self.grid, *self.seeds]

    @property
    def n_jobs(self) -> int:
        """The number of runs.

        Raises:
            ConfigError: there are too many.
        """
        n_groups, n_seeds = (math.prod(map(n_values, part)) for part in (self.grid, self.seeds))
        n_jobs = n_groups * (self.options.n_trials * n_seeds + self.options.more_seeds)
        if n_jobs > MOST_JOBS:
            raise ConfigError(
                f"{_PREFIX}n_trials={self.options.n_trials} makes {n_jobs} jobs, more than"
                f" {MOST_JOBS}: search with fewer trials, heads or seeds."
            )
        return n_jobs

    @property
    def trials(self) -> list[str]:
        """The numbers of the trials, as text."""
        return [str(trial) for trial in range(self.options.n_trials)]

    def searched_seeds(self, default: int) -> list[int]:
        """Return the seeds of every trial; the default where no seeds are swept."""
        values = [value for each in self.seeds for value in each.sweep_string_iterator()]
        return [int(value) for value in values if value.isdecimal()] or [default]

    def more_seeds(self, default: int) -> list[int]:
        """Return the further seeds of the chosen trials: those that follow the largest."""
        first = max(self.searched_seeds(default)) + 1
        return list(range(first, first + self.options.more_seeds))

    @property
    def taken(self) -> set[str]:
        """The keys of options that are not drawn."""
        return {key_of(override) for override in (*self.fixed, *self.grid_and_seeds)}

    @property
    def drawn(self) -> set[str]:
        """The keys of all options that may be drawn for one of the heads."""
        return (searched_options() | self.spaces.keys()) - self.taken


def read_request(config: DictConfig, overrides: Sequence[Override]) -> Request | None:
    """Return the search that the overrides request; None if another sweeper is chosen.

    Raises:
        ConfigError: an option of the search is out of range, or an override cannot be searched.
    """
    if config.hydra.sweeper.get("_target_") != TARGET:
        return None
    known = [field.name for field in dataclasses.fields(SearchOptions)]
    given = {k: v for k, v in config.hydra.sweeper.items() if k not in ("_target_", "params")}
    require_known(_PREFIX.rstrip("."), given, known)
    options = SearchOptions(**given)
    check(options, _PREFIX)
    request = Request(options, [], [], [], {})
    for override in overrides:
        key = key_of(override)
        if key == "trial":
            raise ConfigError("trial is set by the search: leave it out.")
        if not override.is_sweep_override():
            request.fixed.append(override)
        elif key == "seed":
            request.seeds.append(_listed(override))
        elif _is_of_grid(override):
            request.grid.append(_listed(override))
        else:
            request.spaces[key] = space_of(override)
    return request


def space_of(override: Override) -> Search:
    """Return the search space of a sweep, as Hydra's Optuna sweeper reads it.

    `int(interval(...))` is an interval of whole numbers, `tag(log, ...)` makes an interval logarithmic,
    and a range includes its end.

    Raises:
        ConfigError: the space is empty, or logarithmic and not positive.
    """
    swept: Any = override.value()
    if override.is_choice_sweep() or getattr(swept, "shuffle", False):
        return Choice(*override.sweep_string_iterator())
    is_log = "log" in swept.tags
    if override.is_range_sweep():
        low, high, step = swept.start, swept.stop, swept.step
    else:
        low, high = swept.start, swept.end
        step = 1 if isinstance(low, int) and isinstance(high, int) else None
    if low > high or (step is not None and step <= 0):
        raise ConfigError(f"{override.input_line} holds no value: state the lower end first.")
    if is_log and (low <= 0 or step not in (None, 1)):
        raise ConfigError(
            f"{override.input_line} cannot be logarithmic: state ends above 0, and no step."
        )
    return Interval(low, high, log=is_log, step=step)


def _is_of_grid(override: Override) -> bool:
    """Whether each value of a sweep is searched separately: parts, data, and values between commas."""
    key = key_of(override)
    is_of_data = key in GROUPS or key == "experiment" or "/" in key or key.startswith("data.")
    return is_of_data or getattr(override.value(), "simple_form", False)


def _listed(override: Override) -> Override:
    """Require that the values of a sweep can be listed."""
    if override.is_interval_sweep():
        raise ConfigError(
            f"{override.input_line} is not a search space: list the values of {key_of(override)}, and"
            " each is searched separately."
        )
    return override
