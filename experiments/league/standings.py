"""From all runs of the league to tuned contestants, their ranks and tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import bootstrap

from experiments.league.baselines import NAME as BASELINE
from mlc.metrics import COUNT_METRICS
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table

_KEY = ["data", "head", "seed"]
# It tunes K numbers on the rows by which the choice is made, so it looks better there than it is;
# only for the metric that it is made for does it gain more than that costs.
_FLATTERED, _ITS_METRIC = "per_label", "f1_macro"


def candidates(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows among which a contestant's rule is chosen for the metric."""
    return rows if metric == _ITS_METRIC else rows[rows["rule"] != _FLATTERED]


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
    """Means over seeds: heads by data sets."""
    return tuned.pivot_table(index="head", columns="data", values=metric, sort=False)


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
    """Each head less the reference, seed by seed."""
    data_sets = list(dict.fromkeys(tuned["data"]))
    by_seed = tuned.set_index(_KEY)[metric].sort_index()
    lines = []
    for head in dict.fromkeys(tuned["head"]):
        if head == reference:
            continue
        cells = []
        for data in data_sets:
            if (data, head) not in by_seed.droplevel("seed").index:
                cells.append("-")
                continue
            difference = (by_seed[data, head] - by_seed[data, reference]).dropna().to_numpy()
            cells.append(_with_bootstrap(difference))
        lines.append([head, *cells])
    return Table(["head", *data_sets], lines, 1)


def _with_bootstrap(difference: np.ndarray) -> str:
    if len(difference) < 2 or np.ptp(difference) == 0:
        return f"{difference.mean():+.3f}"
    interval = bootstrap(
        (difference,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    mark = "*" if interval.low > 0 or interval.high < 0 else ""
    return f"{difference.mean():+.3f} ({interval.low:+.3f} to {interval.high:+.3f}){mark}"


def rules_table(rows: pd.DataFrame) -> Table:
    """Each rule less global on the same heads and seeds."""
    tuned = select(rows[rows["head"] != BASELINE], "jaccard_samples", by_rule=True)
    data_sets = list(dict.fromkeys(tuned["data"]))
    by_rule = tuned.pivot_table(index=_KEY, columns="rule", values="jaccard_samples")
    lines = []
    for rule in dict.fromkeys(tuned["rule"]):
        difference = (by_rule[rule] - by_rule["global"]).dropna()
        heads = difference.index.get_level_values("head").nunique()
        cells = []
        for data in data_sets:
            # A mean over heads for each seed: heads are no sample of anything.
            own = difference.xs(data, level="data").groupby("seed").mean()
            cells.append(mean_interval(own).signed())
        lines.append([str(rule), str(heads), *cells])
    return Table(["rule", "heads", *data_sets], lines, 1)


def optimism_table(rows: pd.DataFrame, metric: str) -> Table:
    """By rule, the validation value less the test value, mean over heads."""
    tuned = select(rows[rows["head"] != BASELINE], metric, by_rule=True)
    gap = tuned.assign(gap=tuned[f"val_{metric}"] - tuned[metric])
    data_sets = list(dict.fromkeys(tuned["data"]))
    lines = []
    for rule, own in gap.groupby("rule", sort=False):
        by_seed = own.groupby(["data", "seed"])["gap"].mean()
        cells = [mean_interval(by_seed.xs(data, level="data")).signed() for data in data_sets]
        lines.append([str(rule), *cells])
    return Table(["rule", *data_sets], lines, 1)


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
