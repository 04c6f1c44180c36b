"""The head for F1 against loops, and its decisions against brute force over all label sets."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mlc.config.errors import CapacityError
from mlc.decisions.base import build_decision
from mlc.evaluation.predictor import averaged
from mlc.heads.base import HEADS, Head
from mlc.heads.label_sets import all_label_sets, fold_marginals
from mlc.heads.memory import require_memory
from mlc.heads.plain import build_head
from tests.posed import DEVICE, posing
from tests.training.small import CPU, SEEDS, judged, training


def head_of(n_labels: int, seeds: list[int]) -> Head:
    return HEADS["f_measure"](2, n_labels, HEADS.options("f_measure"), seeds).double()


@pytest.mark.parametrize("n_labels", [1, 2, 4])
def test_the_loss_is_that_of_all_binary_problems(n_labels: int) -> None:
    targets = all_label_sets(n_labels)
    draw = torch.Generator().manual_seed(n_labels)
    outputs = torch.randn(len(targets), n_labels**2 + 1, generator=draw, dtype=torch.float64)
    expected = []
    for z, y in zip(outputs.tolist(), targets.int().tolist(), strict=True):
        events = [sum(y) == 0]
        events += [
            y[k] == 1 and sum(y) == s for k in range(n_labels) for s in range(1, n_labels + 1)
        ]
        signed = [a if event else -a for a, event in zip(z, events, strict=True)]
        expected.append(sum(math.log(1 + math.exp(-a)) for a in signed))
    head = build_head("f_measure", n_features=1, n_labels=n_labels)
    found = head.loss(outputs, targets)
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


def f1(a: Tensor, b: Tensor) -> float:
    return float(2 * (a & b).sum() / (a.sum() + b.sum())) if (a | b).any() else 1.0


def expected_f1(decided: Tensor, joint: Tensor, label_sets: Tensor) -> float:
    return sum(float(p) * f1(decided, y) for p, y in zip(joint, label_sets, strict=True))


@pytest.mark.parametrize("at_least_one", [False, True])
@pytest.mark.parametrize("n_labels", [1, 2, 4])
def test_its_decision_has_the_highest_expected_f1(n_labels: int, at_least_one: bool) -> None:
    label_sets = all_label_sets(n_labels)
    draw = torch.Generator().manual_seed(n_labels)
    joint = 3 * torch.randn(12, 2**n_labels, generator=draw, dtype=torch.float64)
    joint = joint.softmax(dim=1)
    joint[0], joint[1] = torch.eye(2**n_labels)[0], torch.eye(2**n_labels)[-1]
    head = head_of(n_labels, [0])
    outputs = head.minimiser(joint)
    assert outputs is not None
    prediction = head.predict(outputs[None]).of_run(0)
    marginals = fold_marginals(joint, n_labels)
    torch.testing.assert_close(prediction.scores, marginals)
    torch.testing.assert_close(prediction.cardinality, marginals.sum(dim=1))
    rule = build_decision("expected_f1", at_least_one=at_least_one)
    for decided, p in zip(rule.decide(prediction), joint, strict=True):
        best = max(expected_f1(y, p, label_sets) for y in label_sets[int(at_least_one) :])
        assert expected_f1(decided, p, label_sets) == pytest.approx(best, abs=1e-9)


def test_independent_labels_would_decide_otherwise() -> None:
    # All labels or none: the empty set has an expected F1 of 0.6, all three labels 0.4.
    joint = torch.zeros(1, 8, dtype=torch.float64)
    joint[0, 0], joint[0, 7] = 0.6, 0.4
    head = head_of(3, [0])
    outputs = head.minimiser(joint)
    assert outputs is not None
    prediction = head.predict(outputs[None]).of_run(0)
    rule = build_decision("expected_f1")
    assert rule.decide(prediction).int().tolist() == [[0, 0, 0]]
    assert rule.decide(prediction.scores).int().tolist() == [[1, 1, 1]]


def test_an_ensemble_averages_the_probabilities_of_labels_and_sizes() -> None:
    head = head_of(3, [0, 1])
    outputs = torch.randn(2, 5, 10, dtype=torch.float64)
    shares = torch.tensor([[0.25], [0.75]]).expand(2, 5)
    mean = averaged(head, outputs, shares)
    expected = 0.25 * outputs[0].sigmoid() + 0.75 * outputs[1].sigmoid()
    torch.testing.assert_close(mean.sizes, expected)


def test_the_evaluation_of_a_run_decides_by_labels_and_sizes() -> None:
    trained = training(CPU, head="f_measure", n_labels=3)
    list(trained)
    rule = build_decision("expected_f1")
    for run, evaluation in enumerate(judged(trained, ["expected_f1"])):
        rows = torch.arange(50, 60).expand(len(SEEDS), -1)
        with torch.no_grad():
            ((outputs, *_),) = trained.model.outputs(trained.data, rows)
        expected = rule.decide(trained.model.head.predict(outputs).of_run(run))
        assert torch.equal(torch.as_tensor(evaluation.decisions["test"]["expected_f1"]), expected)


def test_its_decision_is_the_same_on_a_device() -> None:
    outputs = torch.randn(2, 6, 17, generator=torch.Generator().manual_seed(0))
    rule, head = build_decision("expected_f1"), head_of(4, [0, 1])
    expected = rule.decide(head.predict(outputs))
    with posing():
        assert torch.equal(rule.decide(head.predict(outputs.to(DEVICE))).cpu(), expected)


def test_too_many_labels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlc.heads.memory.free_bytes", lambda device: 10**9)
    options = HEADS.options("f_measure")
    require_memory(HEADS["f_measure"], 128, 500, options)
    with pytest.raises(CapacityError, match=r"'f_measure' does not fit with 999 labels"):
        require_memory(HEADS["f_measure"], 128, 999, options)
