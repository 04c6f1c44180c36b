"""The figure of differences from a reference on the page, which fits any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlc.config.texts import signed

# The axis shows this many times the median distance of the intervals' ends, and no less than this many
# margins; a value beyond it is an arrow with its number.
_MEDIANS, _MARGINS = 2.5, 3.0


@dataclass(frozen=True)
class Gap:
    """A difference from the reference, oriented so that more is better.

    Attributes:
        name: the head, with its settings where they differ.
        rule: its decision rule; empty if it has none.
        mean: the difference.
        half_width: half the width of its 95% interval; NaN if it has none.
        is_chosen: whether the validation rows choose it.
        most: the largest possible difference, which no end of an interval exceeds.
    """

    name: str
    rule: str
    mean: float
    half_width: float
    is_chosen: bool
    most: float = np.inf

    @property
    def end(self) -> float:
        """The distance from 0 to the farther end of the interval."""
        return abs(self.mean) + float(np.nan_to_num(self.half_width))

    def text(self) -> str:
        """Return the difference with its interval."""
        return interval_text(self.mean, self.half_width, self.most)


def known_width(half_width: float, most: float) -> float:
    """Return half the width of an interval, or NaN where the whole range would lie within it.

    Args:
        half_width: as computed.
        most: the largest possible difference.
    """
    return half_width if half_width < most else float("nan")


def interval_text(mean: float, half_width: float, most: float = np.inf) -> str:
    """Return a difference with its 95% interval, cut off at the largest possible difference.

    >>> interval_text(0.0124, 0.0126), interval_text(0.9, 0.3, 1.0), interval_text(0.1, np.nan)
    ('+0.012 [0.000, +0.025]', '+0.900 [+0.600, +1.000]', '+0.100')
    """
    if np.isnan(half_width):
        return signed(mean)
    low, high = (float(np.clip(end, -most, most)) for end in (mean - half_width, mean + half_width))
    return f"{signed(mean)} [{signed(low)}, {signed(high)}]"


def axis_limit(ends: Sequence[float], margin: float) -> float:
    """Return how far the axis reaches on both sides of 0, not squeezed by one head that is far off.

    Args:
        ends: the distances from 0 to the farther ends of the intervals.
        margin: differences up to this count as equal.
    """
    wanted = [min(max(ends), _MEDIANS * float(np.median(ends)))] if len(ends) else []
    return float(max([*wanted, _MARGINS * margin, 1e-3]) * 1.05)


def drawn(gaps: Sequence[Gap], margin: float) -> dict[str, Any]:
    """Return the figure's positions in percent of its width."""
    limit = axis_limit([gap.end for gap in gaps], margin)

    def position(value: float) -> float:
        return round(50 + 50 * float(np.clip(value / limit, -1, 1)), 2)

    rows = []
    for gap in gaps:
        width = float(np.nan_to_num(gap.half_width))
        low, high = position(gap.mean - width), position(gap.mean + width)
        rows.append(
            {
                "gap": gap,
                "low": low,
                "width": round(high - low, 2),
                "at": position(gap.mean),
                "beyond": 0 if abs(gap.mean) < limit else int(np.sign(gap.mean)),
            }
        )
    band = position(-margin), round(position(margin) - position(-margin), 2)
    step = _step(limit)
    return {
        "rows": rows,
        "band": band,
        "ticks": [
            (position(value), f"{value:+g}" if value else "0") for value in (-step, 0.0, step)
        ],
        "margin": f"{margin:g}",
    }


def _step(limit: float) -> float:
    """Return the largest of 1, 2 and 5 times a power of ten that is at most 0.8 of the limit."""
    power = 10.0 ** np.floor(np.log10(0.8 * limit))
    return float(f"{max(m * power for m in (1, 2, 5) if m * power <= 0.8 * limit):.1g}")
