"""The search spaces of networks and baselines, and the sweeper's draws from them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from mlc.config.options import Choice, Interval, Search
from mlc.heads.base import HEADS
from mlc.launching.search_plan import centred
from mlc.search.draws import as_text, configuration
from mlc.search.spaces import declared_spaces, edge

EXPERIMENT = "equal_budgets"
# The seed of the draws.
SEED = 0
N_CONFIGURATIONS = 8
# As conf/experiment/equal_budgets.yaml has them: wider than the declared spaces.
COMMON: dict[str, Search] = {
    "optimizer.lr": Interval(1e-4, 3e-2, log=True),
    "optimizer.weight_decay": Interval(1e-3, 3, log=True),
    "backbone.dropout": Interval(0, 0.8),
}


@cache
def network_spaces(head: str) -> Mapping[str, Search]:
    """Return the space of each option of a head's search, as the sweeper has them."""
    options = HEADS.options(head)
    declared = {
        key: centred(space, getattr(options, key.removeprefix("head.")))
        for key, space in declared_spaces({"head": head}).items()
    }
    return {**declared, **COMMON}


def drawn(spaces: Mapping[str, Search], number: int) -> dict[str, str]:
    """Return the values of a configuration, by key, as text; none for number 0, the defaults."""
    return configuration(spaces, SEED, number)


def typed(spaces: Mapping[str, Search], settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of a configuration with their types."""
    return {key: _value(spaces[key], text) for key, text in settings.items()}


def at_edge(spaces: Mapping[str, Search], settings: Mapping[str, str]) -> dict[str, str]:
    """Return "low" or "high" by key for the values at an edge of their space."""
    edges = {key: edge(spaces[key], text) for key, text in settings.items()}
    return {key: side for key, side in edges.items() if side is not None}


def _value(space: Search, text: str) -> Any:
    if isinstance(space, Choice):
        known = {as_text(value): value for value in space.values}
        # Configurations beyond the ends have further numbers.
        return known[text] if text in known else json.loads(text)
    return int(text) if space.step is not None else float(text)
