"""The spaces of parts, and where a value is at the edge of one."""

from __future__ import annotations

import pytest

from mlc.config.options import Choice, Interval, Search
from mlc.search.spaces import declared_spaces, edge, searched_options


def test_the_spaces_are_those_of_the_chosen_parts() -> None:
    names = {"optimizer": "adamw", "backbone": "mlp", "head": "focal"}
    assert list(declared_spaces(names)) == [
        "optimizer.lr",
        "optimizer.weight_decay",
        "backbone.dropout",
        "head.gamma",
        "head.alpha",
    ]
    assert set(declared_spaces(names)) < searched_options()
    assert declared_spaces({"head": "sigmoid"}) == {}


LOG = Interval(1e-4, 1, log=True)


@pytest.mark.parametrize(
    ("space", "value", "side"),
    [
        (Interval(0, 1), 0.05, "low"),
        (Interval(0, 1), "0.95", "high"),
        (Interval(0, 1), 0.5, None),
        # A default may lie outside.
        (Interval(0, 1), -3, "low"),
        (Interval(0, 1), 2, "high"),
        (LOG, 1e-4 * 10**0.39, "low"),
        (LOG, 1e-4 * 10**0.41, None),
        (LOG, 0.39, None),
        (LOG, 0.41, "high"),
        (LOG, 0, "low"),
        (Interval(1, 9, step=1), 1, "low"),
        (Interval(1, 9, step=1), 2, None),
        (Interval(1, 9, step=3), 7, "high"),
        (Interval(1, 2, step=1), 1, None),
        (Choice(1, 3, 5), 1, "low"),
        (Choice("5", "1", "3"), "5", "high"),
        (Choice(1, 3, 5), 3, None),
        (Choice(1, 3), 3, None),
        (Choice("a", "b", "c"), "a", None),
        (Choice("exp", "1", "2"), "2", None),
        (Interval(0, 1), None, None),
        (Choice(True, False, None), True, None),
        (Interval(2, 2), 2, None),
    ],
)
def test_edges(space: Search, value: object, side: str | None) -> None:
    assert edge(space, value) == side
