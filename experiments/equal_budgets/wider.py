"""The choices among all configurations, those beyond the search included, and gains over sigmoid."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np
import pandas as pd

from experiments.equal_budgets import beyond, own_options
from experiments.equal_budgets.baselines import BASELINES
from experiments.equal_budgets.row_draws import REFERENCE
from experiments.equal_budgets.runs import METRICS
from experiments.equal_budgets.spaces import N_CONFIGURATIONS, at_edge, drawn
from experiments.equal_budgets.studies import spaces_of
from experiments.harness import Finding
from mlc.config.options import Choice, Search, limits_of
from mlc.heads.base import HEADS
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table

WIDER = "wider"
# Those of the front page.
_METRICS = METRICS[:3]
_FEW = 0.05
# Where the options of all heads, and of baselines, end.
_LIMITS = {
    "backbone.dropout": ("low", 0), "max_features": ("high", 1), "min_samples_leaf": ("low", 1),
}  # fmt: skip
_STEP = 1e-6


def gains(found: pd.DataFrame, metric: str) -> dict[str, tuple[Interval, Interval]]:
    """Return each contestant's gain over sigmoid in the search, and among all, ± over data sets.

    Args:
        found: as `further.compared` returns.
        metric: of the choice and of the gain.
    """
    own, sign = found[found["metric"] == metric], COUNT_METRICS[metric].sign
    stages = [own.pivot(index="data", columns="head", values=s) for s in ("before", "after")]
    gained = [values.sub(values[REFERENCE], axis=0) * sign for values in stages]
    return {
        str(name): (_over_data(gained[0][name]), _over_data(gained[1][name]))
        for name in own["head"].unique()
        if name != REFERENCE
    }


def _over_data(values: pd.Series[float]) -> Interval:
    return mean_interval(values.dropna().to_numpy())


def open_share(found: pd.DataFrame, studies: Sequence[str]) -> float:
    """Return the share of choices with a value at an end beyond which some exist and none was tried.

    Args:
        found: as `further.compared` returns.
        studies: the names of the studies of rates and dropout whose rows it has.
    """
    choices = zip(found["data"], found["head"], found["number"], strict=True)
    are_open = [_is_open(str(d), str(h), int(n), tuple(studies)) for d, h, n in choices]
    return float(np.mean(are_open))


@cache
def _is_open(data: str, name: str, number: int, studies: tuple[str, ...]) -> bool:
    """Whether some value of a contestant's configuration is at such an end."""
    spaces = spaces_of(name)
    if number in beyond.NUMBERS:
        if not beyond.passed(number, studies):
            return True
        settings = beyond.configurations(name, [number])[number]
    elif number < N_CONFIGURATIONS:
        settings = drawn(spaces, number)
    else:
        value = own_options.configurations(name)[number]
        if value.is_open:
            return True
        settings = value.settings
    return any(
        not _is_passed(data, name, key, side, studies)
        and not _is_limit(name, key, spaces[key], side)
        for key, side in at_edge(spaces, settings).items()
    )


def _is_passed(data: str, name: str, option: str, side: str, studies: tuple[str, ...]) -> bool:
    """Whether values beyond this end of an option were tried on a data set."""
    if option in beyond.OPTIONS:
        tried = [beyond.NUMBERS[number] for study in studies for number in beyond.MEASURED[study]]
        steps = [beyond.STEPS[each] for each in tried]
        return any((step.option, step.side) == (option, side) for step in steps)
    return name in own_options.OwnOptions().contestants(data) and any(
        end.option == option and own_options.side_of(name, end) == side
        for end in own_options.ENDS[name]
    )


def _is_limit(name: str, option: str, space: Search, side: str) -> bool:
    """Whether an option ends where its space does."""
    ends = (
        [float(v) for v in space.values] if isinstance(space, Choice) else [space.low, space.high]
    )
    end = min(ends) if side == "low" else max(ends)
    if option in _LIMITS:
        return _LIMITS[option] == (side, end)
    if name in BASELINES:
        return False
    limits = limits_of(HEADS.options(name), option.removeprefix("head."))
    outside = end + (-_STEP if side == "low" else _STEP)
    return limits is not None and not limits.allows(outside)


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


def numbers(found: pd.DataFrame, studies: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the numbers that the README quotes, by name."""
    yield "wider_open", f"{100 * open_share(found, studies):.1f}%"
    yield "wider_data", str(found["data"].nunique())
    for metric in _METRICS:
        of_metric = gains(found, metric).values()
        for index, stage in enumerate(("search", "all")):
            ahead = sum(pair[index].is_above for pair in of_metric)
            yield f"wider_ahead_{stage}_{metric}", f"{ahead} of {len(of_metric)}"


def few_are_open(found: pd.DataFrame, studies: Sequence[str], configurations: str) -> Finding:
    """Return the prediction on the ends of configurations, which are described."""
    share = open_share(found, studies)
    return Finding(
        f"among {configurations} fewer than {100 * _FEW:.0f}% of the choices are at an end that is"
        " no limit of its option",
        f"{100 * share:.1f}% of {len(found)}",
        share < _FEW,
    )


def findings(found: pd.DataFrame, studies: Sequence[str]) -> list[Finding]:
    """Return the predictions on the ends of all configurations, and on the order of the heads."""
    ahead = {
        metric: [name for name, (_, gain) in gains(found, metric).items() if gain.is_above]
        for metric in _METRICS
    }
    return [
        few_are_open(found, studies, "all configurations"),
        Finding(
            "among all configurations no contestant is ahead of sigmoid beyond its own interval over"
            " data sets",
            "; ".join(f"{metric} {', '.join(names) or 'none'}" for metric, names in ahead.items()),
            not any(ahead.values()),
        ),
    ]
