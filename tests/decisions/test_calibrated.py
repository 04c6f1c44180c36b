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
from mlc.decisions.base import DecisionRule, build_decision
from mlc.decisions.calibrated import Calibrated
from mlc.decisions.folds import folds
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.final import CALIBRATION_BINS
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


@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("rule", ["expected_jaccard", "expected_f1", "fixed"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_decides_as_the_rule_of_the_probabilities(kind: str, rule: str, some: bool) -> None:
    calibrated = build_decision("calibrated", calibration=kind, rule=rule, at_least_one=some)
    assert isinstance(calibrated, Calibrated)
    calibrated.fit(*overfitted())
    scores, _ = overfitted(seed=2)
    decided = calibrated.decide(scores)
    marginals = calibrated.probabilities(scores)
    # Equal probabilities of isotonic maps stay in the order of the scores.
    marginals = (marginals + 1e-9 * scores).clamp(max=1)
    assert torch.equal(decided, build_decision(rule, at_least_one=some).decide(marginals))


@pytest.mark.parametrize("kind", KINDS)
def test_quality_is_that_of_rows_that_the_map_was_not_fitted_to(kind: str) -> None:
    scores, targets = overfitted(n_rows=23)
    after = torch.zeros_like(scores)
    for own in range(5):
        out = folds(23) == own
        rule = fitted(kind, scores[~out], targets[~out])
        after[out] = rule.probabilities(scores[out])
    bins = (after * CALIBRATION_BINS).long().clamp(max=CALIBRATION_BINS - 1)
    gaps = [float((targets.double() - after)[bins == b].sum().abs()) for b in bins.unique()]
    stated = fitted(kind, scores, targets).described()
    assert stated["ece_after"] == pytest.approx(sum(gaps) / after.numel(), abs=1e-12)
    assert stated["brier_after"] == pytest.approx(float(((after - targets.double()) ** 2).mean()))
    assert stated["brier_before"] == pytest.approx(float(((scores - targets.double()) ** 2).mean()))


def test_isotonic_gains_nothing_from_noise() -> None:
    draw = torch.Generator().manual_seed(0)
    scores = 0.5 + 0.001 * torch.rand(40, 5, generator=draw, dtype=torch.float64)
    targets = torch.rand(40, 5, generator=draw) < 0.5
    stated = fitted("isotonic", scores, targets).described()
    assert stated["brier_after"] > stated["brier_before"]


@pytest.mark.parametrize("kind", KINDS)
def test_expected_jaccard_gets_back_what_it_lost_to_overfitted_scores(kind: str) -> None:
    metric = COUNT_METRICS["jaccard_samples"]
    draw = torch.Generator().manual_seed(4)
    # How many labels are likely differs from row to row.
    logits = torch.randn(900, 1, generator=draw, dtype=torch.float64) - 2
    logits = logits + torch.randn(900, 20, generator=draw, dtype=torch.float64)
    targets = torch.rand(900, 20, generator=draw, dtype=torch.float64) < logits.sigmoid()
    scores = (4 * logits).sigmoid()

    def value(rule: DecisionRule, given: Tensor) -> float:
        return float(metric(rule.decide(given[300:]), targets[300:]))

    true = value(build_decision("expected_jaccard"), logits.sigmoid())
    lost = true - value(build_decision("expected_jaccard"), scores)
    rule = build_decision("calibrated", calibration=kind).fit(scores[:300], targets[:300])
    assert lost > 0.08
    assert true - value(rule, scores) < 0.1 * lost


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
