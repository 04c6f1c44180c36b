"""Correction of command-line overrides that nearly fit the type of their option."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hydra.conf import HydraConf
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from mlc.config.errors import ConfigError
from mlc.config.option_types import (
    declared_types,
    described,
    in_words,
    is_described,
    unwrapped,
)
from mlc.config.options import nearest
from mlc.config.quoting import quoted_as_meant, refuse_nested, refuse_several
from mlc.config.registry import DECISIONS
from mlc.config.schema import AUTOMATIC, DEVICES, GROUPS, Config, is_word

_MOST_DIGITS = 4000
_MOST_NAMED = 4
_RENAMED = {  # former names of options
    "rules": "decisions",
    "data.source": "data.name, and data=NAME sets it",
    "data.min_count": "data.min_df",
    "data.max_words": "data.max_features",
    "data.ngrams": "data.ngram_range=[1,N], with data.buckets to hash the sequences",
}
_OPEN = re.compile(r"hydra\.launcher\.parameters(\.|$)")  # Options of submitit, which need no +.
# Spellings that OmegaConf reads as a boolean.
_TRUTHS = {"yes", "y", "on", "true", "1", "no", "n", "off", "false", "0"}


def fitted(argument: str, is_sweep: bool) -> str:
    """Return the override with its value converted to the type of its option.

    One value for a list gets brackets, 10.0 for an integer becomes 10, None for an option that may be
    null becomes null, as does auto for one with a default by the data. Text like a number is quoted.

    Raises:
        ConfigError: the key is former or unknown, or the value is missing, too long or ambiguous.
    """
    key, _, raw = argument.partition("=")
    _check_key(key)
    declared = _declared(key.lstrip("+"))
    if declared is None:
        return f"++{argument}" if _OPEN.match(key) else argument
    if key == "device" and re.fullmatch(DEVICES, raw):
        return f"{key}='{raw}'"  # Its commas separate no values of a sweep.
    item, is_list, optional = declared
    if not raw.strip():
        if item is str and not is_list:
            return f"{key}='{raw}'" if raw else argument
        raise ConfigError(f"{key}= has no value: it must be {in_words(item, is_list, optional)}.")
    if sum(map(str.isdigit, raw)) > _MOST_DIGITS:
        raise ConfigError(f"{key} has {len(raw)} characters: give a shorter value.")
    try:
        override = OverridesParser.create().parse_override(argument)
    except (HydraException, ValueError):
        # Characters that Hydra's grammar reserves, such as ; in data.separator=; or letters like é.
        return quoted_as_meant(key, raw, is_list) if item is str else argument
    if is_list and optional and override.value() is None:
        return argument
    if is_list and key in AUTOMATIC and raw == "auto":
        return f"{key}=null"
    if is_list:
        return _as_list(key, raw, override, item, is_sweep)
    if override.is_sweep_override():
        if item is str and not is_sweep:
            refuse_several(key, raw)
        swept: Any = override.value()
        values = swept.list if getattr(swept, "simple_form", False) else []
        return f"{key}={_each(key, raw, values, item, optional)}"
    if isinstance(override.value(), (list, dict)):
        return argument
    return f"{key}={_as_one(key, raw, override.value(), item, optional)}"


def _check_key(key: str) -> None:
    """Refuse a former key, the removal of an option, and a key that adds no option."""
    refuse_former(key)
    _refuse_within(key)
    if key.startswith("~"):
        _refuse_removal(key)
    if key.startswith("+"):
        _require_option(key.lstrip("+"))


def refuse_former(override: str) -> None:
    """Raise ConfigError if an override has the former name of an option."""
    key = override.partition("=")[0].lstrip("+~")
    if key in _RENAMED:
        raise ConfigError(f"There is no key {key!r}: it is now called {_RENAMED[key]}.")


def _refuse_within(key: str) -> None:
    """Refuse a key within an option that holds no mapping, as in decisions.0: it is given as a whole."""
    name = key.lstrip("+~")
    for option, hint in _options():
        if name.startswith(f"{option}.") and is_described(hint):
            raise ConfigError(
                f"There is no key {name!r}: {advice(name)}{option} is {described(hint)}, and is given as"
                " a whole."
            )


def _refuse_removal(key: str) -> None:
    """Refuse to remove an option of mlc: every run has all options."""
    name = key.lstrip("~")
    if re.split("[./]", name)[0] != "hydra":
        _require_option(name)
        raise ConfigError(
            f"{key} cannot remove {name}, which every run has: leave {key} out for the default, or write"
            f" {name}=VALUE."
        )


def _require_option(key: str) -> None:
    """Refuse to add a key that is not an option, a part of one, or in an option that holds a mapping."""
    if set(key) & set("@/") or key in (*GROUPS, "experiment", "hydra"):
        return
    if key.startswith("hydra."):
        _require_option_of_hydra(key)
        return
    known = {name for name, _ in _options()}
    if not any(f"{key}.".startswith(f"{k}.") or f"{k}.".startswith(f"{key}.") for k in known):
        raise ConfigError(f"There is no key {key!r}: {advice(key)}leave it out.")


def _require_option_of_hydra(key: str) -> None:
    """Refuse to add a key that Hydra's config does not declare; mappings and plugins accept any key."""
    declared: Any = HydraConf
    parent = "hydra"
    for name in key.split(".")[1:]:
        if not dataclasses.is_dataclass(declared):
            return
        types = declared_types(declared)  # type: ignore[arg-type]
        if name not in types:
            known = [f"{parent}.{other}" for other in sorted(types)]
            choice = next(iter(nearest(key, known)), f"one of {', '.join(known)}")
            raise ConfigError(f"There is no key {key!r}: choose {choice}, or leave it out.")
        declared, parent = types[name], f"{parent}.{name}"


def _as_one(key: str, raw: str, value: Any, item: type, optional: bool) -> str:
    """Return one value as text for an override."""
    is_null = raw == "None" or (raw == "none" and not is_word(key, raw))
    if optional and (is_null or (key in AUTOMATIC and raw == "auto")):
        return "null"
    if item is int and isinstance(value, float) and value.is_integer():
        return str(int(value))
    if item is bool and str(value).casefold() not in _TRUTHS:
        raise ConfigError(f"{key}={raw} is of the wrong type: it must be true or false.")
    is_other = isinstance(value, (bool, int, float)) and str(value) != raw
    return f"'{raw}'" if item is str and is_other and "'" not in raw else raw


def _each(key: str, raw: str, values: list[Any], item: type, optional: bool) -> str:
    """Return several comma-separated values as text for an override."""
    parts = [part.strip() for part in raw.split(",")]
    if len(parts) != len(values) or set(raw) & set("'\"[](){}\\"):
        return raw
    texts = [_as_one(key, *pair, item, optional) for pair in zip(parts, values, strict=True)]
    return raw if texts == parts else ",".join(texts)


def _as_list(key: str, raw: str, override: Override, item: Any, is_sweep: bool) -> str:
    """Return an override of a list, with brackets added around one or several values."""
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
        if item is str and any(isinstance(one, (list, dict)) for one in value):
            refuse_nested(key, raw)
        values, raw = value, raw.strip().removeprefix("[").removesuffix("]")
    elif raw[0] in "'\"" and isinstance(value, str) and value.startswith("["):
        return f"{key}={value}"
    # No list holds null, which is a name here.
    values = [False if one is None else one for one in values]
    return f"{key}=[{_each(key, raw, values, item, False)}]"


def _declared(key: str) -> tuple[Any, bool, bool] | None:
    """Return the type of an option as by `unwrapped`; None for an unknown or ambiguous key.

    The option may be null if every part that has the option allows null.
    """
    types = [unwrapped(hint) for name, hint in _options() if name == key]
    if len({(item, is_list) for item, is_list, _ in types}) != 1:
        return None
    return *types[0][:2], all(optional for *_, optional in types)


def _options() -> Iterator[tuple[str, Any]]:
    """Yield the dotted key and type of every option; a key occurs once for each part that has it."""
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


def kind_of(key: str) -> str | None:
    """Return the type of an option in words; None for an unknown or ambiguous key."""
    declared = _declared(key.lstrip("+"))
    return None if declared is None else in_words(*declared)


def advice(key: str) -> str:
    """Return advice on an unknown key: the part that has the option, or similar keys."""
    group, _, last = key.rpartition(".")
    if key in _RENAMED:
        return f"it is now called {_RENAMED[key]}, "
    if owners := _owners(key):
        return f"it is an option of {group}={' or '.join(owners)}, "
    known = sorted({name for name, _ in _options()} | set(GROUPS))
    elsewhere = [name for name in known if name.rpartition(".")[2] == last]
    near = elsewhere[:3] or nearest(key, known)
    return f"did you mean {' or '.join(near)}? " if near else ""


def option_of_others(key: str, name: str, arguments: Sequence[str]) -> str | None:
    """Return a sentence on an option that one part lacks and another one has; None if none has it.

    Args:
        key: of the option, as in head.shift.
        name: of the part that lacks it.
        arguments: the words of the command line, which may sweep over several parts.
    """
    group, _, option = key.rpartition(".")
    if not (owners := _owners(key)):
        return None
    given = {word.partition("=")[0].lstrip("+"): word.partition("=")[2] for word in arguments}
    swept = given.get(group, "").split(",")
    lacking = [part for part in swept if part in GROUPS[group] and part not in owners] or [name]
    have = [part for part in swept if part in owners] or owners
    example = f"{group}={have[0]} {key}={given.get(key, 'VALUE')}"
    parts, others = (
        " and ".join(f"{group}={part}" for part in some[:_MOST_NAMED]) for some in (lacking, have)
    )
    return (
        f"{parts} {'have' if len(lacking) > 1 else 'has'} no option {option}, which {others}"
        f" {'have' if len(have) > 1 else 'has'}: leave it out, or start a command for the part that has"
        f" it, with {example}."
    )


def unknown_option(key: str, part: str) -> str | None:
    """Return advice on a key such as head.gama, given to a part; None if its group has no such part."""
    group, _, option = key.rpartition(".")
    if part not in GROUPS.get(group, ()):
        return None
    keys = sorted({name for name, _ in _options()})
    known = [key.rpartition(".")[2] for key in keys if key.rpartition(".")[0] == group]
    own = [name for name in known if name != "name" and part in _owners(f"{group}.{name}")]
    guess = ""
    if near := nearest(option, own) or [key for key in keys if key.endswith(f".{option}")]:
        guess = f"did you mean {near[0] if '.' in near[0] else f'{group}.{near[0]}'}? "
    elif near := nearest(option, set(known) - {"name"}):
        others = [f"{group}={name}" for name in _owners(f"{group}.{near[0]}")[:_MOST_NAMED]]
        guess = f"{group}.{near[0]} is an option of {' or '.join(others)}; "
    return guess + (f"choose one of {', '.join(own)}" if own else f"{group}={part} has no options")


def _owners(key: str) -> list[str]:
    """Return the parts of a config group that have an option."""
    group, _, option = key.rpartition(".")
    parts = GROUPS.get(group, ())
    return [name for name in parts if option in declared_types(GROUPS[group].schema(name))]
