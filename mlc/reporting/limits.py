"""The limits of an axis that a few points far from all others do not squeeze."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# Points are beyond the axis if the gap to all others is larger than the others' span, times: of many
# contestants, and of few, each of which is a large part of the figure.
_MANY, _OF_MANY, _OF_FEW = 5, 1.0, 4.0
_LEAST_SPAN = 0.02  # of the others, as a share of the gap
_MOST_BEYOND = 0.25  # of the contestants
_EDGE = 0.08  # free space, as a share of the span


@dataclass(frozen=True)
class Point:
    """A mean of a contestant with half the width of its interval; 0 if it has none."""

    contestant: str
    mean: float
    half_width: float = 0.0


def robust_limits(points: Sequence[Point]) -> tuple[float, float]:
    """Return the ends of an axis; points of outlying contestants can be beyond them.

    >>> robust_limits([Point("a", 0.1), Point("b", 0.5), Point("c", 0.51)])[0] > 0.4
    True
    >>> robust_limits([Point("a", 0.4), Point("b", 0.5), Point("c", 0.51)])[0] < 0.4
    True
    """
    kept = [point for point in points if np.isfinite(point.mean)]
    n_contestants = len({point.contestant for point in kept})
    if not kept:
        return 0.0, 1.0
    times = _OF_MANY if n_contestants >= _MANY else _OF_FEW
    for _ in range(max(1, int(n_contestants * _MOST_BEYOND)) if n_contestants > 2 else 0):
        beyond = max((_outlying(kept, name) for name in {p.contestant for p in kept}), key=_share)
        if _share(beyond) <= times:
            break
        kept = [point for point in kept if point not in beyond[0]]
    return _ends(kept)


def _outlying(points: Sequence[Point], name: str) -> tuple[list[Point], float]:
    """Return a contestant's points beyond all others, and the gap as a share of the span of the rest."""
    others = [point.mean for point in points if point.contestant != name]
    if not others:
        return [], 0.0
    low, high = min(others), max(others)
    best: tuple[list[Point], float] = [], 0.0
    for is_low in (True, False):
        beyond = [
            point
            for point in points
            if point.contestant == name and (point.mean < low if is_low else point.mean > high)
        ]
        means = [point.mean for point in beyond]
        if not means:
            continue
        rest = [point.mean for point in points if point not in beyond]
        gap = min(rest) - max(means) if is_low else min(means) - max(rest)
        share = gap / max(max(rest) - min(rest), _LEAST_SPAN * gap)
        best = max(best, (beyond, share), key=_share)
    return best


def _share(beyond: tuple[list[Point], float]) -> float:
    return beyond[1]


def _ends(points: Sequence[Point]) -> tuple[float, float]:
    low, high = min(p.mean for p in points), max(p.mean for p in points)
    # A wide interval may leave the axis: it doubles the span of the means at most.
    span = high - low
    widest = max(span, 1e-9) if len(points) > 2 and span else np.inf
    low = max(min(p.mean - p.half_width for p in points), low - widest)
    high = min(max(p.mean + p.half_width for p in points), high + widest)
    edge = _EDGE * (high - low) or max(0.05 * abs(high), 1e-3)
    return low - edge, high + edge
