"""Rules that never predict the empty set, against trying every threshold and every size."""

import pytest
import torch
from torch import Tensor

from mlc.decisions.base import build_decision
from mlc.metrics.counts import COUNT_METRICS
from tests.cases import label_matrices

CASES = label_matrices()


def filled(decisions: Tensor, scores: Tensor) -> Tensor:
    """By a loop: the first of the highest scores where nothing is predicted."""
    result = decisions.clone()
    for row, score in zip(result, scores, strict=True):
        if not row.any():
            row[score.tolist().index(float(score.max()))] = True
    return result


@pytest.mark.parametrize("levels", [3, 1000])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", COUNT_METRICS)
def test_global_is_the_best_of_all_thresholds(name: str, case: str, levels: int) -> None:
    one = CASES[case]
    generator = torch.Generator().manual_seed(3)
    scores = torch.randint(levels, (2, *one.shape), generator=generator).double() / levels
    targets = torch.stack([one, one.flip(0)])
    metric = COUNT_METRICS[name]
    rule = build_decision("global", metric=name, at_least_one=True).fit(scores, targets)
    decided = rule.decide(scores)
    for run in range(2):
        own, true = scores[run], targets[run]
        tried = [float(metric(filled(own >= t, own), true)) for t in [*own.unique().tolist(), 2]]
        best = max(tried) if metric.higher_is_better else min(tried)
        assert float(metric(decided[run], true)) == pytest.approx(best, abs=1e-9)
        assert decided[run].any(dim=-1).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [("fixed", {"threshold": 0.9}), ("per_label", {}), ("top_k", {"k": 0})],
)
def test_only_empty_sets_change(name: str, options: dict[str, float]) -> None:
    scores = torch.rand(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    targets = torch.zeros(40, 3)
    targets[:8, 0] = 1
    free = build_decision(name, **options).fit(scores, targets).decide(scores)
    kept = build_decision(name, at_least_one=True, **options).fit(scores, targets).decide(scores)
    assert not free.any(dim=-1).all()
    assert torch.equal(kept, filled(free, scores))


def test_cardinality_is_at_least_one() -> None:
    scores = torch.tensor([[0.1, 0.3], [0.9, 0.8]])
    decided = build_decision("cardinality", at_least_one=True).decide(scores, cardinality=[0.2, 2])
    assert decided.tolist() == [[False, True], [True, True]]


@pytest.mark.parametrize("name", COUNT_METRICS)
def test_top_k_is_the_best_size_but_0(name: str) -> None:
    scores = torch.rand(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    targets, metric = torch.zeros(12, 3), COUNT_METRICS[name]
    targets[:3, 0] = 1
    decided = build_decision("top_k", metric=name, at_least_one=True).fit(scores, targets)
    rank = scores.argsort(descending=True).argsort()
    tried = [float(metric(rank < k, targets)) for k in (1, 2, 3)]
    best = max(tried) if metric.higher_is_better else min(tried)
    assert float(metric(decided.decide(scores), targets)) == pytest.approx(best, abs=1e-9)
