"""Coloured digits by a convolutional network: groups of labels, and a network for each group."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.harness import Measurements, Row, Trial
from experiments.harness.trainings import configure
from experiments.learned_features.studies import (
    CNN_RATES,
    PRECISION,
    QUICK,
    SOURCES,
    TRAINED_SEEDS,
    Learned,
)
from experiments.one_network_or_many.studies import (
    COLOUR_LABELS,
    DIGIT_LABELS,
    GROUPS,
    HIGHEST_OF_GROUPS,
    impossible,
)
from mlc.decisions import build_decision
from mlc.evaluation.judging import Evaluation
from mlc.metrics.counts import COUNT_METRICS
from mlc.runs.cohort import train_cohort
from mlc.runs.recorder import Recorder, RunResult

N_ROWS = 1000
METRICS = ("subset_accuracy", "jaccard_samples")
HIGHEST = "highest_of_group"
# The labels of each network, and its head.
PARTS: dict[str, tuple[slice, dict[str, Any]]] = {
    "digits": (DIGIT_LABELS, {"head": "grouped", "head.groups": [GROUPS[0]], "head.none": False}),
    "colours": (COLOUR_LABELS, {"head": "grouped", "head.groups": [[0, 1, 2]], "head.none": False}),
    "free": (slice(13, 15), {"head": "sigmoid"}),
}
_HEADS: tuple[dict[str, Any], ...] = (
    {"head": "sigmoid"},
    {"head": "grouped", "head.groups": GROUPS, "head.none": False},
    {"head": "label_powerset"},
)


def _settings(rate: float, seed: int) -> dict[str, Any]:
    return {
        "data.n_train": N_ROWS, "data.seed": seed, "backbone": "cnn", "trainer.max_epochs": 40,
        "optimizer.lr": rate, "seed": seed,
    }  # fmt: skip


class Coloured(Learned):
    """One convolutional network for all labels; each seed draws other images."""

    name = "coloured"
    metrics = METRICS
    more = (f"val/{PRECISION}", f"test/{PRECISION}", "train/best_epoch", "impossible")

    def by_configuration(self, budget: str) -> list[list[Trial]]:
        """Return heads and seeds for each rate."""
        return [
            [
                {"data": "coloured_digits", **head, **_settings(rate, seed)}
                for head in _HEADS
                for seed in _seeds(budget)
            ]
            for rate in _rates(budget)
        ]

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return a row for each rule, and one for the highest score of each group."""
        decided = {
            part: HIGHEST_OF_GROUPS.decide(scores).numpy()
            for part, scores in result.evaluation.scores.items()
        }
        rows = super().rows(trial, result)
        for row in rows:
            if row["rule"] in result.evaluation.decisions["test"]:
                row["impossible"] = impossible(result.evaluation.decisions["test"][row["rule"]])
        return [*rows, _row(HIGHEST, decided, result.evaluation.targets)]


class ThreeNetworks(Measurements):
    """A network for the digit, one for the colour, and one for the free labels."""

    name = "three_networks"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of one network's rows that apply to three."""
        return ("rule", *(f"{p}{m}" for p in ("val_", "") for m in METRICS), "impossible", "error")

    def trials(self, budget: str) -> list[Trial]:
        """Return rates and seeds."""
        return [
            {"data": "coloured_digits", "networks": "three", **_settings(rate, seed)}
            for rate in _rates(budget)
            for seed in _seeds(budget)
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """Train the networks, and join the labels that they decide."""
        import_module(SOURCES)
        settings = {key: value for key, value in trial.items() if key not in ("data", "networks")}
        decided: dict[str, list[NDArray[np.bool_]]] = {"val": [], "test": []}
        targets: dict[str, list[NDArray[np.bool_]]] = {"val": [], "test": []}
        for part, (_, head) in PARTS.items():
            whole = {"data": "coloured_digits_part", "data.part": part, **head, **settings}
            evaluation = _trained(whole)
            groups = head.get("head.groups")
            rule = build_decision("groups", groups=groups) if groups else build_decision("fixed")
            for rows, scores in evaluation.scores.items():
                decided[rows].append(rule.decide(scores).numpy())
                targets[rows].append(evaluation.targets[rows])
        joined = {rows: np.hstack(parts) for rows, parts in decided.items()}
        return [_row(HIGHEST, joined, {rows: np.hstack(parts) for rows, parts in targets.items()})]


class _Kept(Recorder):
    """Keeps the evaluation of one run."""

    evaluation: Evaluation

    def record(self, index: int, result: RunResult) -> str:
        self.evaluation = result.evaluation
        return "recorded"

    def failed(self, index: int, error: BaseException) -> None:
        raise error


def _trained(trial: Trial) -> Evaluation:
    kept = _Kept()
    train_cohort([configure("learned_features", trial)], kept)
    return kept.evaluation


def _row(
    rule: str, decided: dict[str, NDArray[np.bool_]], targets: dict[str, NDArray[np.bool_]]
) -> Row:
    values = {
        f"{prefix}{metric}": float(
            COUNT_METRICS[metric](torch.as_tensor(decided[part]), torch.as_tensor(targets[part]))
        )
        for part, prefix in (("val", "val_"), ("test", ""))
        for metric in METRICS
    }
    return {"rule": rule, **values, "impossible": impossible(decided["test"])}


def _rates(budget: str) -> Sequence[float]:
    return CNN_RATES[: QUICK[1]] if budget == "quick" else CNN_RATES


def _seeds(budget: str) -> range:
    return range(QUICK[2] if budget == "quick" else TRAINED_SEEDS)
