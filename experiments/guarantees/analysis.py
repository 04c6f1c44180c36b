"""What each head with each rule misses of the Bayes value with unlimited data and capacity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from experiments.guarantees.examples import EXAMPLES, joint_of
from experiments.harness import Experiment, Measurements, Report, Row, Trial
from mlc.data import SOURCES
from mlc.data.world import ExactWorld
from mlc.decisions import DECISIONS
from mlc.heads import HEADS, KnownLabels
from mlc.limits import Population
from mlc.metrics import COUNT_METRICS
from mlc.optimum import Optimum, limit

RULES = ("fixed", "global", "top_k", "cardinality", "mode", "expected_jaccard", "expected_f1")
METRICS = ("jaccard_samples", "f1_samples", "subset_accuracy", "hamming_loss")
TOPS = ("precision_at_1", "recall_at_1")
CONTESTANTS: tuple[dict[str, str], ...] = (
    *({"head": name} for name in HEADS if HEADS[name].identified and name != "grouped"),
    {"head": "distribution_cardinality", "head.form": "product"},
)
N_SAMPLES = 250
LABELS = 6
_DIALS = {
    "quick": ((0.0, 3.0), (0.0, 4.0), 2),
    "full": ((0.0, 1.5, 3.0), (-4.0, -2.0, 0.0, 2.0, 4.0), 3),
}


def regrets(trial: Trial, joint: Tensor) -> list[Row]:
    """Of the head's population minimiser under each rule that it can take."""
    optimum = Optimum(len(joint), joint)
    n_labels = optimum.label_sets.shape[1]
    drawn = optimum.drawn
    known = KnownLabels(drawn, torch.arange(len(drawn)).unsqueeze(0))
    values = {
        key.removeprefix("head."): value for key, value in trial.items() if key.startswith("head.")
    }
    name = str(trial["head"])
    head = HEADS[name](1, n_labels, HEADS.options(name, **values), [0], known)
    rules = {
        rule: DECISIONS[rule](DECISIONS[rule].Options(), head.natural_threshold)
        for rule in RULES
        if DECISIONS[rule].chosen_from(head.offers()) is not None
    }
    bayes = optimum.bayes()
    reached = limit(optimum, Population(head, joint).of_run(0), rules)
    tops = {key: bayes[key] - reached[key] for key in TOPS}
    return [
        {
            "rule": rule,
            **{m: _sign(m) * (bayes[m] - reached[f"{rule}/{m}"]) for m in METRICS},
            **tops,
            "bayes": bayes["jaccard_samples"],
        }
        for rule in rules
    ]


def _sign(metric: str) -> int:
    return 1 if COUNT_METRICS[metric].higher_is_better else -1


class Dials(Measurements):
    """Exact worlds, as dependence and the spread of the number of labels grow."""

    name = "dials"
    columns = ("rule", *METRICS, *TOPS, "bayes", "error")

    def trials(self, budget: str) -> list[Trial]:
        """All heads in all worlds."""
        dependences, attractions, n_seeds = _DIALS[budget]
        return [
            {"data.dependence": d, "data.attraction": a, "data.seed": seed, **contestant}
            for seed in range(n_seeds)
            for d in dependences
            for a in attractions
            for contestant in CONTESTANTS
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """The regrets in one world."""
        options = {
            key.removeprefix("data."): value
            for key, value in trial.items()
            if key.startswith("data.")
        }
        world = ExactWorld(SOURCES.options("world", n_labels=LABELS, **options))
        rng = np.random.default_rng([options["seed"], 5])
        features = rng.standard_normal((N_SAMPLES, world.options.n_features)).astype(np.float32)
        return regrets(trial, torch.as_tensor(world.joint(features)))


class Examples(Measurements):
    """Worlds that fit on a line."""

    name = "examples"
    columns = Dials.columns

    def trials(self, budget: str) -> list[Trial]:
        """All heads in all examples."""
        return [{"example": name, **contestant} for name in EXAMPLES for contestant in CONTESTANTS]

    def measured(self, trial: Trial) -> list[Row]:
        """The regrets in one example."""
        return regrets(trial, joint_of(str(trial["example"])))


class Guarantees(Experiment):
    """The experiment."""

    name = "guarantees"
    studies = (Examples(), Dials())

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Not yet."""
        return Report()


EXPERIMENT = Guarantees()
