"""Conformal thresholds against a search over all thresholds, and their bound by simulation."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from mapie.risk_control import MultiLabelClassificationController
from torch import Tensor

from mlc.config.errors import ConfigError
from mlc.decisions.base import build_decision
from tests.cases import label_matrices, tied_scores

CASES = label_matrices()


def missed(scores: list[float], actual: list[bool], threshold: float) -> Fraction:
    """The share of a row's labels below the threshold."""
    true = [score for score, is_true in zip(scores, actual, strict=True) if is_true]
    return Fraction(sum(score < threshold for score in true), max(len(true), 1))


def by_a_loop(scores: Tensor, targets: Tensor, alpha: Fraction) -> float:
    """The highest threshold among the scores, 0 and 1 whose corrected risk is at most alpha."""
    rows, n = list(zip(scores.tolist(), targets.tolist(), strict=True)), len(scores)
    for threshold in sorted({0.0, 1.0, *scores.flatten().tolist()}, reverse=True):
        risk = sum((missed(*row, threshold) for row in rows), Fraction(0))
        if (risk + 1) / (n + 1) <= alpha:
            return threshold
    return 0.0


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("alpha", ["1/20", "1/4", "1/2", "9/10"])
def test_it_is_the_highest_threshold_with_the_bound(case: str, alpha: str) -> None:
    targets = CASES[case]
    scores = tied_scores(*targets.shape)
    rule = build_decision("conformal", alpha=float(Fraction(alpha))).fit(scores, targets)
    assert float(rule.fitted()["threshold"]) == by_a_loop(scores, targets, Fraction(alpha))


def test_runs_have_thresholds_of_their_own() -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.rand(3, 50, 4, generator=draw, dtype=torch.float64)
    targets = torch.rand(3, 50, 4, generator=draw) < scores
    rule = build_decision("conformal", alpha=0.2).fit(scores, targets)
    expected = [by_a_loop(*run, alpha=Fraction(1, 5)) for run in zip(scores, targets, strict=True)]
    assert rule.fitted()["threshold"].tolist() == expected
    assert len(set(expected)) == 3


def test_too_few_rows_leave_no_label_out() -> None:
    """With alpha = 0.1 and 8 rows, 1 / 9 exceeds alpha; with 9 rows, 1 / 10 does not."""
    scores = torch.full((9, 2), 0.3)
    targets = torch.ones(9, 2)
    few = build_decision("conformal", alpha=0.1).fit(scores[:8], targets[:8])
    enough = build_decision("conformal", alpha=0.1).fit(scores, targets)
    assert float(few.fitted()["threshold"]) == 0
    assert float(enough.fitted()["threshold"]) == float(scores[0, 0])
    assert bool(few.decide(torch.zeros(1, 2)).all())


def test_the_risk_of_a_new_row_is_at_most_alpha_and_hardly_less() -> None:
    """Over 4,000 draws of 19 rows and a new one: alpha - 2 / (n + 1) <= E[loss] <= alpha = 0.3."""
    draw = torch.Generator().manual_seed(0)
    n, alpha = 19, 0.3
    truth = torch.rand(4000, n + 1, 5, generator=draw, dtype=torch.float64)
    targets = torch.rand(truth.shape, generator=draw) < truth
    # Scores far from the probabilities: the bound does not need good ones.
    scores = (truth + torch.rand(truth.shape, generator=draw)) / 3
    rule = build_decision("conformal", alpha=alpha).fit(scores[:, :n], targets[:, :n])
    decided = rule.decide(scores[:, n:])[:, 0]
    new = targets[:, n]
    losses = (new & ~decided).sum(dim=-1) / new.sum(dim=-1).clamp(min=1)
    error = float(losses.std()) / len(losses) ** 0.5
    assert alpha - 2 / (n + 1) - 3 * error <= float(losses.mean()) <= alpha + 3 * error
    # Without the correction the highest threshold on the rows themselves exceeds the bound.
    naive = [
        by_highest(*run, alpha) for run in zip(scores[:800, :n], targets[:800, :n], strict=True)
    ]
    passed = scores[:800, n] >= torch.tensor(naive).unsqueeze(-1)
    exceeding = (new[:800] & ~passed).sum(dim=-1) / new[:800].sum(dim=-1).clamp(min=1)
    assert float(exceeding.mean()) > float(losses[:800].mean())


def by_highest(scores: Tensor, targets: Tensor, alpha: float) -> float:
    """The highest threshold whose mean loss on these rows is at most alpha."""
    pairs, shares = (
        scores.numpy(),
        (targets / targets.sum(dim=-1, keepdim=True).clamp(min=1)).numpy(),
    )
    order = np.argsort(pairs, axis=None)
    total = shares.ravel()[order].cumsum() / len(pairs)
    return float(pairs.ravel()[order][int((total <= alpha).sum())])


def test_a_bound_outside_0_and_1_is_refused() -> None:
    for alpha in (0.0, 1.0):
        with pytest.raises(ConfigError, match="alpha"):
            build_decision("conformal", alpha=alpha)


@pytest.mark.parametrize("alpha", [0.05, 0.13, 0.4])
def test_it_is_the_threshold_of_mapie(alpha: float) -> None:
    """On rows with a label, continuous scores, and a grid with one candidate between any two scores.

    MAPIE predicts scores above its parameter, refuses rows without a label, and asks for a risk below
    alpha on the grid; here scores at the threshold are predicted, and it is one of them.
    """
    draw = np.random.default_rng(0)
    truth = draw.random((120, 4))
    targets = draw.random(truth.shape) < truth
    targets[~targets.any(axis=1), 0] = True
    scores = (
        np.clip(truth + draw.normal(0, 0.2, truth.shape), 0.01, 0.99)
        + draw.random(truth.shape) / 1e3
    )
    ascending = np.unique(scores)
    between = np.concatenate([[0.0], (ascending[1:] + ascending[:-1]) / 2])
    control = MultiLabelClassificationController(
        lambda features: features, target_level=1 - alpha, predict_params=between
    )
    (highest,) = control.calibrate(scores, targets.astype(int)).best_predict_param
    rule = build_decision("conformal", alpha=alpha).fit(scores, targets)
    assert float(rule.fitted()["threshold"]) == ascending[ascending > highest][0]
    decided = rule.decide(torch.as_tensor(scores)).numpy()
    assert (decided == control.predict(scores)[..., 0]).all()
    assert not decided.all()
