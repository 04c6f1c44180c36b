"""Thresholds for macro plus micro F1 against a loop over all thresholds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlc.decisions.base import build_decision
from tests.cases import label_matrices, tied_scores

CASES = label_matrices()


def f1(true: NDArray[np.bool_], decided: NDArray[np.bool_]) -> float:
    positives = int(true.sum() + decided.sum())
    return 2 * int((true & decided).sum()) / positives if positives else 0.0


def by_a_loop(scores: NDArray[np.float64], targets: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The decisions on the rows themselves."""
    decided = np.zeros_like(targets)
    order = sorted(range(targets.shape[1]), key=lambda k: -targets[:, k].sum())
    for j, label in enumerate(order, start=1):
        done = order[: j - 1]
        best = -1.0
        # From the highest threshold, which nothing passes.
        for threshold in [2.0, *np.unique(scores[:, label])[::-1]]:
            tried = scores[:, label] >= threshold
            pooled = np.column_stack([decided[:, done], tried])
            value = f1(targets[:, label], tried) / j + f1(targets[:, [*done, label]], pooled)
            if value > best + 1e-10:
                best, decided[:, label] = value, tried
    return decided


@pytest.mark.parametrize("case", CASES)
def test_it_agrees_with_a_loop(case: str) -> None:
    targets = CASES[case]
    scores = tied_scores(*targets.shape)
    decided = build_decision("micro_macro").fit(scores, targets).decide(scores)
    assert decided.numpy().tolist() == by_a_loop(scores.numpy(), targets.numpy()).tolist()


def test_it_agrees_with_a_loop_where_labels_are_rare() -> None:
    draw = torch.Generator().manual_seed(0)
    frequency = torch.tensor([0.5, 0.02, 0.2, 0.05])
    scores = torch.rand(3, 40, 4, generator=draw, dtype=torch.float64)
    targets = torch.rand(3, 40, 4, generator=draw) < frequency * 2 * scores
    rule = build_decision("micro_macro").fit(scores, targets)
    assert rule.fitted()["threshold"].shape == (3, 4)
    for decided, own, true in zip(rule.decide(scores), scores, targets, strict=True):
        assert decided.numpy().tolist() == by_a_loop(own.numpy(), true.numpy()).tolist()


def one_positive(place: int) -> tuple[Tensor, Tensor]:
    """A frequent label that scores separate, and a rare one with its positive at this place."""
    scores = torch.linspace(1, 0, 40, dtype=torch.float64)[:, None].repeat(1, 2)
    targets = torch.zeros(40, 2, dtype=torch.bool)
    targets[:20, 0], targets[place, 1] = True, True
    return scores, targets


def test_a_rare_label_is_not_predicted_for_one_positive_among_many() -> None:
    scores, targets = one_positive(place=14)
    alone = build_decision("per_label", fallback=0.0).fit(scores, targets).decide(scores)
    assert alone[:, 1].sum() == 15
    decided = build_decision("micro_macro").fit(scores, targets).decide(scores)
    assert decided.sum(dim=0).tolist() == [20, 0]
    # Where it is the highest score, it is worth it.
    scores, targets = one_positive(place=0)
    decided = build_decision("micro_macro").fit(scores, targets).decide(scores)
    assert decided.sum(dim=0).tolist() == [20, 1]


def test_a_label_without_positives_has_the_next_threshold_above_its_scores() -> None:
    scores = torch.tensor([[0.25, 0.5], [0.75, 0.25]], dtype=torch.float64)
    targets = torch.tensor([[False, False], [True, False]])
    rule = build_decision("micro_macro").fit(scores, targets)
    assert rule.fitted()["threshold"].tolist() == [0.5, np.nextafter(0.5, 1)]
