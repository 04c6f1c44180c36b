"""The coloured digits: groups of labels, and a network for each group."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from experiments.harness import Finding
from experiments.learned_features.coloured import HIGHEST
from experiments.learned_features.studies import TRAINED_SEEDS
from experiments.learned_features.tuned import NOT_MEASURED
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
# The differences of pairs that are quoted.
_GROUPS = {
    "flat": ("softmax for each group", "flat sigmoids, 0.5"),
    "decision": ("softmax for each group", "flat sigmoids, highest of each group"),
    "three": ("three networks", "softmax for each group"),
}
_KEY = ["data.n_train", "seed"]
_RATE = "optimizer.lr"


def finished(one: pd.DataFrame, three: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the rates that every network has in all seeds; all rows if there is none."""
    if len(three):
        three = three.assign(head="three")
    rows = pd.concat([one, three], ignore_index=True)
    if len(rows):
        n_seeds = rows.groupby([_RATE, "head"])["seed"].nunique().unstack("head")
        rates = n_seeds.index[(n_seeds == TRAINED_SEEDS).all(axis=1)]
        if len(rates):
            rows = rows[rows[_RATE].isin(rates)]
    return rows


def n_rates(one: pd.DataFrame, three: pd.DataFrame) -> int:
    """Return the number of rates from which validation rows choose."""
    rows = finished(one, three)
    return int(rows[_RATE].nunique()) if len(rows) else 0


def chosen(one: pd.DataFrame, three: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the rows of each pair, with the rate that is best on validation rows of each seed."""
    rows = finished(one, three)
    found = {}
    for name, (head, rule) in SHOWN.items():
        group = rows[(rows["head"] == head) & (rows["rule"] == rule)]
        group = group[group[f"val_{METRIC}"].notna()]
        if len(group):
            found[name] = group.loc[group.groupby(_KEY)[f"val_{METRIC}"].idxmax()]
    return found


def groups_caption(one: pd.DataFrame, three: pd.DataFrame) -> str:
    """Return the caption of the table, which says how many rates there are to choose from."""
    number = n_rates(one, three)
    rate = "at one rate" if number == 1 else f"the best of {number} rates on validation rows"
    return (
        f"Coloured digits by a convolutional network, {rate}: test subset_accuracy (share of rows"
        " without exactly one digit and one colour)"
    )


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


def _differences(one: pd.DataFrame, three: pd.DataFrame) -> dict[str, Interval | None]:
    pairs = chosen(one, three) if len(one) else {}
    return {name: difference(pairs, *both, 1000) for name, both in _GROUPS.items()}


def numbers_of_groups(one: pd.DataFrame, three: pd.DataFrame) -> dict[str, str]:
    """Return the quoted differences of pairs, by name."""
    gains = {
        f"groups_{name}": NOT_MEASURED if gain is None else gain.signed()
        for name, gain in _differences(one, three).items()
    }
    return gains | {"groups_rates": str(n_rates(one, three))}


def findings_on_groups(one: pd.DataFrame, three: pd.DataFrame) -> list[Finding]:
    """Return the predictions on groups of labels with their measurements."""
    gains = _differences(one, three)
    predictions: dict[str, tuple[str, Callable[[float], bool]]] = {
        "flat": (
            "coloured digits, 1,000 images: a softmax for each group is at least 0.05 of"
            " subset_accuracy ahead of flat sigmoids at 0.5",
            lambda gain: gain >= 0.05,
        ),
        "decision": (
            "and within 0.02 of flat sigmoids that take the highest score of each group",
            lambda gain: abs(gain) <= 0.02,
        ),
        "three": ("three separate networks are not ahead of one", lambda gain: gain <= 0),
    }
    return [
        Finding(
            text,
            NOT_MEASURED if (gain := gains[name]) is None else gain.signed(),
            None if gain is None else holds(gain.mean),
        )
        for name, (text, holds) in predictions.items()
    ]
