"""The tables of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.equal_budgets.bootstrap import (
    Draws,
    Gain,
    gains,
    gains_over_sets,
    rank_intervals,
)
from experiments.equal_budgets.chosen import configured, edges
from experiments.equal_budgets.epochs import MONITORS
from experiments.equal_budgets.row_draws import REFERENCE
from experiments.equal_budgets.runs import METRICS, NO_RULE
from experiments.equal_budgets.signed_rank import signed_rank
from experiments.equal_budgets.studies import CONFIRM, PLANS, SEARCH, contestants
from experiments.league.significance import nemenyi_p
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table

# With fewer data sets nothing is said of others.
LEAST_DATA_SETS = 3
# The half-width of an interval differs by about this share between sets of draws.
_EDGE = 0.05


def common(draws: Mapping[str, Draws]) -> list[Draws]:
    """Return the draws of the contestants that all data sets have, in the same order."""
    each = list(draws.values())
    heads = [head for head in each[0].heads if all(head in one.heads for one in each)]
    return [one.of(heads) for one in each]


@dataclass(frozen=True)
class Gains:
    """The gains over the reference by contestant.

    Attributes:
        pooled: on the mean of the data sets; empty with few of them.
        by_data: by data set.
    """

    pooled: dict[str, Gain]
    by_data: dict[str, dict[str, Gain]]


def gains_of(draws: Mapping[str, Draws]) -> Gains:
    """Return the gains of the contestants in the draws of each data set."""
    by_data = {data: gains(each, REFERENCE) for data, each in draws.items()}
    if len(draws) < LEAST_DATA_SETS:
        return Gains({}, by_data)
    together = gains_over_sets(common(draws), REFERENCE, np.random.default_rng(1))
    return Gains(together, by_data)


def pooled_table(
    draws: Mapping[str, Draws], by_head: Mapping[str, Gain], tuned: pd.DataFrame, metric: str
) -> Table:
    """Return each contestant's gain over the reference, ranks and tests, over the data sets."""
    sign = COUNT_METRICS[metric].sign
    shared = common(draws)
    heads = shared[0].heads
    ranked = rank_intervals(shared, np.random.default_rng(2), sign > 0)
    of_shared = tuned[tuned["head"].isin(heads)]
    nemenyi = nemenyi_p(of_shared, metric)[REFERENCE] if by_head else {}
    column = heads.index(REFERENCE)
    lines = []
    for index, head in enumerate(heads):
        average, low, high = ranked[head]
        cells = ["-"] * 3
        if head in by_head:
            gain = by_head[head]
            cells = [
                f"{gain.mean:+.3f}",
                f"{gain.low:+.3f} to {gain.high:+.3f}",
                f"{gain.detectable:.3f}",
            ]
        differences = [sign * (one.values[index] - one.values[column]) for one in shared]
        verdict = signed_rank(differences)
        chances = ["-"] * 3
        if head != REFERENCE:
            chances = [f"{p:.2f}" for p in (verdict.worse, verdict.equal, verdict.better)]
        p = f"{nemenyi[head]:.2g}" if head in nemenyi and head != REFERENCE else "-"
        lines.append([head, f"{average:.1f}", f"{low:.1f} to {high:.1f}", *cells, *chances, p])
    lines.sort(key=lambda line: (float(line[1]), line[0]))
    header = [
        "contestant", "rank", "95%", "gain", "95%, all together", "detectable", "P(worse)", "P(equal)",
        "P(better)", "Nemenyi p",
    ]  # fmt: skip
    return Table(header, lines, 1)


def gains_by_data(by_data: Mapping[str, Mapping[str, Gain]]) -> Table:
    """Return the gains over the reference by data set, with the least detectable ones below."""
    heads = dict.fromkeys(head for each in by_data.values() for head in each)
    lines = [[head, *(_signed(each.get(head)) for each in by_data.values())] for head in heads]
    detectable = [
        f"{np.median([gain.detectable for gain in each.values()]):.3f}" if each else "-"
        for each in by_data.values()
    ]
    lines.append(["(detectable, median)", *detectable])
    return Table(["contestant", *by_data], lines, 1)


def clear_numbers(found: Mapping[str, Gains]) -> dict[str, str]:
    """Describe by metric who is ahead beyond the interval, pooled and by data set, and what is seen."""
    numbers = {}
    for metric, of_metric in found.items():
        sign = COUNT_METRICS[metric].sign
        ahead = _ahead(of_metric.pooled, sign)
        gained = [f"{head} {of_metric.pooled[head].signed()}" for head in ahead]
        numbers[f"ahead_gains_{metric}"] = ", ".join(gained) or "none"
        near = _at_edge(of_metric.pooled, sign)
        numbers[f"mean_at_edge_{metric}"] = ", ".join(near) or "none"
        if of_metric.pooled:
            median = np.median([gain.detectable for gain in of_metric.pooled.values()])
            numbers[f"detectable_{metric}"] = f"{median:.2f}"
        by_data = [
            f"{head} on {data} {each[head].signed()}"
            for data, each in of_metric.by_data.items()
            for head in _ahead(each, sign)
        ]
        numbers[f"ahead_by_data_{metric}"] = ", ".join(by_data) or "none"
        near = [
            f"{head} on {data}"
            for data, each in of_metric.by_data.items()
            for head in _at_edge(each, sign)
        ]
        numbers[f"at_edge_{metric}"] = ", ".join(near) or "none"
    return numbers


def _ahead(by_head: Mapping[str, Gain], sign: int) -> list[str]:
    return [head for head, gain in by_head.items() if min(sign * gain.low, sign * gain.high) > 0]


def _at_edge(by_head: Mapping[str, Gain], sign: int) -> list[str]:
    """Return those that other random draws may decide otherwise to be ahead or not."""
    halves = {head: (gain.high - gain.low) / 2 for head, gain in by_head.items()}
    return [
        head
        for head, gain in by_head.items()
        if sign * gain.mean > 0 and abs(abs(gain.mean) - halves[head]) < _EDGE * halves[head]
    ]


def _signed(gain: Gain | None) -> str:
    if gain is None:
        return "-"
    return gain.signed() + ("*" if gain.is_clear else "")


def rules_table(rows: pd.DataFrame, metric: str) -> Table:
    """Return the mean test value over the data sets, contestants by rules."""
    means: dict[str, dict[str, list[float]]] = {}
    for _, head, of_number in configured(rows, metric):
        of_rules = of_number[of_number["rule"] != NO_RULE]
        for rule, value in of_rules.groupby("rule", sort=False)[metric].mean().items():
            means.setdefault(head, {}).setdefault(str(rule), []).append(float(value))
    n_data = max((len(each) for by_rule in means.values() for each in by_rule.values()), default=0)
    rules = dict.fromkeys(rule for by_rule in means.values() for rule in by_rule)
    lines = [
        [head, *(_mean(by_rule.get(rule, []), n_data) for rule in rules)]
        for head, by_rule in means.items()
    ]
    return Table(["contestant", *rules], lines, 1)


def _mean(values: Sequence[float], n_data: int) -> str:
    """Format a mean over all data sets; in brackets their number where some are missing."""
    if not values:
        return "-"
    return f"{np.mean(values):.3f}" + ("" if len(values) == n_data else f" ({len(values)})")


def edges_table(rows: pd.DataFrame) -> Table:
    """Return the shares of chosen and of drawn values at an edge of their search space."""
    lines = [
        [
            str(option),
            f"{row['choices']:.0f}",
            *(f"{100 * row[c]:.0f}" for c in ("chosen", "drawn", "low", "high")),
        ]
        for option, row in edges(rows).iterrows()
    ]
    return Table(["option", "choices", "chosen %", "drawn %", "low %", "high %"], lines, 1)


def budgets_table(rows: pd.DataFrame) -> Table:
    """Return the numbers of contestants and runs of each data set, and the hours of all trainings."""
    lines = []
    for data, group in rows[rows["rule"] == NO_RULE].groupby("data", sort=False):
        plan, searched = PLANS[str(data)], group[group["phase"] == SEARCH]
        lines.append(
            [
                str(data),
                f"{group['head'].nunique()} of {len(contestants(str(data)))}",
                str(searched["number"].nunique()),
                f"{plan.n_searched} and {plan.n_more}",
                str(len(searched)),
                str((group["phase"] == CONFIRM).sum()),
                str(group["error"].notna().sum()),
                f"{group['seconds'].sum() / 3600:.2f}",
            ]
        )
    header = [
        "data", "contestants", "configurations", "seeds", "searched runs", "reported runs", "failed",
        "training hours",
    ]  # fmt: skip
    return Table(header, lines, 1)


def epoch_gains(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return the pilot's test values by monitored metric, less those by the loss.

    Returns:
        Data sets by monitored metrics, means over heads and seeds, which share the rows of a data set.
    """
    key = ["data.title", "head", "seed"]
    ruled = rows[rows["rule"] == ("fixed" if metric == "hamming_loss" else "global")]
    table = ruled.pivot_table(index=key, columns="trainer.monitor", values=metric)
    return table.sub(table["loss"], axis=0).drop(columns="loss").groupby(key[0]).mean()


def epochs_table(rows: pd.DataFrame) -> Table:
    """Return the mean of `epoch_gains` over data sets, by metric."""
    lines = []
    for metric in METRICS:
        difference = epoch_gains(rows, metric)
        lines.append(
            [metric, *(str(mean_interval(difference[m]).signed()) for m in MONITORS if m != "loss")]
        )
    return Table(["test value", *(m for m in MONITORS if m != "loss")], lines, 1)
