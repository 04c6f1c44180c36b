"""A pilot: by which validation metric should the epoch be chosen whose weights are kept?"""

from __future__ import annotations

from experiments.equal_budgets.sources import Sampled
from experiments.equal_budgets.spaces import EXPERIMENT
from experiments.harness import Trainings, Trial

MONITORS = ("jaccard_samples", "loss", "f1_macro", "subset_accuracy")
DATA = ("emotions", "scene", "birds")
HEADS = ("sigmoid", "asymmetric", "label_powerset", "pairwise", "pick_one", "zlpr")
_N_SEEDS = 3


class Epochs(Trainings):
    """Heads with default settings; all rows are from the published training part."""

    name = "epochs"
    experiment = EXPERIMENT
    metrics = ("jaccard_samples", "f1_macro", "subset_accuracy", "hamming_loss")
    more = ("train/best_epoch",)

    def trials(self, budget: str) -> list[Trial]:
        """Return each monitored metric; "quick" has one data set and seed."""
        quick = budget == "quick"
        return [
            {
                "data": Sampled.name, "data.path": f"{data}/{data}", "data.title": data,
                "data.only_training": True, "data.test_fraction": 0.3, "head": head,
                "trainer.monitor": monitor, "seed": seed,
            }
            for data in (DATA[:1] if quick else DATA)
            for head in HEADS
            for monitor in MONITORS
            for seed in range(1 if quick else _N_SEEDS)
        ]  # fmt: skip
