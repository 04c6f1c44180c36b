"""Trainings whose F1 is stored for each label, by the label's number of positives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from experiments.harness import Row, Trainings, Trial
from mlc.runs.folder import BEST_VALUE
from mlc.runs.recorder import RunResult

HEADS = (
    "sigmoid", "weighted_sigmoid", "class_balanced", "focal", "asymmetric", "zlpr",
    "distribution_balanced", "logit_adjusted", "hill",
)  # fmt: skip
WORLD = "world"
DATA: dict[str, dict[str, Any]] = {
    WORLD: {"data": "world", "data.n_labels": 12, "data.dependence": 1.0, "data.cardinality": 1.5,
            "data.imbalance": 6.9, "data.n_train": 5000, "data.n_test": 10_000},
    "enron": {"data": "enron", "trainer.max_epochs": 20},
    "corel5k": {"data": "corel5k", "trainer.max_epochs": 20},
    "bibtex": {"data": "bibtex", "trainer.max_epochs": 20},
}  # fmt: skip
RATES = (0.0006, 0.002, 0.006, 0.02, 0.06)
SEEDS = {"quick": 2, "full": 5}
RULES = ("fixed", "per_label", "micro_macro")
# Stored beside the rules: it does not depend on a threshold.
RANKING = "average precision"
# Smallest number of positives of each bin.
BINS = {"1 to 5": 1, "6 to 20": 6, "21 to 100": 21, "101 to 500": 101, "more than 500": 501}
_DIGITS = 1000


class ByPositives(Trainings):
    """Each head at each rate; a row holds the labels of one bin under one rule.

    A label's positives are those of the part for training and validation, of which a fifth is for
    validation. Labels without a positive there or among the test rows are in no bin.
    "by_label" holds the thousandths of each label's value, as in "0;333;".
    """

    name = "by_positives"
    experiment = "imbalance"
    max_runs = 10
    columns = (
        "rule", "bin", "labels", "test_positives", "value", "by_label", "val_loss",
        "val_average_precision", "error",
    )  # fmt: skip

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, heads, rates and seeds; each seed draws another world."""
        return [
            {
                **settings,
                **({"data.seed": seed} if name == WORLD else {}),
                "decisions": list(RULES),
                "head": head,
                "optimizer.lr": rate,
                "seed": seed,
            }
            for name, settings in DATA.items()
            if budget == "full" or name == WORLD
            for head in HEADS
            for rate in RATES
            for seed in range(SEEDS[budget])
        ]

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return a row for each rule, and one for the average precision, in each bin."""
        dataset, evaluation = result.dataset, result.evaluation
        positives = dataset.targets[dataset.parts["train"]].sum(axis=0)
        targets = evaluation.targets["test"]
        values = {rule: f1(evaluation.decisions["test"][rule], targets) for rule in RULES}
        values[RANKING] = precisions(evaluation.scores["test"], targets)
        more = {
            "val_loss": result.facts[BEST_VALUE],
            "val_average_precision": evaluation.metrics["val/average_precision_macro"],
        }
        counts = targets.sum(axis=0)
        return [
            {
                "rule": rule,
                "bin": name,
                "labels": len(labels),
                "test_positives": int(counts[labels].sum()),
                "value": float(of_rule[labels].mean()),
                "by_label": packed(of_rule[labels]),
                **more,
            }
            for rule, of_rule in values.items()
            for name, labels in bins(positives, counts)
        ]


def bins(
    positives: NDArray[np.integer], counts: NDArray[np.integer]
) -> Iterator[tuple[str, NDArray[np.intp]]]:
    """Yield each bin that has labels, and the indices of its labels.

    Args:
        positives: (K,), positives for training and validation.
        counts: (K,), positives among the test rows.
    """
    bounds = [*BINS.values(), np.inf]
    for name, low, high in zip(BINS, bounds[:-1], bounds[1:], strict=True):
        labels = np.flatnonzero((positives >= low) & (positives < high) & (counts > 0))
        if len(labels):
            yield name, labels


def f1(decided: NDArray[np.bool_], targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the F1 of each label, (N, K) to (K,); NaN for a label without positives."""
    hits = (decided & targets).sum(axis=0)
    total = decided.sum(axis=0) + targets.sum(axis=0)
    scores: NDArray[np.float64] = np.full(targets.shape[1], np.nan)
    np.divide(2.0 * hits, total, out=scores, where=targets.any(axis=0))
    return scores


def precisions(scores: NDArray[np.floating], targets: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the average precision of each label, (N, K) to (K,); NaN for one without positives."""
    return np.array(
        [
            average_precision_score(true, score) if true.any() else np.nan
            for true, score in zip(targets.T, scores.T, strict=True)
        ]
    )


def packed(values: NDArray[np.float64]) -> str:
    """Return values from 0 to 1 as text, rounded to thousandths."""
    return "".join(f"{value};" for value in np.round(_DIGITS * values).astype(int))


def unpacked(text: str) -> NDArray[np.float64]:
    """Return the values of `packed`."""
    return np.array(text.split(";")[:-1], dtype=np.float64) / _DIGITS
