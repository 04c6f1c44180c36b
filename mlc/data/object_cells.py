"""Label sets as objects, {"choices": ["a", "b"]}, as Label Studio writes them beside single labels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np


def labels_in(value: Any) -> list[str] | None:
    """Return the labels in an object with one list of texts; None for other cells.

    >>> labels_in('{"choices": ["a", "b"]}'), labels_in("{a, b}")
    (['a', 'b'], None)
    """
    if isinstance(value, str):
        if not value.lstrip().startswith("{") or "[" not in value:
            return None
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    if not isinstance(value, dict) or len(value) != 1:
        return None
    (labels,) = value.values()
    if not isinstance(labels, (list, np.ndarray)) or not all(isinstance(v, str) for v in labels):
        return None
    return [str(label) for label in labels]


def without_objects(values: Sequence[Any]) -> tuple[Sequence[Any], str | None]:
    """Return cells with lists in place of objects, and an object as it is written; None without any."""
    lists = {
        row: labels for row, value in enumerate(values) if (labels := labels_in(value)) is not None
    }
    if not lists:
        return values, None
    return [lists.get(row, value) for row, value in enumerate(values)], str(
        values[next(iter(lists))]
    )
