"""Configurations beyond the edges of the search: would a wider space have changed the choices?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.equal_budgets.further import Further
from experiments.equal_budgets.spaces import N_CONFIGURATIONS, drawn, network_spaces
from experiments.equal_budgets.studies import HEADS, contestants
from experiments.harness import Finding
from experiments.harness.report import listed
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table

BEYOND, FARTHER = "beyond", "farther"
OPTIONS = _RATE, _DROPOUT = "optimizer.lr", "backbone.dropout"
# The option, and the value that it gets in the configuration where its drawn value is the largest.
STEPS = {
    "twice the largest rate": (_RATE, lambda value: 2 * value),
    "four times the largest rate": (_RATE, lambda value: 4 * value),
    "dropout of 0.9": (_DROPOUT, lambda value: 0.9),
    "eight times the largest rate": (_RATE, lambda value: 8 * value),
    "sixteen times the largest rate": (_RATE, lambda value: 16 * value),
}
# The numbers of these configurations follow those of the search.
NUMBERS = {N_CONFIGURATIONS + index: name for index, name in enumerate(STEPS)}
# Those that each study measures, and those among which a choice is compared.
MEASURED = {BEYOND: tuple(NUMBERS)[:3], FARTHER: tuple(NUMBERS)[3:]}
COMPARED = {BEYOND: MEASURED[BEYOND], FARTHER: tuple(NUMBERS)}
# The last of each option.
ENDS = ("dropout of 0.9", "sixteen times the largest rate")
# The farthest rate that a comparison has, and the names of its numbers.
_FARTHEST = {BEYOND: "four times the largest rate", FARTHER: "sixteen times the largest rate"}
_SHORT = dict(
    zip(NUMBERS, ("twice", "four_times", "dropout", "eight_times", "sixteen_times"), strict=True)
)
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
        option, step = STEPS[NUMBERS[number]]
        at_edge = max(searched, key=lambda settings: float(settings[option]))
        found[number] = {**at_edge, option: f"{step(float(at_edge[option])):.6g}"}
    return found


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
        yield f"{study}_share_{_SHORT[number]}", f"{100 * (found['number'] == number).mean():.0f}%"
    yield f"{study}_data", ", ".join(found["data"].unique())
    for metric, of_metric in found.groupby("metric", sort=False):
        change, behind = _over_data(of_metric)
        yield f"{study}_change_{metric}", str(change.signed())
        yield f"{study}_sigmoid_{metric}", str(behind.signed())


def findings(found: pd.DataFrame, study: str = BEYOND) -> list[Finding]:
    """Return the predictions on how often a wider space is chosen, and on what it changes."""
    shares = {NUMBERS[number]: (found["number"] == number).mean() for number in COMPARED[study]}
    changes = {str(m): _over_data(own)[0] for m, own in found.groupby("metric", sort=False)}
    farthest = _FARTHEST[study]
    return [
        Finding(
            f"fewer than {100 * _FEW:.0f}% of the choices are {farthest}",
            ", ".join(f"{name} {100 * share:.0f}%" for name, share in shares.items()),
            bool(shares[farthest] < _FEW),
        ),
        Finding(
            f"rates up to {farthest} and a dropout of 0.9 change the test value of no metric by more"
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
