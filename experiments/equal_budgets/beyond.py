"""Configurations beyond the edges of the search: would a wider space have changed the choices?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.equal_budgets.further import Further
from experiments.equal_budgets.spaces import N_CONFIGURATIONS, drawn, network_spaces
from experiments.equal_budgets.studies import HEADS, contestants
from experiments.harness import Finding
from experiments.harness.report import listed
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table

BEYOND, FARTHER, LAST = "beyond", "farther", "last"
OPTIONS = _RATE, _DROPOUT = "optimizer.lr", "backbone.dropout"


@dataclass(frozen=True)
class Step:
    """A value beyond the drawn ones of an option.

    Attributes:
        option: its key.
        side: "high", beyond the largest drawn value, or "low".
        value: computes it from that drawn value, in whose configuration it stands.
        short: the name of its number.
    """

    option: str
    side: str
    value: Callable[[float], float]
    short: str


STEPS = {
    "twice the largest rate": Step(_RATE, "high", lambda value: 2 * value, "twice"),
    "four times the largest rate": Step(_RATE, "high", lambda value: 4 * value, "four_times"),
    "dropout of 0.9": Step(_DROPOUT, "high", lambda value: 0.9, "dropout"),
    "eight times the largest rate": Step(_RATE, "high", lambda value: 8 * value, "eight_times"),
    "sixteen times the largest rate": Step(
        _RATE, "high", lambda value: 16 * value, "sixteen_times"
    ),
    "dropout of 0.95": Step(_DROPOUT, "high", lambda value: 0.95, "more_dropout"),
    "half the lowest rate": Step(_RATE, "low", lambda value: value / 2, "half"),
}
# The numbers of these configurations follow those of the search.
NUMBERS = {N_CONFIGURATIONS + index: name for index, name in enumerate(STEPS)}
# Those that each study measures, and those among which a choice is compared.
MEASURED = {BEYOND: tuple(NUMBERS)[:3], FARTHER: tuple(NUMBERS)[3:5], LAST: tuple(NUMBERS)[5:]}
COMPARED = {BEYOND: MEASURED[BEYOND], FARTHER: tuple(NUMBERS)[:5], LAST: tuple(NUMBERS)}
# Those that a comparison has farthest out, by which its predictions are judged.
FARTHEST = {
    BEYOND: ("four times the largest rate",),
    FARTHER: ("sixteen times the largest rate",),
    LAST: ("dropout of 0.95", "half the lowest rate"),
}
_FEW, _PREDICTED = 0.05, 0.005


class Beyond(Further):
    """Rates or dropout beyond the drawn ones, each in the configuration with the largest of them."""

    quick = ("sigmoid", "pairwise")

    def __init__(self, name: str = BEYOND) -> None:
        self.name = name

    def contestants(self, data: str) -> Sequence[str]:
        """Return the heads that are searched."""
        return [head for head in contestants(data) if head in HEADS]

    def settings(self, name: str) -> Mapping[int, Mapping[str, str]]:
        """Return the configurations that this study adds to those before it."""
        return configurations(name, MEASURED[self.name])


def configurations(head: str, numbers: Iterable[int] = tuple(NUMBERS)) -> dict[int, dict[str, str]]:
    """Return the settings of a head's configurations beyond the edges, by number."""
    spaces = network_spaces(head)
    searched = [drawn(spaces, number) for number in range(1, N_CONFIGURATIONS)]
    found = {}
    for number in numbers:
        step = STEPS[NUMBERS[number]]
        outermost = max if step.side == "high" else min
        at_edge = outermost(searched, key=lambda settings: float(settings[step.option]))
        value = step.value(float(at_edge[step.option]))
        found[number] = {**at_edge, step.option: f"{value:.6g}"}
    return found


def passed(number: int, studies: Iterable[str]) -> bool:
    """Whether some of the studies tried a value farther out than this configuration's."""
    names = list(STEPS)
    name = NUMBERS[number]
    step = STEPS[name]
    tried = [NUMBERS[each] for study in studies for each in MEASURED[study]]
    return any(
        (STEPS[other].option, STEPS[other].side) == (step.option, step.side)
        for other in tried
        if names.index(other) > names.index(name)
    )


def table(found: pd.DataFrame, study: str = BEYOND) -> Table:
    """Return, by metric, how often each further configuration is chosen, and what it changes."""
    lines = []
    for metric, of_metric in found.groupby("metric", sort=False):
        shares = [100 * (of_metric["number"] == number).mean() for number in COMPARED[study]]
        change, behind = _over_data(of_metric)
        lines.append(
            [
                str(metric),
                str(len(of_metric)),
                *(f"{share:.0f}" for share in shares),
                str(change.signed()),
                str(behind.signed()),
            ]
        )
    header = [
        "metric",
        "choices",
        *(f"{NUMBERS[number]} %" for number in COMPARED[study]),
        "change",
        "sigmoid's less others'",
    ]
    return Table(header, lines, 1)


def numbers(found: pd.DataFrame, study: str = BEYOND) -> Iterator[tuple[str, str]]:
    """Yield the numbers that the README quotes, by name."""
    for number in COMPARED[study]:
        yield (
            f"{study}_share_{STEPS[NUMBERS[number]].short}",
            f"{100 * (found['number'] == number).mean():.0f}%",
        )
    yield f"{study}_data", ", ".join(found["data"].unique())
    for metric, of_metric in found.groupby("metric", sort=False):
        change, behind = _over_data(of_metric)
        yield f"{study}_change_{metric}", str(change.signed())
        yield f"{study}_sigmoid_{metric}", str(behind.signed())


def findings(found: pd.DataFrame, study: str = BEYOND) -> list[Finding]:
    """Return the predictions on how often a wider space is chosen, and on what it changes."""
    shares = {NUMBERS[number]: (found["number"] == number).mean() for number in COMPARED[study]}
    changes = {str(m): _over_data(own)[0] for m, own in found.groupby("metric", sort=False)}
    farthest = FARTHEST[study]
    listing = ", ".join(f"{name} {100 * share:.0f}%" for name, share in shares.items())
    few = [
        Finding(
            f"fewer than {100 * _FEW:.0f}% of the choices are {name}",
            listing,
            bool(shares[name] < _FEW),
        )
        for name in farthest
    ]
    extent = (
        "all seven values beyond the edges"
        if study == LAST
        else f"rates up to {farthest[0]} and a dropout of 0.9"
    )
    return [
        *few,
        Finding(
            f"{extent} change the test value of no metric by more"
            f" than {_PREDICTED} on the mean of heads and data sets",
            listed(changes),
            all(abs(each.mean) <= _PREDICTED for each in changes.values()),
        ),
    ]


def _over_data(of_metric: pd.DataFrame) -> tuple[Interval, Interval]:
    """Return the mean change of the heads, and sigmoid's less it, both over data sets."""
    means, behind = [], []
    for _, own in of_metric.groupby("data", sort=False):
        of_sigmoid = own.loc[own["head"] == "sigmoid", "change"]
        means.append(float(own["change"].mean()))
        if len(of_sigmoid):
            behind.append(
                float(of_sigmoid.iloc[0] - own.loc[own["head"] != "sigmoid", "change"].mean())
            )
    return mean_interval(np.array(means)), mean_interval(np.array(behind))
