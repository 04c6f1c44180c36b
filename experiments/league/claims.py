"""Numbers on the league that the READMEs quote, paired by seed."""

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
# Rules that use only scores, and so nothing of a joint distribution.
BY_SCORES = ("fixed", "global", "top_k", "cardinality")


def separated(rows: pd.DataFrame) -> str:
    """Count the pairs of heads that Nemenyi's test separates, by metric.

    With too few data sets for Friedman's test, neither test is made.
    """
    texts = []
    for name in METRICS:
        tuned = select(rows, name)
        tested = friedman_p(tuned, name) is not None
        texts.append(f"{n_separated(nemenyi_p(tuned, name)) if tested else 'not tested'} by {name}")
    return "; ".join(texts)


def top(rows: pd.DataFrame, metric: str) -> str:
    """Return the three heads with the best average ranks in the table of a metric."""
    average = ranks(select(rows, metric), metric).mean(axis=1).drop(BASELINE, errors="ignore")
    return ", ".join(f"{head} {rank:.1f}" for head, rank in average.nsmallest(3).items())


def rank_of(rows: pd.DataFrame, metric: str, head: str) -> str:
    """Return the average rank of a head in the table of a metric."""
    return f"{ranks(select(rows, metric), metric).mean(axis=1)[head]:.1f}"


def most_behind(rows: pd.DataFrame, metric: str, head: str) -> str:
    """Return the largest gap of a head's mean to the best head on any data set, and the data set."""
    values = means(select(rows[rows["head"] != BASELINE], metric), metric)
    behind = values.max() - values.loc[head]
    return f"{behind.max():.3f} ({behind.idxmax()})"


def threshold_behind(rows: pd.DataFrame, metric: str = "jaccard_samples") -> dict[str, Interval]:
    """Return the gain of the best validated head over sigmoid with one threshold, by data set."""
    heads = rows[rows["head"] != BASELINE]
    one = select(heads[(heads["head"] == "sigmoid") & (heads["rule"] == "global")], metric)
    return _less(best_validated(select(heads, metric), metric), one, metric)


def over_logistic(tuned: pd.DataFrame, metric: str = "jaccard_samples") -> dict[str, Interval]:
    """Return the gain of the best validated head over logistic regression, by data set."""
    heads, logistic = tuned[tuned["head"] != BASELINE], tuned[tuned["head"] == BASELINE]
    return _less(best_validated(heads, metric), logistic, metric)


def best_validated(tuned: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the rows of the best head on validation rows of each data set; higher is better."""
    chosen = tuned.groupby(["data", "head"])[f"val_{metric}"].mean().unstack("data").idxmax()
    return tuned[tuned["head"] == tuned["data"].map(chosen)]


def dependent_gains(tuned: pd.DataFrame, metric: str = "jaccard_samples") -> dict[str, Interval]:
    """Return the mean gain of the heads that model dependence over sigmoid, by data set."""
    key = ["data", "seed"]
    of_heads = tuned[tuned["head"].isin(DEPENDENT)].groupby(key, sort=False)[metric].mean()
    return _less(of_heads.reset_index(), tuned[tuned["head"] == "sigmoid"], metric)


def gains_over_sigmoid(
    tuned: pd.DataFrame, head: str, metric: str = "jaccard_samples"
) -> dict[str, Interval]:
    """Return the gain of a head over sigmoid, by data set."""
    of_head, sigmoid = (tuned[tuned["head"] == name] for name in (head, "sigmoid"))
    return _less(of_head, sigmoid, metric)


def single_gains(tuned: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the gain over sigmoid of each head on the data set beside it."""
    gains = {head: gains_over_sigmoid(tuned, head) for head, _ in pairs}
    return {
        f"gain_{head}_{data}": gains[head][data].signed() if data in gains[head] else "not measured"
        for head, data in pairs
    }


def exact_gains(rows: pd.DataFrame, head: str) -> dict[str, tuple[Interval, Interval]]:
    """Return a head's gain in subset accuracy over sigmoid, and the rule's part of it, by data set.

    The rule's part is the loss of the head if its rule is chosen only among `BY_SCORES`.
    """
    metric = "subset_accuracy"
    of_head = rows[rows["head"] == head]
    free, sigmoid = select(of_head, metric), select(rows[rows["head"] == "sigmoid"], metric)
    gain = _less(free, sigmoid, metric)
    of_rule = _less(free, select(of_head[of_head["rule"].isin(BY_SCORES)], metric), metric)
    return {data: (gain[data], of_rule[data]) for data in gain}


def exact_counts(rows: pd.DataFrame, heads: Sequence[str]) -> str:
    """Describe on how many data sets each head finds more, or fewer, exact sets than sigmoid."""
    texts = []
    for head in heads:
        gains = [gain for gain, _ in exact_gains(rows, head).values()]
        ahead, behind = count_clear(gains)
        texts.append(f"{head} {ahead} and {behind} of {len(gains)}")
    return ", ".join(texts)


def count_clear(gains: Sequence[Interval]) -> tuple[int, int]:
    """Return the numbers of gains above and below 0 whose interval over seeds excludes 0."""
    return sum(gain.is_above for gain in gains), sum(gain.is_below for gain in gains)


def clear_gains(gains: Mapping[str, Interval]) -> dict[str, Interval]:
    """Return the gains whose interval over seeds excludes 0."""
    return {name: gain for name, gain in gains.items() if gain.is_clear}


def clear(gains: Mapping[str, Interval]) -> str:
    """Format the gains whose interval over seeds excludes 0."""
    return listed(clear_gains(gains)) or "none"


def constants(rows: pd.DataFrame, constant: pd.DataFrame) -> dict[str, str]:
    """Describe where sigmoid finds fewer exact sets than the constant most frequent set."""
    metric = "subset_accuracy"
    if constant.empty:
        return {"below_constant": "not measured", "n_below_constant": "not measured"}
    sigmoid = means(select(rows[rows["head"] == "sigmoid"], metric), metric).loc["sigmoid"]
    always = means(constant, metric).loc[CONSTANT]
    below = [data for data in sigmoid.index if data in always and sigmoid[data] < always[data]]
    text = ", ".join(f"{data} {sigmoid[data]:.3f} below {always[data]:.3f}" for data in below)
    return {"below_constant": text or "none", "n_below_constant": f"{len(below)} of {len(always)}"}


def claims(rows: pd.DataFrame, tuned: pd.DataFrame, many: list[str]) -> dict[str, str]:
    """Return the numbers by name; `many`: data sets with many labels; `tuned` by jaccard_samples."""
    threshold = threshold_behind(rows)
    dependent = {data: value for data, value in dependent_gains(tuned).items() if data in many}
    exact = exact_gains(rows, "pairwise")
    ahead, _ = count_clear([gain for gain, _ in exact.values()])
    texts = {
        data: f"{gain.signed()} ({of_rule.signed()})" for data, (gain, of_rule) in exact.items()
    }
    return {
        "separated": separated(rows),
        "threshold_behind": listed(threshold),
        "threshold_behind_clear": clear(threshold),
        "dependent_gain_many": listed(dependent) or "not measured",
        "dependent_gain_clear": clear(dependent),
        "exact_gain": ", ".join(f"{data} {value}" for data, value in texts.items()),
        "exact_gain_clear": ", ".join(
            f"{data} {value}" for data, value in texts.items() if exact[data][0].is_clear
        )
        or "none",
        "exact_counts": exact_counts(rows, ("pairwise", "label_powerset", *DEPENDENT[:2])),
        "exact_ahead_pairwise": f"{ahead} of {len(exact)}",
        **single_gains(tuned, (("pick_one", "birds"), ("pairwise", "bibtex"))),
        "pick_one_clear": clear(gains_over_sigmoid(tuned, "pick_one")),
        "sigmoid_f1_macro_rank": rank_of(rows, "f1_macro", "sigmoid"),
        "sigmoid_f1_macro_behind": most_behind(rows, "f1_macro", "sigmoid"),
        **{f"top_{name}": top(rows, name) for name in METRICS},
    }


def _less(rows: pd.DataFrame, reference: pd.DataFrame, metric: str) -> dict[str, Interval]:
    """Return differences by data set, paired by seed; both have one row per data set and seed."""
    key = ["data", "seed"]
    difference = rows.set_index(key)[metric] - reference.set_index(key)[metric]
    by_data = difference.dropna().groupby("data", sort=False)
    return {str(data): mean_interval(group) for data, group in by_data}
