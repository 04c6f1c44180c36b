"""The sweep over each row's highest scores against the sweep over all pairs, and a loop."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mlc.metrics import top_scores
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.sweep import SortedScores
from mlc.metrics.top_scores import ScoreCollector, TopScores, best_threshold
from tests.cases import label_matrices, tied_scores

CASES = label_matrices()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", COUNT_METRICS)
def test_with_all_scores_it_is_the_sweep_over_all_pairs(name: str, case: str) -> None:
    targets, metric = CASES[case], COUNT_METRICS[name]
    for scores in (tied_scores(*targets.shape), torch.rand(targets.shape, dtype=torch.float64)):
        every = SortedScores(scores, targets).sweep(metric)
        highest = TopScores.of(scores, targets, targets.shape[-1]).sweep(metric)
        torch.testing.assert_close(highest.thresholds, every.thresholds)
        torch.testing.assert_close(highest.values, every.values, equal_nan=True)


def truncated(scores: Tensor, n_kept: int) -> Tensor:
    """Keep each row's highest scores, and lower all others below every threshold."""
    kept = torch.zeros_like(scores, dtype=torch.bool)
    return scores.where(kept.scatter_(-1, scores.topk(n_kept, dim=-1).indices, True), -1)


@pytest.mark.parametrize("name", COUNT_METRICS)
def test_with_fewer_scores_each_value_is_that_of_its_decisions(name: str) -> None:
    torch.manual_seed(0)
    scores, targets = torch.rand(2, 8, 12, dtype=torch.float64), torch.rand(2, 8, 12) < 0.3
    sweep = TopScores.of(scores, targets, 5).sweep(COUNT_METRICS[name])
    assert sweep.values.shape == (2, 41)
    for run in range(2):
        kept = truncated(scores[run], 5)
        for threshold, value in zip(sweep.thresholds[run], sweep.values[run], strict=True):
            decided = COUNT_METRICS[name](kept >= threshold, targets[run])
            assert float(decided) == pytest.approx(float(value), abs=1e-12)


@pytest.mark.parametrize("at_least_one", [False, True])
@pytest.mark.parametrize("name", ["jaccard_samples", "f1_macro", "hamming_loss"])
def test_from_many_labels_the_threshold_is_the_best_of_the_highest_scores(
    name: str, at_least_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    scores, targets = tied_scores(9, 30), torch.rand(9, 30) < 0.1
    metric = COUNT_METRICS[name]
    expected = best_threshold(metric, scores, targets, at_least_one)
    monkeypatch.setattr(top_scores, "MANY_LABELS", 30)
    for part, every in zip(
        best_threshold(metric, scores, targets, at_least_one), expected, strict=True
    ):
        torch.testing.assert_close(part, every)


def test_the_top_label_is_the_first_of_equals() -> None:
    scores = torch.full((3, 40), 0.5)
    pairs = TopScores.of(scores, torch.zeros(3, 40, dtype=torch.bool), 7)
    assert pairs.labels[:, 0].tolist() == [0, 0, 0]
    assert all(len(set(row)) == 7 for row in pairs.labels.tolist())


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(2)
    scores, targets = torch.rand(2, 11, 20), torch.rand(2, 11, 20) < 0.2
    together = TopScores.of(scores, targets, 6)
    monkeypatch.setattr(top_scores, "_AT_ONCE", 120)
    monkeypatch.setattr(top_scores, "MANY_LABELS", 20)
    collected = ScoreCollector(6)
    for part in zip(scores.split(4, 1), targets.split(4, 1), strict=True):
        collected.add(*part)
    for pairs in (TopScores.of(scores, targets, 6), collected.ranked()):
        assert isinstance(pairs, TopScores)
        for name, value in vars(together).items():
            assert torch.equal(getattr(pairs, name), value), name
