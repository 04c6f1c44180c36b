"""Statuses of runs that an earlier version wrote, with the keys of this version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

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


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the values with former keys renamed; a value under the present name takes precedence."""
    present = {key: value for key, value in values.items() if key not in names}
    renamed = {names[key]: values[key] for key in names if key in values}
    return {**renamed, **present}
