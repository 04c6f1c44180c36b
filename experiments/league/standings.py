"""Selection of tuned contestants from all runs of the league, their ranks and tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.league.baselines import NAME as BASELINE
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import PairedDifference, holm, mean_interval, paired_difference
from mlc.reporting.tables import Table
from mlc.search.choice import BY_LABEL, PER_LABEL_METRIC

_KEY = ["data", "head", "seed"]
# Least number of seeds to mark a difference: fewer do not estimate the spread well enough.
LEAST_SEEDS = 5
_LEVEL = 0.05
# Stored values have four digits, so equal means are common; rounding keeps the ties.
_DIGITS = 9


def candidates(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows from which the rule of a contestant is chosen for the metric."""
    return rows if metric == PER_LABEL_METRIC else rows[~rows["rule"].isin(BY_LABEL)]


def select(rows: pd.DataFrame, metric: str, by_rule: bool = False) -> pd.DataFrame:
    """Return the run and rule with the best validation value of each data set, head and seed.

    It is the choice of `mlc.search.choice.choose` for each seed by itself.

    With `by_rule`, return the best run for each rule, including all rules.
    """
    key = [*_KEY, "rule"] if by_rule else _KEY
    chosen_from = rows if by_rule else candidates(rows, metric)
    present = chosen_from[chosen_from[f"val_{metric}"].notna()]
    groups = present.groupby(key, sort=False)[f"val_{metric}"]
    best = groups.idxmax() if COUNT_METRICS[metric].higher_is_better else groups.idxmin()
    return present.loc[best]


def means(tuned: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return means over seeds, rounded so that ties stay ties: heads by data sets."""
    table = tuned.pivot_table(index="head", columns="data", values=metric, sort=False)
    return table.round(_DIGITS)


def ranks(tuned: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the ranks of the heads that ran on all data sets, 1 for the best: heads by data sets."""
    complete = means(tuned, metric).dropna()
    return complete.rank(ascending=not COUNT_METRICS[metric].higher_is_better)


def standings(tuned: pd.DataFrame, metric: str, gains: pd.DataFrame | None = None) -> Table:
    """Return the heads in order of average rank, then heads without values on some data sets.

    `gains`, heads by data sets, are appended to each value in brackets.
    """
    average = ranks(tuned, metric).mean(axis=1)
    data_sets = list(dict.fromkeys(tuned["data"]))
    values = means(tuned, metric)
    sign = -COUNT_METRICS[metric].sign
    best = {data: (sign * values[data]).idxmin() for data in data_sets}
    heads = sorted(values.index, key=lambda head: (average.get(head, np.inf), head))
    groups = dict(iter(tuned.groupby(["head", "data"], sort=False)[metric]))
    lines = []
    for head in heads:
        cells = []
        for data in data_sets:
            group = groups.get((head, data), ())
            mark = ">" if best[data] == head and values[data].nunique() > 1 else ""
            more = "" if gains is None else f" ({gains.loc[head, data]:+.3f})"
            cells.append(f"{mark}{mean_interval(group)}{more}" if len(group) else "-")
        rank = f"{average[head]:.1f}" if head in average else "-"
        lines.append([head, rank, *cells])
    if gains is not None:
        lines.append(["(mean gain)", "-", *(f"{gains[data].mean():+.3f}" for data in data_sets)])
    return Table(["head", "rank", *data_sets], lines, 1)


def against(tuned: pd.DataFrame, metric: str, reference: str) -> Table:
    """Return differences from the reference, paired by seed; stars are corrected by data set."""
    data_sets = list(dict.fromkeys(tuned["data"]))
    heads = [head for head in dict.fromkeys(tuned["head"]) if head != reference]
    columns = []
    for data in data_sets:
        by_seed = tuned[tuned["data"] == data].pivot_table(
            index="seed", columns="head", values=metric
        )
        compared = [head for head in heads if head in by_seed]
        differences = [_difference(by_seed[[head, reference]]) for head in compared]
        marked = starred(differences)
        cells = {
            head: difference.interval.signed() + "*" * star
            for head, difference, star in zip(compared, differences, marked, strict=True)
        }
        columns.append([cells.get(head, "-") for head in heads])
    lines = [[str(head), *cells] for head, *cells in zip(heads, *columns, strict=True)]
    return Table(["head", *data_sets], lines, 1)


def starred(differences: Sequence[PairedDifference]) -> list[bool]:
    """Return which differences of a family are significant at a family-wise 5%.

    Paired t-tests with Holm's correction; differences of fewer than `LEAST_SEEDS` seeds are not.
    """
    p = [
        difference.p_value if difference.interval.n >= LEAST_SEEDS else np.nan
        for difference in differences
    ]
    return [bool(adjusted < _LEVEL) for adjusted in holm(p)]


def _difference(pair: pd.DataFrame) -> PairedDifference:
    values, reference = pair.dropna().to_numpy().T
    return paired_difference(values, reference)


def rules_table(rows: pd.DataFrame) -> Table:
    """Return the differences of each rule from global, on the same heads and seeds."""
    tuned = select(rows[rows["head"] != BASELINE], "jaccard_samples", by_rule=True)
    data_sets = list(dict.fromkeys(tuned["data"]))
    by_rule = tuned.pivot_table(index=_KEY, columns="rule", values="jaccard_samples")
    lines = []
    for rule in dict.fromkeys(tuned["rule"]):
        difference = (by_rule[rule] - by_rule["global"]).dropna()
        heads = difference.index.get_level_values("head").nunique()
        # Averaged over heads first: the interval is over seeds, since heads are no random sample.
        by_seed = difference.groupby(["data", "seed"]).mean()
        lines.append([str(rule), str(heads), *_signed(by_seed, data_sets)])
    return Table(["rule", "heads", *data_sets], lines, 1)


def optimism_table(rows: pd.DataFrame, metric: str) -> Table:
    """Return the validation value less the test value by rule, mean over heads."""
    tuned = select(rows[rows["head"] != BASELINE], metric, by_rule=True)
    gap = tuned.assign(gap=tuned[f"val_{metric}"] - tuned[metric])
    data_sets = list(dict.fromkeys(tuned["data"]))
    lines = []
    for rule, group in gap.groupby("rule", sort=False):
        by_seed = group.groupby(["data", "seed"])["gap"].mean()
        lines.append([str(rule), *_signed(by_seed, data_sets)])
    return Table(["rule", *data_sets], lines, 1)


def _signed(by_seed: pd.Series, data_sets: Sequence[str]) -> list[str]:
    """Format the mean over seeds for each data set, "-" without values."""
    by_data = dict(list(by_seed.groupby("data")))
    return [mean_interval(by_data[d]).signed() if d in by_data else "-" for d in data_sets]


def rule_gains(rows: pd.DataFrame, rule: str) -> pd.Series:
    """Return the gain of a rule over global by data set: mean over heads that support it and seeds."""
    tuned = select(rows[rows["head"] != BASELINE], "jaccard_samples", by_rule=True)
    by_rule = tuned.pivot_table(index=_KEY, columns="rule", values="jaccard_samples", sort=False)
    difference = (by_rule[rule] - by_rule["global"]).dropna()
    return difference.groupby("data", sort=False).mean()


def best_pairs(rows: pd.DataFrame) -> pd.Series:
    """Return the highest mean test jaccard_samples of any pair of head and rule, by data set."""
    pairs = select(rows[rows["head"] != BASELINE], "jaccard_samples", by_rule=True)
    values = pairs.groupby(["data", "head", "rule"], sort=False)["jaccard_samples"].mean()
    return values.groupby("data", sort=False).max()


def best_table(rows: pd.DataFrame, tuned: pd.DataFrame) -> Table:
    """Return the best pair by test mean, the best tuned head, and logistic regression, by data set."""
    pairs = select(rows[rows["head"] != BASELINE], "jaccard_samples", by_rule=True)
    lines = []
    for data in dict.fromkeys(tuned["data"]):
        groups = pairs[pairs["data"] == data].groupby(["head", "rule"])["jaccard_samples"]
        head, rule = groups.mean().idxmax()
        fair = tuned[tuned["data"] == data]
        validation = fair[fair["head"] != BASELINE].groupby("head")["val_jaccard_samples"].mean()
        chosen = validation.idxmax()
        group = fair[fair["head"] == chosen]["jaccard_samples"]
        logistic = fair[fair["head"] == BASELINE]["jaccard_samples"]
        lines.append(
            [
                data,
                f"{head}, {rule}",
                str(mean_interval(groups.get_group((head, rule)))),
                chosen,
                str(mean_interval(group)),
                str(mean_interval(logistic)) if len(logistic) else "-",
            ]
        )
    header = ["data", "best pair (oracle)", "test", "best on validation", "test", BASELINE]
    return Table(header, lines)
