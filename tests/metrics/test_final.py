import numpy as np
import pytest
from sklearn.metrics import (
    average_precision_score,
    coverage_error,
    label_ranking_average_precision_score,
    label_ranking_loss,
    roc_auc_score,
)

from mlc.metrics.final import expected_calibration_error, ranking_metrics

RNG = np.random.default_rng(0)


def test_worked_ranking_metrics() -> None:
    scores = np.array([[0.9, 0.5, 0.1], [0.2, 0.3, 0.8]])
    targets = np.array([[0, 1, 0], [1, 0, 1]], dtype=bool)
    values = ranking_metrics(scores, targets)
    assert values["one_error"] == pytest.approx(1 / 2)
    assert values["precision_at_1"] == pytest.approx(1 / 2)
    assert values["recall_at_1"] == pytest.approx((0 + 1 / 2) / 2)
    assert values["precision_at_3"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert values["lrap"] == pytest.approx((1 / 2 + (1 + 2 / 3) / 2) / 2)
    assert values["coverage_error"] == pytest.approx((2 + 3) / 2)
    assert values["ranking_loss"] == pytest.approx((1 / 2 + 1 / 2) / 2)
    assert values["brier"] == pytest.approx(((scores - targets) ** 2).mean())


@pytest.mark.parametrize("levels", [4, 10**6])
@pytest.mark.parametrize("n_labels", [2, 5])
def test_ranking_metrics_agree_with_scikit_learn_with_ties_and_empty_sets(
    n_labels: int, levels: int
) -> None:
    scores = RNG.integers(0, levels, (50, n_labels)) / levels
    targets = RNG.random((50, n_labels)) < 0.5
    targets[0], targets[1] = False, True
    values = ranking_metrics(scores, targets)
    expected = label_ranking_average_precision_score(targets, scores)
    assert values["lrap"] == pytest.approx(expected, abs=1e-12)
    assert values["coverage_error"] == pytest.approx(coverage_error(targets, scores), abs=1e-12)
    expected = label_ranking_loss(targets, scores)
    assert values["ranking_loss"] == pytest.approx(expected, abs=1e-12)
    expected = average_precision_score(targets, scores, average="macro")
    assert values["average_precision_macro"] == pytest.approx(expected, abs=1e-12)
    expected = roc_auc_score(targets, scores, average="macro")
    assert values["roc_auc_macro"] == pytest.approx(expected, abs=1e-12)


def test_ranking_averages_are_over_the_labels_for_which_they_are_defined() -> None:
    scores, targets = RNG.random((9, 4)), RNG.random((9, 4)) < 0.5
    targets[:, 1], targets[:, 3] = False, True
    values = ranking_metrics(scores, targets)
    expected = np.mean([average_precision_score(targets[:, k], scores[:, k]) for k in (0, 2, 3)])
    assert values["average_precision_macro"] == pytest.approx(expected)
    assert values["average_precision_labels"] == 3
    expected = np.mean([roc_auc_score(targets[:, k], scores[:, k]) for k in (0, 2)])
    assert values["roc_auc_macro"] == pytest.approx(expected)
    assert values["roc_auc_labels"] == 2


def test_a_perfect_ranking_of_all_labels_that_occur_is_perfect() -> None:
    targets = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], dtype=bool)
    values = ranking_metrics(targets * 0.9, targets)
    assert values["roc_auc_macro"] == values["average_precision_macro"] == 1


@pytest.mark.parametrize(("fill", "defined"), [(False, 0), (True, 3)])
def test_a_mean_over_no_label_has_no_entry(fill: bool, defined: int) -> None:
    values = ranking_metrics(RNG.random((5, 3)), np.full((5, 3), fill))
    assert values["roc_auc_labels"] == 0
    assert values["average_precision_labels"] == defined
    assert "roc_auc_macro" not in values
    assert ("average_precision_macro" in values) == fill
    assert all(np.isfinite(value) for value in values.values())


def test_one_label_and_one_sample() -> None:
    values = ranking_metrics(np.array([[0.7]]), np.array([[True]]))
    assert values["lrap"] == values["precision_at_1"] == values["recall_at_1"] == 1
    scores, targets = RNG.random((8, 1)), RNG.random((8, 1)) < 0.5
    values = ranking_metrics(scores, targets)
    padded = np.hstack([targets, np.zeros_like(targets)]), np.hstack([scores, scores - 1])
    assert values["lrap"] == pytest.approx(label_ranking_average_precision_score(*padded))


def test_samples_without_labels_are_omitted_at_k() -> None:
    values = ranking_metrics(
        np.array([[0.7, 0.1], [0.1, 0.2]]), np.array([[True, False], [False, False]])
    )
    assert values["precision_at_1"] == 1
    nothing = ranking_metrics(np.array([[0.7, 0.1]]), np.zeros((1, 2), dtype=bool))
    assert "one_error" not in nothing


def test_calibration_error_is_the_gap_in_each_bin() -> None:
    scores = np.array([[0.1, 0.1, 0.9, 0.9]])
    targets = np.array([[False, True, True, True]])
    assert expected_calibration_error(scores, targets, 2) == pytest.approx((0.8 + 0.2) / 4)
    assert expected_calibration_error(targets.astype(float), targets) == 0


def test_a_score_of_exactly_one_is_in_the_last_bin() -> None:
    # In one bin the gaps -1 and 0.05 add up; in two they would count as 1 and 0.05.
    scores, targets = np.array([[1.0, 0.95]]), np.array([[False, True]])
    assert expected_calibration_error(scores, targets) == pytest.approx(0.95 / 2)
