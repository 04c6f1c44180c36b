"""Metrics of the highest labels against loops over rows and labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from mlc.metrics import chunks
from mlc.metrics.at_top import at_top, highest_labels, inverse_propensities

RNG = np.random.default_rng(3)
K = 9
TRAIN = RNG.random((40, K)) < np.linspace(0.02, 0.7, K)
TARGETS = RNG.random((30, K)) < 0.35
TARGETS[0], TARGETS[1], TARGETS[2] = False, True, np.arange(K) == 4
TIED = RNG.integers(0, 4, (30, K)) / 4


def weight(label: int) -> float:
    """1 / p of Jain et al. 2016: p = 1 / (1 + C exp(-A log(n + B)))."""
    n, c = int(TRAIN[:, label].sum()), (math.log(40) - 1) * 2.5**0.55
    return 1 / (1 / (1 + c * math.exp(-0.55 * math.log(n + 1.5))))


def gain(ranking: list[int], row: int, k: int, weighted: bool, discounted: bool) -> float:
    total = 0.0
    for rank, label in enumerate(ranking[:k], start=1):
        if TARGETS[row, label]:
            value = weight(label) if weighted else 1.0
            total += value / math.log2(rank + 1) if discounted else value
    return total


def ideal(row: int, k: int) -> float:
    return sum(1 / math.log2(rank + 1) for rank in range(1, min(k, int(TARGETS[row].sum())) + 1))


@pytest.mark.parametrize("k", [1, 3, 5])
@pytest.mark.parametrize("scores", [TIED, RNG.random((30, K))], ids=["ties", "no ties"])
def test_each_metric_is_that_of_a_loop(scores: np.ndarray, k: int) -> None:
    values = at_top(scores, TARGETS, inverse_propensities(TRAIN))
    sums = dict.fromkeys(("precision", "recall", "ndcg", "ps", "best", "psn", "bestn"), 0.0)
    rows = [row for row in range(30) if TARGETS[row].any()]
    for row in rows:
        ranking = sorted(range(K), key=lambda label: (-scores[row, label], label))
        best = sorted(range(K), key=lambda label: (not TARGETS[row, label], -weight(label)))
        hits = gain(ranking, row, k, False, False)
        sums["precision"] += hits / k
        sums["recall"] += hits / TARGETS[row].sum()
        sums["ndcg"] += gain(ranking, row, k, False, True) / ideal(row, k)
        sums["ps"] += gain(ranking, row, k, True, False)
        sums["best"] += gain(best, row, k, True, False)
        sums["psn"] += gain(ranking, row, k, True, True) / ideal(row, k)
        sums["bestn"] += gain(best, row, k, True, True) / ideal(row, k)
    for name in ("precision", "recall", "ndcg"):
        assert values[f"{name}_at_{k}"] == pytest.approx(sums[name] / len(rows), abs=1e-12)
    assert values[f"psprecision_at_{k}"] == pytest.approx(sums["ps"] / sums["best"], abs=1e-12)
    assert values[f"psndcg_at_{k}"] == pytest.approx(sums["psn"] / sums["bestn"], abs=1e-12)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_ndcg_is_that_of_scikit_learn_without_ties(k: int) -> None:
    scores = RNG.random((30, K))
    rows = TARGETS.any(axis=1)
    expected = ndcg_score(TARGETS[rows], scores[rows], k=k)
    assert at_top(scores, TARGETS)[f"ndcg_at_{k}"] == pytest.approx(expected, abs=1e-12)


def test_the_best_ranking_has_the_value_1() -> None:
    weights = inverse_propensities(TRAIN)
    values = at_top(TARGETS * weights, TARGETS, weights)
    assert values["psndcg_at_5"] == pytest.approx(1)
    assert values["psprecision_at_3"] == values["ndcg_at_5"] == pytest.approx(1)


def test_equal_weights_give_the_precision_of_rows_with_enough_labels() -> None:
    many = TARGETS.sum(axis=1) >= 3
    values = at_top(TIED[many], TARGETS[many], np.full(K, 7.0))
    assert values["psprecision_at_3"] == pytest.approx(values["precision_at_3"])
    assert values["psndcg_at_3"] == pytest.approx(values["ndcg_at_3"])


def test_few_rows_and_absent_labels_have_weights_of_at_least_1() -> None:
    for n_rows in (1, 2, 3, 1000):
        weights = inverse_propensities(np.zeros((n_rows, 2), dtype=bool))
        assert (weights >= 1).all()
    assert inverse_propensities(np.ones((2, 1), dtype=bool)).tolist() == [1]


def test_one_label_and_no_label() -> None:
    values = at_top(np.array([[0.2], [0.1]]), np.array([[True], [False]]), np.ones(1))
    assert set(values) == {"one_error"} | {
        f"{name}_at_1" for name in ("precision", "recall", "ndcg", "psprecision", "psndcg")
    }
    assert values["psndcg_at_1"] == values["precision_at_1"] == 1
    assert at_top(np.ones((2, 3)), np.zeros((2, 3), dtype=bool), np.ones(3)) == {}


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = inverse_propensities(TRAIN)
    together = at_top(TIED, TARGETS, weights)
    monkeypatch.setattr(chunks, "_AT_ONCE", 4 * K)
    assert at_top(TIED, TARGETS, weights) == together


def test_the_first_of_equal_scores_is_the_higher() -> None:
    scores = np.array([[0.5, 0.9, 0.5, 0.9]])
    assert highest_labels(scores, 3).tolist() == [[1, 3, 0]]
