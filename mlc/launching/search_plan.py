"""The groups of a search: their search spaces and their jobs."""

from __future__ import annotations

import copy
import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, open_dict, read_write

from mlc.config.errors import ConfigError
from mlc.config.options import Choice, Interval, Search, limits_of, out_of_range
from mlc.config.schema import Config, parse
from mlc.launching.names import data_name, key_of, parsed, setting_overrides
from mlc.launching.overrides import advice
from mlc.launching.search_request import Request
from mlc.reporting.settings import setting
from mlc.runs.provenance import flatten
from mlc.search.files import Group
from mlc.search.metrics import LOSS
from mlc.search.spaces import PARTS, declared_spaces, edge
from mlc.training.defaults import resolve


@dataclass(frozen=True)
class Planned:
    """A group of the search and the overrides of all its jobs."""

    group: Group
    overrides: list[str]

    def job(self, trial: int, drawn: Mapping[str, str], seed: str | None) -> list[str]:
        """Return the overrides of one job."""
        values = [f"{key}={value}" for key, value in drawn.items()]
        return [*self.overrides, f"trial={trial}", *values, *([] if seed is None else [seed])]


def plan(request: Request, loader: ConfigLoader, config: DictConfig) -> list[Planned]:
    """Return the groups of a search in the order of its grid.

    Raises:
        ConfigError: the config of a group is invalid, a space belongs to no option of any group, or a
            space goes beyond the limits of its option.
    """
    combinations = BasicSweeper.split_arguments([*request.fixed, *request.grid], None)[0]
    planned = [_planned(request, loader, config, each) for each in combinations]
    used = {key for each in planned for key in each.group.spaces}
    for key in request.spaces:
        if key not in used:
            raise ConfigError(
                f"No job of the search has an option {key}: {advice(key)}leave it out."
            )
    return planned


def seeds_of(request: Request) -> list[str | None]:
    """Return the overrides of the seeds; None for the seed of the config."""
    return [
        f"seed={value}" for override in request.seeds for value in override.sweep_string_iterator()
    ] or [None]


def _planned(
    request: Request, loader: ConfigLoader, config: DictConfig, overrides: list[str]
) -> Planned:
    composed = loader.load_sweep_config(config, overrides)
    data = data_name(composed)
    composed = copy.deepcopy(composed)
    with read_write(composed), open_dict(composed):
        del composed["hydra"]
    options = parse(composed)
    values = flatten(dataclasses.asdict(options))
    spaces = _spaces(request, options, values)
    status = {
        "config": dataclasses.asdict(options),
        "overrides": setting_overrides(overrides),
    }
    settings = {
        key: str(setting(status, key))
        for key in map(key_of, request.grid)
        if key in status["overrides"]
    }
    defaults = {key: values[key] for key in spaces}
    group = Group(data, options.head.name, settings, spaces, defaults)
    return Planned(group, overrides)


def _spaces(request: Request, options: Config, values: Mapping[str, Any]) -> dict[str, Search]:
    """Return the spaces of a group: those of the command line, and those that its parts declare.

    A declared space is shifted if the backbone's default is at an edge of it.
    """
    names = {group: getattr(options, group).name for group in PARTS}
    if request.options.metric == LOSS:
        _refuse_options_of_the_head(request.spaces)
        del names["head"]
    declared = declared_spaces(names)
    given = {key: space for key, space in request.spaces.items() if key in values}
    defaults = flatten(dataclasses.asdict(resolve(options)))
    for key, space in given.items():
        _require_whole(key, defaults[key], space)
        _require_within(options, key, space)
    free = {
        key: centred(space, defaults[key])
        for key, space in declared.items()
        if key not in request.taken
    }
    return {**free, **given}


def centred(space: Search, default: Any) -> Search:
    """Centre a logarithmic interval on the default if the default is at an edge of it."""
    if not isinstance(space, Interval) or not space.log or edge(space, default) is None:
        return space
    if space.step is not None or default <= 0:
        return space
    half = math.sqrt(space.high / space.low)
    return dataclasses.replace(space, low=default / half, high=default * half)


def _refuse_options_of_the_head(keys: Iterable[str]) -> None:
    """Refuse to search a head's options: they change its loss, so that losses cannot be compared."""
    for key in keys:
        if key.startswith("head."):
            raise ConfigError(
                f"hydra.sweeper.metric=loss cannot choose {key}, which changes the loss itself: name"
                " another metric, or one value."
            )


def _require_whole(key: str, default: Any, space: Search) -> None:
    """Refuse an interval of all numbers for an option that takes whole numbers."""
    is_whole = isinstance(default, int) and not isinstance(default, bool)
    if is_whole and isinstance(space, Interval) and space.step is None:
        raise ConfigError(
            f"{key} takes whole numbers: write {key}=int(interval({space.low:g},{space.high:g}))."
        )


def _require_within(options: Config, key: str, space: Search) -> None:
    """Refuse a space with values that its option does not allow."""
    limits = limits_of(options, key)
    if limits is None:
        return
    if isinstance(space, Choice):
        values: list[Any] = [parsed([f"{key}={text}"])[0].value() for text in space.values]
    else:
        values = [space.low, space.high]
    for value in values:
        for item in value if isinstance(value, list) else [value]:
            if isinstance(item, (bool, int, float)) and not limits.allows(item):
                raise out_of_range(key, item, limits)
