"""Trainings of shared and separate networks, and of groups of mutually exclusive labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.harness import Row, Trainings, Trial
from experiments.one_network_or_many.rates import at_other_rates
from mlc.decisions import build_decision
from mlc.metrics.counts import COUNT_METRICS
from mlc.runs.recorder import RunResult

SHARED_WIDTH = 256
# Settings, number of features, number of labels.
DATA: dict[str, tuple[dict[str, Any], int, int]] = {
    "emotions": ({"data": "emotions"}, 72, 6),
    "scene": ({"data": "scene"}, 294, 6),
    "yeast": ({"data": "yeast"}, 103, 14),
    "digits": ({"data": "digits"}, 384, 10),
    "world": ({"data": "world", "data.n_train": 2000, "data.energies": "network"}, 10, 6),
}
QUICK = ("emotions", "digits", "world")
SEEDS = {"quick": 3, "full": 10}
DIGIT_LABELS, COLOUR_LABELS = slice(0, 10), slice(10, 13)
GROUPS = [list(range(10)), list(range(10, 13))]
HIGHEST_OF_GROUPS = build_decision("groups", groups=GROUPS)
_ROWS = {"quick": (200, 1000), "full": (200, 500, 1000, 4000)}


def width_of_many(n_features: int, n_labels: int) -> int:
    """Return the width of separate networks that together have the weights of the shared one."""
    shared = (n_features + 1) * SHARED_WIDTH + (SHARED_WIDTH + 1) * n_labels
    return round((shared / n_labels - 1) / (n_features + 2))


class Networks(Trainings):
    """Sigmoids on a shared network, on many as large in total, and on many as large each."""

    name = "networks"
    experiment = "one_network_or_many"
    more = ("parameters",)
    max_runs = 10

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, networks and seeds."""
        trials: list[Trial] = []
        for name, (settings, n_features, n_labels) in DATA.items():
            if budget == "quick" and name not in QUICK:
                continue
            networks = {
                (SHARED_WIDTH, False): None,
                (width_of_many(n_features, n_labels), True): None,
                (SHARED_WIDTH, True): None,
            }
            for width, separate in networks:
                trials += [
                    {
                        **settings, "backbone.widths": [width], "backbone.separate": separate,
                        "head": "sigmoid", "seed": seed,
                    }
                    for seed in range(SEEDS[budget])
                ]  # fmt: skip
        return trials


class Groups(Trainings):
    """Coloured digits: a softmax per group, or sigmoids for all labels."""

    name = "groups"
    experiment = "one_network_or_many"
    metrics = ("subset_accuracy", "jaccard_samples", "hamming_loss")
    max_runs = 10

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a training, and the share of impossible predictions."""
        return (*super().columns[:-1], "impossible", "error")

    def trials(self, budget: str) -> list[Trial]:
        """Return all numbers of rows, heads and seeds; each seed draws other images."""
        heads: tuple[dict[str, Any], ...] = (
            {"head": "sigmoid"},
            {"head": "grouped", "head.groups": GROUPS, "head.none": False},
            {"head": "label_powerset"},
        )
        return [
            {
                "data": "coloured_digits", "data.n_train": n, "data.seed": seed,
                "backbone.widths": [SHARED_WIDTH], **head, "seed": seed,
            }
            for n in _ROWS[budget]
            for head in heads
            for seed in range(SEEDS[budget])
        ]  # fmt: skip

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return a row per rule, and one for the highest score of each group."""
        evaluation = result.evaluation
        rows = super().rows(trial, result)
        for row in rows:
            row["impossible"] = impossible(evaluation.decisions["test"][row["rule"]])
        highest: Row = {"rule": "argmax_of_group"}
        for part, prefix in (("val", "val_"), ("test", "")):
            decided = HIGHEST_OF_GROUPS.decide(evaluation.scores[part])
            targets = torch.as_tensor(evaluation.targets[part])
            for metric in self.metrics:
                highest[prefix + metric] = float(COUNT_METRICS[metric](decided, targets))
        return [*rows, {**highest, "impossible": impossible(decided.numpy())}]


class NetworkRates(Networks):
    """The networks at other rates; scene takes as long as the others together."""

    name = "network_rates"

    def trials(self, budget: str) -> list[Trial]:
        """Return the trials of `Networks` at the other rates; all are in "full"."""
        return at_other_rates(Networks(), ("scene",)) if budget == "full" else []


class GroupRates(Groups):
    """The groups of labels at other rates."""

    name = "group_rates"

    def trials(self, budget: str) -> list[Trial]:
        """Return the trials of `Groups` at the other rates; all are in "full"."""
        return at_other_rates(Groups(), (500,)) if budget == "full" else []


def impossible(decisions: NDArray[np.bool_]) -> float:
    """Return the share of rows without exactly one digit and one colour."""
    groups = [decisions[:, labels].sum(axis=1) == 1 for labels in (DIGIT_LABELS, COLOUR_LABELS)]
    return float(1 - np.logical_and(*groups).mean())
