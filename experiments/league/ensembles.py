"""Ensembles of ten networks with default settings and averaged probabilities, for each head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from experiments.harness import Row, Trial
from experiments.harness.trainings import configure
from experiments.league.decided import Decided
from mlc import MultiLabelClassifier
from mlc.data.base import SOURCES
from mlc.data.splits import split_dataset
from mlc.decisions.base import DECISIONS
from mlc.heads.base import HEADS

N_MEMBERS = 10


class Ensembles(Decided):
    """`MultiLabelClassifier(head, n_seeds=10)` under each rule; only the rule is tuned.

    Validation values are out of bag: a training row is predicted by the members that held it out.
    """

    name = "ensembles"

    def __init__(
        self,
        heads: Mapping[str, tuple[str, ...]],
        n_seeds: Mapping[str, Mapping[str, int]],
        metrics: tuple[str, ...],
        rules: tuple[str, ...],
    ) -> None:
        """`heads` by data set; `n_seeds`: number of ensembles by budget and data set."""
        super().__init__(metrics, rules)
        self._heads, self._n_seeds = heads, n_seeds

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, heads and seeds."""
        return [
            {"data": data, "head": head, "n_seeds": N_MEMBERS, "seed": seed}
            for data, n_seeds in self._n_seeds[budget].items()
            for head in self._heads[data]
            for seed in range(n_seeds)
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """Fit on the published training part, and evaluate each rule that the head supports."""
        config = configure("league", {"data": trial["data"]})
        dataset = SOURCES[config.data.name].load(config.data)
        split = split_dataset(dataset, config.data, config.seed)
        trained = np.union1d(split.train, split.val)
        classifier = MultiLabelClassifier(
            trial["head"],
            # Unused: the rules are set below.
            decision="fixed",
            decision_options={"threshold": 0.5},
            max_epochs=config.trainer.max_epochs,
            n_seeds=trial["n_seeds"],
            random_state=trial["seed"],
        ).fit(dataset.features[trained], dataset.targets[trained].astype(int))
        predictor, held_out = classifier.predictor_, classifier.held_out_
        some = held_out.any(axis=0)
        rows = {"val": trained[some], "test": split.test}
        voters: dict[str, Any] = {"val": held_out[:, some], "test": None}
        features = {part: dataset.features[values] for part, values in rows.items()}
        targets = {part: torch.as_tensor(dataset.targets[values]) for part, values in rows.items()}
        head, results = HEADS[trial["head"]], []
        natural = head.natural_threshold(dataset.n_labels)
        for name in self.rules:
            rule = DECISIONS[name](DECISIONS.options(name), natural)
            if rule.input_from(head.provides()) is None or rule.lacks is not None:
                continue
            predictor.rule = rule
            # All rows, so that the rule knows the label sets of those that no network held out.
            predictor.fit_rule(dataset.features[trained], dataset.targets[trained], held_out)
            decided = {
                part: torch.as_tensor(predictor.predict(values, voters[part]))
                for part, values in features.items()
            }
            results.append(self.judged(name, decided, targets))
        return results
