"""Worlds whose labels do not depend on each other in pairs, for several experiments."""

from __future__ import annotations

from typing import Any

import pandas as pd

N_LABELS = 6
# With rare labels, or with features that say much, a dependence of three labels changes little.
STRUCTURES: dict[str, dict[str, Any]] = {
    "mixture": {"data.structure": "mixture", "data.dependence": 3.0},
    "tree": {"data.structure": "tree", "data.dependence": 3.0},
    "conjunctions": {
        "data.structure": "conjunctions", "data.dependence": 3.0, "data.signal": 1.0,
        "data.cardinality": N_LABELS / 2,
    },
}  # fmt: skip


def at_edge(rates: pd.Series, grid: tuple[float, ...]) -> str:
    """Count the chosen rates at the lowest and at the highest of a grid, as text."""
    n_low, n_high = (int((rates - edge).abs().lt(1e-9).sum()) for edge in (grid[0], grid[-1]))
    return f"{n_low} at the lowest, {n_high} at the highest of {len(rates)}"
