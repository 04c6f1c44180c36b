"""Baselines: one-vs-rest logistic regression with tuned strength, and the most frequent set."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.linear_model import LogisticRegression

from experiments.harness import Row, Trial
from experiments.harness.trainings import configure
from experiments.league.decided import Decided
from mlc.data.base import SOURCES, Dataset
from mlc.data.preprocessing import Scaling, fit_scaling
from mlc.data.splits import Split, split_dataset
from mlc.decisions.base import DECISIONS
from mlc.evaluation.baselines import most_frequent_set
from mlc.metrics.counts import COUNT_METRICS

NAME = "logistic_regression"
CONSTANT = "most_frequent_set"
STRENGTHS = tuple(float(f"{c:.3g}") for c in np.logspace(-3, 1.5, 10))
_MOST_ITERATIONS = 300


class LogisticRegressions(Decided):
    """Logistic regression at each strength, on the same rows, features and rules as the heads."""

    name = NAME

    def __init__(
        self, data: dict[str, int], metrics: tuple[str, ...], rules: tuple[str, ...]
    ) -> None:
        super().__init__(metrics, rules)
        self._data = data

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, strengths and seeds."""
        return [
            {"data": data, "head": NAME, "C": strength, "seed": seed}
            for data, n_seeds in self._data.items()
            if budget == "full" or data in ("flags", "emotions")
            for strength in STRENGTHS
            for seed in range(n_seeds if budget == "full" else 3)
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """Fit the classifiers, and evaluate each rule."""
        config = configure("league", {"data": trial["data"], "seed": trial["seed"]})
        dataset = SOURCES[config.data.source].load(config.data)
        split = split_dataset(dataset, config.data, config.seed)
        scores = fit_scores(dataset, split, float(trial["C"]))
        targets = {p: torch.as_tensor(dataset.targets[split.parts()[p]]) for p in scores}
        rows = []
        for name in self.rules:
            if DECISIONS[name].input_from({"scores", "marginals", "cardinality"}) is None:
                continue
            rule = DECISIONS[name](config.decision[name])
            rule.fit(scores["val"], targets["val"])
            decided = {
                part: rule.decide(values, cardinality=values.sum(dim=-1))
                for part, values in scores.items()
            }
            rows.append(self.judged(name, decided, targets))
        return rows


class MostFrequentSets(Decided):
    """The most frequent label set of the training rows, predicted for every test row."""

    name = CONSTANT

    def __init__(
        self, n_seeds: dict[str, int], metrics: tuple[str, ...], rules: tuple[str, ...]
    ) -> None:
        super().__init__(metrics, rules)
        self._n_seeds = n_seeds

    def trials(self, budget: str) -> list[Trial]:
        """Return the data sets and seeds of the heads."""
        return [
            {"data": data, "head": CONSTANT, "seed": seed}
            for data, n_seeds in self._n_seeds.items()
            if budget == "full" or data in ("flags", "emotions")
            for seed in range(n_seeds if budget == "full" else 3)
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """Return one row with test values only, since nothing is chosen."""
        config = configure("league", {"data": trial["data"], "seed": trial["seed"]})
        dataset = SOURCES[config.data.source].load(config.data)
        split = split_dataset(dataset, config.data, config.seed)
        decided = torch.as_tensor(most_frequent_set(dataset, split))
        targets = torch.as_tensor(dataset.targets[split.test])
        values = {m: float(COUNT_METRICS[m](decided, targets)) for m in self.metrics}
        return [{"rule": "constant", **values}]


def fit_scores(dataset: Dataset, split: Split, strength: float) -> dict[str, torch.Tensor]:
    """Return probabilities (N, K) by part; a constant label is predicted as its value."""
    scaling = fit_scaling(dataset, split.train)
    features = {part: scaled(dataset, scaling, rows) for part, rows in split.parts().items()}
    scores = {p: np.zeros((features[p].shape[0], dataset.n_labels)) for p in ("val", "test")}
    for label in range(dataset.n_labels):
        target = dataset.targets[split.train, label]
        if target.all() or not target.any():
            for values in scores.values():
                values[:, label] = target[0]
            continue
        model = LogisticRegression(C=strength, max_iter=_MOST_ITERATIONS, solver="liblinear")
        model.fit(features["train"], target)
        for part, values in scores.items():
            values[:, label] = model.predict_proba(features[part])[:, 1]
    return {part: torch.as_tensor(values) for part, values in scores.items()}


def scaled(dataset: Dataset, scaling: Scaling, rows: NDArray[np.int64]) -> Any:
    """Return the features of rows, scaled as for the networks."""
    features: Any = dataset.features[rows]
    if issparse(features):
        return features.multiply(scaling.scale).tocsr()
    return np.nan_to_num((features - scaling.shift) * scaling.scale)
