"""Statuses of runs that an earlier version wrote, with the keys of this version."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlc.files.reading import read_object


def read_status_file(path: Path) -> dict[str, Any]:
    """Read a status file; former keys are replaced by those of this version.

    Raises:
        OSError: there is no such file.
        ValueError: it is not a JSON object.
    """
    status = _renamed(read_object(path), {"place": "index"})
    config = status.get("config")
    if isinstance(config, dict):
        config = _renamed(config, {"rules": "decisions"})
        data = config.get("data")
        # `name` was the title beside `source`, which is the name now.
        if isinstance(data, dict) and "source" in data:
            config["data"] = _renamed(data, {"name": "title", "source": "name"})
        status["config"] = config
    if isinstance(status.get("overrides"), dict):
        status["overrides"] = _renamed(status["overrides"], {"rules": "decisions"})
    return status


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in values.items()}
