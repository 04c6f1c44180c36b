"""Equal parts of nested values, kept once."""

from __future__ import annotations

import copy
import dataclasses
from array import array
from collections.abc import Hashable, Iterable
from typing import Any


class Shared:
    """Parts of dicts, lists, tuples and dataclasses; equal ones of all that were given are one object.

    The configs of a sweep's runs are equal but for a few numbers.
    """

    def __init__(self) -> None:
        # All parts are kept, so that none gets the identity of another.
        self._known: dict[Hashable, Any] = {}

    def with_parts(self, value: Any) -> Any:
        """Return an equal value of which no part, at any depth, must be changed.

        The value itself is not kept: most values as a whole differ.
        """
        if isinstance(value, dict):
            return {self._of(name): self._of(part) for name, part in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)([self._of(part) for part in value])
        if _is_record(value):
            copied = copy.copy(value)
            for name, part in vars(value).items():
                vars(copied)[name] = self._of(part)
            return copied
        return value

    def _of(self, value: Any) -> Any:
        """Return the kept object that is equal."""
        key: Hashable
        if type(value) in (dict, list, tuple) or _is_record(value):
            value = self.with_parts(value)
            parts = value if isinstance(value, (list, tuple)) else _named(value)
            key = type(value), _identities(parts)
        elif value is None or type(value) in (bool, int, float, str):
            # 1, 1.0 and True are equal, and so are 0.0 and -0.0.
            key = type(value), repr(value)
        else:
            key = type(value), id(value)
        return self._known.setdefault(key, value)


def _is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


def _named(value: Any) -> Iterable[Any]:
    """Return the names and the parts of a dict or a dataclass, one after another."""
    parts = value if isinstance(value, dict) else vars(value)
    return (each for item in parts.items() for each in item)


def _identities(parts: Iterable[Any]) -> bytes:
    """Return the identities of objects that are kept, 8 bytes each."""
    return array("Q", map(id, parts)).tobytes()
