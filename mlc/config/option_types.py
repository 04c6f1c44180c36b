"""The types and defaults that a dataclass of options declares, and conversion to these types."""

from __future__ import annotations

import dataclasses
import math
import operator
import types
import typing
from collections.abc import Mapping
from functools import cache
from itertools import chain
from typing import Any

import numpy as np

from mlc.config.errors import ConfigError
from mlc.config.texts import shown

_WORDS = {int: "a whole number", float: "a number", bool: "True or False", str: "text"}
_PLURALS = {int: "whole numbers", float: "numbers", bool: "truth values", str: "texts"}


def declared_types(options: type) -> dict[str, Any]:
    """Return the fields' types; empty if a type is local to a function."""
    try:
        return dict(_type_hints(options))
    except NameError:
        return {}


def default_of(field: dataclasses.Field[Any]) -> Any:
    """Return the default of a dataclass's field; `dataclasses.MISSING` if there is none."""
    # A copied field has copies of MISSING.
    if callable(field.default_factory):
        return field.default_factory()
    is_missing = isinstance(field.default, type(dataclasses.MISSING))
    return dataclasses.MISSING if is_missing else field.default


@cache
def _type_hints(options: type) -> dict[str, Any]:
    """Return the types, computed from text; each job of a sweep asks for those of all parts."""
    return typing.get_type_hints(options)


def unwrapped(declared: Any) -> tuple[Any, bool, bool]:
    """Return the type of one value, whether it is in a list, and whether None is allowed."""
    optional = False
    if typing.get_origin(declared) in (typing.Union, types.UnionType):
        members = [member for member in typing.get_args(declared) if member is not types.NoneType]
        optional = len(members) < len(typing.get_args(declared))
        if len(members) != 1:
            return None, False, optional
        (declared,) = members
    if typing.get_origin(declared) is list:
        (item,) = typing.get_args(declared)
        return item, True, optional
    return declared, False, optional


def described(declared: Any) -> str:
    """Describe the type in words, as in "a list of whole numbers"."""
    return in_words(*unwrapped(declared))


def is_described(declared: Any) -> bool:
    """Whether `described` has words for the type: one value or a list, and no mapping."""
    item, is_list, _ = unwrapped(declared)
    return is_list or item in _WORDS


def in_words(item: Any, is_list: bool, optional: bool) -> str:
    """Describe a type in words, given the parts that `unwrapped` returns."""
    inner = f"lists of {_PLURALS[typing.get_args(item)[0]]}" if typing.get_args(item) else "lists"
    words = f"a list of {_PLURALS.get(item, inner)}" if is_list else _WORDS[item]
    return f"{words} or None" if optional else words


def typed(key: str, value: Any, declared: Any) -> Any:
    """Convert a value to the declared type: NumPy's numbers to Python's, 10.0 to 10, 5 to [5].

    Values of types other than bool, int, float, str, lists of them and lists of such lists are returned
    unchanged.

    Raises:
        ConfigError: the value has another type, such as text in place of a number.
    """
    item, is_list, optional = unwrapped(declared)
    is_nested = is_list and typing.get_origin(item) is list
    if is_nested:
        (item,) = typing.get_args(item)
    if item not in _WORDS or (value is None and optional):
        return value
    convert = (_converted_lists if is_nested else _converted_list) if is_list else _converted
    try:
        converted = convert(value, item)
    except OverflowError as error:
        # The number may have too many digits for a message.
        raise ConfigError(f"{key} is out of range: 64 bits hold no such number.") from error
    if converted is None:
        raise ConfigError(
            f"{key}={shown(value)} is of the wrong type ({type(value).__name__}): it must be"
            f" {described(declared)}."
        )
    numbers = [*chain(*converted)] if is_nested else converted if is_list else [converted]
    if item is float and not all(map(math.isfinite, numbers)):
        raise ConfigError(f"{key}={value} is out of range: it must be finite.")
    return converted


def _converted_lists(value: Any, item: type) -> list[Any] | None:
    lists = (list, tuple, np.ndarray)
    if not isinstance(value, lists) or not all(isinstance(one, lists) for one in value):
        return None
    converted = [_converted_list(one, item) for one in value]
    return None if any(one is None for one in converted) else converted


def _converted_list(value: Any, item: type) -> list[Any] | None:
    if isinstance(value, (list, tuple, np.ndarray)):
        items = value.tolist() if isinstance(value, np.ndarray) and value.ndim else [*_flat(value)]
    else:
        items = [value]
    converted = [_converted(one, item) for one in items]
    return None if any(one is None for one in converted) else converted


def _flat(value: Any) -> list[Any]:
    return [value.item()] if isinstance(value, np.ndarray) else list(value)


def _converted(value: Any, item: type) -> Any:
    """Convert the value to this type; None if that is not possible, OverflowError if it is too large."""
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if item is str:
        return str(value) if isinstance(value, str) else None
    if isinstance(value, (bool, np.bool_)):
        return bool(value) if item is bool else None
    is_whole = isinstance(value, (int, np.integer))
    if item is float and (is_whole or isinstance(value, (float, np.floating))):
        return float(value)
    if item is int and (
        is_whole or (isinstance(value, (float, np.floating)) and float(value).is_integer())
    ):
        return operator.index(np.int64(int(value)))
    return None


def mapping(name: str, options: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return a part's options by name; an empty mapping for None.

    Raises:
        ConfigError: `options` is something else.
    """
    if options is not None and not isinstance(options, Mapping):
        raise ConfigError(f"{name}={options!r} is not a mapping: give option names and values.")
    return options or {}
