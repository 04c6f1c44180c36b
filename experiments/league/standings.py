"""From all runs of the league to tuned contestants, their ranks and tests."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scikit_posthocs import critical_difference_diagram, posthoc_nemenyi_friedman
from scipy.stats import bootstrap, friedmanchisquare

from experiments.league.baselines import NAME as BASELINE
from mlc.metrics import COUNT_METRICS
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table

_KEY = ["data", "head", "seed"]
_LEAST_DATA_SETS, _LEAST_HEADS = 5, 3  # Fewer leave nothing to test.
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


def standings(tuned: pd.DataFrame, metric: str) -> Table:
    """Heads by average rank; those that cannot run everywhere below, without one."""
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
            cells.append(f"{mark}{mean_interval(own)}" if len(own) else "-")
        rank = f"{average[head]:.1f}" if head in average else "-"
        lines.append([head, rank, *cells])
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


def ensemble_gains(ensembles: pd.DataFrame, tuned: pd.DataFrame) -> pd.DataFrame:
    """Test jaccard_samples of each head's ensembles less that of its tuned networks: heads by data."""
    metric = "jaccard_samples"
    own = means(select(ensembles, metric), metric)
    return own - means(tuned, metric).reindex_like(own)


def ensembles_table(ensembles: pd.DataFrame, tuned: pd.DataFrame) -> Table:
    """Each head's ensembles, their rule chosen out of bag, and what they gain on its tuned networks."""
    chosen = select(ensembles, "jaccard_samples")
    gains = ensemble_gains(ensembles, tuned)
    data_sets = list(dict.fromkeys(chosen["data"]))
    values = means(chosen, "jaccard_samples")
    lines = []
    for head in dict.fromkeys(chosen["head"]):
        cells = []
        for data in data_sets:
            own = chosen[(chosen["head"] == head) & (chosen["data"] == data)]["jaccard_samples"]
            mark = ">" if values[data].idxmax() == head else ""
            gain = f" ({gains.loc[head, data]:+.3f})" if len(own) else ""
            cells.append(f"{mark}{mean_interval(own)}{gain}" if len(own) else "-")
        lines.append([head, *cells])
    lines.append(["(mean gain)", *(f"{gains[data].mean():+.3f}" for data in data_sets)])
    return Table(["head", *data_sets], lines, 1)


def best_ensembles(ensembles: pd.DataFrame) -> pd.DataFrame:
    """By data set the pair of head and rule with the best test mean, and that with the best out of bag.

    Columns: "oracle" and "chosen", each (head, rule).
    """
    pairs = ensembles.groupby(["data", "head", "rule"], sort=False)[
        ["val_jaccard_samples", "jaccard_samples"]
    ].mean()
    fair = candidates(pairs.reset_index("rule"), "jaccard_samples").set_index("rule", append=True)
    found = {}
    for data, own in pairs.groupby("data", sort=False):
        oracle = own["jaccard_samples"].idxmax()
        chosen = fair.loc[[data]]["val_jaccard_samples"].idxmax()
        found[data] = {"oracle": oracle[1:], "chosen": chosen[1:]}
    return pd.DataFrame.from_dict(found, orient="index")


def best_ensembles_table(ensembles: pd.DataFrame) -> Table:
    """`best_ensembles` with their test values."""
    values = ensembles.set_index(["data", "head", "rule"])["jaccard_samples"].sort_index()
    lines = []
    for data, own in best_ensembles(ensembles).iterrows():
        cells = []
        for pair in (own["oracle"], own["chosen"]):
            cells += [", ".join(pair), str(mean_interval(values.loc[[(data, *pair)]]))]
        lines.append([str(data), *cells])
    return Table(["data", "best pair (oracle)", "test", "best pair out of bag", "test"], lines)


def friedman_p(tuned: pd.DataFrame, metric: str) -> float | None:
    """How likely ranks as uneven as these are were all heads alike; None with too few data sets."""
    table = ranks(tuned, metric)
    if table.shape[1] < _LEAST_DATA_SETS or len(table) < _LEAST_HEADS:
        return None
    values = means(tuned, metric).loc[table.index]
    return float(friedmanchisquare(*values.to_numpy()).pvalue)


def nemenyi_p(tuned: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Nemenyi's p of each pair of heads, from the difference of their average ranks: heads by heads.

    Demsar 2006, "Statistical comparisons of classifiers over multiple data sets".
    """
    values = means(tuned, metric).loc[ranks(tuned, metric).index]
    found: pd.DataFrame = posthoc_nemenyi_friedman(values.T)
    return found


def n_separated(p: pd.DataFrame) -> int:
    """How many pairs a table of p, heads by heads, tells apart at 5%."""
    return int((p < 0.05).to_numpy().sum()) // 2


def least_wilcoxon_holm(n_data_sets: int, n_heads: int) -> float:
    """The smallest p that Wilcoxon's test with Holm's correction can give for any pair of heads.

    Signed ranks that all agree have p = 2 / 2^n, and Holm multiplies the smallest by the pairs.
    """
    return float(min(1.0, 2 / 2**n_data_sets * n_heads * (n_heads - 1) / 2))


def ranks_figure(tuned: pd.DataFrame, metric: str) -> Figure | None:
    """Average ranks, heads joined that Nemenyi's test does not tell apart."""
    table, p = ranks(tuned, metric), friedman_p(tuned, metric)
    if p is None:
        return None
    pairs = nemenyi_p(tuned, metric)
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    axes = figure.subplots()
    drawn = critical_difference_diagram(
        table.mean(axis=1), pairs, ax=axes, label_props={"fontsize": "small"},
        crossbar_props={"color": "0.4"}, text_h_margin=0.3,
    )  # fmt: skip
    for (bar,) in drawn["crossbars"]:
        # The points come in the order of a set of names, another one in each process.
        bar.set_xdata(sorted(bar.get_xdata()))
    axes.set_title(
        f"average rank by {metric} on {table.shape[1]} data sets (Friedman p = {p:.2g}; bars join"
        " heads that Nemenyi's test does not separate)",
        fontsize="small",
    )
    return figure
