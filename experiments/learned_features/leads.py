"""What sigmoids lose: the leads of other heads, paired by seed."""

from __future__ import annotations

import pandas as pd

from experiments.league.baselines import NAME as BASELINE
from experiments.league.claims import best_validated
from experiments.league.standings import select

# Each lead with its metric and its meaning.
LEADS = {
    "one_threshold": "best head less sigmoid with one threshold",
    "own_rule": "best head less sigmoid with its rule chosen",
    "pick_one": "pick_one less sigmoid, rules chosen",
    "exact": "the same as the first, by subset_accuracy",
    "exact_own_rule": "the same as the second, by subset_accuracy",
}
_KEY = ["data", "seed"]


def leads(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the leads of each data set and seed, with the columns of `LEADS`.

    Configurations and rules are chosen on validation rows for each seed, and the best head by its mean
    validation value.
    """
    heads = rows[rows["head"] != BASELINE]
    sigmoid = heads[heads["head"] == "sigmoid"]
    columns = {}
    for metric, names in (
        ("jaccard_samples", ("one_threshold", "own_rule")),
        ("subset_accuracy", ("exact", "exact_own_rule")),
    ):
        tuned = select(heads, metric)
        best = _values(best_validated(tuned, metric), metric)
        one = select(sigmoid[sigmoid["rule"] == one_threshold(heads, metric)], metric)
        columns[names[0]] = best - _values(one, metric)
        columns[names[1]] = best - _values(tuned[tuned["head"] == "sigmoid"], metric)
        if metric == "jaccard_samples" and (tuned["head"] == "pick_one").any():
            of_one = _values(tuned[tuned["head"] == "pick_one"], metric)
            columns["pick_one"] = of_one - _values(tuned[tuned["head"] == "sigmoid"], metric)
    return pd.DataFrame(columns).reindex(columns=list(LEADS)).reset_index()


def one_threshold(rows: pd.DataFrame, metric: str) -> str:
    """Return the rule of one threshold that is tuned for the metric, if it was measured."""
    tuned = f"global {metric}"
    return tuned if (rows["rule"] == tuned).any() else "global"


def best_heads(rows: pd.DataFrame, metric: str = "jaccard_samples") -> dict[str, str]:
    """Return the head that is best on validation rows, by data set."""
    tuned = best_validated(select(rows[rows["head"] != BASELINE], metric), metric)
    return {
        str(data): str(group["head"].iloc[0]) for data, group in tuned.groupby("data", sort=False)
    }


def _values(chosen: pd.DataFrame, metric: str) -> pd.Series:
    return chosen.set_index(_KEY)[metric]
