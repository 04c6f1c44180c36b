"""Which head to take, for a reader who knows the labels, the rows and a guess at the dependence."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from mlc.reporting.tables import Table

SIMPLEST_FIRST = (
    "sigmoid", "chain", "pairwise", "bernoulli_mixture", "label_powerset", "powerset",
)  # fmt: skip
TOLERANCE = 0.005
_MOST_FEW = 6
_DEPENDENCES = {0.0: "none", 1.0: "weak", 3.0: "strong"}


def choices(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The simplest head whose mean regret is within `TOLERANCE` of the lowest, and what it saves.

    By dependence, K (few: up to 6) and rows; columns "head" and "saved", sigmoid's regret less its.
    """
    few = rows["data.n_labels"] <= _MOST_FEW
    grouped = rows.assign(labels=few.map({True: "few", False: "many"}))
    key = ["data.dependence", "labels", "data.n_train"]
    regret = grouped.groupby([*key, "head"])[metric].mean().unstack("head")
    near = regret[list(SIMPLEST_FIRST)].le(regret.min(axis=1) + TOLERANCE, axis=0)
    head = near.idxmax(axis=1)
    own = [regret.loc[place, name] for place, name in head.items()]
    return pd.DataFrame({"head": head, "saved": regret["sigmoid"] - own})


def choice_table(rows: pd.DataFrame, metrics: Mapping[str, str]) -> Table:
    """By metric, dependence and K: the head for each number of rows."""
    numbers = sorted(rows["data.n_train"].unique())
    labels = sorted(rows["data.n_labels"].unique())
    lines = []
    for metric, name in metrics.items():
        table = choices(rows, metric)
        for (dependence, group), own in table.groupby(level=["data.dependence", "labels"]):
            within = [k for k in labels if (k <= _MOST_FEW) == (group == "few")]
            cells = [
                _cell(own.loc[(dependence, group, n)])
                if (dependence, group, n) in own.index
                else "-"
                for n in numbers
            ]
            k = str(within[0]) if len(within) == 1 else f"{within[0]} to {within[-1]}"
            lines.append([name, _DEPENDENCES.get(dependence, f"{dependence:g}"), k, *cells])
    return Table(["metric", "dependence", "K", *(f"{n:,} rows" for n in numbers)], lines, 2)


def _cell(choice: pd.Series) -> str:
    if choice["head"] == "sigmoid":
        return "sigmoid"
    return f"{choice['head']} ({choice['saved']:.3f})"
