"""The best rule of each head by its validation values, with its test values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from mlc.metrics.names import largest_difference, metric_sign
from mlc.reporting.choice import chosen_settings
from mlc.reporting.gaps import Gap, known_width
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import FAIR, mean_of, validation_means
from mlc.search.choice import choosable


@dataclass(frozen=True, eq=False)
class Leader:
    """A head in the setting and with the rule that the validation rows choose.

    Attributes:
        name: the contestant: the head with its settings.
        head: the head.
        rule: the decision rule.
        validation: the mean of the metric on the validation rows; NaN if it is unknown.
        test: its mean on the test rows, with the interval over seeds.
        values: its test values by seed.
        runs: names of the runs.
    """

    name: str
    head: str
    rule: str
    validation: float
    test: Interval
    values: pd.Series
    runs: list[str]


def leaders(
    runs: pd.DataFrame,
    metric: str,
    tuned_on: Mapping[str, str],
    rules: Mapping[str, str] | None = None,
) -> list[Leader]:
    """Return the leader of each head under each setting of the data, the best on validation rows first.

    Args:
        runs: of one data set, with the columns of `contestants`.
        metric: that chooses.
        tuned_on: the part of the data on which each rule was tuned; rules tuned on test rows are left
            out.
        rules: rules that a comparison has chosen, by head.
    """
    rules, sign = rules or {}, metric_sign(metric)
    chosen, means = chosen_settings(runs, metric), validation_means(runs, metric)
    fair = runs[runs["rule"].map(lambda rule: tuned_on.get(rule) in FAIR)]
    best = []
    for (head, _), group in fair.groupby(["head", "conditions"], sort=False):
        names = choosable(list(dict.fromkeys(group["rule"])), metric)
        if rules.get(str(head)) in set(group["rule"]):
            names = [rules[str(head)]]
        candidates = {
            pair: sign * means.get(pair, float("nan"))
            for pair in dict.fromkeys(zip(group["contestant"], group["rule"], strict=True))
            if pair[1] in names and (chosen is None or pair in chosen)
        }
        if candidates:
            # NaN is never larger: without validation values, the first rule is taken.
            name, rule = max(candidates, key=lambda pair: _known(candidates[pair]))
            rows = group[(group["contestant"] == name) & (group["rule"] == rule)]
            best.append(_leader(rows, metric, means.get((name, rule), float("nan"))))
    return sorted(best, key=lambda leader: -_known(sign * leader.validation))


def _leader(rows: pd.DataFrame, metric: str, validation: float) -> Leader:
    first = rows.iloc[0]
    return Leader(
        str(first["contestant"]),
        str(first["head"]),
        str(first["rule"]),
        validation,
        mean_of(rows, metric),
        rows.set_index("seed")[metric].dropna() if metric in rows else pd.Series(dtype=float),
        list(map(str, rows["run"])),
    )


def reference_of(best: Sequence[Leader], reference: str) -> Leader | None:
    """Return the leader that others are compared with: a contestant or the only one of a head."""
    named = [leader for leader in best if leader.name == reference]
    of_head = named or [leader for leader in best if leader.head == reference]
    return of_head[0] if len(of_head) == 1 else None


def gaps(best: Sequence[Leader], base: Leader, metric: str) -> list[Gap]:
    """Return the differences of the other leaders from one, paired by seed; more is better.

    The largest is first. Without two seeds in common there is no interval.
    """
    sign, most = metric_sign(metric) or 1, largest_difference(metric)
    rows = []
    for leader in best:
        pairs = pd.concat([leader.values, base.values], axis=1, join="inner").to_numpy()
        if leader is not base and len(pairs):
            difference = mean_interval(sign * (pairs[:, 0] - pairs[:, 1]))
            width = known_width(difference.half_width, most)
            is_chosen = leader is best[0]
            rows.append(Gap(leader.name, leader.rule, difference.mean, width, is_chosen, most))
    return sorted(rows, key=lambda gap: -gap.mean)


def _known(value: float) -> float:
    return value if value == value else float("-inf")


def sentence(best: Sequence[Leader], base: Leader | None, metric: str) -> str:
    """Return which leader the validation rows choose, and its difference from the base on test rows."""
    first = best[0]
    text = (
        f"{first.name} with the rule {first.rule} has the best {metric} on the validation rows,"
        f" {first.validation:.3f}; on the test rows it is {first.test}."
    )
    if base is None or base is first:
        return text
    gap = next((gap for gap in gaps(best, base, metric) if gap.is_chosen), None)
    if gap is None:
        return text
    return f"{text} It differs from {base.name} with {base.rule} by {gap.text()} there."
