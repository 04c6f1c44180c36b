"""By how much: what heads gain on sigmoid once they pass it, and what one rate for all costs."""

from __future__ import annotations

import pandas as pd

from experiments.powerset_samples.choice import choices

_METRIC = "jaccard_samples"
_WORLD = ["data.n_labels", "data.dependence", "seed"]


def gains_with_all_rows(rows: pd.DataFrame, metric: str) -> str:
    """Return powerset's gain on sigmoid with the most rows, from the least to the most of the worlds.

    Args:
        rows: tuned runs, of which those with dependence count.
        metric: whose regret is compared.
    """
    most = rows[rows["data.n_train"] == rows["data.n_train"].max()]
    regret = most.pivot_table(index=_WORLD, columns="head", values=metric)
    gain = (regret["sigmoid"] - regret["powerset"]).groupby("data.dependence")
    return ", ".join(
        f"dependence {dependence:g} {values.min():.4f} to {values.max():.4f}"
        for dependence, values in gain
        if dependence > 0
    )


def costs_of_one_rate(slow: pd.DataFrame, tuned: pd.DataFrame, heads: tuple[str, ...]) -> str:
    """Return the regret at one rate less that at the chosen ones, by rows and head.

    Args:
        slow: the runs at one rate, of some worlds.
        tuned: the runs at the chosen rates, of the same worlds.
        heads: those to list.
    """
    by = ["data.n_train", "head"]
    cost = slow.groupby(by)[_METRIC].mean() - tuned.groupby(by)[_METRIC].mean()
    return "; ".join(
        f"{n:,} rows: " + ", ".join(f"{head} {cost[n, head]:+.3f}" for head in heads)
        for n in sorted(slow["data.n_train"].unique())
    )


def choices_of_sigmoid(rows: pd.DataFrame, metrics: dict[str, str], dependent: bool = False) -> str:
    """Count the settings in which sigmoid is the simplest head near the lowest regret, by metric.

    Without dependence sigmoid is exact; `dependent` leaves these settings out.
    """
    counted = rows[rows["data.dependence"] > 0] if dependent else rows
    chosen = {name: choices(counted, metric)["head"] for metric, name in metrics.items()}
    return "; ".join(
        f"{name} {(heads == 'sigmoid').sum()} of {len(heads)}" for name, heads in chosen.items()
    )
