"""Threshold curves and counts by label of stored predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import precision_recall_fscore_support

from mlc.config.errors import RunFolderError
from mlc.metrics import COUNT_METRICS
from mlc.metrics.counts import AVERAGES, CountMetric
from mlc.reporting import predictions
from mlc.reporting.predictions import (
    THRESHOLDS,
    LabelCounts,
    mean_labels,
    read_predicted,
    threshold_curves,
)


@pytest.fixture
def made() -> tuple[np.ndarray, np.ndarray]:
    """Scores with values on thresholds, and targets with an empty label and empty rows."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 21, size=(23, 4)) / np.float32(20)
    targets = rng.random((23, 4)) < scores
    targets[:, 2], targets[:3] = False, False
    return scores.astype(np.float32), targets


def test_curves_are_the_metrics_of_scores_at_or_above_each_threshold(
    made: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "_ROWS", 10)
    scores, targets = made
    curves = threshold_curves(scores, targets, list(COUNT_METRICS))
    decided = torch.as_tensor(scores).double() >= torch.as_tensor(THRESHOLDS)[:, None, None]
    truth = torch.as_tensor(targets).expand(decided.shape)
    for name, metric in COUNT_METRICS.items():
        np.testing.assert_allclose(curves[name], metric(decided, truth), atol=1e-12, err_msg=name)


def test_values_by_label_are_those_of_scikit_learn(made: tuple[np.ndarray, np.ndarray]) -> None:
    scores, targets = made
    decided = scores >= 0.5
    counts = LabelCounts(
        *(a.sum(axis=0).astype(float) for a in (decided & targets, decided, targets))
    )
    expected = precision_recall_fscore_support(targets, decided, zero_division=np.nan)
    has_positive = targets.any(axis=0)
    np.testing.assert_allclose(counts.precision, expected[0])
    for value, other in ((counts.recall, expected[1]), (counts.f1, expected[2])):
        np.testing.assert_allclose(value[has_positive], other[has_positive])
        assert np.isnan(value[~has_positive]).all()


def test_a_mean_over_runs_leaves_out_undefined_values() -> None:
    one = LabelCounts(*np.array([[1.0, 0.0], [2.0, 1.0], [1.0, 0.0]]))
    two = LabelCounts(*np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 0.0]]))
    means = mean_labels([one, two])
    np.testing.assert_allclose(means["precision"], [0.5, 0.0])
    np.testing.assert_allclose(means["recall"], [0.5, np.nan])
    np.testing.assert_allclose(means["f1"], [(2 / 3 + 0) / 2, np.nan])
    np.testing.assert_allclose(means["actual"], [2, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decisions_global": np.zeros((2, 2), bool)}, "does not hold the predictions"),
        ({"scores": np.full((2, 1), np.nan)}, "not finite"),
        ({"targets": np.zeros((2, 1))}, "does not hold the predictions"),
    ],
)
def test_other_files_are_refused_in_a_sentence(
    change: dict[str, np.ndarray], message: str, tmp_path: Path
) -> None:
    boolean = np.zeros((2, 1), bool)
    arrays = {"scores": np.zeros((2, 1)), "targets": boolean, "decisions_global": boolean} | change
    np.savez(tmp_path / "predictions.npz", **arrays)
    with pytest.raises(RunFolderError, match=message):
        read_predicted(tmp_path, "global", [])
    with pytest.raises(RunFolderError, match="lacks 'decisions_mode'"):
        read_predicted(tmp_path, "mode", [])


def test_labels_that_are_not_known_count_nowhere(
    made: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    scores, targets = made
    known = np.random.default_rng(1).random(targets.shape) < 0.6
    known[5] = False
    results = []
    for flip in (False, True):
        # Whatever is stored at the others.
        arrays = {
            "scores": np.where(known, scores, 1 - scores) if flip else scores,
            "targets": np.where(known, targets, ~targets) if flip else targets,
            "decisions_global": np.where(known, scores >= 0.5, flip),
        }
        np.savez(tmp_path / "predictions.npz", known=known, **arrays)
        results.append(read_predicted(tmp_path, "global", list(COUNT_METRICS)))
    decided = torch.as_tensor(scores).double() >= torch.as_tensor(THRESHOLDS)[:, None, None]
    truth, marks = (torch.as_tensor(part).expand(decided.shape) for part in (targets, known))
    for result in results:
        for name, metric in COUNT_METRICS.items():
            expected = metric(decided, truth, marks)
            np.testing.assert_allclose(result.curves[name], expected, atol=1e-12, err_msg=name)
        np.testing.assert_array_equal(result.labels.actual, (targets & known).sum(axis=0))
        np.testing.assert_array_equal(
            result.labels.predicted, ((scores >= 0.5) & known).sum(axis=0)
        )


@pytest.mark.parametrize("average", AVERAGES)
def test_a_metric_of_the_number_of_labels_gets_that_of_the_known_ones(
    average: str, made: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a Hamming loss in which each row, or each label, counts alike."""

    def hamming(true: Any, predicted: Any, actual: Any, n: Any) -> Any:
        return (predicted + actual - 2 * true) / n

    metric = CountMetric(hamming, average)
    monkeypatch.setattr(predictions, "METRICS", {"hamming": metric})
    monkeypatch.setattr(predictions, "_ROWS", 10)
    scores, targets = made
    known = np.random.default_rng(1).random(targets.shape) < 0.6
    known[:, 0] = True
    decided = torch.as_tensor(scores).double() >= torch.as_tensor(THRESHOLDS)[:, None, None]
    for marks in (known, None):
        below = scores if marks is None else np.where(marks, scores, -1)
        own = targets if marks is None else targets & marks
        expanded = None if marks is None else torch.as_tensor(marks).expand(decided.shape)
        expected = metric(decided, torch.as_tensor(targets).expand(decided.shape), expanded)
        curves = threshold_curves(below, own, ["hamming"], marks)
        np.testing.assert_allclose(curves["hamming"], expected, atol=1e-12)


def test_marks_of_another_shape_are_refused(tmp_path: Path) -> None:
    boolean = np.ones((2, 2), bool)
    arrays = {"scores": np.zeros((2, 2)), "targets": boolean, "decisions_global": boolean}
    for known in (boolean[:, :1], ~boolean, np.ones((2, 2))):
        np.savez(tmp_path / "predictions.npz", known=known, **arrays)
        with pytest.raises(RunFolderError, match="marks no labels of its rows as known"):
            read_predicted(tmp_path, "global", [])
