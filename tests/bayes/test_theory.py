"""The statements of docs/theory.md, each by brute force over label sets, decisions and thresholds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from experiments.guarantees.examples import joint_of
from mlc.decisions.base import build_decision
from mlc.heads.base import HEADS
from mlc.heads.label_sets import all_label_sets
from tests.conftest import REPOSITORY

Floats = NDArray[np.float64]
Metric = Callable[[tuple[int, ...], tuple[int, ...]], float]


def sets(n_labels: int) -> list[tuple[int, ...]]:
    return list(product([0, 1], repeat=n_labels))


def jaccard(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    either = sum(x | y for x, y in zip(a, b, strict=True))
    return sum(x & y for x, y in zip(a, b, strict=True)) / either if either else 1.0


def f1(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    both = sum(x & y for x, y in zip(a, b, strict=True))
    return 2 * both / (sum(a) + sum(b)) if sum(a) + sum(b) else 1.0


def exact(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    return float(a == b)


def agreement(a: tuple[int, ...], b: tuple[int, ...]) -> float:
    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)


METRICS = (jaccard, f1, exact, agreement)


def size(joint: Floats) -> int:
    return joint.shape[-1].bit_length() - 1


def marginals(joint: Floats) -> Floats:
    return joint @ np.array(sets(size(joint)), dtype=float)


def shares(joint: Floats) -> Floats:
    return joint @ np.array([np.array(y) / max(1, sum(y)) for y in sets(size(joint))])


def value(metric: Metric, decision: Iterable[bool], row: Floats) -> float:
    decided = tuple(int(d) for d in decision)
    return sum(p * metric(decided, y) for p, y in zip(row, sets(size(row)), strict=True))


def bayes(metric: Metric, joint: Floats) -> float:
    return float(np.mean([max(value(metric, d, row) for d in sets(size(joint))) for row in joint]))


def at_threshold(metric: Metric, scores: Floats, joint: Floats, threshold: float) -> float:
    pairs = zip(scores >= threshold - 1e-12, joint, strict=True)
    return float(np.mean([value(metric, decision, row) for decision, row in pairs]))


def best_threshold(metric: Metric, scores: Floats, joint: Floats) -> float:
    thresholds = [*scores.flatten(), 2.0]
    return max(at_threshold(metric, scores, joint, t) for t in thresholds)


def random_joint(n_labels: int, seed: int = 0, n: int = 5) -> Floats:
    return np.random.default_rng(seed).dirichlet(np.full(2**n_labels, 0.5), size=n)


def independent(m: Floats) -> Floats:
    factors = [[np.prod(np.where(y, row, 1 - row)) for y in sets(m.shape[1])] for row in m]
    return np.array(factors)


def trained(name: str, joint: Floats, **options: object) -> Floats:
    """Scores at the minimum of the expected loss, computed by gradient descent."""
    n_labels = size(joint)
    head = HEADS[name](1, n_labels, HEADS.options(name, **options), [0]).double()
    outputs = torch.zeros(1, len(joint), head.n_outputs, dtype=torch.float64, requires_grad=True)
    targets = all_label_sets(n_labels).double().repeat(len(joint), 1).unsqueeze(0)
    weights = torch.as_tensor(joint).flatten()
    optimizer = torch.optim.LBFGS(
        [outputs], max_iter=2000, tolerance_grad=1e-12, tolerance_change=1e-16,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        every = outputs.repeat_interleave(2**n_labels, dim=1)
        loss = (head.expected_loss(every, targets)[0] * weights).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return head.scores(outputs.detach())[0].numpy()


SAMPLES = [random_joint(n_labels, seed) for n_labels in (1, 2, 3, 4) for seed in range(2)]
# A softmax over one label has nothing to learn.
OF_SEVERAL = [joint for joint in SAMPLES if size(joint) > 1]


@pytest.mark.parametrize("joint", SAMPLES)
def test_statement_1_sigmoids_estimate_the_marginals(joint: Floats) -> None:
    for name in ("sigmoid", "regression", "unnormalised_kl"):
        assert trained(name, joint) == pytest.approx(marginals(joint), abs=1e-5)


@pytest.mark.parametrize("joint", SAMPLES)
def test_statement_2_a_powerset_reaches_every_bayes_value(joint: Floats) -> None:
    assert trained("powerset", joint) == pytest.approx(marginals(joint), abs=1e-5)
    n_labels = size(joint)
    prediction = {"log_joint": torch.as_tensor(joint).log(), "label_sets": all_label_sets(n_labels)}
    for rule, metric in (("expected_jaccard", jaccard), ("expected_f1", f1), ("mode", exact)):
        decided = build_decision(rule).decide(**prediction).numpy()
        reached = np.mean([value(metric, d, row) for d, row in zip(decided, joint, strict=True)])
        assert reached == pytest.approx(bayes(metric, joint), abs=1e-12)


@pytest.mark.parametrize("joint", OF_SEVERAL)
def test_statement_3_picking_one_estimates_the_shares(joint: Floats) -> None:
    expected = shares(joint) / (1 - joint[:, :1])
    for name in ("pick_one", "softmax_uniform"):
        assert trained(name, joint) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("joint", OF_SEVERAL)
def test_statement_4_all_positives_estimate_marginals_by_mean_size(joint: Floats) -> None:
    m = marginals(joint)
    expected = m / m.sum(axis=1, keepdims=True)
    assert trained("softmax_all", joint) == pytest.approx(expected, abs=1e-5)


def test_statement_5_a_weight_moves_the_threshold() -> None:
    m, w = np.linspace(0.01, 0.99, 99), 3.0
    scores = np.linspace(1e-4, 1 - 1e-4, 200_001)
    for probability in m[::7]:
        losses = -(w * probability * np.log(scores) + (1 - probability) * np.log(1 - scores))
        expected = w * probability / (w * probability + 1 - probability)
        assert scores[losses.argmin()] == pytest.approx(expected, abs=1e-5)
    assert ((w * m / (w * m + 1 - m) >= 0.5) == (m >= 1 / (1 + w))).all()


@pytest.mark.parametrize("joint", SAMPLES)
def test_statement_6_one_half_is_optimal_for_hamming(joint: Floats) -> None:
    reached = at_threshold(agreement, marginals(joint), joint, 0.5)
    assert reached == pytest.approx(bayes(agreement, joint), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("metric", METRICS)
def test_statement_7_with_one_size_the_softmax_loses_nothing(metric: Metric, n: int) -> None:
    joint = random_joint(4, seed=n)
    joint[:, [sum(y) != n for y in sets(4)]] = 0
    joint /= joint.sum(axis=1, keepdims=True)
    m, q = marginals(joint), shares(joint)
    assert q == pytest.approx(m / n)
    for threshold in (*m.flatten(), 0.3):
        by_shares = at_threshold(metric, q, joint, threshold / n)
        assert by_shares == pytest.approx(at_threshold(metric, m, joint, threshold))


@pytest.mark.parametrize("n_labels", [1, 2, 3, 4])
def test_statement_8_with_independent_labels_marginals_suffice(n_labels: int) -> None:
    m = np.random.default_rng(n_labels).uniform(size=(20, n_labels))
    joint = independent(m)
    for rule, metric in (("expected_jaccard", jaccard), ("expected_f1", f1)):
        decided = build_decision(rule).decide(torch.as_tensor(m)).numpy()
        reached = np.mean([value(metric, d, row) for d, row in zip(decided, joint, strict=True)])
        assert reached == pytest.approx(bayes(metric, joint), abs=1e-12)


def test_statement_9_one_threshold_does_not_suffice() -> None:
    joint = joint_of("alone_or_in_company").numpy()
    m = np.array([[0.4, 0.4], [0.4, 0.0]])
    assert joint == pytest.approx(independent(m))
    assert [value(jaccard, d, joint[0]) for d in ((1, 1), (0, 0), (1, 0))] == pytest.approx(
        [0.40, 0.36, 0.32]
    )
    assert bayes(jaccard, joint) == pytest.approx(0.50)
    assert best_threshold(jaccard, m, joint) == pytest.approx(0.48)


def test_statement_10_a_softmax_can_rank_the_wrong_label_first() -> None:
    joint = joint_of("pair_or_single").numpy()
    assert shares(joint)[0] == pytest.approx([0.4, 0.3, 0.3])
    assert marginals(joint)[0] == pytest.approx([0.4, 0.6, 0.6])
    assert bayes(jaccard, joint) == pytest.approx(0.6)
    assert best_threshold(jaccard, shares(joint), joint) == pytest.approx(8 / 15)
    assert at_threshold(jaccard, marginals(joint), joint, 0.5) == pytest.approx(0.6)


def test_statement_11_a_threshold_does_not_fit_different_sizes() -> None:
    joint = joint_of("triple_and_single").numpy()
    q, m = shares(joint), marginals(joint)
    assert q == pytest.approx(np.array([[1 / 3, 1 / 3, 1 / 3], [0.6, 0.4, 0]]))
    for scores in (q, m / m.sum(axis=1, keepdims=True)):
        lost = bayes(jaccard, joint) - best_threshold(jaccard, scores, joint)
        assert lost == pytest.approx(0.05)
    assert at_threshold(jaccard, m, joint, 0.5) == pytest.approx(bayes(jaccard, joint))


@pytest.mark.parametrize(("n_labels", "m"), [(6, 3), (8, 4), (10, 5)])
def test_statement_12_the_regret_may_come_near_a_third(n_labels: int, m: int) -> None:
    joint = np.zeros((3, 2**n_labels))
    joint[0, -1] = 1
    joint[1:, 2 ** (n_labels - 1)] = 0.5
    joint[1:, 2 ** np.arange(m - 1)] = 0.5 / (m - 1)
    assert 0.5 / (m - 1) > 1 / n_labels
    # Bayes: the first for certain, the other two by their likeliest label.
    candidates = [(1,) * n_labels, (1, *[0] * (n_labels - 1))]
    best = np.mean([max(value(jaccard, d, row) for d in candidates) for row in joint])
    assert best == pytest.approx(2 / 3)
    lost = best - best_threshold(jaccard, shares(joint), joint)
    assert lost == pytest.approx(1 / 3 - 2 / (3 * m))
    assert at_threshold(jaccard, marginals(joint), joint, 0.5) == pytest.approx(2 / 3)


def test_statement_13_one_softmax_cannot_say_both_all_and_none() -> None:
    joint = joint_of("all_or_none").numpy()
    assert bayes(jaccard, joint) == 1
    for p in np.linspace(0, 1, 21):
        scores = np.array([[0.5, 0.5], [p, 1 - p]])
        assert best_threshold(jaccard, scores, joint) == pytest.approx(0.5)
    outputs, empty = torch.randn(1, 4, 2, dtype=torch.float64), torch.zeros(1, 4, 2).double()
    for name in ("pick_one", "softmax_uniform", "softmax_all"):
        head = HEADS[name](1, 2, HEADS.options(name), [0]).double()
        assert head.loss(outputs, empty, torch.rand(1, 4).double()).abs().max() == 0


def test_statement_14_marginals_do_not_tell_dependence() -> None:
    joint = joint_of("together_or_apart").numpy()
    assert marginals(joint) == pytest.approx(np.full((2, 2), 0.45))
    for metric, regret in ((jaccard, 0.05), (exact, 0.175)):
        alike = max(np.mean([value(metric, d, row) for row in joint]) for d in sets(2))
        assert bayes(metric, joint) - alike == pytest.approx(regret)
    assert bayes(jaccard, joint) == pytest.approx(0.5)


def test_statement_15_a_distribution_times_a_cardinality_is_not_the_marginals() -> None:
    joint = joint_of("pair_or_single").numpy()
    apart = trained("distribution_cardinality", joint, form="mse")
    assert apart[0] == pytest.approx([0.64, 0.48, 0.48], abs=1e-5)
    as_one = trained("distribution_cardinality", joint, form="product")
    assert as_one[0] == pytest.approx([0.4, 0.6, 0.6], abs=1e-5)


def test_every_statement_has_its_test() -> None:
    statements = re.findall(r"^\*\*(\d+)\. ", (REPOSITORY / "docs" / "theory.md").read_text(), re.M)
    tested = re.findall(r"def test_statement_(\d+)_", Path(__file__).read_text(encoding="utf-8"))
    assert statements == tested == [str(n) for n in range(1, len(statements) + 1)]
