"""Worlds whose dependence no fixed energies of pairs express, for several experiments."""

from __future__ import annotations

from typing import Any

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
