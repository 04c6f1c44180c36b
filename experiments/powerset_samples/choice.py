"""The choice of a head by number of labels, number of rows and dependence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from mlc.reporting.tables import Table

SIMPLEST_FIRST = (
    "sigmoid", "chain", "pairwise", "bernoulli_mixture", "label_powerset", "powerset",
)  # fmt: skip
TOLERANCE = 0.005
_MOST = (6, 8, np.inf)  # largest number of labels of each group
_DEPENDENCES = {0.0: "none", 1.0: "weak", 3.0: "strong"}


def choices(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the simplest head whose mean regret is within `TOLERANCE` of the lowest.

    A row per dependence, group of K (up to 6, up to 8, any) and number of rows; columns "head" and
    "saved", the regret of sigmoid less that of the head.
    """
    grouped = rows.assign(labels=rows["data.n_labels"].map(_group))
    key = ["data.dependence", "labels", "data.n_train"]
    regret = grouped.groupby([*key, "head"])[metric].mean().unstack("head")
    near = regret[list(SIMPLEST_FIRST)].le(regret.min(axis=1) + TOLERANCE, axis=0)
    head = near.idxmax(axis=1)
    chosen = [regret.loc[index, name] for index, name in head.items()]
    return pd.DataFrame({"head": head, "saved": regret["sigmoid"] - chosen})


def _group(n_labels: float) -> float:
    return next(most for most in _MOST if n_labels <= most)


def choice_table(rows: pd.DataFrame, metrics: Mapping[str, str]) -> Table:
    """Return the chosen heads by metric, dependence and K."""
    numbers = sorted(rows["data.n_train"].unique())
    labels = sorted(rows["data.n_labels"].unique())
    lines = []
    for metric, name in metrics.items():
        table = choices(rows, metric)
        for (dependence, group), subset in table.groupby(level=["data.dependence", "labels"]):
            within = [f"{k:g}" for k in labels if _group(k) == group]
            cells = [
                _cell(subset.loc[(dependence, group, n)])
                if (dependence, group, n) in subset.index
                else "-"
                for n in numbers
            ]
            k = within[0] if len(within) == 1 else f"{within[0]} to {within[-1]}"
            lines.append([name, _DEPENDENCES.get(dependence, f"{dependence:g}"), k, *cells])
    return Table(["metric", "dependence", "K", *(f"{n:,} rows" for n in numbers)], lines, 2)


def _cell(choice: pd.Series) -> str:
    if choice["head"] == "sigmoid":
        return "sigmoid"
    return f"{choice['head']} ({choice['saved']:.3f})"
