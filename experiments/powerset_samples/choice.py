"""Which head to take, for a reader who knows the labels, the rows and a guess at the dependence."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from mlc.reporting.tables import Table

SIMPLEST_FIRST = (
    "sigmoid", "chain", "pairwise", "bernoulli_mixture", "label_powerset", "powerset",
)  # fmt: skip
TOLERANCE = 0.005
_MOST = (6, 8, np.inf)  # Labels of each group.
_DEPENDENCES = {0.0: "none", 1.0: "weak", 3.0: "strong"}


def choices(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The simplest head whose mean regret is within `TOLERANCE` of the lowest, and what it saves.

    By dependence, K (up to 6, up to 8, any) and rows; columns "head" and "saved", sigmoid's regret less
    its.
    """
    grouped = rows.assign(labels=rows["data.n_labels"].map(_group))
    key = ["data.dependence", "labels", "data.n_train"]
    regret = grouped.groupby([*key, "head"])[metric].mean().unstack("head")
    near = regret[list(SIMPLEST_FIRST)].le(regret.min(axis=1) + TOLERANCE, axis=0)
    head = near.idxmax(axis=1)
    own = [regret.loc[place, name] for place, name in head.items()]
    return pd.DataFrame({"head": head, "saved": regret["sigmoid"] - own})


def _group(n_labels: float) -> float:
    return next(most for most in _MOST if n_labels <= most)


def choice_table(
    rows: pd.DataFrame, metrics: Mapping[str, str], shown: Callable[[float], str] = "{:g}".format
) -> Table:
    """By metric, dependence and K (as it is `shown`): the head for each number of rows."""
    numbers = sorted(rows["data.n_train"].unique())
    labels = sorted(rows["data.n_labels"].unique())
    lines = []
    for metric, name in metrics.items():
        table = choices(rows, metric)
        for (dependence, group), own in table.groupby(level=["data.dependence", "labels"]):
            within = [shown(k) for k in labels if _group(k) == group]
            cells = [
                _cell(own.loc[(dependence, group, n)])
                if (dependence, group, n) in own.index
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
