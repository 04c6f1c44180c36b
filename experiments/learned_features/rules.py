"""The rows of a run: each rule, with and without at least one label for each row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.harness import Row
from mlc.decisions.base import build_decision
from mlc.evaluation.judging import Evaluation
from mlc.metrics.counts import COUNT_METRICS

# Metrics for which one threshold is tuned.
TUNED_FOR = ("jaccard_samples", "f1_macro", "subset_accuracy")
AT_LEAST_ONE = ", at least one"
PARTS = {"val": "val_", "test": ""}
Decided = dict[str, NDArray[np.bool_]]


def rows_of_rules(
    evaluation: Evaluation, natural_threshold: float | None, metrics: Sequence[str]
) -> list[Row]:
    """Return a row for each rule of a run, with validation ("val_...") and test metrics."""
    targets = {part: torch.as_tensor(evaluation.targets[part]) for part in PARTS}
    return [
        {
            "rule": rule,
            **{
                f"{prefix}{metric}": float(
                    COUNT_METRICS[metric](torch.as_tensor(decided[part]), targets[part])
                )
                for part, prefix in PARTS.items()
                for metric in metrics
            },
        }
        for rule, decided in every_rule(evaluation, natural_threshold)
    ]


def every_rule(
    evaluation: Evaluation, natural_threshold: float | None
) -> Iterator[tuple[str, Decided]]:
    """Yield each rule's name and its decisions (N, K) by part.

    One threshold is tuned for each metric, again where each row must have at least one label. With any
    other rule, a row without a label then gets the label with the highest score.
    """
    for rule in evaluation.decisions["test"]:
        decided = {part: evaluation.decisions[part][rule] for part in PARTS}
        if rule == "global":
            continue
        yield rule, decided
        # Thresholds by label are chosen for F1 over labels, which rows without a label do not matter to.
        if rule != "per_label" and not all(s.any(axis=1).all() for s in decided.values()):
            yield (
                rule + AT_LEAST_ONE,
                {part: with_one(decided[part], evaluation.scores[part]) for part in PARTS},
            )
    for metric in TUNED_FOR:
        name = "global" if metric == TUNED_FOR[0] else f"global {metric}"
        yield name, _one_threshold(evaluation, natural_threshold, metric, False)
        yield name + AT_LEAST_ONE, _one_threshold(evaluation, natural_threshold, metric, True)


def with_one(decided: NDArray[np.bool_], scores: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return the decisions (N, K), with the highest score where a row has no label."""
    empty = ~decided.any(axis=1)
    filled = decided.copy()
    filled[empty, scores[empty].argmax(axis=1)] = True
    return filled


def _one_threshold(
    evaluation: Evaluation, natural_threshold: float | None, metric: str, at_least_one: bool
) -> Decided:
    rule = build_decision(
        "global", natural_threshold=natural_threshold, metric=metric, at_least_one=at_least_one
    )
    rule.fit(torch.as_tensor(evaluation.scores["val"]), torch.as_tensor(evaluation.targets["val"]))
    return {part: rule.decide(torch.as_tensor(evaluation.scores[part])).numpy() for part in PARTS}
