"""Stored leads and label statistics of the data sets, for the question of what decides."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.harness import Measurements, Row, Trial
from experiments.harness.running import RESULTS
from experiments.harness.store import Store
from experiments.harness.trainings import configure
from experiments.league.studies import LARGE, QUICK, SMALL, Runs
from experiments.league.withdrawn import without_withdrawn
from experiments.learned_features.leads import LEADS, best_heads, leads
from experiments.learned_features.studies import SOURCES
from mlc.config.registry import SOURCES as REGISTRY
from mlc.data.label_statistics import label_statistics
from mlc.data.splits import split_dataset

LEAGUE = (*SMALL, *LARGE)
LEARNED = ("goemotions", "reuters", "ucmerced")
# Properties that can be measured before any training, by their column.
PROPERTIES = {
    "one": "share of rows with exactly one label",
    "none": "share of rows with no label",
    "per_row": "labels a row",
    "unseen": "share of validation rows with an unseen label set",
    "dependence": "mean absolute correlation (phi) of two labels, less that of independent ones",
    "frequency": "median frequency of a label",
    "rows_per_label": "training rows per label",
    "labels": "number of labels",
    "rows": "number of training rows",
}  # fmt: skip


class LeagueLeads(Measurements):
    """The leads on the data sets of the league, from its stored rows; nothing is trained."""

    name = "leads"
    columns = ("seed", "best_head", *LEADS, "error")

    def trials(self, budget: str) -> list[Trial]:
        """Return the data sets of the league."""
        return [{"data": data} for data in (QUICK if budget == "quick" else LEAGUE)]

    def measured(self, trial: Trial) -> list[Row]:
        """Return the leads of each seed."""
        rows = league_rows(str(trial["data"]))
        (head,) = best_heads(rows).values()
        return [
            {
                "seed": int(lead["seed"]),
                "best_head": head,
                **{name: float(lead[name]) for name in LEADS},
            }
            for lead in leads(rows).to_dict("records")
        ]


def league_rows(data: str) -> pd.DataFrame:
    """Return the rows of the league on one data set that are not withdrawn."""
    study = Runs(data)
    return without_withdrawn(Store(study, RESULTS / "league").frame(study.trials("full")))


class Properties(Measurements):
    """Statistics of the labels of the training and validation rows; no test row is counted."""

    name = "properties"
    columns = (*PROPERTIES, "error")

    def __init__(self, generated: Sequence[Trial]) -> None:
        self._generated = generated

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, and the generated ones with their settings."""
        if budget == "quick":
            return [{"data": data} for data in QUICK]
        return [*({"data": data} for data in (*LEAGUE, *LEARNED)), *self._generated]

    def measured(self, trial: Trial) -> list[Row]:
        """Load the data set, split it with seed 0, and describe its labels."""
        sources = import_module(SOURCES)
        config = configure("learned_features", trial)
        if trial["data"] in LEARNED:
            # The labels are known without features.
            rows = sources.read(trial["data"])
            split = split_dataset(rows.without_features(), config.data, 0)
            return [properties(rows.targets[split.train], rows.targets[split.val])]
        dataset = REGISTRY[config.data.name].load(config.data)
        split = split_dataset(dataset, config.data, 0)
        return [properties(dataset.targets[split.train], dataset.targets[split.val])]


def properties(train: NDArray[np.bool_], val: NDArray[np.bool_]) -> Row:
    """Compute `PROPERTIES` from label sets (N, K) of the training and the validation rows."""
    targets = np.concatenate([train, val])
    statistics = label_statistics(targets)
    sizes = targets.sum(axis=1)
    numbers = statistics.numbers
    unseen = ~np.isin(numbers[len(train) :], numbers[: len(train)])
    excess = (statistics.dependence or 0.0) - (statistics.by_chance or 0.0)
    return {
        "one": float((sizes == 1).mean()),
        "none": float((sizes == 0).mean()),
        "per_row": float(sizes.mean()),
        "unseen": float(unseen.mean()),
        "dependence": float(excess),
        "frequency": float(np.median(targets.mean(axis=0))),
        "rows_per_label": float(len(train) / targets.shape[1]),
        "labels": float(targets.shape[1]),
        "rows": float(len(train)),
    }
