"""The coloured digits: groups of labels, and a network for each group."""

from __future__ import annotations

import pandas as pd

from experiments.learned_features.coloured import HIGHEST
from experiments.learned_features.studies import TRAINED_SEEDS
from mlc.reporting.statistics import Interval, mean_interval, paired_difference
from mlc.reporting.tables import Table

METRIC = "subset_accuracy"
# Names of pairs of a head and a rule.
SHOWN = {
    "flat sigmoids, 0.5": ("sigmoid", "fixed"),
    "flat sigmoids, highest of each group": ("sigmoid", HIGHEST),
    "softmax for each group": ("grouped", HIGHEST),
    "softmax over label sets": ("label_powerset", "mode"),
    "three networks": ("three", HIGHEST),
}
_KEY = ["data.n_train", "seed"]
_RATE = "optimizer.lr"


def chosen(one: pd.DataFrame, three: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each pair, with the rate that is best on validation rows of each seed.

    Only rates that every network has in all seeds are chosen from.
    """
    if len(three):
        three = three.assign(head="three")
    rows = pd.concat([one, three], ignore_index=True)
    if len(rows):
        n_seeds = rows.groupby([_RATE, "head"])["seed"].nunique().unstack("head")
        finished = n_seeds.index[(n_seeds == TRAINED_SEEDS).all(axis=1)]
        if len(finished):
            rows = rows[rows[_RATE].isin(finished)]
    found = {}
    for name, (head, rule) in SHOWN.items():
        group = rows[(rows["head"] == head) & (rows["rule"] == rule)]
        group = group[group[f"val_{METRIC}"].notna()]
        if len(group):
            found[name] = group.loc[group.groupby(_KEY)[f"val_{METRIC}"].idxmax()]
    return found


def groups_table(one: pd.DataFrame, three: pd.DataFrame) -> Table:
    """Return the subset accuracy of each pair by number of rows."""
    pairs = chosen(one, three)
    numbers = sorted({int(n) for rows in pairs.values() for n in rows["data.n_train"]})
    lines = []
    for name, rows in pairs.items():
        cells = []
        for n in numbers:
            group = rows[rows["data.n_train"] == n]
            shown = f"{mean_interval(group[METRIC])} ({group['impossible'].mean():.0%})"
            cells.append(shown if len(group) else "-")
        lines.append([name, *cells])
    return Table(["network and decision", *(f"{n:,} images" for n in numbers)], lines, 1)


def difference(pairs: dict[str, pd.DataFrame], one: str, other: str, n: int) -> Interval | None:
    """Return the difference of two pairs with n images, seeds in pairs; None without both."""
    values = []
    for name in (one, other):
        if name not in pairs:
            return None
        group = pairs[name][pairs[name]["data.n_train"] == n]
        values.append(group.set_index("seed")[METRIC])
    both = values[0].index.intersection(values[1].index)
    if both.empty:
        return None
    return paired_difference(values[0].loc[both], values[1].loc[both]).interval
