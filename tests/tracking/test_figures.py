import numpy as np
import pytest

from mlc.tracking.figures import cardinality_figure, threshold_figure

RNG = np.random.default_rng(0)
SCORES = RNG.random((50, 4))
TARGETS = RNG.random((50, 4)) < 0.4


def thresholds(scores: np.ndarray, **stated: float) -> np.ndarray:
    return threshold_figure(scores, TARGETS, ("jaccard_samples", "f1_macro"), stated)


def test_a_picture_does_not_depend_on_those_drawn_before_it() -> None:
    first = thresholds(SCORES, fixed=0.5)
    other = thresholds(SCORES**2, fixed=0.5, global_=0.2)
    assert first.shape == other.shape
    assert first.dtype == np.uint8
    assert not np.array_equal(first, other)
    assert np.array_equal(first, thresholds(SCORES, fixed=0.5))


def test_threshold_marks_move_with_the_threshold() -> None:
    low, high = thresholds(SCORES, fixed=0.1), thresholds(SCORES, fixed=0.9)
    dark = [(picture[:, :, :3].sum(axis=2) < 100).sum(axis=0).argmax() for picture in (low, high)]
    assert dark[0] != dark[1]


def test_the_diagonal_of_a_right_prediction_is_dark_and_the_rest_is_not() -> None:
    targets = np.array([[0, 0], [1, 0], [1, 1]], dtype=bool)
    right = cardinality_figure(targets, targets, "fixed")
    again = cardinality_figure(targets, targets, "fixed")
    wrong = cardinality_figure(targets[::-1], targets, "fixed")
    assert np.array_equal(right, again)
    height, width, _ = right.shape
    inside = right[int(0.75 * height), int(0.25 * width), :3].astype(int)
    assert inside.sum() < wrong[int(0.75 * height), int(0.25 * width), :3].astype(int).sum()


@pytest.mark.parametrize("rows", [1, 3])
def test_one_row_and_one_label_are_enough(rows: int) -> None:
    targets = np.ones((rows, 1), dtype=bool)
    picture = threshold_figure(np.full((rows, 1), 0.7), targets, ("f1_micro",), {})
    assert picture.ndim == 3
    assert cardinality_figure(targets, ~targets, "fixed").ndim == 3
