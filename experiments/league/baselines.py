"""Baselines: one-vs-rest logistic regression with tuned strength, and the most frequent set."""

from __future__ import annotations

import numpy as np
import torch

from experiments.harness import Row, Trial
from experiments.harness.trainings import configure
from experiments.league.decided import Decided
from mlc.data.base import SOURCES
from mlc.data.splits import split_dataset
from mlc.decisions.base import DECISIONS
from mlc.decisions.seen import distinct
from mlc.evaluation.baselines import most_frequent_set
from mlc.evaluation.linear_models import LogisticRegressions as Yardstick
from mlc.evaluation.linear_models import fit_scores
from mlc.evaluation.yardsticks import network_features
from mlc.heads.prediction import Prediction
from mlc.metrics.counts import COUNT_METRICS

NAME = "logistic_regression"
CONSTANT = "most_frequent_set"
STRENGTHS = tuple(float(f"{c:.3g}") for c in np.logspace(-3, 1.5, 10))


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
        dataset = SOURCES[config.data.name].load(config.data)
        split = split_dataset(dataset, config.data, config.seed)
        features, trained_on = network_features(dataset, split), dataset.targets[split.train]
        found = fit_scores(Yardstick(), features, trained_on, float(trial["C"]))
        predictions = {p: Prediction.of_marginals(torch.as_tensor(own)) for p, own in found.items()}
        targets = {p: torch.as_tensor(dataset.targets[split.parts()[p]]) for p in predictions}
        rows = []
        for name in self.rules:
            if DECISIONS[name].input_from({"scores", "marginals", "cardinality"}) is None:
                continue
            rule = DECISIONS[name](config.decision[name])
            rule.training_sets = distinct(torch.as_tensor(trained_on))
            rule.fit(predictions["val"], targets["val"])
            decided = {part: rule.decide(own) for part, own in predictions.items()}
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
        dataset = SOURCES[config.data.name].load(config.data)
        split = split_dataset(dataset, config.data, config.seed)
        decided = torch.as_tensor(most_frequent_set(dataset, split))
        targets = torch.as_tensor(dataset.targets[split.test])
        values = {m: float(COUNT_METRICS[m](decided, targets)) for m in self.metrics}
        return [{"rule": "constant", **values}]
