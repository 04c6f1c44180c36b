"""The settings of runs as they took effect, from the command line or by default."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlc.runs.provenance import NOT_IDENTITY, flatten, with_rules
from mlc.search.draws import as_text

Status = Mapping[str, Any]


def setting(status: Status, key: str) -> str | None:
    """Return the value of a setting in a run as text, or None if the run has no such setting.

    The value of a config group, such as "optimizer", is the name of the chosen option.
    """
    return settings(status, [key])[key]


def settings(status: Status, keys: Iterable[str]) -> dict[str, str | None]:
    """Return the values of several settings in a run, as `setting` does of one."""
    config = flatten(status.get("config") or {})
    overrides = status.get("overrides", {})
    values: dict[str, str | None] = {}
    for key in keys:
        name = next((name for name in (key, f"{key}.name") if name in config), None)
        override = overrides.get(key)
        if name is not None:
            values[key] = as_text(config[name])
        else:
            values[key] = None if override is None else str(override)
    return values


def varying(statuses: Mapping[str, Status], overrides: Sequence[str]) -> list[str]:
    """Return the overrides in which the runs differ, or which are part of their folder names.

    A sweep that was stopped early may have started only the first of its values; the folder name of
    the run shows that the setting was swept.
    """
    values: dict[str, set[str | None]] = {key: set() for key in overrides}
    for status in statuses.values():
        for key, value in settings(status, overrides).items():
            values[key].add(value)
    in_paths = {key for name in statuses for key in _keys_in_path(name)}
    return [key for key in overrides if len(values[key]) > 1 or key in in_paths]


def run_key(status: Status) -> bytes:
    """Return a digest of the data, settings and seed: equal for runs that repeat each other.

    If the status has no config, the overrides stand for the settings.
    """
    config = status.get("config") or status["overrides"]
    return _digest(*_data(status), status["head"], status["seed"], _significant(config))


def data_key(status: Status) -> bytes:
    """Return a digest of the data, their split and the rules: equal for runs with equal baselines."""
    config = status.get("config")
    if not config:
        overrides = {k: v for k, v in status["overrides"].items() if k.startswith("data.")}
        return _digest(*_data(status), status["seed"], overrides)
    parts = {key: config[key] for key in ("data", "decision", "decisions") if key in config}
    return _digest(*_data(status), status["seed"], _significant(parts))


def _data(status: Status) -> tuple[Any, Any]:
    return status["data"], (status.get("identity") or {}).get("data")


def _significant(config: Mapping[str, Any]) -> dict[str, Any]:
    flat = flatten(with_rules(config, config["decisions"]) if "decisions" in config else config)
    ignored = tuple(f"{key}." for key in NOT_IDENTITY)
    return {k: v for k, v in flat.items() if k not in NOT_IDENTITY and not k.startswith(ignored)}


def _keys_in_path(run: str) -> list[str]:
    """Return what stands before each = in the last part of a run's name."""
    name = run.rpartition("/")[2]
    return [part[:end] for part in name.split(",") for end, sign in enumerate(part) if sign == "="]


def _digest(*values: Any) -> bytes:
    """Return 16 bytes that are equal for equal values: as a tuple, a config takes kilobytes."""
    return hashlib.blake2b(repr(_frozen(values)).encode(), digest_size=16).digest()


def _frozen(value: Any) -> Any:
    """Return a value whose text is equal for equal values: 1, 1.0 and True are."""
    if isinstance(value, Mapping):
        return tuple((key, _frozen(value[key])) for key in sorted(value))
    if isinstance(value, (list, tuple)):
        return tuple(map(_frozen, value))
    is_whole = isinstance(value, bool) or (isinstance(value, float) and value.is_integer())
    return int(value) if is_whole else value
