"""Configurations beyond the edges of the search: would a wider space have changed the choices?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from experiments.equal_budgets import networks
from experiments.equal_budgets.chosen import best_by
from experiments.equal_budgets.rules import SEARCHED
from experiments.equal_budgets.runs import COLUMNS, METRICS, Job
from experiments.equal_budgets.spaces import N_CONFIGURATIONS, drawn, network_spaces
from experiments.equal_budgets.studies import HEADS, PLANS, SEARCH, contestants
from experiments.harness import Finding, Row, Trial
from experiments.harness.report import listed
from experiments.harness.study import Measurements
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table

BEYOND = "beyond"
_RATE, _DROPOUT = "optimizer.lr", "backbone.dropout"
_FARTHEST = "four times the largest rate"
# The option, and the value that it gets in the configuration where its drawn value is the largest.
STEPS = {
    "twice the largest rate": (_RATE, lambda value: 2 * value),
    _FARTHEST: (_RATE, lambda value: 4 * value),
    "dropout of 0.9": (_DROPOUT, lambda value: 0.9),
}
# The numbers of these configurations follow those of the search.
NUMBERS = {N_CONFIGURATIONS + index: name for index, name in enumerate(STEPS)}
_FEW, _PREDICTED = 0.05, 0.005


class Beyond(Measurements):
    """Three further configurations of each head, on the seeds of the search.

    Each is the configuration with the largest drawn value of an option that all heads have, with a value
    beyond the space in its place.
    """

    name = BEYOND

    @property
    def columns(self) -> tuple[str, ...]:
        """As those of the searches."""
        return COLUMNS

    def trials(self, budget: str) -> list[Trial]:
        """Return each data set and head; "quick" has two heads on one data set."""
        if budget == "quick":
            return [{"data": "flags", "head": head} for head in ("sigmoid", "pairwise")]
        return [{"data": data, "head": head} for data in PLANS for head in _heads(data)]

    def measured(self, trial: Trial) -> list[Row]:
        """Train the further configurations of a head."""
        head, plan = str(trial["head"]), PLANS[str(trial["data"])]
        jobs = [
            Job(number, settings, seed)
            for number, settings in configurations(head).items()
            for seed in plan.searched
        ]
        runs = networks.train(plan.settings, head, jobs, SEARCHED)
        return [row for run in runs for row in run.rows(SEARCH)]


def _heads(data: str) -> list[str]:
    """Return the heads that are measured on a data set."""
    return [head for head in contestants(data) if head in HEADS]


def configurations(head: str) -> dict[int, dict[str, str]]:
    """Return the settings of a head's configurations beyond the edges, by number."""
    spaces = network_spaces(head)
    searched = [drawn(spaces, number) for number in range(1, N_CONFIGURATIONS)]
    found = {}
    for number, name in NUMBERS.items():
        option, step = STEPS[name]
        at_edge = max(searched, key=lambda settings: float(settings[option]))
        found[number] = {**at_edge, option: f"{step(float(at_edge[option])):.6g}"}
    return found


def compared(searches: pd.DataFrame, beyond: pd.DataFrame) -> pd.DataFrame:
    """Return the choices of the search with and without the further configurations.

    Both are by the mean of a metric over the validation rows of the search's seeds; so are the values on
    test rows, which are of the same runs. Data sets are left out until all heads are measured.

    Args:
        searches: rows of the searches.
        beyond: rows of `Beyond`.

    Returns:
        A row for each data set, head and metric: `number` of the configuration that is chosen among all,
        and `change` of the test value, 0 if it is one of the search.
    """
    keys = ["data", "head"]
    measured = beyond.groupby("data")["head"].agg(set)
    done = [data for data, heads in measured.items() if heads.issuperset(_heads(str(data)))]
    beyond = beyond[beyond["data"].isin(done)]
    is_own = (searches["phase"] == SEARCH) & searches["data"].isin(done)
    own = searches[is_own & searches["head"].isin(HEADS)]
    every = pd.concat([own, beyond], ignore_index=True)
    means = every.groupby([*keys, "number", "rule"])[list(METRICS)].mean()
    lines = []
    for metric in METRICS:
        before, after = (best_by(keys, rows, metric) for rows in (own, every))
        for contestant, choice in after.items():
            # No choice, where every configuration has a failed run.
            if contestant not in before or None in (*before[contestant], *choice):
                continue
            values = [
                means.loc[(*contestant, *each), metric] for each in (before[contestant], choice)
            ]
            change = COUNT_METRICS[metric].sign * (values[1] - values[0])
            lines.append((*contestant, metric, choice[0], change))
    return pd.DataFrame(lines, columns=[*keys, "metric", "number", "change"])


def table(found: pd.DataFrame) -> Table:
    """Return, by metric, how often each further configuration is chosen, and what it changes."""
    lines = []
    for metric, of_metric in found.groupby("metric", sort=False):
        shares = [100 * (of_metric["number"] == number).mean() for number in NUMBERS]
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
        *(f"{name} %" for name in STEPS),
        "change",
        "sigmoid's less others'",
    ]
    return Table(header, lines, 1)


def numbers(found: pd.DataFrame) -> Iterator[tuple[str, str]]:
    """Yield the numbers that the README quotes, by name."""
    for number, name in zip(NUMBERS, ("twice", "four_times", "dropout"), strict=True):
        yield f"beyond_{name}", f"{100 * (found['number'] == number).mean():.0f}%"
    yield "beyond_data", ", ".join(found["data"].unique())
    for metric, of_metric in found.groupby("metric", sort=False):
        change, behind = _over_data(of_metric)
        yield f"beyond_change_{metric}", str(change.signed())
        yield f"beyond_sigmoid_{metric}", str(behind.signed())


def findings(found: pd.DataFrame) -> list[Finding]:
    """Return the predictions on how often a wider space is chosen, and on what it changes."""
    shares = {name: (found["number"] == number).mean() for number, name in NUMBERS.items()}
    changes = {str(m): _over_data(own)[0] for m, own in found.groupby("metric", sort=False)}
    return [
        Finding(
            f"fewer than {100 * _FEW:.0f}% of the choices are {_FARTHEST}",
            ", ".join(f"{name} {100 * share:.0f}%" for name, share in shares.items()),
            bool(shares[_FARTHEST] < _FEW),
        ),
        Finding(
            "rates and dropout beyond the search change the test value of no metric by more than"
            f" {_PREDICTED} on the mean of heads and data sets",
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
