"""What the READMEs say of the league, each number from a selection of its own, seeds in pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.harness.report import listed
from experiments.league.baselines import CONSTANT
from experiments.league.baselines import NAME as BASELINE
from experiments.league.significance import friedman_p, n_separated, nemenyi_p
from experiments.league.standings import means, ranks, select
from experiments.league.studies import METRICS
from mlc.reporting.statistics import Interval, mean_interval

# Heads that model dependence between any number of labels.
DEPENDENT = ("bernoulli_mixture", "chain", "pairwise")
# Rules that decide from each label's score alone, so that a joint distribution adds nothing by them.
BY_SCORES = ("fixed", "global", "top_k", "cardinality")


def separated(rows: pd.DataFrame) -> str:
    """By each metric how many pairs Nemenyi's test tells apart, from the metric's own selection.

    Where too few data sets are left for Friedman's test, neither is tested.
    """
    told = []
    for name in METRICS:
        tuned = select(rows, name)
        tested = friedman_p(tuned, name) is not None
        told.append(f"{n_separated(nemenyi_p(tuned, name)) if tested else 'not tested'} by {name}")
    return "; ".join(told)


def top(rows: pd.DataFrame, metric: str) -> str:
    """The three heads with the best average ranks, as the metric's table has them."""
    average = ranks(select(rows, metric), metric).mean(axis=1).drop(BASELINE, errors="ignore")
    return ", ".join(f"{head} {rank:.1f}" for head, rank in average.nsmallest(3).items())


def rank_of(rows: pd.DataFrame, metric: str, head: str) -> str:
    """A head's average rank, as the metric's table has it."""
    return f"{ranks(select(rows, metric), metric).mean(axis=1)[head]:.1f}"


def most_behind(rows: pd.DataFrame, metric: str, head: str) -> str:
    """How far a head's mean is behind the best head's of a data set at most, and where."""
    values = means(select(rows[rows["head"] != BASELINE], metric), metric)
    behind = values.max() - values.loc[head]
    return f"{behind.max():.3f} ({behind.idxmax()})"


def threshold_behind(rows: pd.DataFrame, metric: str = "jaccard_samples") -> dict[str, Interval]:
    """The head that is best on validation rows less sigmoid with one tuned threshold, by data set."""
    heads = rows[rows["head"] != BASELINE]
    one = select(heads[(heads["head"] == "sigmoid") & (heads["rule"] == "global")], metric)
    return _less(best_validated(select(heads, metric), metric), one, metric)


def over_logistic(tuned: pd.DataFrame, metric: str = "jaccard_samples") -> dict[str, Interval]:
    """The head that is best on validation rows less logistic regression, by data set."""
    heads, logistic = tuned[tuned["head"] != BASELINE], tuned[tuned["head"] == BASELINE]
    return _less(best_validated(heads, metric), logistic, metric)


def best_validated(tuned: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Of each data set the rows of the head that is best on validation rows, for metrics to be high."""
    chosen = tuned.groupby(["data", "head"])[f"val_{metric}"].mean().unstack("data").idxmax()
    return tuned[tuned["head"] == tuned["data"].map(chosen)]


def dependent_gains(tuned: pd.DataFrame, metric: str = "jaccard_samples") -> dict[str, Interval]:
    """The mean of the heads that model dependence less sigmoid, by data set."""
    key = ["data", "seed"]
    of_heads = tuned[tuned["head"].isin(DEPENDENT)].groupby(key, sort=False)[metric].mean()
    return _less(of_heads.reset_index(), tuned[tuned["head"] == "sigmoid"], metric)


def gains_over_sigmoid(
    tuned: pd.DataFrame, head: str, metric: str = "jaccard_samples"
) -> dict[str, Interval]:
    """A head less sigmoid, by data set."""
    own, sigmoid = (tuned[tuned["head"] == name] for name in (head, "sigmoid"))
    return _less(own, sigmoid, metric)


def exact_gains(rows: pd.DataFrame, head: str) -> dict[str, tuple[Interval, Interval]]:
    """A head's subset accuracy less sigmoid's, and the part of it that is the rule, by data set.

    The rule's part is what the head loses when its rule is chosen among `BY_SCORES` alone.
    """
    metric = "subset_accuracy"
    own = rows[rows["head"] == head]
    free, sigmoid = select(own, metric), select(rows[rows["head"] == "sigmoid"], metric)
    gain = _less(free, sigmoid, metric)
    of_rule = _less(free, select(own[own["rule"].isin(BY_SCORES)], metric), metric)
    return {data: (gain[data], of_rule[data]) for data in gain}


def exact_counts(rows: pd.DataFrame, heads: Sequence[str]) -> str:
    """On how many data sets each head finds more exact sets than sigmoid, and fewer.

    Only those count whose interval over seeds excludes 0.
    """
    told = []
    for head in heads:
        gains = [gain for gain, _ in exact_gains(rows, head).values()]
        ahead, behind = (sum(is_clear(g) and s * g.mean > 0 for g in gains) for s in (1, -1))
        told.append(f"{head} {ahead} and {behind} of {len(gains)}")
    return ", ".join(told)


def is_clear(gain: Interval) -> bool:
    """Whether the interval over seeds excludes 0."""
    return abs(gain.mean) > gain.half_width


def clear(gains: Mapping[str, Interval]) -> str:
    """Those whose interval over seeds excludes 0."""
    return listed({name: own for name, own in gains.items() if is_clear(own)}) or "none"


def constants(rows: pd.DataFrame, constant: pd.DataFrame) -> dict[str, str]:
    """Where sigmoid finds fewer exact sets than the most frequent training set for everybody does."""
    metric = "subset_accuracy"
    if constant.empty:
        return {"below_constant": "not measured", "n_below_constant": "not measured"}
    sigmoid = means(select(rows[rows["head"] == "sigmoid"], metric), metric).loc["sigmoid"]
    always = means(constant, metric).loc[CONSTANT]
    below = [data for data in sigmoid.index if data in always and sigmoid[data] < always[data]]
    told = ", ".join(f"{data} {sigmoid[data]:.3f} below {always[data]:.3f}" for data in below)
    return {"below_constant": told or "none", "n_below_constant": f"{len(below)} of {len(always)}"}


def claims(rows: pd.DataFrame, tuned: pd.DataFrame, many: list[str]) -> dict[str, str]:
    """The numbers, by name; `many` are the data sets with many labels, `tuned` by jaccard_samples."""
    threshold = threshold_behind(rows)
    dependent = {data: own for data, own in dependent_gains(tuned).items() if data in many}
    exact = exact_gains(rows, "pairwise")
    told = {
        data: f"{gain.signed()} ({of_rule.signed()})" for data, (gain, of_rule) in exact.items()
    }
    return {
        "separated": separated(rows),
        "threshold_behind": listed(threshold),
        "threshold_behind_clear": clear(threshold),
        "dependent_gain_many": listed(dependent) or "not measured",
        "dependent_gain_clear": clear(dependent),
        "exact_gain": ", ".join(f"{data} {own}" for data, own in told.items()),
        "exact_gain_clear": ", ".join(
            f"{data} {own}" for data, own in told.items() if is_clear(exact[data][0])
        )
        or "none",
        "exact_counts": exact_counts(rows, ("pairwise", "label_powerset", *DEPENDENT[:2])),
        "pick_one_clear": clear(gains_over_sigmoid(tuned, "pick_one")),
        "sigmoid_f1_macro_rank": rank_of(rows, "f1_macro", "sigmoid"),
        "sigmoid_f1_macro_behind": most_behind(rows, "f1_macro", "sigmoid"),
        **{f"top_{name}": top(rows, name) for name in METRICS},
    }


def _less(rows: pd.DataFrame, reference: pd.DataFrame, metric: str) -> dict[str, Interval]:
    """By data set, seed by seed: one row for each data set and seed in both."""
    key = ["data", "seed"]
    difference = rows.set_index(key)[metric] - reference.set_index(key)[metric]
    by_data = difference.dropna().groupby("data", sort=False)
    return {str(data): mean_interval(own) for data, own in by_data}
