"""How to find thresholds: rules by the number of validation rows and by how frequent a label is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from experiments.harness import Experiment, Report, Row, Trainings, Trial
from mlc.cohort import Judged
from mlc.decisions import build_decision
from mlc.metrics import COUNT_METRICS

# Settings beside the defaults, and seeds at the full budget.
DATA: dict[str, tuple[dict[str, Any], int]] = {
    "flags": ({}, 10),
    "emotions": ({}, 10),
    "birds": ({}, 10),
    "scene": ({}, 10),
    "yeast": ({}, 10),
    "enron": ({}, 5),
    "cal500": ({}, 5),
    "corel5k": ({}, 3),
    "bibtex": ({}, 3),
    "tmc2007-500": ({"trainer.batch_size": 256, "trainer.max_epochs": 10}, 3),
    "imdb": ({"trainer.batch_size": 512, "trainer.max_epochs": 5}, 3),
}
QUICK, QUICK_SEEDS = ("flags", "emotions", "scene"), 3
VALIDATION_ROWS = (25, 50, 100, 200, 400, 1600, 6400)
_DRAWS = 5  # Subsets of the validation rows of each size.
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "fixed": ("fixed", {}),
    "global": ("global", {}),
    "global f1_macro": ("global", {"metric": "f1_macro"}),
    "per_label": ("per_label", {}),
    "per_label, no fallback": ("per_label", {"fallback": 0.0}),
    "top_k": ("top_k", {}),
    "cardinality": ("cardinality", {}),
    "expected_jaccard": ("expected_jaccard", {}),
    "expected_f1": ("expected_f1", {}),
}
METRICS = ("jaccard_samples", "f1_micro", "f1_macro", "subset_accuracy", "hamming_loss")
# Upper ends of the label frequencies that are looked at apart.
FREQUENCIES = (0.01, 0.03, 0.1, 0.3, 1.0)
BY_FREQUENCY = tuple(f"f1_below_{end:g}" for end in FREQUENCIES)


class Runs(Trainings):
    """One training for each data set and seed; each rule is tuned on parts of its validation rows."""

    experiment = "thresholds"
    max_runs = 10
    columns = ("rule", "val_rows", *METRICS, *BY_FREQUENCY, "error")

    def trials(self, budget: str) -> list[Trial]:
        """Data sets and seeds."""
        return [
            {"data": name, **settings, "head": "sigmoid", "seed": seed}
            for name, (settings, n_seeds) in DATA.items()
            if budget == "full" or name in QUICK
            for seed in range(n_seeds if budget == "full" else QUICK_SEEDS)
        ]

    def rows(self, trial: Trial, judged: Judged) -> list[Row]:
        """Means over the subsets of each size; all validation rows are one subset."""
        evaluation, rows = judged.evaluation, []
        scores = {part: torch.as_tensor(own) for part, own in evaluation.scores.items()}
        targets = {part: torch.as_tensor(own) for part, own in evaluation.targets.items()}
        frequency = evaluation.targets["test"].mean(axis=0)
        n_val = len(targets["val"])
        rng = np.random.default_rng([int(trial["seed"]), 7])
        for size in [n for n in VALIDATION_ROWS if n < n_val] + [n_val]:
            subsets = [rng.permutation(n_val)[:size] for _ in range(_DRAWS if size < n_val else 1)]
            for label, (name, options) in RULES.items():
                found = []
                for subset in subsets:
                    rule = build_decision(name, **options)
                    rule.fit(scores["val"][subset], targets["val"][subset])
                    decided = rule.decide(scores["test"], cardinality=scores["test"].sum(dim=-1))
                    found.append(judge(decided, targets["test"], frequency))
                means = {key: float(np.mean([f[key] for f in found])) for key in found[0]}
                rows.append({"rule": label, "val_rows": size, **means})
        return rows


def judge(
    decided: torch.Tensor, targets: torch.Tensor, frequency: NDArray[np.floating]
) -> dict[str, float]:
    """The metrics, and the mean F1 of the labels of each range of frequencies."""
    values = {name: float(COUNT_METRICS[name](decided, targets)) for name in METRICS}
    f1 = COUNT_METRICS["f1_macro"].per_group(decided, targets).numpy()
    low = 0.0
    for name, high in zip(BY_FREQUENCY, FREQUENCIES, strict=True):
        here = (frequency > low) & (frequency <= high)
        if here.any():
            values[name] = float(f1[here].mean())
        low = high
    return values


class Thresholds(Experiment):
    """The experiment."""

    name = "thresholds"
    studies = (Runs(),)

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Not yet."""
        return Report()


EXPERIMENT = Thresholds()
