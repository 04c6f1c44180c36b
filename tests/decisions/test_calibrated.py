"""Calibration before deciding, against scikit-learn, a search of the log loss and simulated truth."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from mlc.config.errors import ConfigError
from mlc.decisions.base import build_decision
from mlc.decisions.calibrated import Calibrated
from tests.cases import label_matrices

KINDS = ("temperature", "platt", "isotonic")
CASES = label_matrices()


def overfitted(seed: int = 0, n_rows: int = 400, slope: float = 3.0) -> tuple[Tensor, Tensor]:
    """Scores whose logits are `slope` times those of the truth, plus 0.5, and targets."""
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(n_rows, 5, generator=draw, dtype=torch.float64) - 0.5
    targets = torch.rand(n_rows, 5, generator=draw, dtype=torch.float64) < logits.sigmoid()
    return (slope * logits).sigmoid(), targets


def fitted(kind: str, scores: Tensor, targets: Tensor, rule: str = "fixed") -> Calibrated:
    built = build_decision("calibrated", calibration=kind, rule=rule).fit(scores, targets)
    assert isinstance(built, Calibrated)
    return built


def test_temperature_is_that_of_the_least_log_loss() -> None:
    scores, targets = overfitted()

    def loss(slope: float) -> float:
        return float(binary_cross_entropy((slope * scores.logit()).sigmoid(), targets.double()))

    best = minimize_scalar(loss, bounds=(0.01, 100), method="bounded", options={"xatol": 1e-9})
    slope, intercept = fitted("temperature", scores, targets).fitted()["line"].tolist()
    assert slope == pytest.approx(best.x, rel=1e-5)
    assert slope == pytest.approx(1 / 3, rel=0.15)
    assert intercept == 0


def test_platt_is_logistic_regression_on_smoothed_targets() -> None:
    scores, targets = overfitted()
    z, true = scores.logit().numpy().reshape(-1, 1), targets.numpy().ravel()
    # A target t is a positive with the weight t and a negative with the weight 1 - t.
    high, low = (true.sum() + 1) / (true.sum() + 2), 1 / ((~true).sum() + 2)
    wanted = np.where(true, high, low)
    weights = np.concatenate([wanted, 1 - wanted])
    labels = np.repeat([1, 0], len(z))
    other = LogisticRegression(C=1e12, tol=1e-10, max_iter=1000)
    other.fit(np.concatenate([z, z]), labels, sample_weight=weights)
    line = fitted("platt", scores, targets).fitted()["line"].tolist()
    assert line == pytest.approx([other.coef_.item(), other.intercept_.item()], abs=1e-4)


def test_isotonic_is_that_of_scikit_learn() -> None:
    scores, targets = overfitted()
    fresh = torch.linspace(0, 1, 101, dtype=torch.float64).expand(1, -1)
    rule = fitted("isotonic", scores, targets)
    other = IsotonicRegression(out_of_bounds="clip").fit(scores.numpy().ravel(), targets.ravel())
    np.testing.assert_allclose(rule.probabilities(fresh)[0], other.predict(fresh[0]), atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_overfitted_scores_become_probabilities(kind: str) -> None:
    rule = fitted(kind, *overfitted())
    stated = rule.described()
    assert stated["ece_after"] < 0.5 * stated["ece_before"]
    assert stated["brier_after"] < stated["brier_before"]
    scores, targets = overfitted(seed=1, n_rows=4000)
    after = rule.probabilities(scores)
    assert float(((after - targets.double()) ** 2).mean()) < float(
        ((scores - targets.double()) ** 2).mean()
    )


@pytest.mark.parametrize("rule", ["expected_jaccard", "expected_f1", "fixed"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_decides_as_the_rule_of_the_probabilities(kind: str, rule: str) -> None:
    calibrated = fitted(kind, *overfitted(), rule)
    scores, _ = overfitted(seed=2)
    decided = calibrated.decide(scores)
    marginals = calibrated.probabilities(scores)
    # Equal probabilities of isotonic maps stay in the order of the scores.
    marginals = (marginals + 1e-9 * scores).clamp(max=1)
    assert torch.equal(decided, build_decision(rule).decide(marginals))


@pytest.mark.parametrize("kind", KINDS)
def test_each_run_has_its_own_map_and_it_is_restored(kind: str) -> None:
    pairs = [overfitted(seed=0), overfitted(seed=1, slope=0.5)]
    scores, targets = torch.stack([s for s, _ in pairs]), torch.stack([t for _, t in pairs])
    together = fitted(kind, scores, targets, "expected_jaccard")
    stored = json.loads(json.dumps(together.described()))
    options = {"calibration": kind, "rule": "expected_jaccard"}
    restored = build_decision("calibrated", **options).restore(stored)  # type: ignore[arg-type]
    decided = together.decide(scores)
    assert torch.equal(restored.decide(scores), decided)
    for run, pair in enumerate(pairs):
        alone = fitted(kind, *pair, "expected_jaccard")
        assert torch.equal(decided[run], alone.decide(scores[run]))
        assert alone.decide(scores).shape == scores.shape


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("kind", KINDS)
def test_edges(kind: str, case: str) -> None:
    targets = CASES[case]
    for scores in (torch.full(targets.shape, 0.5), targets.double(), 1 - targets.double()):
        rule = fitted(kind, scores, targets, "expected_f1")
        probabilities = rule.probabilities(scores)
        assert ((probabilities >= 0) & (probabilities <= 1)).all()
        assert rule.decide(scores).shape == targets.shape


def test_platt_never_turns_the_order() -> None:
    scores, targets = overfitted()
    slope, _ = fitted("platt", 1 - scores, targets).fitted()["line"].tolist()
    assert slope == 0


def test_it_must_be_fitted() -> None:
    with pytest.raises(ConfigError, match="fit"):
        build_decision("calibrated").decide(torch.rand(2, 3))
