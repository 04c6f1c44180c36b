"""Command-line overrides that nearly fit: taken as meant, or refused with the right spelling."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from mlc.config.errors import ConfigError
from mlc.config.option_types import declared_types, in_words, unwrapped
from mlc.config.options import nearest
from mlc.config.schema import GROUPS, Config
from mlc.decisions.base import DECISIONS

_MOST_JOBS = 100_000
_MOST_DIGITS = 4000
# What OmegaConf takes for a truth value.
_TRUTHS = {"yes", "y", "on", "true", "1", "no", "n", "off", "false", "0"}


def fitted(argument: str, is_sweep: bool) -> str:
    """The override as it was meant: a value in the type of its option.

    One value for a list gets brackets, 10.0 for a whole number becomes 10, None for an option that may
    be null becomes null, and text that looks like a number or a truth value keeps its spelling.

    Raises:
        ConfigError: two spellings are possible, or the value cannot be a truth value.
    """
    key, _, raw = argument.partition("=")
    declared = _declared(key.lstrip("+"))
    if declared is None:
        return argument
    item, is_list, optional = declared
    if not raw.strip():
        if item is str and not is_list:
            return argument
        raise ConfigError(f"{key}= has no value: it must be {in_words(item, is_list, optional)}.")
    if sum(map(str.isdigit, raw)) > _MOST_DIGITS:
        raise ConfigError(f"{key} has {len(raw)} characters: give a value of fewer.")
    try:
        override = OverridesParser.create().parse_override(argument)
    except (HydraException, ValueError):
        return argument
    if is_list and optional and override.value() is None:
        return argument
    if is_list:
        return _as_list(key, raw, override, item, is_sweep)
    if override.is_sweep_override():
        swept: Any = override.value()
        values = swept.list if getattr(swept, "simple_form", False) else []
        return f"{key}={_each(key, raw, values, item, optional)}"
    if isinstance(override.value(), (list, dict)):
        return argument
    return f"{key}={_as_one(key, raw, override.value(), item, optional)}"


def _as_one(key: str, raw: str, value: Any, item: type, optional: bool) -> str:
    """One value, as it is to be written."""
    if optional and raw in ("None", "none"):
        return "null"
    if item is int and isinstance(value, float) and value.is_integer():
        return str(int(value))
    if item is bool and str(value).casefold() not in _TRUTHS:
        raise ConfigError(f"{key}={raw} is of the wrong type: it must be true or false.")
    is_other = isinstance(value, (bool, int, float)) and str(value) != raw
    return f"'{raw}'" if item is str and is_other and "'" not in raw else raw


def _each(key: str, raw: str, values: list[Any], item: type, optional: bool) -> str:
    """Several values, separated by commas, as they are to be written."""
    parts = [part.strip() for part in raw.split(",")]
    if len(parts) != len(values) or set(raw) & set("'\"[](){}\\"):
        return raw
    meant = [_as_one(key, *own, item, optional) for own in zip(parts, values, strict=True)]
    return raw if meant == parts else ",".join(meant)


def _as_list(key: str, raw: str, override: Override, item: Any, is_sweep: bool) -> str:
    """A list, where one value or several stand without brackets."""
    value: Any = override.value()
    values = [value]
    if override.is_sweep_override():
        values = getattr(value, "list", [])
        if not getattr(value, "simple_form", False) or any(isinstance(v, list) for v in values):
            return override.input_line or f"{key}={raw}"
        if is_sweep:
            each = ",".join(f"[{part}]" for part in raw.split(","))
            raise ConfigError(
                f"{key}={raw} could be one list or a sweep: write {key}=[{raw}] for the list, or"
                f" {key}={each} to sweep over lists."
            )
    elif isinstance(value, list):
        values, raw = value, raw.strip().removeprefix("[").removesuffix("]")
    elif raw[0] in "'\"" and isinstance(value, str) and value.startswith("["):
        return f"{key}={value}"
    return f"{key}=[{_each(key, raw, values, item, False)}]"


def _declared(key: str) -> tuple[Any, bool, bool] | None:
    """An option's type, as `unwrapped` has it, or None where the key is none or parts differ in it.

    It may be null where it may be in every part that has it.
    """
    found = [unwrapped(types) for name, types in _options() if name == key]
    if len({(item, is_list) for item, is_list, _ in found}) != 1:
        return None
    return *found[0][:2], all(optional for *_, optional in found)


def _options() -> Iterator[tuple[str, Any]]:
    """Every option by its dotted key; a key stands once for each part that has it."""
    for field, types in declared_types(Config).items():
        if dataclasses.is_dataclass(types):
            yield from _fields(f"{field}.", types)
        elif field not in GROUPS and field != "decision":
            yield field, types
    for group, registry in GROUPS.items():
        for name in registry:
            yield from _fields(f"{group}.", registry.schema(name))
    for name in DECISIONS:
        yield from _fields(f"decision.{name}.", DECISIONS[name].Options)


def _fields(prefix: str, options: Any) -> Iterator[tuple[str, Any]]:
    for name, types in declared_types(options).items():
        yield f"{prefix}{name}", types


def advice(key: str) -> str:
    """What to say of an unknown key: whose option it is, or what it may stand for."""
    group, _, last = key.rpartition(".")
    owners = [
        name for name in GROUPS.get(group, ()) if last in declared_types(GROUPS[group].schema(name))
    ]
    if owners:
        return f"it is an option of {group}={' or '.join(owners)}, "
    known = sorted({name for name, _ in _options()} | set(GROUPS))
    elsewhere = [name for name in known if name.rpartition(".")[2] == last]
    near = elsewhere[:3] or nearest(key, known)
    return f"did you mean {' or '.join(near)}? " if near else ""


def n_values(override: Override) -> int:
    """How many values a sweep over a choice or a range has; a range is not listed for it."""
    swept: Any = override.value()
    if not override.is_range_sweep():
        return sum(1 for _ in override.sweep_iterator())
    if swept.step == 0:
        raise ConfigError(f"{override.input_line} has a step of 0: give another.")
    n_steps: int = math.ceil((swept.stop - swept.start) / swept.step)
    return max(0, n_steps)


def refuse_too_many(override: Override, n_jobs: int | None) -> None:
    """Raise ConfigError where a sweep up to this override has more jobs than can be listed.

    Args:
        override: the last one that is counted.
        n_jobs: of the sweep; None where only the sweeper knows, and the override's own are counted.
    """
    n_jobs = n_values(override) if n_jobs is None else n_jobs
    if n_jobs > _MOST_JOBS:
        raise ConfigError(
            f"{override.input_line} makes {n_jobs} jobs, and a sweep has {_MOST_JOBS} at most: sweep"
            " over fewer values."
        )
