"""From all runs of the league to tuned contestants, their ranks and tables."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from experiments.league.baselines import NAME as BASELINE
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import PairedDifference, holm, mean_interval, paired_difference
from mlc.reporting.tables import Table

_KEY = ["data", "head", "seed"]
# It tunes K numbers on the rows by which the choice is made, so it looks better there than it is;
# only for the metric that it is made for does it gain more than that costs.
PER_LABEL, ITS_METRIC = "per_label", "f1_macro"
# With fewer no difference is marked: the test would have to lean on a spread of three or four values.
LEAST_SEEDS = 5
_LEVEL = 0.05
# Stored values have four digits, so equal means are common, and sums of floats would break the tie.
_DIGITS = 9


def candidates(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows among which a contestant's rule is chosen for the metric."""
    return rows if metric == ITS_METRIC else rows[rows["rule"] != PER_LABEL]


def select(rows: pd.DataFrame, metric: str, by_rule: bool = False) -> pd.DataFrame:
    """Of each data set, head and seed the run and rule with the best validation value.

    With `by_rule` the best run for each rule, of all rules.
    """
    key = [*_KEY, "rule"] if by_rule else _KEY
    chosen_from = rows if by_rule else candidates(rows, metric)
    present = chosen_from[chosen_from[f"val_{metric}"].notna()]
    groups = present.groupby(key, sort=False)[f"val_{metric}"]
    best = groups.idxmax() if COUNT_METRICS[metric].higher_is_better else groups.idxmin()
    return present.loc[best]


def means(tuned: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Means over seeds: heads by data sets. What only rounding tells apart is equal."""
    table = tuned.pivot_table(index="head", columns="data", values=metric, sort=False)
    return table.round(_DIGITS)


def ranks(tuned: pd.DataFrame, metric: str) -> pd.DataFrame:
    """1 is best, among the heads that ran on all data sets: heads by data sets."""
    whole = means(tuned, metric).dropna()
    return whole.rank(ascending=not COUNT_METRICS[metric].higher_is_better)


def standings(tuned: pd.DataFrame, metric: str, gains: pd.DataFrame | None = None) -> Table:
    """Heads by average rank; those that cannot run everywhere below, without one.

    `gains`, heads by data sets, stand in brackets behind each value.
    """
    average = ranks(tuned, metric).mean(axis=1)
    data_sets = list(dict.fromkeys(tuned["data"]))
    values = means(tuned, metric)
    sign = -1 if COUNT_METRICS[metric].higher_is_better else 1
    best = {data: (sign * values[data]).idxmin() for data in data_sets}
    heads = sorted(values.index, key=lambda head: (average.get(head, np.inf), head))
    lines = []
    for head in heads:
        cells = []
        for data in data_sets:
            own = tuned[(tuned["head"] == head) & (tuned["data"] == data)][metric]
            mark = ">" if best[data] == head and values[data].nunique() > 1 else ""
            more = "" if gains is None else f" ({gains.loc[head, data]:+.3f})"
            cells.append(f"{mark}{mean_interval(own)}{more}" if len(own) else "-")
        rank = f"{average[head]:.1f}" if head in average else "-"
        lines.append([head, rank, *cells])
    if gains is not None:
        lines.append(["(mean gain)", "-", *(f"{gains[data].mean():+.3f}" for data in data_sets)])
    return Table(["head", "rank", *data_sets], lines, 1)


def against(tuned: pd.DataFrame, metric: str, reference: str) -> Table:
    """Each head less the reference, seed by seed; stars are corrected within a data set."""
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
            head: own.interval.signed() + "*" * star
            for head, own, star in zip(compared, differences, marked, strict=True)
        }
        columns.append([cells.get(head, "-") for head in heads])
    lines = [[str(head), *cells] for head, *cells in zip(heads, *columns, strict=True)]
    return Table(["head", *data_sets], lines, 1)


def starred(differences: Sequence[PairedDifference]) -> list[bool]:
    """Which of the differences that belong together are not 0, at 5% for all of them.

    Paired t-tests with Holm's correction; none is marked that has fewer than `LEAST_SEEDS` seeds.
    """
    p = [own.p_value if own.interval.n >= LEAST_SEEDS else np.nan for own in differences]
    return [bool(adjusted < _LEVEL) for adjusted in holm(p)]


def _difference(pair: pd.DataFrame) -> PairedDifference:
    own, reference = pair.dropna().to_numpy().T
    return paired_difference(own, reference)


def rules_table(rows: pd.DataFrame) -> Table:
    """Each rule less global on the same heads and seeds."""
    tuned = select(rows[rows["head"] != BASELINE], "jaccard_samples", by_rule=True)
    data_sets = list(dict.fromkeys(tuned["data"]))
    by_rule = tuned.pivot_table(index=_KEY, columns="rule", values="jaccard_samples")
    lines = []
    for rule in dict.fromkeys(tuned["rule"]):
        difference = (by_rule[rule] - by_rule["global"]).dropna()
        heads = difference.index.get_level_values("head").nunique()
        # A mean over heads for each seed: heads are no sample of anything.
        by_seed = difference.groupby(["data", "seed"]).mean()
        lines.append([str(rule), str(heads), *_signed(by_seed, data_sets)])
    return Table(["rule", "heads", *data_sets], lines, 1)


def optimism_table(rows: pd.DataFrame, metric: str) -> Table:
    """By rule, the validation value less the test value, mean over heads."""
    tuned = select(rows[rows["head"] != BASELINE], metric, by_rule=True)
    gap = tuned.assign(gap=tuned[f"val_{metric}"] - tuned[metric])
    data_sets = list(dict.fromkeys(tuned["data"]))
    lines = []
    for rule, own in gap.groupby("rule", sort=False):
        by_seed = own.groupby(["data", "seed"])["gap"].mean()
        lines.append([str(rule), *_signed(by_seed, data_sets)])
    return Table(["rule", *data_sets], lines, 1)


def _signed(by_seed: pd.Series, data_sets: Sequence[str]) -> list[str]:
    """Of values by data set and seed the mean over seeds for each data set, "-" where there are none."""
    by_data = dict(list(by_seed.groupby("data")))
    return [mean_interval(by_data[d]).signed() if d in by_data else "-" for d in data_sets]


def rule_gains(rows: pd.DataFrame, rule: str) -> pd.Series:
    """By data set, the rule less global: mean over the heads that can take it, and seeds."""
    tuned = select(rows[rows["head"] != BASELINE], "jaccard_samples", by_rule=True)
    by_rule = tuned.pivot_table(index=_KEY, columns="rule", values="jaccard_samples", sort=False)
    difference = (by_rule[rule] - by_rule["global"]).dropna()
    return difference.groupby("data", sort=False).mean()


def best_pairs(rows: pd.DataFrame) -> pd.Series:
    """By data set, the highest mean test jaccard_samples of any pair of head and rule."""
    pairs = select(rows[rows["head"] != BASELINE], "jaccard_samples", by_rule=True)
    values = pairs.groupby(["data", "head", "rule"], sort=False)["jaccard_samples"].mean()
    return values.groupby("data", sort=False).max()


def best_table(rows: pd.DataFrame, tuned: pd.DataFrame) -> Table:
    """By data set: the pair with the best test mean, the best tuned head, logistic regression."""
    pairs = select(rows[rows["head"] != BASELINE], "jaccard_samples", by_rule=True)
    lines = []
    for data in dict.fromkeys(tuned["data"]):
        here = pairs[pairs["data"] == data].groupby(["head", "rule"])["jaccard_samples"]
        head, rule = here.mean().idxmax()
        fair = tuned[tuned["data"] == data]
        validation = fair[fair["head"] != BASELINE].groupby("head")["val_jaccard_samples"].mean()
        chosen = validation.idxmax()
        own = fair[fair["head"] == chosen]["jaccard_samples"]
        logistic = fair[fair["head"] == BASELINE]["jaccard_samples"]
        lines.append(
            [
                data,
                f"{head}, {rule}",
                str(mean_interval(here.get_group((head, rule)))),
                chosen,
                str(mean_interval(own)),
                str(mean_interval(logistic)) if len(logistic) else "-",
            ]
        )
    header = ["data", "best pair (oracle)", "test", "best on validation", "test", BASELINE]
    return Table(header, lines)
