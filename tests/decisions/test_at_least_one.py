"""Rules that never predict the empty set, against trying every threshold, size and label set."""

from itertools import product

import pytest
import torch
from torch import Tensor

from mlc.decisions.base import DECISIONS, build_decision
from mlc.heads.label_sets import all_label_sets
from mlc.heads.prediction import Prediction
from mlc.metrics.counts import COUNT_METRICS
from tests.cases import label_matrices, rule_for, tied_scores

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
        given, true = scores[run], targets[run]
        thresholds = [*given.unique().tolist(), 2]
        tried = [float(metric(filled(given >= t, given), true)) for t in thresholds]
        best = max(tried) if metric.higher_is_better else min(tried)
        assert float(metric(decided[run], true)) == pytest.approx(best, abs=1e-9)
        assert decided[run].any(dim=-1).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("fixed", {"threshold": 0.9}),
        ("top_k", {"k": 0}),
        ("groups", {"groups": [[0, 2]], "none": True, "threshold": 0.9}),
    ],
)
def test_only_empty_sets_change(name: str, options: dict[str, float]) -> None:
    scores = torch.rand(40, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    targets = torch.zeros(40, 3)
    targets[:8, 0] = 1
    free = build_decision(name, **options).fit(scores, targets).decide(scores)
    some = build_decision(name, at_least_one=True, **options).fit(scores, targets).decide(scores)
    assert not free.any(dim=-1).all()
    assert torch.equal(some, filled(free, scores))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(
    "name", [n for n in DECISIONS if hasattr(DECISIONS[n].Options, "at_least_one")]
)
def test_no_rule_predicts_the_empty_set(name: str, case: str) -> None:
    targets = CASES[case]
    n_labels = targets.shape[1]
    rule = rule_for(name, n_labels, at_least_one=True).fit(tied_scores(*targets.shape), targets)
    scores = torch.cat([tied_scores(6, n_labels, seed=1), torch.zeros(2, n_labels)]).double()
    label_sets = all_label_sets(n_labels)
    for log_joint in (torch.randn(8, 2**n_labels), -1e3 * torch.arange(2**n_labels).expand(8, -1)):
        prediction = Prediction(
            scores,
            cardinality=torch.linspace(0, n_labels, 8),
            log_joint=log_joint.double().log_softmax(dim=-1),
            label_sets=label_sets,
        )
        assert rule.decide(prediction).any(dim=-1).all()


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


def per_label_cases() -> list[tuple[str, Tensor, Tensor]]:
    """Few rows with two or three labels, every third with equal scores."""
    cases = []
    for seed in range(12):
        draw = torch.Generator().manual_seed(seed)
        shape = (6, 2 + seed % 2)
        levels = 5 if seed % 3 == 0 else 1000
        scores = torch.randint(levels, shape, generator=draw).double() / levels
        cases.append(
            ("f1" if seed % 4 < 2 else "jaccard", scores, torch.rand(shape, generator=draw) < 0.4)
        )
    return cases


def judged(name: str, thresholds: object, scores: Tensor, targets: Tensor) -> float:
    """The macro average where a row without a passing label gets its top label."""
    passed = scores >= torch.as_tensor(thresholds, dtype=torch.float64)
    return float(COUNT_METRICS[f"{name}_macro"](filled(passed, scores), targets))


def test_thresholds_of_labels_are_tuned_together() -> None:
    reached = improved = 0
    for name, *pair in per_label_cases():
        options = {"metric": name, "fallback": 0.0}
        rule = build_decision("per_label", at_least_one=True, **options).fit(*pair)
        alone = build_decision("per_label", **options).fit(*pair).fitted()["threshold"]
        together, apart = rule.fitted()["threshold"].tolist(), judged(name, alone, *pair)
        value, decided = judged(name, together, *pair), rule.decide(pair[0])
        metric = COUNT_METRICS[f"{name}_macro"]
        assert value == pytest.approx(float(metric(decided, pair[1])), abs=1e-12)
        assert value >= apart - 1e-12
        tried = [[*of_label.unique().tolist(), 2.0] for of_label in pair[0].T]
        for label, thresholds in enumerate(tried):
            for threshold in thresholds:
                other = [*together[:label], threshold, *together[label + 1 :]]
                assert judged(name, other, *pair) <= value + 1e-9
        best = max(judged(name, thresholds, *pair) for thresholds in product(*tried))
        reached += value > best - 1e-9
        improved += value > apart + 1e-9
    # A local optimum need not be the best of all.
    assert reached >= 11
    assert improved >= 3


def test_a_label_that_falls_back_keeps_its_threshold() -> None:
    scores = torch.rand(30, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    targets = scores > 0.6
    targets[:, 2] = False
    rule = build_decision("per_label", at_least_one=True).fit(scores, targets)
    assert float(rule.fitted()["threshold"][2]) == float(scores[:, 2].max())
    assert rule.decide(scores).any(dim=-1).all()


@pytest.mark.parametrize("case", CASES)
def test_each_run_has_its_own_thresholds_of_labels(case: str) -> None:
    one = CASES[case]
    scores = torch.rand(
        2, *one.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3)
    )
    targets = torch.stack([one, one.flip(0)])
    decided = build_decision("per_label", at_least_one=True).fit(scores, targets).decide(scores)
    assert decided.any(dim=-1).all()
    for run in range(2):
        alone = build_decision("per_label", at_least_one=True).fit(scores[run], targets[run])
        assert torch.equal(decided[run], alone.decide(scores[run]))
