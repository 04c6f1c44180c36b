"""Equal parts of nested values, kept once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any


class Shared:
    """Values of dicts, lists and plain values; equal parts of all that were given are one object.

    The configs of a sweep's runs are equal but for a few numbers.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, Any] = {}

    def of(self, value: Any) -> Any:
        """Return an equal value, which must not be changed."""
        # All parts are kept, so that none gets the identity of another.
        key: tuple[Any, ...]
        if isinstance(value, dict):
            value = {self.of(name): self.of(part) for name, part in value.items()}
            key = dict, *((id(name), id(part)) for name, part in value.items())
        elif isinstance(value, list):
            value = [self.of(part) for part in value]
            key = list, *map(id, value)
        else:
            # 1, 1.0 and True are equal, and so are 0.0 and -0.0.
            key = type(value), repr(value)
        return self._known.setdefault(key, value)
