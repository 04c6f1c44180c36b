"""The best of the label sets seen in training, against trying each by a loop."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

import mlc.decisions.seen
from mlc.config.errors import ConfigError, DataError
from mlc.decisions.base import build_decision
from mlc.decisions.seen import distinct
from tests.cases import label_matrices

CASES = label_matrices()
GOALS = ("probability", "expected_jaccard", "expected_f1")


def independent(row: list[float], chosen: tuple[bool, ...]) -> float:
    """P(y = S) of independent labels."""
    return math.prod(p if own else 1 - p for p, own in zip(row, chosen, strict=True))


def by_shares(row: list[float], chosen: tuple[bool, ...]) -> float:
    """exp(-KL(u_S || q))."""
    size, total = sum(chosen), sum(row)
    if not size:
        return 0.0
    gaps = (math.log(size * q / total) / size for q, own in zip(row, chosen, strict=True) if own)
    return math.exp(sum(gaps))


def similarity(goal: str, one: tuple[bool, ...], other: tuple[bool, ...]) -> float:
    both = sum(a and b for a, b in zip(one, other, strict=True))
    either, total = sum(one) + sum(other) - both, sum(one) + sum(other)
    if goal == "probability":
        return float(one == other)
    if not total:
        return 1.0
    return both / either if goal == "expected_jaccard" else 2 * both / total


def values_of(
    goal: str, model: str, row: list[float], targets: Tensor
) -> dict[tuple[bool, ...], float]:
    """The value of each seen set for one sample."""
    seen = sorted({tuple(map(bool, own)) for own in targets.tolist()})
    weigh = independent if model == "independent" else by_shares
    weights = {own: weigh(row, own) for own in seen}
    return {
        own: sum(weight * similarity(goal, own, other) for other, weight in weights.items())
        for own in seen
    }


@pytest.mark.parametrize("chunk", [1, 2**22])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("model", ["independent", "shares"])
@pytest.mark.parametrize("some", [False, True])
@pytest.mark.parametrize("goal", GOALS)
def test_it_is_the_best_seen_set(
    goal: str, model: str, case: str, chunk: int, some: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlc.decisions.seen, "_AT_ONCE", chunk)
    targets = torch.stack([CASES[case], CASES[case].roll(1, dims=-1)])
    targets[1, :-1] = targets[1, -1]
    draw = torch.Generator().manual_seed(2)
    scores = torch.rand(2, 9, targets.shape[-1], generator=draw, dtype=torch.float64)
    if model == "shares":
        scores = scores / scores.sum(dim=-1, keepdim=True)
    rule = build_decision("seen", maximise=goal, model=model, at_least_one=some)
    rule.fit(torch.zeros(targets.shape), targets)
    decided = rule.decide(scores)
    restored = build_decision("seen", maximise=goal, at_least_one=some)
    restored.restore(json.loads(json.dumps(rule.described())))
    assert torch.equal(restored.decide(scores), decided)
    for run in range(2):
        for row, own in zip(scores[run].tolist(), decided[run].tolist(), strict=True):
            values = values_of(goal, model, row, targets[run])
            if some:
                values.pop(tuple([False] * len(row)), None)
            if not values:
                assert own.index(True) == row.index(max(row))
                assert sum(own) == 1
                continue
            assert values[tuple(own)] == pytest.approx(max(values.values()), abs=1e-12)


@pytest.mark.parametrize("goal", GOALS)
def test_the_first_of_equals_wins(goal: str) -> None:
    targets = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    rule = build_decision("seen", maximise=goal).fit(torch.zeros(3, 3), targets)
    decided = rule.decide(torch.tensor([[0.5, 0.5, 0.5], [0.0, 0.0, 0.0], [0.1, 0.9, 0.9]]))
    assert decided.int().tolist() == [[0, 0, 1]] * 3


def test_certain_scores_are_no_obstacle() -> None:
    targets = torch.tensor([[0, 0], [1, 0], [1, 1]])
    rule = build_decision("seen").fit(torch.zeros(3, 2), targets)
    assert rule.decide(torch.tensor([[1.0, 0.0], [1.0, 1.0]])).int().tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize("natural", [0.5, 0.25, None])
def test_the_natural_threshold_tells_the_model_and_it_is_stored(natural: float | None) -> None:
    rule = build_decision("seen", natural_threshold=natural).fit(
        torch.zeros(1, 4), torch.ones(1, 4)
    )
    expected = "shares" if natural == 0.25 else "independent"
    assert rule.described()["model"] == expected
    assert build_decision("seen").restore(rule.described()).described()["model"] == expected
    stated = build_decision("seen", natural_threshold=natural, model="shares")
    assert stated.described()["model"] == "shares"


def test_the_training_sets_come_before_those_of_the_targets() -> None:
    rule = build_decision("seen")
    rule.training_sets = torch.tensor([[True, True], [True, True]])
    decided = rule.fit(torch.zeros(2, 2), torch.zeros(2, 2)).decide(torch.zeros(3, 2))
    assert decided.all()
    assert rule.fitted()["label_sets"].tolist() == [[True, True]]
    assert rule.decide(torch.zeros(2, 3, 2)).all()


def test_distinct_sets_are_in_lexicographic_order() -> None:
    draw = torch.Generator().manual_seed(0)
    targets = torch.rand(50, 11, generator=draw) < 0.2
    sets = distinct(targets)
    assert torch.equal(sets, targets.unique(dim=0))
    assert all(one.tolist() < other.tolist() for one, other in pairwise(sets))


def test_it_must_be_fitted_to_the_same_labels() -> None:
    with pytest.raises(ConfigError, match="fit"):
        build_decision("seen").decide(torch.rand(2, 3))
    rule = build_decision("seen").fit(torch.rand(2, 4), torch.ones(2, 4))
    with pytest.raises(DataError, match="another shape"):
        rule.decide(torch.rand(2, 3))
