"""Rows that were measured with a fault; the list is emptied when the league has run again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from experiments.league.standings import ITS_METRIC, PER_LABEL
from experiments.league.studies import N_LABELS
from mlc.heads.label_sets import MOST_LABELS
from mlc.reporting.tables import Table

# Seeds whose validation part has no positive of one label or more (None: every seed); with published
# test parts the validation part is drawn by the seed alone, so this is the same for every head.
NO_POSITIVE: Mapping[str, tuple[int, ...] | None] = {
    "birds": (4, 5), "enron": None, "cal500": None, "corel5k": None,
}  # fmt: skip
# Scores that are shares of one, or that a constant may be added to: 0.5 means nothing for them.
WITHOUT_THRESHOLD = ("margin", "ova_n", "pick_one", "softmax_all", "softmax_uniform", "two_way")


@dataclass(frozen=True)
class Withdrawn:
    """A condition on the league's rows.

    Attributes:
        what: the rows, in words.
        why: what is wrong with them.
        concerns: whether each row is one of them, bool.
    """

    what: str
    why: str
    concerns: Callable[[pd.DataFrame], pd.Series]


def _mode_of_chain(rows: pd.DataFrame) -> pd.Series:
    many = rows["data"].map(N_LABELS) > MOST_LABELS
    return (rows["head"] == "chain") & (rows["rule"] == "mode") & many


def _by_label(rows: pd.DataFrame) -> pd.Series:
    absent = pd.Series(False, index=rows.index)
    for data, seeds in NO_POSITIVE.items():
        here = rows["data"] == data
        absent |= here if seeds is None else here & rows["seed"].isin(seeds)
    return (rows["rule"] == PER_LABEL) & absent


def _at_half(rows: pd.DataFrame) -> pd.Series:
    return (rows["rule"] == "fixed") & rows["head"].isin(WITHOUT_THRESHOLD)


WITHDRAWN = (
    Withdrawn(
        f"chain by mode, more than {MOST_LABELS} labels",
        "the rule took the likeliest of the observed label sets, not the best end of the beam",
        _mode_of_chain,
    ),
    Withdrawn(
        "per_label where a label has no positive among the validation rows",
        "the fallback did not apply to that label, whose threshold lay above every score",
        _by_label,
    ),
    Withdrawn(
        f"fixed of {', '.join(WITHOUT_THRESHOLD)}",
        "0.5 is no natural threshold of shares, nor of scores that only rank",
        _at_half,
    ),
)


def is_withdrawn(rows: pd.DataFrame) -> pd.Series:
    """Whether any condition concerns each row, bool."""
    found = pd.Series(False, index=rows.index)
    for own in WITHDRAWN:
        found |= own.concerns(rows)
    return found


def without_withdrawn(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows that stand, among which choices are made.

    The rule of f1_macro is chosen among all rules with per_label. Where its rows are withdrawn the
    choice would be among other rules than elsewhere, so none is made: f1_macro is NaN there.
    """
    if rows.empty:
        return rows
    gone = is_withdrawn(rows)
    left = rows[~gone].copy()
    key = ["data", "seed"]
    lost = pd.MultiIndex.from_frame(rows.loc[gone & (rows["rule"] == PER_LABEL), key])
    incomplete = pd.MultiIndex.from_frame(left[key]).isin(lost)
    columns = [c for c in (f"val_{ITS_METRIC}", ITS_METRIC) if c in left]
    left.loc[incomplete, columns] = float("nan")
    return left


def withdrawn_table(rows: pd.DataFrame) -> Table:
    """Each condition, how many of the rows it concerns, by data set, and why."""
    lines = []
    for own in WITHDRAWN:
        counts = rows[own.concerns(rows)]["data"].value_counts(sort=False)
        by_data = ", ".join(f"{data} {n:,}" for data, n in counts.items())
        lines.append([own.what, own.why, by_data or "-", f"{counts.sum():,}"])
    return Table(["withdrawn", "because", "rows by data set", "rows"], lines, 3)
