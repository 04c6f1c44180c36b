"""Rows with a known error; the list becomes empty when the league is measured again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from experiments.league.studies import N_LABELS
from mlc.heads.label_sets import MOST_LABELS
from mlc.reporting.tables import Table
from mlc.search.choice import BY_LABEL, PER_LABEL_METRIC

# Seeds whose validation part lacks positives of at least one label (None: every seed). The seed alone
# determines the validation part of data with a published test part, so this holds for every head.
NO_POSITIVE: Mapping[str, tuple[int, ...] | None] = {
    "birds": (4, 5), "enron": None, "cal500": None, "corel5k": None,
}  # fmt: skip
# Heads whose scores are shares of one, or only rank: 0.5 is no natural threshold.
WITHOUT_THRESHOLD = ("margin", "ova_n", "pick_one", "softmax_all", "softmax_uniform", "two_way")


@dataclass(frozen=True)
class Withdrawn:
    """A condition on rows of the league.

    Attributes:
        what: description of the rows.
        why: the error in them.
        concerns: returns whether each row is affected, bool.
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
        affected = rows["data"] == data
        absent |= affected if seeds is None else affected & rows["seed"].isin(seeds)
    return rows["rule"].isin(BY_LABEL) & absent


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
    """Return whether any condition applies to each row, bool."""
    result = pd.Series(False, index=rows.index)
    for condition in WITHDRAWN:
        result |= condition.concerns(rows)
    return result


def without_withdrawn(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are not withdrawn.

    The rule for f1_macro is chosen among all rules including per_label. Without rows of per_label the
    choice would be among fewer rules than elsewhere, so f1_macro is NaN there.
    """
    if rows.empty:
        return rows
    gone = is_withdrawn(rows)
    remaining = rows[~gone].copy()
    key = ["data", "seed"]
    lost = pd.MultiIndex.from_frame(rows.loc[gone & rows["rule"].isin(BY_LABEL), key])
    incomplete = pd.MultiIndex.from_frame(remaining[key]).isin(lost)
    columns = [c for c in (f"val_{PER_LABEL_METRIC}", PER_LABEL_METRIC) if c in remaining]
    remaining.loc[incomplete, columns] = float("nan")
    return remaining


def withdrawn_table(rows: pd.DataFrame) -> Table:
    """Return each condition with its reason and its number of rows by data set."""
    lines = []
    for condition in WITHDRAWN:
        counts = rows[condition.concerns(rows)]["data"].value_counts(sort=False)
        by_data = ", ".join(f"{data} {n:,}" for data, n in counts.items())
        lines.append([condition.what, condition.why, by_data or "-", f"{counts.sum():,}"])
    return Table(["withdrawn", "because", "rows by data set", "rows"], lines, 3)
