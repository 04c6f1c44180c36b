"""The settings of runs as they took effect, whether stated on the command line or by default."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from mlc.runs.provenance import NOT_IDENTITY, flatten, with_rules

Status = Mapping[str, Any]


def setting(status: Status, key: str) -> str | None:
    """A setting's value in a run as text, None where the run has no such setting.

    A group's own key, as in "optimizer", has the name of what was chosen.
    """
    config = flatten(status.get("config") or {})
    for name in (key, f"{key}.name"):
        if name in config:
            return _written(config[name])
    stated = status.get("overrides", {}).get(key)
    return None if stated is None else str(stated)


def varying(statuses: Mapping[str, Status], overrides: Sequence[str]) -> list[str]:
    """The overrides in which the runs differ, or by which their paths name them.

    A sweep that was stopped early may have begun only the first of its values: the run's path says
    that there were others.
    """
    found = []
    for key in overrides:
        values = {setting(status, key) for status in statuses.values()}
        if len(values) > 1 or any(_in_path(name, key) for name in statuses):
            found.append(key)
    return found


def run_key(status: Status) -> Hashable:
    """What two runs that are one and the same experiment have in common: data, settings and seed.

    Where a status holds no config, its overrides are all that is known of its settings.
    """
    config = status.get("config") or status["overrides"]
    return (*_data(status), status["head"], status["seed"], _frozen(_significant(config)))


def data_key(status: Status) -> Hashable:
    """What two runs have in common that look at the same data in the same parts by the same rules."""
    config = status.get("config")
    if not config:
        stated = {k: v for k, v in status["overrides"].items() if k.startswith("data.")}
        return (*_data(status), status["seed"], _frozen(stated))
    parts = {key: config.get(key) for key in ("data", "decision", "rules")}
    return (*_data(status), status["seed"], _frozen(_significant(parts)))


def _data(status: Status) -> tuple[Any, Any]:
    return status["data"], (status.get("identity") or {}).get("data")


def _significant(config: Mapping[str, Any]) -> dict[str, Any]:
    flat = flatten(with_rules(config, config["rules"]) if "rules" in config else config)
    ignored = tuple(f"{key}." for key in NOT_IDENTITY)
    return {k: v for k, v in flat.items() if k not in NOT_IDENTITY and not k.startswith(ignored)}


def _in_path(run: str, key: str) -> bool:
    return any(part.startswith(f"{key}=") for part in PurePosixPath(run).name.split(","))


def _written(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_written, value)) + "]"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _frozen(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple((key, _frozen(value[key])) for key in sorted(value))
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    return value
