"""Parts of runs from modules outside `mlc`: runs store the modules' names; mlc never imports them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlc.config.errors import ConfigError
from mlc.config.imports import FLAG
from mlc.config.registry import DECISIONS, METRICS, REGISTRIES
from mlc.config.schema import GROUPS, Config
from mlc.files.names import STATUS
from mlc.runs.folder import read_status
from mlc.runs.provenance import flatten


def parts_elsewhere(config: Config) -> dict[str, dict[str, str]]:
    """Return the modules of a run's parts that are not in `mlc`, by kind and name.

    The parts are those that the config names, and all metrics, because every metric is computed.
    """
    used = {group.kind: [getattr(config, key).name] for key, group in GROUPS.items()}
    used |= {DECISIONS.kind: config.decisions, METRICS.kind: list(METRICS)}
    modules = {
        kind: {
            name: module for name, module in REGISTRIES[kind].elsewhere().items() if name in names
        }
        for kind, names in used.items()
    }
    return {kind: parts for kind, parts in modules.items() if parts}


def require_parts(folder: Path, status: Mapping[str, Any]) -> None:
    """Check that all parts that the run's config names are registered.

    Raises:
        ConfigError: a part is not registered.
    """
    named = [*_names_in(flatten(status["config"]).values())]
    for kind, name, module in _stored(status):
        if name not in REGISTRIES[kind] and name in named:
            raise _unknown(folder, kind, name, module)


def require_part(folder: Path, kind: str, name: str) -> None:
    """Check that a part is registered, if a run in the folder was trained with it.

    Raises:
        ConfigError: the part is not registered.
    """
    if name in REGISTRIES[kind]:
        return
    for path in sorted(folder.rglob(STATUS)):
        for other_kind, other, module in _stored(read_status(path.parent) or {}):
            if (other_kind, other) == (kind, name):
                raise _unknown(path.parent, kind, name, module)


def _unknown(folder: Path, kind: str, name: str, module: str) -> ConfigError:
    return ConfigError(
        f"{folder} was trained with the {kind} {name!r} of {module}: add {FLAG} {module} (in Python,"
        " import it first)."
    )


def _stored(status: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield the kind, name and module of each part in a status."""
    kinds = status.get("parts")
    for kind, parts in kinds.items() if isinstance(kinds, dict) else ():
        for name, module in parts.items() if isinstance(parts, dict) else ():
            if kind in REGISTRIES and isinstance(module, str):
                yield kind, name, module


def _names_in(values: Any) -> Iterator[str]:
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            yield from _names_in(value)
