"""Studies of picking one label: trainings, optimism of test-tuned thresholds, time."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from benchmarks.growth import prepare
from experiments.harness import (
    Measurements,
    Row,
    Trainings,
    Trial,
)
from mlc.runs.recorder import RunResult
from mlc.training.loop import Epoch, Training

HEADS = ("sigmoid", "pick_one", "softmax_uniform", "softmax_all")
# Settings of each data set beside the defaults, and number of seeds at the full budget.
WORLD = {"data": "world", "data.n_train": 5000, "data.attraction": 0.0}
DATA: dict[str, tuple[dict[str, object], int]] = {
    "world": (WORLD, 5),
    "world, attracting labels": (WORLD | {"data.attraction": 4.0}, 5),
    "digits": ({"data": "digits"}, 5),
    "emotions": ({"data": "emotions"}, 10),
    "yeast": ({"data": "yeast"}, 10),
    "enron": ({"data": "enron"}, 5),
    "tmc2007-500": (
        {"data": "tmc2007-500", "trainer.batch_size": 256, "trainer.max_epochs": 10},
        3,
    ),
    "imdb": ({"data": "imdb", "trainer.batch_size": 512, "trainer.max_epochs": 5}, 3),
}
QUICK, QUICK_SEEDS = ("world", "world, attracting labels", "digits", "emotions"), 3
TEST_ROWS = (50, 200, 1000, 5000)


class Runs(Trainings):
    """Trainings of each head on each data set, with measurements after each epoch."""

    experiment = "pick_one"
    metrics = ("jaccard_samples", "f1_macro", "subset_accuracy")
    max_runs = 10
    columns = (
        "rule", "val_jaccard_samples", "jaccard_samples", "val_f1_macro", "f1_macro",
        "val_subset_accuracy", "subset_accuracy", "pair_error", "score_sum", "frequency_error",
        "score_pair_error", "precision_at_1", "recall_at_1", "best_epoch", "epoch", "expected_loss",
        "best_jaccard", "pick_variance", "sample_variance", "error",
    )  # fmt: skip

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, heads and seeds."""
        return [
            {**settings, "head": head, "seed": seed}
            for name, (settings, n_seeds) in DATA.items()
            if budget == "full" or name in QUICK
            for head in HEADS
            for seed in range(n_seeds if budget == "full" else QUICK_SEEDS)
        ]

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return the metrics, and errors of the frequencies of labels and pairs of labels."""
        evaluation = result.evaluation
        scores, targets = evaluation.scores["test"], evaluation.targets["test"]
        of_scores = {
            "score_sum": float(scores.sum(axis=1).mean()),
            "frequency_error": float(np.abs(scores.mean(axis=0) - targets.mean(axis=0)).mean()),
            "score_pair_error": pair_error(scores, targets),
            "precision_at_1": evaluation.metrics["test/precision_at_1"],
            "recall_at_1": evaluation.metrics["test/recall_at_1"],
            "best_epoch": result.facts["train/best_epoch"],
        }
        decided = evaluation.decisions["test"]
        return [
            {**row, "pair_error": pair_error(decided[row["rule"]], targets), **of_scores}
            for row in super().rows(trial, result)
        ]

    def watch(self, training: Training, epoch: Epoch) -> list[list[Row]]:
        """Return the expected validation loss, and the two variances of the gradient."""
        head = training.model.head
        losses, probabilities, targets = [], [], []
        for outputs, actual, _ in training.model.outputs(training.data, training.val_rows):
            losses.append(head.expected_loss(outputs, actual))
            probabilities.append(outputs.softmax(dim=-1))
            targets.append(actual)
        loss = torch.cat(losses, dim=1).mean(dim=1)
        picked, between = gradient_noise(torch.cat(probabilities, dim=1), torch.cat(targets, dim=1))
        return [
            [
                {
                    "epoch": epoch.number,
                    "expected_loss": float(loss[run]),
                    "best_jaccard": float(epoch.values["val/jaccard_samples"][run]),
                    "pick_variance": float(picked[run]),
                    "sample_variance": float(between[run]),
                }
            ]
            for run in range(len(loss))
        ]


class Flattery(Trainings):
    """Optimism of a threshold that is tuned on the test rows, by number of test rows."""

    name = "flattery"
    experiment = "pick_one"
    metrics = ("jaccard_samples", "f1_macro")

    def trials(self, budget: str) -> list[Trial]:
        """Return all numbers of test rows, heads and seeds; each seed draws another world."""
        return [
            {
                "data": "world", "data.n_train": 1000, "data.n_test": n_test, "head": head,
                "data.seed": seed, "seed": seed,
            }
            for n_test in TEST_ROWS
            for head in ("sigmoid", "pick_one")
            for seed in range(20 if budget == "full" else 5)
        ]  # fmt: skip


class Steps(Measurements):
    """Time of a training step of each head, measured in turns."""

    name = "steps"
    columns = ("milliseconds", "error")
    alone = True

    def trials(self, budget: str) -> list[Trial]:
        """Return all numbers of labels, rounds and heads."""
        return [
            {"n_labels": n_labels, "round": number, "head": head}
            for n_labels in (14, 1000)
            for number in range(10 if budget == "full" else 5)
            for head in HEADS
        ]

    def measured(self, trial: Trial) -> list[Row]:
        """Measure the mean step of three epochs, after a warm-up epoch."""
        n_labels, head = int(trial["n_labels"]), str(trial["head"])
        training, _, _, _ = prepare(n_runs=1, width=256, head=head, n_labels=n_labels)
        times = step_times(training)
        return [{"milliseconds": 1000 * times}]


def step_times(training: Training) -> float:
    """Return the seconds of a step without validation: the mean of epochs 2 to 4."""
    torch.set_num_threads(1)
    training.train_epoch(1)
    started = time.perf_counter()
    for number in (2, 3, 4):
        training.train_epoch(number)
    n_steps = -(-training.train_rows.shape[1] // training.options.batch_size)
    return (time.perf_counter() - started) / (3 * n_steps)


def pair_error(values: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean over pairs of labels of |predicted frequency of both - true frequency|.

    `values` are decisions, or scores that are treated as independent: (N, K), like the targets.
    """
    n = len(targets)
    by_values = values.astype(np.float64).T @ values.astype(np.float64) / n
    observed = targets.astype(np.float64).T @ targets.astype(np.float64) / n
    pairs = np.triu_indices(targets.shape[1], k=1)
    return float(np.abs(by_values - observed)[pairs].mean())


def gradient_noise(p: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient's variance due to picking and that between samples, by run: (R,) each.

    The gradient of one sample by the outputs is p - e_j with picking and p - y / |y| without. Given
    the sample, e_j has the variance sum_k (y_k / |y|) (1 - y_k / |y|) = 1 - 1 / |y|.
    """
    count = targets.sum(dim=-1, keepdim=True)
    some = (count > 0).to(p.dtype)
    gradient = (p - targets / count.clamp(min=1)) * some
    picked = (some * (1 - 1 / count.clamp(min=1))).mean(dim=(1, 2))
    return picked, gradient.var(dim=1, correction=0).sum(dim=-1)
