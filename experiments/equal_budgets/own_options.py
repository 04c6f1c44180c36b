"""Values beyond the ends of options that single heads and baselines have: would they be chosen?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from experiments.equal_budgets.further import Further
from experiments.equal_budgets.spaces import N_CONFIGURATIONS, drawn
from experiments.equal_budgets.studies import PLANS, contestants, spaces_of
from experiments.harness import Finding
from experiments.harness.report import listed
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table

OWN = "own_options"
# The numbers of these configurations begin here, after those of all other studies.
_FIRST = 100
_RATE = "optimizer.lr"
_FEW, _CHANGE = 0.05, 0.005
# Twenty chains, and labelsets of eight, take many times as long as the search with more labels.
_MOST_LABELS = {"chain": 60, "rakel": 60}


@dataclass(frozen=True)
class End:
    """An end of an option's space, and values beyond it.

    Attributes:
        option: its key.
        values: from the end outwards.
        is_limit: whether the last value is the least or the largest that the option has, or at which
            it has no further effect.
    """

    option: str
    values: tuple[float, ...]
    is_limit: bool = False


_FOREST = (End("max_features", (0.01, 0.005)),)
_BOOSTING = (
    End("learning_rate", (0.7, 1)),
    End("min_samples_leaf", (1,), is_limit=True),
)
# Of the ends at which more than 5% of an option's choices lie.
ENDS: dict[str, tuple[End, ...]] = {
    "ml_knn": (End("smoothing", (0.01, 0.001)), End("smoothing", (100, 1000))),
    "random_forest": _FOREST,
    "random_forest_by_label": _FOREST,
    "random_forest_powerset": _FOREST,
    "gradient_boosting": _BOOSTING,
    "gradient_boosting_powerset": _BOOSTING,
    "asymmetric": (End("head.shift", (0.4, 0.8)),),
    "bernoulli_mixture": (End("head.n_components", (1,), is_limit=True),),
    "chain": (End("head.n_chains", (10, 20)),),
    "class_balanced": (End("head.beta", (0.5, 0), is_limit=True),),
    "distribution_balanced": (End("head.gamma", (4, 8)),),
    "focal": (End("head.gamma", (0.25, 0), is_limit=True), End("head.gamma", (8, 16))),
    "hill": (
        End("head.gamma", (0,), is_limit=True),
        End("head.gamma", (8, 16)),
        End("head.margin", (0,), is_limit=True),
    ),
    "label_powerset": (End("head.min_count", (10, 20)),),
    "logit_adjusted": (End("head.tau", (4, 8)),),
    "negative_sampling": (
        End("head.n_negatives", (2, 1), is_limit=True),
        End("head.n_negatives", (40, 80)),
    ),
    "rakel": (End("head.size", (1,), is_limit=True), End("head.size", (6, 8))),
    "two_way": (End("head.temperature_negative", (8, 16)),),
    "weighted_sigmoid": (End("head.cap", (1,), is_limit=True),),
}


@dataclass(frozen=True)
class Value:
    """A value beyond an end, in a configuration.

    Attributes:
        end: the end.
        index: of the value among those of the end.
        settings: all values, by key, as text.
    """

    end: End
    index: int
    settings: dict[str, str]

    @property
    def is_open(self) -> bool:
        """Whether it is the last value, and better ones may lie beyond it."""
        return self.index == len(self.end.values) - 1 and not self.end.is_limit


class OwnOptions(Further):
    """Values beyond the ends of options that only some contestants have.

    Each value stands in two configurations: the defaults, and the drawn one whose value of the option
    is the nearest to the end; of several it is the one with the largest learning rate.
    """

    name = OWN
    quick = ("weighted_sigmoid", "ml_knn")

    def contestants(self, data: str) -> Sequence[str]:
        """Return those that are searched, have such options, and do not take too long with them."""
        n_labels = PLANS[data].n_labels
        return [
            name
            for name in contestants(data)
            if name in ENDS and n_labels <= _MOST_LABELS.get(name, n_labels)
        ]

    def settings(self, name: str) -> Mapping[int, Mapping[str, str]]:
        """Return the settings of `configurations`."""
        return {number: value.settings for number, value in configurations(name).items()}


def side_of(name: str, end: End) -> str:
    """Return at which end of a contestant's drawn values an end is, "low" or "high"."""
    spaces = spaces_of(name)
    values = [float(drawn(spaces, number)[end.option]) for number in range(1, N_CONFIGURATIONS)]
    return "low" if end.values[0] < float(np.median(values)) else "high"


def configurations(name: str) -> dict[int, Value]:
    """Return the configurations of a contestant beyond the ends, by number."""
    spaces = spaces_of(name)
    searched = [drawn(spaces, number) for number in range(1, N_CONFIGURATIONS)]
    found = []
    for end in ENDS[name]:

        def closeness(settings: dict[str, str], end: End = end) -> tuple[float, float]:
            nearest = -abs(float(settings[end.option]) - end.values[0])
            return nearest, float(settings.get(_RATE, 0))

        for index, value in enumerate(end.values):
            for base in ({}, max(searched, key=closeness)):
                found.append(Value(end, index, {**base, end.option: f"{value:g}"}))
    return dict(enumerate(found, _FIRST))


def table(found: pd.DataFrame) -> Table:
    """Return, for each end, how often its values are chosen, and what the choice changes."""
    lines = []
    for name in [name for name in ENDS if (found["head"] == name).any()]:
        own, by_number = found[found["head"] == name], configurations(name)
        for end in ENDS[name]:
            chosen = [
                np.mean([_is(by_number.get(n), end, index) for n in own["number"]])
                for index in range(len(end.values))
            ]
            shares = [f"{100 * share:.0f}" for share in chosen]
            values = ", ".join(f"{value:g}" for value in end.values)
            lines.append(
                [
                    name,
                    end.option.removeprefix("head."),
                    f"{values} (limit)" if end.is_limit else values,
                    str(len(own)),
                    ", ".join(shares),
                ]
            )
    return Table(["contestant", "option", "values beyond", "choices", "chosen %"], lines, 3)


def _is(value: Value | None, end: End, index: int) -> bool:
    return value is not None and value.end is end and value.index == index


def is_open(found: pd.DataFrame) -> pd.Series[bool]:
    """Return which choices are at a last value that is no limit of its option: (n,)."""
    numbers = {name: configurations(name) for name in ENDS}
    chosen = zip(found["head"], found["number"], strict=True)
    values = [numbers.get(head, {}).get(number) for head, number in chosen]
    return pd.Series([value is not None and value.is_open for value in values], found.index)


def chosen_share(found: pd.DataFrame) -> float:
    """Return the share of choices with a value beyond an end."""
    return float((found["number"] >= _FIRST).mean())


def changes(found: pd.DataFrame) -> dict[str, Interval]:
    """Return the mean change of each metric's test values over the contestants, ± over data sets."""
    by_metric = found.groupby("metric", sort=False)
    means = {str(m): own.groupby("data", sort=False)["change"].mean() for m, own in by_metric}
    return {metric: mean_interval(each.to_numpy()) for metric, each in means.items()}


def numbers(found: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield the numbers that the README quotes, by name."""
    yield "own_options_data", ", ".join(found["data"].unique())
    yield "own_options_chosen", f"{100 * chosen_share(found):.0f}%"
    yield "own_options_open", f"{100 * is_open(found).mean():.1f}%"
    for metric, change in changes(found).items():
        yield f"own_options_change_{metric}", str(change.signed())


def findings(found: pd.DataFrame) -> list[Finding]:
    """Return the predictions on how often the last values are chosen, and on what they change."""
    share = float(is_open(found).mean())
    changed = changes(found)
    return [
        Finding(
            f"fewer than {100 * _FEW:.0f}% of the choices are the last of the values beyond the ends"
            " of single contestants' options, unless the option ends there",
            f"{100 * share:.1f}% of {len(found)}",
            share < _FEW,
        ),
        Finding(
            f"these values change the test value of no metric by more than {_CHANGE} on the mean of"
            " the contestants and data sets",
            listed(changed),
            all(abs(each.mean) <= _CHANGE for each in changed.values()),
        ),
    ]
