"""Does imbalance make a network predict nothing, and does weighting help?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch

from experiments.harness import Experiment, Report, Row, Trainings, Trial
from mlc.cohort import Judged
from mlc.training import Epoch, Training

HEADS = ("sigmoid", "weighted_sigmoid", "class_balanced", "focal", "asymmetric", "zlpr")
# Eight labels, all as frequent, or from one in two to one in a thousand.
WORLD = {"data": "world", "data.n_labels": 8, "data.dependence": 1.0, "data.n_train": 20_000,
         "data.n_test": 10_000, "trainer.batch_size": 256}  # fmt: skip
DATA: dict[str, dict[str, Any]] = {
    "50%": WORLD | {"data.cardinality": 4.0, "data.imbalance": 0.0},
    "10%": WORLD | {"data.cardinality": 0.8, "data.imbalance": 0.0},
    "1%": WORLD | {"data.cardinality": 0.08, "data.imbalance": 0.0},
    "0.1%": WORLD | {"data.cardinality": 0.008, "data.imbalance": 0.0},
    "50% to 0.1%": WORLD | {"data.cardinality": 1.2, "data.imbalance": 6.9},
    "imdb": {"data": "imdb", "trainer.batch_size": 512, "trainer.max_epochs": 6},
}
QUICK = ("10%", "1%", "50% to 0.1%")
SEEDS = {"quick": 2, "full": 5}
METRICS = (
    "hamming_loss", "jaccard_samples", "f1_micro", "f1_macro", "precision_micro",
    "precision_macro", "recall_micro", "recall_macro", "subset_accuracy", "cardinality_predicted",
)  # fmt: skip
RANKINGS = ("average_precision_macro", "lrap", "ranking_loss", "roc_auc_macro")


class Runs(Trainings):
    """Each head on each degree of imbalance, with the baselines that see no features."""

    experiment = "imbalance"
    max_runs = 10
    columns = ("rule", "epoch", "empty", *METRICS, *RANKINGS, "error")

    def trials(self, budget: str) -> list[Trial]:
        """Data, heads, seeds; the worlds differ with the seed."""
        return [
            {
                **settings,
                **({"data.seed": seed} if settings["data"] == "world" else {}),
                "head": head,
                "seed": seed,
            }
            for name, settings in DATA.items()
            if budget == "full" or name in QUICK
            for head in HEADS
            for seed in range(min(SEEDS[budget], 3 if name == "imdb" else 5))
        ]

    def rows(self, trial: Trial, judged: Judged) -> list[Row]:
        """Test metrics by rule; of one head the baselines as rules of their own."""
        metrics, rows = judged.evaluation.metrics, []
        ranking = {name: metrics[f"test/{name}"] for name in RANKINGS}
        for rule, decided in judged.evaluation.decisions["test"].items():
            own = {name: metrics[f"test/{rule}/{name}"] for name in METRICS}
            empty = float((~decided.any(axis=1)).mean())
            rows.append({"rule": rule, "empty": empty, **own, **ranking})
        if trial["head"] == HEADS[0]:
            for name, values in judged.evaluation.baselines.items():
                for rule in dict.fromkeys(key.split("/")[1] for key in values):
                    own = {m: values[f"test/{rule}/{m}"] for m in METRICS}
                    rows.append({"rule": f"{name} {rule}", **own})
        return rows

    def watch(self, training: Training, epoch: Epoch) -> list[list[Row]]:
        """The share of validation rows for which nothing is predicted, with the natural threshold."""
        head, empty = training.model.head, []
        for outputs, _ in training.model.outputs(training.data, training.val_rows):
            decided = head.scores(outputs) >= head.natural_threshold
            empty.append(~decided.any(dim=-1))
        shares = torch.cat(empty, dim=1).double().mean(dim=1)
        return [[{"epoch": epoch.number, "empty": float(share)}] for share in shares]


class Imbalance(Experiment):
    """The experiment."""

    name = "imbalance"
    studies = (Runs(),)

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Not yet."""
        return Report()


EXPERIMENT = Imbalance()
