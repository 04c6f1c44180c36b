"""Names of runs and data sets, as the overrides of a launch state them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from mlc.config.errors import ConfigError
from mlc.launching.folders import root_names
from mlc.runs.ownership import path_part

# Overrides that a run's path states elsewhere, or that do not change its numbers.
_NOT_IN_PATH = {
    "data",
    "head",
    "seed",
    "experiment",
    "device",
    "threads",
    "resume",
    "data.path",
    "data.root",
    "data.name",
}
_FILE_ENDING = re.compile(r"\.(arff|csv|tsv|txt|parquet)(\.\w+)?$", re.IGNORECASE)


def run_path(*keys: str, _root_: DictConfig) -> str:
    """DATA/HEAD/seed=N and the other swept keys, as a path; the resolver `mlc.run_path`."""
    stated = stated_overrides(_root_.hydra.overrides.task)
    more = sorted(f"{key}={stated[key]}" for key in keys if key in stated)
    last = path_part(",".join([f"seed={_root_.seed}", *more]))
    data = path_part(data_name(_root_), root_names(_root_))
    return f"{data}/{path_part(_root_.head.name)}/{last}"


def stated_overrides(task_overrides: Iterable[str]) -> dict[str, str]:
    """The overrides of a job that its path does not state elsewhere, as text by key."""
    stated = {}
    for override in parsed(task_overrides):
        key = key_of(override)
        if key.split("@")[0] not in _NOT_IN_PATH and not key.startswith("report"):
            stated[key] = override.get_value_element_as_str()
    return stated


def data_name(config: DictConfig) -> str:
    """The data set's name, which for a user's own file is the file's."""
    stated = config.data.get("name")
    return str(stated or _FILE_ENDING.sub("", Path(str(config.data.get("path"))).name))


def parsed(overrides: Iterable[str]) -> list[Override]:
    """Overrides as Hydra reads them.

    Raises:
        ConfigError: one cannot be read.
    """
    return [_parsed_one(override) for override in overrides]


# A sweep's jobs share most of their overrides, and reading one takes a millisecond.
@cache
def _parsed_one(override: str) -> Override:
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException as error:
        raise ConfigError(f"The override {override} cannot be read: {error}.") from error


def key_of(override: Override) -> str:
    """The key that an override sets."""
    return override.get_key_element().lstrip("+~")
