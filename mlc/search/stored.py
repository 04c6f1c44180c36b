"""Conversion of the content of JSON and YAML files to the dataclasses that they were written from."""

from __future__ import annotations

import dataclasses
import types
import typing
from typing import Any

from mlc.config.texts import shown

_WORDS = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    list: "a list",
}
_LARGEST = 1e300


def from_content(declared: Any, content: Any, key: str = "") -> Any:
    """Return content as a value of the declared type.

    Args:
        declared: a dataclass, a list, a dict, a scalar, one of these or null, or Any.
        content: what a reader of JSON or YAML returns.
        key: the dotted key of the content in its file, for messages; empty for the whole file.

    Raises:
        ValueError: a value has another type or is not finite, or a key is missing or unknown.
    """
    origin, arguments = typing.get_origin(declared), typing.get_args(declared)
    if types.NoneType in arguments and content is None:
        return None
    if origin in (typing.Union, types.UnionType):
        (declared,) = (each for each in arguments if each is not types.NoneType)
        return from_content(declared, content, key)
    if dataclasses.is_dataclass(declared):
        return _instance(declared, content, key)
    if origin is dict:
        _require_mapping(content, key)
        return {
            from_content(arguments[0], name, f"the key {shown(name)} of {key or 'the file'}"): (
                from_content(arguments[1], value, _dotted(key, name))
            )
            for name, value in content.items()
        }
    if origin is list:
        _require(list, content, key)
        items = enumerate(content)
        return [from_content(arguments[0], item, f"{key}[{index}]") for index, item in items]
    if declared is not Any:
        _require(declared, content, key)
    return content


def _instance(declared: Any, content: Any, key: str) -> Any:
    """Return content as an instance of a dataclass."""
    _require_mapping(content, key)
    hints = typing.get_type_hints(declared)
    for field in dataclasses.fields(declared):
        is_required = field.default is field.default_factory is dataclasses.MISSING
        if is_required and field.name not in content:
            raise ValueError(f"{_dotted(key, field.name)} is missing")
    for name in content:
        if name not in hints:
            raise ValueError(f"{_dotted(key, name)} is unknown")
    values = {
        name: from_content(hints[name], value, _dotted(key, name))
        for name, value in content.items()
    }
    return declared(**values)


def _require_mapping(content: Any, key: str) -> None:
    if not isinstance(content, dict):
        raise ValueError(f"{key or 'it'} must be a mapping, not {shown(content)}")


def _dotted(key: str, name: object) -> str:
    return f"{key}.{name}" if key else str(name)


def _require(kind: Any, content: Any, key: str) -> None:
    """Raise ValueError if the content has another type or is not finite."""
    kinds: Any = (int, float) if kind is float else kind
    is_truth = isinstance(content, bool) and kind is not bool
    if not isinstance(content, kinds) or is_truth:
        raise ValueError(f"{key} must be {_WORDS[kind]}, not {shown(content)}")
    if kind is float and not abs(content) <= _LARGEST:
        raise ValueError(f"{key} must be finite, not {shown(content)}")
