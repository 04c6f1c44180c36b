"""The searches of all heads and baselines, with equal numbers of configurations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.equal_budgets import archive, baselines, networks, sources
from experiments.equal_budgets.baselines import BASELINES
from experiments.equal_budgets.rules import CHOSEN_AMONG, MORE, SEARCHED
from experiments.equal_budgets.runs import COLUMNS, METRICS, Job, Run
from experiments.equal_budgets.spaces import N_CONFIGURATIONS, drawn, network_spaces
from experiments.harness import Row, Study, Trial, command_of
from experiments.harness.study import Measured, in_processes
from mlc.config.options import Search
from mlc.search.choice import TRIAL, VALUE, Chosen, choose

SEARCH, CONFIRM = "search", "confirm"
HEADS = (
    "asymmetric", "bernoulli_mixture", "bp_mll", "chain", "class_balanced", "distribution_balanced",
    "distribution_cardinality", "f_measure", "focal", "hierarchical_softmax", "hill", "label_powerset",
    "logit_adjusted", "margin", "negative_sampling", "ova_n", "pairwise", "pick_one", "powerset",
    "rakel", "regression", "sigmoid", "sigmoid_f1", "soft_jaccard", "softmax_all", "softmax_uniform",
    "sparsemax", "squared_hinge", "two_way", "unnormalised_kl", "weighted_sigmoid", "zlpr",
)  # fmt: skip
QUICK_HEADS = ("sigmoid", "pairwise", "pick_one", "label_powerset", "most_frequent_set", "prior",
               "logistic_regression")  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """The data set and the seeds of its searches.

    Attributes:
        settings: of the data set, as on the command line.
        n_labels: K.
        n_searched: the number of seeds with which each configuration is tried.
        n_more: the number of further seeds with which the chosen ones are trained and reported.
    """

    settings: Trial
    n_labels: int
    n_searched: int = 1
    n_more: int = 5

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules of the reported runs."""
        return (*SEARCHED, *(r for r in MORE if r != "auto" or self.n_labels <= _MOST_AUTO))

    @property
    def searched(self) -> range:
        """The seeds of the choice."""
        return range(self.n_searched)

    @property
    def more(self) -> range:
        """The seeds of the reported runs."""
        return range(self.n_searched, self.n_searched + self.n_more)


_IMDB: Trial = {
    "data": sources.Sampled.name, "data.path": "imdb/imdb", "data.title": "imdb", "data.n_train": 16000,
    "data.n_test": 5000,
}  # fmt: skip
# Seeds of the data sets with fewer than 700 training rows.
_FEW = 2, 8
# The cheapest first.
PLANS = {
    "flags": Plan({"data": "flags"}, 7, *_FEW),
    "emotions": Plan({"data": "emotions"}, 6, *_FEW),
    "birds": Plan({"data": "birds"}, 19, *_FEW),
    "scene": Plan({"data": "scene"}, 6),
    "cal500": Plan({"data": "cal500"}, 174, *_FEW),
    "enron": Plan({"data": "enron"}, 53),
    "yeast": Plan({"data": "yeast"}, 14),
    "tmc2007-500": Plan({"data": "tmc2007-500"}, 22),
    "imdb": Plan(_IMDB, 28),
    "bibtex": Plan({"data": "bibtex"}, 159),
    "corel5k": Plan({"data": "corel5k"}, 374),
}
# Above this number of labels a contestant takes too long, or its trees too much memory.
MOST_LABELS = {
    "powerset": 8, "f_measure": 60, "random_forest": 200, "random_forest_by_label": 20,
    "random_forest_powerset": 20, "gradient_boosting": 20, "gradient_boosting_powerset": 8,
}  # fmt: skip
# `auto` tries many rules for each label; above this number of labels it is left out to save time.
_MOST_AUTO = 60


def contestants(data: str) -> list[str]:
    """Return the heads and baselines that are measured on a data set."""
    n_labels = PLANS[data].n_labels
    return [h for h in (*BASELINES, *HEADS) if n_labels <= MOST_LABELS.get(h, 10**6)]


class Searches(Study):
    """The searches on one data set; a trial is the search of one head or baseline.

    Each configuration is trained with the seeds of the choice. For each metric the best of them is
    chosen by validation rows, with its best rule, as `hydra/sweeper=search` chooses; the chosen ones
    are trained with further seeds, which alone are reported.
    """

    def __init__(self, data: str) -> None:
        self.name = self.data = data
        self._decisions: dict[str, archive.Decisions] = {}

    @property
    def columns(self) -> tuple[str, ...]:
        """A row for each run, and one for each of its rules."""
        return COLUMNS

    def trials(self, budget: str) -> list[Trial]:
        """Return all heads and baselines; "quick" has few, on one data set."""
        names = contestants(self.data)
        if budget == "quick":
            names = [name for name in names if self.data == "flags" and name in QUICK_HEADS]
        return [{"data": self.data, "head": name} for name in names]

    def measure(self, trials: Sequence[Trial], n_workers: int) -> Iterator[list[Measured]]:
        """Search for one head after another, each in a process of one thread."""
        arguments = [(self.data, str(trial["head"])) for trial in trials]
        for index, (rows, decisions) in in_processes(searched, arguments, n_workers):
            self._decisions[command_of(trials[index])] = decisions
            yield [(trials[index], rows)]

    def keep(self, folder: Path, measured: Sequence[Measured]) -> None:
        """Store the decisions of the test rows."""
        for trial, _ in measured:
            decisions = self._decisions.pop(command_of(trial))
            archive.add(archive.path_of(folder, self.data), decisions)


def spaces_of(name: str) -> Mapping[str, Search]:
    """Return the search spaces of a head or baseline."""
    return BASELINES[name].spaces if name in BASELINES else network_spaces(name)


def train(data: Trial, name: str, jobs: Sequence[Job], rules: Sequence[str]) -> list[Run]:
    """Train the jobs of a head or baseline; return their runs in the same order."""
    return (baselines.fit if name in BASELINES else networks.train)(data, name, jobs, rules)


def searched(data: str, head: str) -> tuple[list[Row], archive.Decisions]:
    """Search for a head or baseline on a data set; return all rows, and decisions of test rows."""
    plan = PLANS[data]
    spaces = spaces_of(head)
    numbers = range(N_CONFIGURATIONS if spaces else 1)
    settings = {number: drawn(spaces, number) for number in numbers}
    rows: list[Row] = []
    chosen = dict.fromkeys(METRICS, 0)
    if len(numbers) > 1:
        jobs = [Job(n, settings[n], seed) for n in numbers for seed in plan.searched]
        for run in train(plan.settings, head, jobs, SEARCHED):
            rows += run.rows(SEARCH)
        found = {metric: choice(pd.DataFrame(rows), data, head, metric) for metric in METRICS}
        chosen = {m: each.trial for m, each in found.items() if each.trial is not None}
    jobs = [Job(n, settings[n], seed) for n in sorted(set(chosen.values())) for seed in plan.more]
    runs = train(plan.settings, head, jobs, plan.rules) if jobs else []
    for run in runs:
        rows += run.rows(CONFIRM)
    return rows, _decisions(runs, chosen, data, head)


def choice(rows: pd.DataFrame, data: str, head: str, metric: str) -> Chosen:
    """Return the best configuration and rule by the mean validation value over the rows' seeds."""
    ruled = rows[rows["rule"].isin(CHOSEN_AMONG) | (rows["rule"] == "constant")]
    values = pd.DataFrame(
        {
            "data": data, "head": head, TRIAL: ruled["number"].astype(int), "rule": ruled["rule"],
            "seed": ruled["seed"], VALUE: ruled[f"val_{metric}"],
        }
    )  # fmt: skip
    chosen = choose(values, metric)
    return chosen[0] if chosen else Chosen(data, head)


def _decisions(
    runs: Sequence[Run], chosen: dict[str, int], data: str, head: str
) -> archive.Decisions:
    """Return the test decisions of the chosen rule for each metric but the last, and of `global`."""
    stored: archive.Decisions = {}
    for metric in METRICS[:3]:
        if metric not in chosen:
            continue
        of_number = [run for run in runs if run.job.number == chosen[metric] and not run.error]
        rows = pd.DataFrame([row for run in of_number for row in run.rows(CONFIRM)])
        rule = choice(rows, data, head, metric).rule if len(rows) else None
        kept = [rule, "global"] if metric == METRICS[0] else [rule]
        for name in kept:
            if name is None or any(name not in run.decided for run in of_number):
                continue
            key = f"{head}/{chosen[metric]}/{name}"
            stored[key] = np.stack([run.decided[name]["test"] for run in of_number])
            stored[archive.TARGETS] = of_number[0].targets["test"][None]
    return stored
