"""The chart of heads by labels, rows and dependence."""

from __future__ import annotations

import pandas as pd

from experiments.powerset_samples.choice import SIMPLEST_FIRST, choice_table, choices
from experiments.powerset_samples.studies import HEADS


def _rows(regrets: dict[str, float], **setting: float) -> list[dict[str, object]]:
    lines = []
    for head in HEADS:
        for seed, noise in enumerate((-0.001, 0.001)):
            own = regrets.get(head, 0.2) + noise
            lines.append({"head": head, "seed": seed, **setting, "jaccard_samples": own})
    return lines


def test_the_simplest_head_near_the_lowest_regret_is_chosen() -> None:
    few = {"data.n_labels": 4, "data.dependence": 0.0, "data.n_train": 250}
    many = {"data.n_labels": 8, "data.dependence": 3.0, "data.n_train": 250}
    rows = pd.DataFrame(
        _rows({"sigmoid": 0.1, "powerset": 0.096}, **few)
        + _rows({"sigmoid": 0.1, "pairwise": 0.054, "label_powerset": 0.05}, **many)
    )
    found = choices(rows, "jaccard_samples")
    assert found.loc[(0.0, "few", 250), "head"] == "sigmoid"
    assert found.loc[(3.0, "many", 250), "head"] == "pairwise"
    assert round(found.loc[(3.0, "many", 250), "saved"], 6) == 0.046
    table = choice_table(rows, {"jaccard_samples": "Jaccard"})
    assert table.rows == [
        ["Jaccard", "none", "4", "sigmoid"],
        ["Jaccard", "strong", "8", "pairwise (0.046)"],
    ]


def test_every_head_has_a_place() -> None:
    assert set(SIMPLEST_FIRST) == set(HEADS)
