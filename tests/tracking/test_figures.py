from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from mlc.tracking.figures import HeadFigure, draw_head

RNG = np.random.default_rng(0)
TARGETS = RNG.random((50, 4)) < 0.4
SHOWN = HeadFigure(
    title="sigmoid", colour="#e52592", scores=RNG.random((50, 4)), targets=TARGETS,
    decisions=TARGETS, labels=["a", "b", "$", "d" * 40], metrics=("jaccard_samples", "f1_macro"),
    rule="global", threshold=0.5,
)  # fmt: skip
THRESHOLD, COUNTS = "figure_decisions/threshold", "figure_decisions/number_of_labels"


def test_a_head_has_four_pictures_in_its_colour_that_fit_a_card() -> None:
    pictures = draw_head(SHOWN)
    assert [tag.partition("/")[2] for tag in pictures] == [
        "threshold", "number_of_labels", "precision_and_recall", "reliability",
    ]  # fmt: skip
    for picture in pictures.values():
        height, width, channels = picture.shape
        assert (channels, picture.dtype) == (3, np.uint8)
        assert 1.7 < width / height < 1.9
        assert (picture == (0xE5, 0x25, 0x92)).all(axis=2).any()


def test_the_threshold_is_marked_where_it_is() -> None:
    def column(threshold: float) -> int:
        picture = draw_head(replace(SHOWN, metrics=(), threshold=threshold))[THRESHOLD]
        inside = picture[40:-60, 120:-20, :]
        return int((inside.sum(axis=2) < 100).sum(axis=0).argmax())

    assert column(0.1) < column(0.9)


def test_the_diagonal_of_a_right_prediction_is_dark_and_the_rest_is_not() -> None:
    targets = np.array([[0, 0], [1, 0], [1, 1]], dtype=bool)
    shown = replace(SHOWN, scores=targets * 0.5, targets=targets, labels=["a", "b"])
    right = draw_head(replace(shown, decisions=targets))[COUNTS]
    wrong = draw_head(replace(shown, decisions=targets[::-1]))[COUNTS]
    height, width, _ = right.shape
    place = int(0.7 * height), int(0.25 * width)
    assert right[place].sum() < wrong[place].sum()


@pytest.mark.parametrize(("rows", "true"), [(1, True), (3, False)])
def test_one_row_and_one_label_are_enough(rows: int, true: bool) -> None:
    targets = np.full((rows, 1), true)
    shown = replace(
        SHOWN, scores=np.full((rows, 1), 1.0), targets=targets, decisions=~targets,
        labels=["a"], metrics=("f1_micro",), threshold=None,
    )  # fmt: skip
    assert len(draw_head(shown)) == 4


def test_labels_that_are_not_known_are_not_drawn() -> None:
    known = RNG.random(TARGETS.shape) < 0.6
    shown = replace(SHOWN, targets=TARGETS & known, known=known)
    other = replace(
        shown,
        scores=np.where(known, SHOWN.scores, 1 - SHOWN.scores),
        decisions=np.where(known, SHOWN.decisions, ~SHOWN.decisions),
    )
    pictures, others = draw_head(shown), draw_head(other)
    for tag, picture in pictures.items():
        assert (picture == others[tag]).all(), tag
    # Rows without a known label are left out.
    known[:3] = False
    fewer = replace(shown, known=known)
    without = {
        name: getattr(fewer, name)[3:] for name in ("scores", "targets", "decisions", "known")
    }
    for tag, picture in draw_head(replace(fewer, **without)).items():
        assert (picture == draw_head(fewer)[tag]).all(), tag
    reliability = "figure_labels/reliability"
    assert (pictures[reliability] != draw_head(SHOWN)[reliability]).any()


@pytest.mark.parametrize("sign", ["猫", "\U000e0fff"])
def test_names_in_any_script_are_drawn_without_a_warning(sign: str) -> None:
    named = replace(SHOWN, title=f"{sign} $_", labels=[sign, "b", "$x_$", "d"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(draw_head(named)) == 4
