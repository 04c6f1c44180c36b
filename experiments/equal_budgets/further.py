"""Configurations beyond the search spaces, and the choices with and without them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.equal_budgets.chosen import best_by
from experiments.equal_budgets.rules import SEARCHED
from experiments.equal_budgets.runs import METRICS, Job
from experiments.equal_budgets.studies import PLANS, SEARCH, train
from experiments.harness import Row, Trial
from experiments.harness.study import Measurements
from mlc.metrics.counts import COUNT_METRICS

_KEYS = ["data", "head"]
# Of the columns of searches, those that a choice is made by and compared in, and what a run was.
_COLUMNS = (
    "phase", "number", "seed", "rule", *(f"val_{metric}" for metric in METRICS), *METRICS,
    "seconds", "best_epoch", "settings", "error",
)  # fmt: skip


class Further(Measurements):
    """Further configurations of contestants, on the seeds of the search.

    Attributes:
        quick: the contestants that "quick" measures on one data set.
    """

    quick: tuple[str, ...]

    @abstractmethod
    def contestants(self, data: str) -> Sequence[str]:
        """Return the contestants that are measured on a data set."""

    @abstractmethod
    def settings(self, name: str) -> Mapping[int, Mapping[str, str]]:
        """Return the settings of a contestant's configurations, by number, which no search has."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Those of the searches that a comparison reads."""
        return _COLUMNS

    def trials(self, budget: str) -> list[Trial]:
        """Return each data set and contestant."""
        if budget == "quick":
            return [{"data": "flags", "head": name} for name in self.quick]
        return [{"data": data, "head": name} for data in PLANS for name in self.contestants(data)]

    def measured(self, trial: Trial) -> list[Row]:
        """Train the configurations of a contestant."""
        name, plan = str(trial["head"]), PLANS[str(trial["data"])]
        jobs = [
            Job(number, settings, seed)
            for number, settings in self.settings(name).items()
            for seed in plan.searched
        ]
        runs = train(plan.settings, name, jobs, SEARCHED)
        rows = [row for run in runs for row in run.rows(SEARCH)]
        return [{key: row[key] for key in self.columns if key in row} for row in rows]

    def measured_on(self, rows: pd.DataFrame) -> set[str]:
        """Return the data sets on which all contestants have rows."""
        found = rows.groupby("data")["head"].agg(set)
        return {str(d) for d, names in found.items() if names.issuperset(self.contestants(str(d)))}


def compared(searches: pd.DataFrame, further: Mapping[Further, pd.DataFrame]) -> pd.DataFrame:
    """Return the choices of the search with and without further configurations.

    Both are by the mean of a metric over the validation rows of the search's seeds; so are the values on
    test rows, which are of the same runs. Data sets are left out until all studies are complete there.

    Args:
        searches: rows of the searches.
        further: rows of each study.

    Returns:
        A row for each data set, metric, and contestant of some study: `number` of the configuration that
        is chosen among all, the test values `before` and `after`, and `change`, the gain.
    """
    done = set.intersection(*(study.measured_on(rows) for study, rows in further.items()))
    wanted = pd.MultiIndex.from_tuples(
        [(data, head) for data in done for study in further for head in study.contestants(data)],
        names=_KEYS,
    )
    is_own = pd.MultiIndex.from_frame(searches[_KEYS]).isin(wanted) & (searches["phase"] == SEARCH)
    own = searches[is_own]
    every = pd.concat(
        [own, *(rows[rows["data"].isin(done)] for rows in further.values())], ignore_index=True
    )
    means = every.groupby([*_KEYS, "number", "rule"])[list(METRICS)].mean()
    lines = []
    for metric in METRICS:
        before, after = (best_by(_KEYS, rows, metric) for rows in (own, every))
        values_of = means[metric].to_dict()
        for contestant, choice in after.items():
            # No choice, where every configuration has a failed run.
            if contestant not in before or None in (*before[contestant], *choice):
                continue
            values = [values_of[(*contestant, *each)] for each in (before[contestant], choice)]
            change = COUNT_METRICS[metric].sign * (values[1] - values[0])
            lines.append((*contestant, metric, choice[0], *values, change))
    columns = [*_KEYS, "metric", "number", "before", "after", "change"]
    return pd.DataFrame(lines, columns=columns)
