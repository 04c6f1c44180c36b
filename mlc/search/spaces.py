"""Search spaces of the options of chosen parts, and the edges of a space."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from mlc.config.options import Choice, Interval, Search, search_space
from mlc.config.registry import BACKBONES, HEADS, OPTIMIZERS, Registry

# The parts whose options are searched, by their config groups.
PARTS: dict[str, Registry[Any]] = {"optimizer": OPTIMIZERS, "backbone": BACKBONES, "head": HEADS}
# A value in the outermost tenth of an interval is at its edge.
_MARGIN = 0.1


def declared_spaces(names: Mapping[str, str]) -> dict[str, Search]:
    """Return the spaces that the chosen parts declare, by dotted key of the option.

    Args:
        names: the chosen part of each group, as in {"head": "focal", "optimizer": "adamw"}.
    """
    return {
        f"{group}.{option}": space
        for group, name in names.items()
        for option, space in search_space(PARTS[group][name].Options).items()
    }


def searched_options() -> set[str]:
    """Return the dotted keys of all options that some part declares a space for."""
    return {
        f"{group}.{option}"
        for group, registry in PARTS.items()
        for name in registry
        for option in search_space(registry[name].Options)
    }


def edge(space: Search, value: object) -> str | None:
    """Return "low" or "high" if the value is at or beyond an edge of the space, else None.

    Better values may lie beyond an edge. The edges of an interval are its outermost tenths; the edges
    of numbers in a choice, or of an interval with a step, are the least and the largest. Words have no
    edge.
    """
    number = _number(value)
    if number is None:
        return None
    if isinstance(space, Choice):
        numbers = [_number(each) for each in space.values]
        known = [each for each in numbers if each is not None]
        if len(known) < len(numbers) or len(set(known)) < 3:
            return None
        return "low" if number <= min(known) else "high" if number >= max(known) else None
    low, high = space.low, space.high
    if space.step is not None:
        if high - low < 2 * space.step:
            return None
        return "low" if number <= low else "high" if number > high - space.step else None
    return _outermost(space, number)


def _outermost(space: Interval, number: float) -> str | None:
    low, high = space.low, space.high
    if space.log:
        if number <= 0:
            return "low"
        low, high, number = math.log(low), math.log(high), math.log(number)
    share = (number - low) / (high - low) if high > low else 0.5
    return "low" if share < _MARGIN else "high" if share > 1 - _MARGIN else None


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None
