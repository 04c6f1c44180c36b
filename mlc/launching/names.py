"""Names of runs and data sets, from the overrides of a launch."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from mlc.config.errors import ConfigError
from mlc.launching.folders import root_names
from mlc.runs.ownership import path_part

# Overrides that are in other parts of a run's path, or that do not change its results.
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
    "data.title",
}
_FILE_ENDING = re.compile(r"\.(arff|csv|tsv|txt|parquet)(\.\w+)?$", re.IGNORECASE)


def run_path(*keys: str, _root_: DictConfig) -> str:
    """Return the path DATA/HEAD/seed=N,KEY=VALUE,... of a run; the resolver `mlc.run_path`.

    In a search, the trial's number precedes the seed.
    """
    settings = setting_overrides(task_overrides(_root_.hydra))
    trial = [f"trial={settings['trial']}"] if "trial" in keys and "trial" in settings else []
    more = sorted(f"{key}={settings[key]}" for key in keys if key in settings and key != "trial")
    last = path_part(",".join([*trial, f"seed={_root_.seed}", *more]))
    data = path_part(data_name(_root_), root_names(_root_))
    return f"{data}/{path_part(_root_.head.name)}/{last}"


def task_overrides(hydra: Any) -> list[str]:
    r"""Return the overrides of a job by Hydra's part of its config.

    A name with an escaped interpolation keeps its escape: without it, "a\${b}" would be resolved when
    the override is parsed.
    """
    task = hydra.overrides.task
    as_given: Any = OmegaConf.to_container(task, resolve=False)
    return [raw if r"\${" in raw else task[index] for index, raw in enumerate(as_given)]


def setting_overrides(overrides: Iterable[str]) -> dict[str, str]:
    """Return the overrides of a job as text by key, without those in other parts of its path."""
    settings = {}
    for override in parsed(overrides):
        key = key_of(override)
        if key.split("@")[0] not in _NOT_IN_PATH and not key.startswith("report"):
            settings[key] = override.get_value_element_as_str()
    return settings


def data_name(config: DictConfig) -> str:
    """Return the title of the data set; for a file without a given title, the file's name."""
    title = config.data.get("title")
    return str(title or _FILE_ENDING.sub("", Path(str(config.data.get("path"))).name))


def parsed(overrides: Iterable[str]) -> list[Override]:
    """Parse overrides with Hydra's parser.

    Raises:
        ConfigError: an override cannot be parsed.
    """
    return [_parsed_one(override) for override in overrides]


# The jobs of a sweep share most of their overrides, and parsing one takes a millisecond.
@cache
def _parsed_one(override: str) -> Override:
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException as error:
        raise ConfigError(f"The override {override} cannot be read: {error}.") from error


def key_of(override: Override) -> str:
    """Return the key that an override sets."""
    return override.get_key_element().lstrip("+~")
