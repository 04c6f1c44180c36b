"""The maximisers of expected metrics against brute force over all label sets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest
import torch
from torch import Tensor

from mlc.decisions import expected
from mlc.decisions.base import build_decision
from mlc.heads.label_sets import all_label_sets


def jaccard(a: Tensor, b: Tensor) -> float:
    return float((a & b).sum() / (a | b).sum()) if (a | b).any() else 1.0


def f1(a: Tensor, b: Tensor) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum())) if (a | b).any() else 1.0


METRICS = {"expected_jaccard": jaccard, "expected_f1": f1}


def value(metric: Callable[[Tensor, Tensor], float], decided: Tensor, joint: Tensor) -> float:
    label_sets = all_label_sets(decided.shape[-1])
    return sum(
        float(p) * metric(decided, other) for p, other in zip(joint, label_sets, strict=True)
    )


def best(
    metric: Callable[[Tensor, Tensor], float], joint: Tensor, n_labels: int, least: int = 0
) -> float:
    return max(value(metric, one, joint) for one in all_label_sets(n_labels)[least:])


def independent(marginals: Tensor) -> Tensor:
    label_sets = all_label_sets(len(marginals))
    return torch.where(label_sets, marginals, 1 - marginals).prod(dim=1)


@pytest.mark.parametrize(
    ("least", "n_labels"), [*product([0], range(1, 7)), *product([1], range(1, 5))]
)
@pytest.mark.parametrize("name", METRICS)
class TestEveryMaximiser:
    def test_from_a_joint(self, name: str, least: int, n_labels: int) -> None:
        torch.manual_seed(n_labels)
        # Peaked and flat ones, and one on the empty set.
        scale = torch.tensor([[0.1], [1], [3], [3], [3]])
        joint = (scale * torch.randn(5, 2**n_labels)).double().softmax(dim=-1)
        joint = torch.cat([joint, torch.eye(2**n_labels)[:1].double()])
        decided = build_decision(name, at_least_one=bool(least)).decide(
            log_joint=joint.log(), label_sets=all_label_sets(n_labels)
        )
        assert decided.sum(dim=-1).min() == least
        for own, p in zip(decided, joint, strict=True):
            found, highest = value(METRICS[name], own, p), best(METRICS[name], p, n_labels, least)
            assert found == pytest.approx(highest, abs=1e-10)

    def test_with_independent_labels(self, name: str, least: int, n_labels: int) -> None:
        torch.manual_seed(n_labels)
        marginals = torch.rand(6, n_labels).double() ** torch.tensor(
            [[1], [1], [3], [3], [0.2], [9]]
        )
        marginals[0, 0] = 1
        marginals = torch.cat([marginals, torch.zeros(1, n_labels).double()])
        decided = build_decision(name, at_least_one=bool(least)).decide(marginals)
        assert decided.sum(dim=-1).min() == least
        for own, p in zip(decided, marginals, strict=True):
            joint = independent(p)
            found = value(METRICS[name], own, joint)
            highest = best(METRICS[name], joint, n_labels, least)
            assert found == pytest.approx(highest, abs=1e-10)


@pytest.mark.parametrize("name", METRICS)
def test_label_sets_that_are_not_listed_can_be_chosen(name: str) -> None:
    label_sets = torch.tensor([[1, 1, 0], [1, 0, 1], [0, 1, 1]]).bool()
    log_joint = torch.full((1, 3), 1 / 3).log()
    decided = build_decision(name).decide(log_joint=log_joint, label_sets=label_sets)
    assert decided.tolist() == [[True, True, True]]


def test_candidates_come_close_where_not_every_set_is_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    label_sets = all_label_sets(6)
    joint = (2 * torch.randn(40, 64)).double().softmax(dim=-1)
    rule = build_decision("expected_jaccard")
    exact = rule.decide(log_joint=joint.log(), label_sets=label_sets)
    monkeypatch.setattr(expected, "_MOST_PAIRS", 64)
    near = rule.decide(log_joint=joint.log(), label_sets=label_sets)
    losses = [
        value(jaccard, a, p) - value(jaccard, b, p)
        for a, b, p in zip(exact, near, joint, strict=True)
    ]
    assert min(losses) >= -1e-12
    assert sum(losses) / 40 < 0.01


def test_candidates_have_at_least_one_label(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    label_sets = all_label_sets(5)
    joint = torch.cat([(3 * torch.randn(20, 32)).double(), 20 * torch.eye(32).double()[:1]])
    joint = joint.softmax(dim=-1)
    rule = build_decision("expected_jaccard", at_least_one=True)
    exact = rule.decide(log_joint=joint.log(), label_sets=label_sets)
    monkeypatch.setattr(expected, "_MOST_PAIRS", 0)
    near = rule.decide(log_joint=joint.log(), label_sets=label_sets)
    # All 32 sets are among the candidates.
    for own, other, p in zip(near, exact, joint, strict=True):
        assert own.any()
        assert value(jaccard, own, p) == pytest.approx(value(jaccard, other, p), abs=1e-6)


def test_one_row_of_many_labels_is_quick_and_takes_the_certain_ones() -> None:
    marginals = torch.full((3, 150), 0.001).double()
    marginals[:, :4] = 0.99
    for name in METRICS:
        decided = build_decision(name).decide(marginals)
        assert decided.sum(dim=1).tolist() == [4, 4, 4]
        assert decided[:, :4].all()


@pytest.mark.parametrize("cardinality", [3, 12, 30])
def test_large_sets_are_tried_wherever_one_could_win(
    monkeypatch: pytest.MonkeyPatch, cardinality: int
) -> None:
    torch.manual_seed(0)
    label_sets = torch.rand(60, 40) < cardinality / 40
    log_joint = (2 * torch.randn(30, 60)).double().log_softmax(dim=-1)
    rule = build_decision("expected_jaccard")
    decided = rule.decide(log_joint=log_joint, label_sets=label_sets)
    monkeypatch.setattr(expected, "_SMALL", 40)
    assert torch.equal(decided, rule.decide(log_joint=log_joint, label_sets=label_sets))
