"""The choices among all configurations, those beyond the search included, and gains over sigmoid."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from experiments.equal_budgets import beyond, own_options
from experiments.equal_budgets.row_draws import REFERENCE
from experiments.equal_budgets.runs import METRICS
from experiments.harness import Finding
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table

WIDER = "wider"
# Those of the front page.
_METRICS = METRICS[:3]
_FEW = 0.05


def gains(found: pd.DataFrame, metric: str) -> dict[str, tuple[Interval, Interval]]:
    """Return each contestant's gain over sigmoid in the search, and among all, ± over data sets.

    Args:
        found: as `further.compared` returns.
        metric: of the choice and of the gain.
    """
    own = found[found["metric"] == metric]
    pairs = {}
    for name in own["head"].unique():
        if name == REFERENCE:
            continue
        gained = []
        for stage in ("before", "after"):
            values = own.pivot(index="data", columns="head", values=stage)
            difference = COUNT_METRICS[metric].sign * (values[name] - values[REFERENCE])
            gained.append(mean_interval(difference.dropna().to_numpy()))
        pairs[str(name)] = gained[0], gained[1]
    return pairs


def open_share(found: pd.DataFrame) -> float:
    """Return the share of choices at an end of all configurations that is no limit of its option."""
    farthest = {number for number, name in beyond.NUMBERS.items() if name in beyond.ENDS}
    is_open = found["number"].isin(farthest) | own_options.is_open(found)
    return float(is_open.mean())


def table(found: pd.DataFrame) -> Table:
    """Return the gains of each contestant by metric, in the search and among all configurations."""
    by_metric = {metric: gains(found, metric) for metric in _METRICS}
    names = sorted(by_metric[_METRICS[0]], key=lambda name: -by_metric[_METRICS[0]][name][1].mean)
    lines = [
        [
            name,
            str(by_metric[_METRICS[0]][name][1].n),
            *(str(each.signed()) for metric in _METRICS for each in by_metric[metric][name]),
        ]
        for name in names
    ]
    stages = (f"{metric}, {stage}" for metric in _METRICS for stage in ("search", "all"))
    return Table(["contestant", "data sets", *stages], lines, 1)


def numbers(found: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield the numbers that the README quotes, by name."""
    yield "wider_open", f"{100 * open_share(found):.1f}%"
    yield "wider_data", str(found["data"].nunique())
    for metric in _METRICS:
        of_metric = gains(found, metric).values()
        for index, stage in enumerate(("search", "all")):
            ahead = sum(pair[index].is_above for pair in of_metric)
            yield f"wider_ahead_{stage}_{metric}", f"{ahead} of {len(of_metric)}"


def findings(found: pd.DataFrame) -> list[Finding]:
    """Return the predictions on the ends of all configurations, and on the order of the heads."""
    share = open_share(found)
    ahead = {
        metric: [name for name, (_, gain) in gains(found, metric).items() if gain.is_above]
        for metric in _METRICS
    }
    return [
        Finding(
            f"among all configurations fewer than {100 * _FEW:.0f}% of the choices are at an end that is"
            " no limit of its option",
            f"{100 * share:.1f}% of {len(found)}",
            share < _FEW,
        ),
        Finding(
            "among all configurations no contestant is ahead of sigmoid beyond its own interval over"
            " data sets",
            "; ".join(f"{metric} {', '.join(names) or 'none'}" for metric, names in ahead.items()),
            not any(ahead.values()),
        ),
    ]
