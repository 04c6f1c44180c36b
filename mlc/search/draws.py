"""Random configurations that depend on the search's seed, the trial and the option alone."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlc.config.options import Interval, Search

# The rounding of a value moves it by at most this share of its interval.
_RESOLUTION = 1e-3


def configuration(spaces: Mapping[str, Search], seed: int, trial: int) -> dict[str, str]:
    """Return the values of a trial's options as text for overrides, by dotted key.

    Trial 0 is the defaults, without a value. An option with the same space has the same value for all
    heads, and a search of more trials begins with those of a shorter one.
    """
    if trial == 0:
        return {}
    return {key: drawn(space, seed, trial, key) for key, space in spaces.items()}


def drawn(space: Search, seed: int, trial: int, key: str) -> str:
    """Return the value of one option in one trial, as text for an override."""
    name = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    value = space.draw(np.random.default_rng([seed, trial, name]))
    return as_text(short(value, space) if isinstance(space, Interval) else value)


def as_text(value: Any) -> str:
    """Return a value as the text that Hydra reads in an override."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(as_text, value))}]"
    return str(value)


def short(value: float, space: Interval) -> float:
    """Round a value of an interval to as few significant digits as its width needs, at least three."""
    if isinstance(value, int):
        return value
    if space.step is not None:
        return float(f"{value:.12g}")
    allowed = _RESOLUTION * (
        abs(value) * math.log(space.high / space.low) if space.log else space.high - space.low
    )
    for digits in range(3, 17):
        rounded = float(f"{value:.{digits}g}")
        if abs(rounded - value) <= allowed and space.low <= rounded <= space.high:
            return rounded
    return value
