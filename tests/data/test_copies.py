"""Labels that are alike in all rows, and rows that repeat others, are noted on the card."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix, hstack

from mlc.data.base import Dataset, RawSamples
from mlc.data.card import notes_on
from mlc.data.copies import LEAST_ROWS, notes_on_copies

N = 60


def dataset(features: Any = None, targets: Any = None, **others: Any) -> Dataset:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(N, 3)) if features is None else features
    if targets is None:
        targets = rng.random((features.shape[0], 4)) < 0.4
    return Dataset(
        "toy", features, targets, tuple(f"x{j}" for j in range(features.shape[1])),
        tuple("abcdef"[: targets.shape[1]]), np.ones(features.shape[1], dtype=bool), **others,
    )  # fmt: skip


def test_a_copy_of_a_label_and_an_opposite_are_named() -> None:
    data = dataset()
    assert notes_on(data) == ()
    a, b = data.targets[:, 0], data.targets[:, 1]
    doubled = dataset(targets=np.column_stack([a, b, a, ~b, ~a, a]))
    (note,) = notes_on(doubled)
    assert note.startswith(
        "Warning: the label 'c' equals 'a'; the label 'd' is the opposite of 'b'; the label 'e' is the"
        " opposite of 'a' in all rows, as 1 more label with another: averages"
    )
    # What is not known is not compared.
    assert notes_on(replace(doubled, known=np.ones_like(doubled.targets))) == ()
    rare = np.arange(N) < LEAST_ROWS - 1
    assert notes_on(dataset(targets=np.column_stack([rare, rare, ~rare, rare & False]))) == ()


def test_a_feature_that_tells_a_label_is_named() -> None:
    data = dataset()
    b, c = data.targets[:, 1], data.targets[:, 2]
    told = np.column_stack([data.features[:, 0], 5 - 3 * b, c])
    (note,) = notes_on(dataset(told, data.targets))
    assert note.startswith(
        "Warning: the feature 'x1' tells 'b'; 'x2' tells 'c' in all rows: leave out"
    )
    # One row that differs, and a label that few rows have, are no copies; a further value or gap tells.
    for value, tells in ((7, True), (5 if b[0] else 2, False), (np.nan, True)):
        other = told.copy()
        other[0, 1] = value
        (note,) = notes_on(dataset(other, data.targets))
        assert ("'x1'" in note) == tells
    rare = (np.arange(N) < LEAST_ROWS - 1)[:, None]
    assert notes_on(dataset(np.hstack([data.features, rare]), rare)) == ()
    # Of probabilities, it tells which are at least a half.
    assert notes_on(dataset(told, data.targets, soft=0.9 * data.targets)) == ()
    # A frozen network has computed it.
    assert notes_on(dataset(told, data.targets, raw=RawSamples((3, 8, 8), (), "weights"))) == ()


def test_a_code_that_tells_labels_is_named_whatever_its_values() -> None:
    """As the number of a colour beside a column for each colour; no value is measured so by chance."""
    rng = np.random.default_rng(1)
    colours = rng.integers(0, 4, N)
    targets = np.column_stack([colours[:, None] == np.arange(4), rng.random(N) < 0.5])
    codes = np.array([17.0, 3.0, np.nan, 40.0])[colours]
    features = np.column_stack([rng.normal(size=N), codes, rng.integers(0, 30, N)])
    (note,) = notes_on(dataset(features, targets))
    assert note.startswith(
        "Warning: the feature 'x1' tells 'a' and 3 more labels in all rows: leave"
    )
    # Unknown labels may have any value.
    known = rng.random(targets.shape) < 0.8
    (note,) = notes_on(dataset(features, targets ^ ~known, known=known))
    assert "'x1' tells 'a' and 3 more labels" in note
    swapped = targets.copy()
    swapped[[0, 1]] = ~swapped[[0, 1]]
    assert notes_on(dataset(features, swapped)) == ()
    # With a value for each row or two, chance tells any label.
    many = np.column_stack([rng.normal(size=N), rng.permutation(N) // 2])
    assert (
        notes_on(dataset(many, np.repeat(targets[: N // 2], 2, axis=0)[rng.permutation(N)])) == ()
    )


@pytest.mark.parametrize("sparse", [False, True])
def test_rows_that_repeat_others_are_counted(sparse: bool) -> None:
    rows = np.random.default_rng(1).normal(size=(N, 6))
    rows[0, :2] = 0, -0.0
    rows[50:53] = rows[0], rows[0], rows[7]
    rows[50, 0] = -0.0
    rows[[0, 50, 51], 2] = 0 if sparse else 1  # Too few entries to be compared.
    features: Any = csr_matrix(rows) if sparse else rows
    (note,) = notes_on(dataset(features))
    n = 1 if sparse else 3
    assert note.startswith(
        f"Warning: {n} of 60 rows repeat{'s' * (n == 1)} the features of an earlier"
    )
    test = np.arange(51, N)
    (note,) = notes_on(dataset(features, parts={"train": np.arange(51), "test": test}))
    n_test = "1 of 9 test rows has" if sparse else "2 of 9 test rows have"
    assert note.startswith(f"Warning: {n_test} the features of a training row")
    apart = {"train": np.arange(30, 50), "test": np.arange(10, 30)}
    assert notes_on(dataset(features[:50], parts=apart)) == ()


def test_rows_that_may_be_alike_by_chance_are_not_counted() -> None:
    rng = np.random.default_rng(2)
    codes = rng.integers(0, 4, size=(N, 3)).astype(float)
    assert notes_on_copies(dataset(codes)) == ()
    words = csr_matrix(rng.random((N, 40)) < 0.05, dtype=float)
    assert notes_on_copies(dataset(words)) == ()
    # A column that tells rows apart makes copies of the others.
    measured = np.column_stack([codes, rng.normal(size=N)])
    measured[40:] = measured[:20]
    assert len(notes_on_copies(dataset(measured))) == 1
    wide = hstack([words, csr_matrix(np.ones((N, 5)))], format="csr")
    assert len(notes_on_copies(dataset(wide))) == 1
    # Texts have notes of their reader.
    assert notes_on_copies(dataset(wide, texts=("text",) * N)) == ()
