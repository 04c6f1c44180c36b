"""Ensembles of each head: ten networks with default settings, their probabilities averaged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from experiments.harness import Measurements, Row, Trial
from experiments.harness.trainings import configure
from mlc import MultiLabelClassifier
from mlc.data import SOURCES, split_dataset
from mlc.decisions import build_decision
from mlc.heads import HEADS
from mlc.metrics import COUNT_METRICS

N_MEMBERS = 10


class Ensembles(Measurements):
    """`MultiLabelClassifier(head, n_seeds=10)` under each rule; nothing is tuned but the rule.

    Validation values are out of bag: a training row is decided by the members that held it out.
    """

    name = "ensembles"

    def __init__(
        self,
        heads: Mapping[str, tuple[str, ...]],
        n_seeds: Mapping[str, Mapping[str, int]],
        metrics: tuple[str, ...],
        rules: tuple[str, ...],
    ) -> None:
        """`heads` by data set, and by budget how many ensembles each of its data sets has."""
        self._heads, self._n_seeds = heads, n_seeds
        self._metrics, self._rules = metrics, rules

    @property
    def columns(self) -> tuple[str, ...]:
        """As the single networks' own."""
        parts = [f"{part}{metric}" for part in ("val_", "") for metric in self._metrics]
        return ("rule", *parts, "error")

    def trials(self, budget: str) -> list[Trial]:
        """Data sets, heads, seeds."""
        return [
            {"data": data, "head": head, "n_seeds": N_MEMBERS, "seed": seed}
            for data, n_seeds in self._n_seeds[budget].items()
            for head in self._heads[data]
            for seed in range(n_seeds)
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """Fit on the published training part, decide the test part under each rule that suits."""
        config = configure("league", {"data": trial["data"]})
        dataset = SOURCES[config.data.source].load(config.data)
        split = split_dataset(dataset, config.data, config.seed)
        rows = {"val": np.union1d(split.train, split.val), "test": split.test}
        features = {part: dataset.features[own] for part, own in rows.items()}
        targets = {part: dataset.targets[own] for part, own in rows.items()}
        classifier = MultiLabelClassifier(
            trial["head"],
            decision="fixed",
            max_epochs=config.trainer.max_epochs,
            n_seeds=trial["n_seeds"],
            random_state=trial["seed"],
        ).fit(features["val"], targets["val"].astype(int))
        predictor, held_out = classifier.predictor_, classifier.held_out_
        some = held_out.any(axis=0)
        judged = {
            "val_": (features["val"][some], targets["val"][some], held_out[:, some]),
            "": (features["test"], targets["test"], None),
        }
        head, found = HEADS[trial["head"]], []
        for name in self._rules:
            rule = build_decision(name, natural_threshold=head.natural_threshold)
            if rule.chosen_from(head.offers()) is None:
                continue
            predictor.rule = rule
            predictor.fit_rule(features["val"], targets["val"], held_out)
            row: Row = {"rule": name}
            for prefix, (inputs, actual, voters) in judged.items():
                decided = torch.as_tensor(predictor.predict(inputs, voters))
                for metric in self._metrics:
                    row[prefix + metric] = float(
                        COUNT_METRICS[metric](decided, torch.as_tensor(actual))
                    )
            found.append(row)
        return found
