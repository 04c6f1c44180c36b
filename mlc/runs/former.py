"""Statuses of runs that an earlier version wrote, with the keys of this version."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mlc.config.option_types import default_of
from mlc.config.registry import DECISIONS
from mlc.config.schema import GROUPS, Config
from mlc.files.reading import read_object

_NAMES = {"rules": "decisions"}
# `name` was the title beside `source`, which is the name now.
_DATA_NAMES = {"name": "title", "source": "name"}


def read_status_file(path: Path) -> dict[str, Any]:
    """Read a status file; former keys are renamed, and ignored beside those of this version.

    Raises:
        OSError: there is no such file.
        ValueError: it is not a JSON object.
    """
    status = _renamed(read_object(path), {"place": "index"})
    config = status.get("config")
    is_former = False
    if isinstance(config, dict):
        config = status["config"] = _renamed(config, _NAMES)
        data = config.get("data")
        if isinstance(data, dict) and "source" in data:
            is_former = True
            config["data"] = _renamed(data, _DATA_NAMES)
    overrides = status.get("overrides")
    if isinstance(overrides, dict):
        of_data = {f"data.{key}": f"data.{name}" for key, name in _DATA_NAMES.items()}
        # In a status of this version, data.name is what it says.
        is_former = is_former or "data.source" in overrides
        status["overrides"] = _renamed(overrides, _NAMES | (of_data if is_former else {}))
    return status


def default_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the defaults of all options of this version, nested, for the parts of a stored config.

    An earlier version did not know all of them, and so did what their defaults do.
    """
    parts = []
    for group, registry in GROUPS.items():
        part = config.get(group)
        name = part.get("name") if isinstance(part, dict) else None
        if name is not None and name in registry:
            parts.append((group, registry.schema(name)))
    return _defaults_with(tuple(parts))


@cache
def _defaults_with(parts: tuple[tuple[str, type[Any]], ...]) -> dict[str, Any]:
    """Return the defaults of the options outside of parts, and of each part's by its group."""
    defaults = {key: value for key, value in _defaults(Config).items() if key not in GROUPS}
    defaults.update({group: _defaults(options) for group, options in parts})
    defaults["decision"] = {rule: _defaults(DECISIONS[rule].Options) for rule in DECISIONS}
    # As stored configs are read.
    as_stored: dict[str, Any] = json.loads(json.dumps(defaults))
    return as_stored


def _defaults(options: type[Any]) -> dict[str, Any]:
    """Return the defaults of a class of options; options without a default are left out."""
    defaults = {}
    for field in dataclasses.fields(options):
        default = default_of(field)
        if dataclasses.is_dataclass(default) and not isinstance(default, type):
            default = dataclasses.asdict(default)
        if default is not dataclasses.MISSING:
            defaults[field.name] = default
    return defaults


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the values with former keys renamed; a value under the present name takes precedence."""
    present = {key: value for key, value in values.items() if key not in names}
    renamed = {names[key]: values[key] for key in names if key in values}
    return {**renamed, **present}
