"""Trainings of all heads on all data sets, with equal numbers of configurations."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from experiments.harness import Trainings, Trial
from mlc.backbones.base import BACKBONES
from mlc.config.options import search_space
from mlc.heads.base import HEADS
from mlc.training.stacked import OPTIMIZERS

N_CONFIGURATIONS = 10
METRICS = ("jaccard_samples", "f1_macro", "subset_accuracy", "hamming_loss")
RULES = (
    "fixed", "global", "per_label", "top_k", "cardinality", "mode", "expected_jaccard", "expected_f1",
)  # fmt: skip
SMALL = ("flags", "emotions", "birds", "scene", "yeast", "enron")
LARGE = ("cal500", "corel5k", "bibtex", "tmc2007-500", "imdb")
QUICK = ("flags", "emotions")
N_LABELS = {
    "flags": 7, "emotions": 6, "birds": 19, "scene": 6, "yeast": 14, "enron": 53,
    "cal500": 174, "corel5k": 374, "bibtex": 159, "tmc2007-500": 22, "imdb": 28,
}  # fmt: skip
# Seeds and configurations by budget.
BUDGETS = {
    "quick": dict.fromkeys(QUICK, (3, 2)),
    "full": {
        **dict.fromkeys(SMALL, (10, N_CONFIGURATIONS)), **dict.fromkeys(LARGE, (3, 2)), "imdb": (3, 1),
    },
}  # fmt: skip
# Large data sets need fewer epochs and larger batches; at least 660 steps remain.
SCHEDULE = {
    "corel5k": {"trainer.batch_size": 128},
    "tmc2007-500": {"trainer.batch_size": 256, "trainer.max_epochs": 15},
    "imdb": {"trainer.batch_size": 512, "trainer.max_epochs": 5},
}
# The measured heads: a new head takes part only once it is listed. Without groups of mutually exclusive
# labels, grouped equals sigmoid.
CONTESTANTS = (
    "asymmetric", "bernoulli_mixture", "chain", "class_balanced", "distribution_cardinality", "focal",
    "label_powerset", "margin", "ova_n", "pairwise", "pick_one", "powerset", "rakel", "regression",
    "sigmoid", "softmax_all", "softmax_uniform", "two_way", "unnormalised_kl", "weighted_sigmoid",
    "zlpr",
)  # fmt: skip
# A softmax over 2^14 label sets takes a hundred times the time of sigmoids.
MOST_LABELS = {"powerset": 8}
# Number of ensembles of each head, by budget and data set.
ENSEMBLES = {
    "quick": dict.fromkeys(QUICK, 1),
    "full": dict.fromkeys(("yeast", "birds", "flags", "emotions", "scene"), 3),
}


def contestants(data: str) -> tuple[str, ...]:
    """Return the heads that run on a data set."""
    return tuple(h for h in CONTESTANTS if N_LABELS[data] <= MOST_LABELS.get(h, 1000))


@cache
def configuration(head: str, number: int) -> Mapping[str, Any]:
    """Return settings drawn at random from the search spaces; number 0 is the defaults.

    Settings of other parts than the head are the same for all heads. The stored rows are those of these
    draws; `mlc.search.draws` takes the same spaces and has other random numbers, by which every
    configuration would have to be trained again.
    """
    if number == 0:
        return {}
    common, of_head = (
        np.random.default_rng([number]),
        np.random.default_rng([zlib.crc32(head.encode()), number]),
    )
    spaces = {
        "optimizer": (search_space(OPTIMIZERS["adamw"].Options), common),
        "backbone": (search_space(BACKBONES["mlp"].Options), common),
        "head": (search_space(HEADS[head].Options), of_head),
    }
    return {
        f"{part}.{key}": _rounded(space.draw(rng))
        for part, (options, rng) in spaces.items()
        for key, space in options.items()
    }


def _rounded(value: Any) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value


class Runs(Trainings):
    """Trainings of all heads on one data set."""

    experiment = "league"
    metrics = METRICS
    max_runs = 20

    def __init__(self, data: str) -> None:
        self.name = self.data = data

    def trials(self, budget: str) -> list[Trial]:
        """Return all heads, configurations and seeds; "quick" has few, on two data sets only."""
        n_seeds, n_configurations = BUDGETS[budget].get(self.data, (0, 0))
        return [
            {
                "data": self.data, "head": head, **SCHEDULE.get(self.data, {}),
                **configuration(head, number), "seed": seed,
            }
            for head in contestants(self.data)
            for number in range(n_configurations)
            for seed in range(n_seeds)
        ]  # fmt: skip
