"""Metrics of known pairs of row and label, against rows and labels restricted one by one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn import metrics
from torch import Tensor

from mlc.config.errors import DataError
from mlc.metrics.counts import COUNT_METRICS, CountMetric, count_metrics
from mlc.metrics.final import decision_metrics, ranking_metrics
from mlc.metrics.sweep import SortedScores
from mlc.metrics.top_scores import ScoreCollector, best_threshold

N_ROWS, N_LABELS = 30, 5


def case(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Scores with ties, targets and known pairs: a row without known labels, a label that never is."""
    draw = torch.Generator().manual_seed(seed)
    scores = torch.randint(1, 20, (N_ROWS, N_LABELS), generator=draw).double() / 20
    targets = torch.rand(N_ROWS, N_LABELS, generator=draw) < 0.4
    known = torch.rand(N_ROWS, N_LABELS, generator=draw) < 0.6
    known[3], known[:, 4] = False, False
    known[5, :4] = True
    return scores, targets, known


def restricted(decisions: Tensor, targets: Tensor, known: Tensor, name: str) -> float:
    """The metric by scikit-learn's counts of each row's, each label's or all known pairs."""

    def value(row: Tensor, other: Tensor) -> float:
        predicted, true = row.bool().tolist(), other.bool().tolist()
        hits = sum(a and b for a, b in zip(predicted, true, strict=True))
        empty = 0.0 if name.endswith("_macro") else 1.0
        kind = name.rpartition("_")[0]
        if name == "hamming_loss":
            return sum(a != b for a, b in zip(predicted, true, strict=True)) / len(true)
        if name == "subset_accuracy":
            return float(predicted == true)
        if kind == "jaccard":
            union = sum(predicted) + sum(true) - hits
            return hits / union if union else empty
        if kind == "f1":
            total = sum(predicted) + sum(true)
            return 2 * hits / total if total else empty
        below = sum(predicted) if kind == "precision" else sum(true)
        both = sum(predicted) + sum(true)
        return hits / below if below else (empty if not both else 0.0)

    average = COUNT_METRICS[name].average
    if average == "micro":
        return value(decisions[known], targets[known])
    if average == "macro":
        columns = zip(decisions.T, targets.T, known.T, strict=True)
        return float(np.mean([value(d[k], t[k]) for d, t, k in columns]))
    rows = zip(decisions, targets, known, strict=True)
    return float(np.mean([value(d[k], t[k]) for d, t, k in rows if k.any()]))


@pytest.mark.parametrize("name", COUNT_METRICS)
class TestEveryCountMetric:
    def test_it_is_that_of_rows_with_their_known_labels_alone(self, name: str) -> None:
        scores, targets, known = case()
        decisions = scores > 0.5
        value = float(COUNT_METRICS[name](decisions, targets, known))
        assert value == pytest.approx(restricted(decisions, targets, known, name), abs=1e-12)
        assert float(count_metrics(decisions, targets, known)[name]) == value

    def test_without_unknown_pairs_it_is_the_metric(self, name: str) -> None:
        scores, targets, known = case()
        everything = torch.ones_like(known)
        decisions = scores > 0.5
        expected = COUNT_METRICS[name](decisions, targets)
        torch.testing.assert_close(COUNT_METRICS[name](decisions, targets, everything), expected)

    @pytest.mark.parametrize("some", [False, True])
    def test_the_best_threshold_is_that_of_a_loop_over_all(self, name: str, some: bool) -> None:
        scores, targets, known = case()
        metric = COUNT_METRICS[name]
        threshold, value = best_threshold(metric, scores, targets, some, known)

        def decided(t: float) -> Tensor:
            passed = scores >= t
            top = torch.nn.functional.one_hot(scores.argmax(dim=1), N_LABELS).bool()
            return passed | (top & ~passed.any(dim=1, keepdim=True)) if some else passed

        candidates = [*scores.unique().tolist(), 1.0]
        values = [metric.sign * float(metric(decided(t), targets, known)) for t in candidates]
        assert metric.sign * float(value) == pytest.approx(max(values), abs=1e-9)
        reached = float(metric(decided(float(threshold)), targets, known))
        assert metric.sign * reached == pytest.approx(max(values), abs=1e-9)

    def test_values_at_unknown_pairs_change_nothing(self, name: str) -> None:
        scores, targets, known = case()
        other_scores = torch.where(known, scores, 1 - scores)
        other = torch.where(known, targets, ~targets)
        first = SortedScores(scores, targets, known).best(COUNT_METRICS[name])
        second = SortedScores(other_scores, other, known).best(COUNT_METRICS[name])
        assert [float(part) for part in first] == [float(part) for part in second]


def test_a_metric_per_pair_is_defined_where_a_row_has_no_known_label() -> None:
    def share_right(true: Tensor, predicted: Tensor, actual: Tensor, n: Tensor) -> Tensor:
        return (n - predicted - actual + 2 * true) / n

    metric = CountMetric(share_right, "samples")
    scores, targets, known = case()
    rows = [(s >= 0.5, y, k) for s, y, k in zip(scores, targets, known, strict=True) if k.any()]
    expected = np.mean([float((d == y)[k].double().mean()) for d, y, k in rows])
    assert float(metric(scores >= 0.5, targets, known)) == pytest.approx(expected, abs=1e-12)
    threshold, value = best_threshold(metric, scores, targets, known=known)
    reached = float(metric(scores >= threshold, targets, known))
    assert float(value) == pytest.approx(reached, abs=1e-12)


def test_runs_have_known_pairs_of_their_own() -> None:
    cases = [case(seed) for seed in (1, 2)]
    together = [torch.stack(parts) for parts in zip(*cases, strict=True)]
    for name in ("jaccard_samples", "f1_macro", "hamming_loss"):
        threshold, value = SortedScores(*together).best(COUNT_METRICS[name])
        for run, alone in enumerate(cases):
            expected = SortedScores(*alone).best(COUNT_METRICS[name])
            assert (threshold[run], value[run]) == expected


def test_chunks_are_collected_with_their_known_pairs() -> None:
    scores, targets, known = case()
    collector = ScoreCollector()
    for rows in (slice(0, 11), slice(11, None)):
        collector.add(scores[rows], targets[rows], known[rows])
    metric = COUNT_METRICS["jaccard_samples"]
    assert collector.ranked().best(metric) == SortedScores(scores, targets, known).best(metric)


def test_thresholds_of_a_thousand_labels_refuse_missing_ones() -> None:
    scores = torch.rand(2, 1000)
    targets, known = scores > 0.5, scores > 0.2
    with pytest.raises(DataError, match="only for fewer than 1,000 labels, and there are 1,000"):
        best_threshold(COUNT_METRICS["f1_micro"], scores, targets, known=known)
    with pytest.raises(DataError, match="only for fewer than 1,000 labels"):
        ScoreCollector().add(scores, targets, known)


def of_rows(
    metric: Callable[..., float], scores: Tensor, targets: Tensor, known: Tensor
) -> list[float]:
    """A metric of scikit-learn of each row with known labels, restricted to these."""
    values = []
    for s, t, k in zip(scores.numpy(), targets.numpy(), known.numpy(), strict=True):
        if k.sum() == 1:
            # Not defined in scikit-learn: a perfect ranking, and the label's rank where it is true.
            by_name = {"label_ranking_loss": 0.0, "coverage_error": float(t[k][0])}
            values.append(by_name.get(metric.__name__, 1.0))
        elif k.any():
            values.append(metric(t[k][None], s[k][None]))
    return values


def test_rankings_are_those_of_scikit_learn_on_the_known_labels_of_each_row() -> None:
    scores, targets, known = case()
    values = ranking_metrics(scores.numpy(), targets.numpy(), None, known.numpy())
    for name, metric in {
        "lrap": metrics.label_ranking_average_precision_score,
        "ranking_loss": metrics.label_ranking_loss,
        "coverage_error": metrics.coverage_error,
    }.items():
        expected = np.mean(of_rows(metric, scores, targets, known))
        assert values[name] == pytest.approx(expected, abs=1e-12)
    for name, metric in {
        "average_precision": metrics.average_precision_score,
        "roc_auc": metrics.roc_auc_score,
    }.items():
        of_labels = []
        for s, t, k in zip(scores.T, targets.T, known.T, strict=True):
            if t[k].any() and (name == "average_precision" or not t[k].all()):
                of_labels.append(metric(t[k].numpy(), s[k].numpy()))
        assert values[f"{name}_macro"] == pytest.approx(np.mean(of_labels), abs=1e-12)
        assert values[f"{name}_labels"] == len(of_labels) == 4
    squares = [
        (float(scores[i, k]) - bool(targets[i, k])) ** 2 for i, k in known.nonzero().tolist()
    ]
    assert values["brier"] == pytest.approx(math.fsum(squares) / len(squares), abs=1e-12)
    # The metrics of the highest labels: among the known ones, the first of equals.
    hits, recalls = [], []
    for s, t, k in zip(scores.tolist(), targets.tolist(), known.tolist(), strict=True):
        labels = sorted((label for label in range(N_LABELS) if k[label]), key=lambda x: -s[x])
        true = [label for label in labels if t[label]]
        if true:
            hits.append(float(not t[labels[0]]))
            recalls.append(sum(t[label] for label in labels[:3]) / len(true))
    assert values["one_error"] == pytest.approx(np.mean(hits), abs=1e-12)
    assert values["recall_at_3"] == pytest.approx(np.mean(recalls), abs=1e-12)


def test_values_at_unknown_pairs_change_no_final_metric() -> None:
    scores, targets, known = (part.numpy() for part in case())
    other = np.where(known, scores, 1 - scores), np.where(known, targets, ~targets)
    weights: NDArray[np.float64] = np.arange(1.0, 6.0)
    assert ranking_metrics(scores, targets, weights, known) == ranking_metrics(
        *other, weights, known
    )
    decisions = scores > 0.5
    expected = decision_metrics(decisions, targets, known)
    assert decision_metrics(decisions, other[1], known) == expected
    assert expected["cardinality_predicted"] == decisions.sum(axis=1).mean()


def test_without_unknown_pairs_final_metrics_are_the_same() -> None:
    scores, targets, known = (part.numpy() for part in case())
    everything = np.ones_like(known)
    assert ranking_metrics(scores, targets, None, everything) == pytest.approx(
        ranking_metrics(scores, targets), abs=1e-12
    )
