"""Columns of new rows in another unit or order are named, and ordinary rows are not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from mlc.data.arff import Arff, ArffOptions
from mlc.data.base import Dataset
from mlc.data.far_columns import note_on_far_columns
from mlc.data.preprocessing import fit_scaling
from mlc.data.splits import split_dataset
from tests.exporting.predictors import drawn_predictor, features_of

NAMES = ("height", "flag", "visits", "rain", "income", "change")


def drawn(n_rows: int, seed: int = 0) -> NDArray[np.float64]:
    """Rows (N, 6): a length, a rare flag, counts, a mostly missing amount, a heavy tail, both signs."""
    rng = np.random.default_rng(seed)
    columns = [
        rng.normal(1.75, 0.08, n_rows),
        rng.random(n_rows) < 0.02,
        rng.poisson(0.3, n_rows),
        np.where(rng.random(n_rows) < 0.9, 0, rng.exponential(10, n_rows)),
        rng.pareto(1.2, n_rows),
        rng.normal(0, 3, n_rows),
    ]
    return np.column_stack(columns)


def note(train: NDArray[np.float64], new: Any) -> str | None:
    n_rows, n_columns = train.shape
    targets = np.arange(n_rows)[:, None] % 2 == 0
    names = NAMES[:n_columns]
    data = Dataset("made", train, targets, names, ("y",), np.ones(n_columns, dtype=bool))
    return note_on_far_columns(new, fit_scaling(data, np.arange(n_rows)), names)


@pytest.mark.parametrize("factor", [1000, 60, 1 / 60, 1 / 1000])
@pytest.mark.parametrize("column", [0, 5])
def test_another_unit_is_named_with_its_column(column: int, factor: float) -> None:
    new = drawn(40, seed=1)
    new[:, column] *= factor
    said = note(drawn(500), new)
    assert said is not None
    assert repr(NAMES[column]) in said
    assert "Check the unit and the order" in said
    assert not any(repr(name) in said for name in NAMES if name != NAMES[column])


def test_the_sentence_has_the_numbers_of_both() -> None:
    train, new = np.tile([[1.0], [3.0]], (50, 1)), np.full((20, 1), 2500.0)
    assert note(train, new) == (
        "Warning: most new rows are far from the training rows (mean ± standard deviation): 'height' has"
        " values such as 2500, and 2 ± 1 in training. Check the unit and the order of the columns."
    )


def test_exchanged_columns_are_named() -> None:
    train, new = drawn(500), drawn(40, seed=1)
    train[:, 4] = np.random.default_rng(2).normal(300, 20, 500)
    new[:, [0, 4]] = np.random.default_rng(3).normal([300, 1.75], [20, 0.08], (40, 2))
    said = note(train, new)
    assert said is not None
    assert "'height'" in said
    assert "'income'" in said


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7, 30, 400])
def test_rows_like_those_of_training_are_not_named(n_rows: int) -> None:
    train = drawn(500)
    for seed in range(1, 20):
        new = drawn(n_rows, seed)
        new[0, 0] = np.nan
        assert note(train, new) is None
    for row in range(0, 500, 5):
        assert note(train, train[[row]]) is None
    assert note(train, csr_matrix(1000 * train)) is None


@pytest.mark.parametrize("name", ["emotions", "birds", "cal500", "flags"])
def test_published_test_rows_are_not_named(name: str, benchmarks: Path) -> None:
    data = Arff.load(ArffOptions(path=name + "/" + name, root=str(benchmarks)))
    assert not issparse(data.features)
    split = split_dataset(data, ArffOptions(), 2)
    scaling = fit_scaling(data, split.train)
    for rows in (split.test, split.val, *split.test[:40, None]):
        assert note_on_far_columns(data.features[rows], scaling, data.feature_names) is None


def test_a_predictor_that_was_pickled_earlier_predicts() -> None:
    predictor = drawn_predictor("sigmoid", "fixed", {}, 3, 1)
    rows = features_of()
    expected = predictor.scores(rows)
    # Its state as it was before rows were compared with those of training.
    vars(predictor).pop("_said")
    for scaling in predictor.scalings:
        vars(scaling).pop("least", None)
    assert np.array_equal(predictor.scores(rows), expected)


def test_a_constant_column_with_other_values_is_named() -> None:
    train = drawn(60)
    train[:, 0], train[:, 1], train[:, 2], train[:, 3] = 0.1, 0, 0, np.nan
    new = drawn(3, seed=1)
    new[:, 0], new[:, 1], new[:, 2], new[:, 3] = np.float32(0.1), 1, [0, 0, 4], np.nan
    # The same number, a flag, and less than half of the counts.
    assert note(train, new) is None
    new[:, 0], new[:, 2], new[:, 3] = 0.2, 4, 5
    said = note(train, new)
    assert said is not None
    assert "'height' has values such as 0.2, and 0.1 alone in training, so they are ignored" in said
    assert "'visits' has values such as 4, and 0 alone in training" in said
    assert "'rain' has values such as 5, and none in training, so they are ignored" in said
    new[:, 4] = 1e9
    assert "; and 1 more column. Check" in str(note(train, new))


def test_many_rows_with_a_period_are_not_named() -> None:
    """Each 24th of 6,144 hours is at the same time of day."""
    hours = np.arange(6144)[:, None] % 24.0
    assert note(hours[:900], hours) is None
    assert note(hours[:900], hours / 60) is not None
