"""Sparse matrices that state a cell twice, or a 0, are read as the cells that they stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import coo_matrix, csr_array, csr_matrix

from mlc import MultiLabelClassifier
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.sparse import canonical
from mlc.evaluation.predictor import Predictor

RNG = np.random.default_rng(0)
N, D = 40, 6
COUNTS = np.where(RNG.random((N, D)) < 0.4, RNG.integers(1, 4, (N, D)), 0).astype(np.float32)
COUNTS[[2, 5]] = 0


def of_entries(row: Any, column: Any, value: Any) -> csr_matrix:
    """A matrix with just these entries, in the order of rows."""
    order = np.argsort(row, kind="stable")
    starts = np.searchsorted(row[order], np.arange(N + 1))
    return csr_matrix((value[order], column[order], starts), shape=(N, D))


def twice() -> csr_matrix:
    """Each count as one and the rest, and in row 2 a cell whose entries add to 0."""
    row, column = COUNTS.nonzero()
    ones = np.ones(len(row), np.float32)
    rest = COUNTS[row, column] - 1
    extra = np.array([2, 2]), np.array([3, 3]), np.array([1, -1], np.float32)
    parts = (row, row, extra[0]), (column, column, extra[1]), (ones, rest, extra[2])
    return of_entries(*map(np.concatenate, parts))


def zeros_stated() -> csr_matrix:
    row, column = np.divmod(np.arange(N * D), D)
    return of_entries(row, column, COUNTS.ravel().copy())


def spare_memory() -> csr_matrix:
    matrix = csr_matrix(COUNTS)
    spare = np.full(3, np.nan, np.float32)
    matrix.data = np.append(matrix.data, spare)
    matrix.indices = np.append(matrix.indices, np.zeros(3, matrix.indices.dtype))
    return matrix


FORMS: list[Callable[[], csr_matrix]] = [twice, zeros_stated, spare_memory]


@pytest.mark.parametrize("form", [*FORMS, lambda: csr_array(COUNTS), lambda: coo_matrix(COUNTS)])
def test_each_cell_that_is_not_zero_has_one_entry(form: Callable[[], Any]) -> None:
    given, expected = form(), csr_matrix(COUNTS)
    entries = None if given.format == "coo" else given.data.copy()
    rows = canonical(given)
    for name in ("data", "indices", "indptr"):
        assert np.array_equal(getattr(rows, name), getattr(expected, name)), name
    if entries is not None:
        assert np.array_equal(given.data, entries, equal_nan=True)
    assert canonical(rows) is rows


def test_missing_values_stay() -> None:
    rows = csr_matrix(np.array([[np.nan, 0, 1]], np.float32))
    assert canonical(rows) is rows


@pytest.mark.parametrize("form", FORMS)
def test_document_frequencies_are_of_cells(form: Callable[[], csr_matrix]) -> None:
    def scale(features: csr_matrix) -> Any:
        names, targets = tuple("abcdef"), COUNTS[:, :2] > 0
        dataset = Dataset(
            "made", features, targets, names, tuple("xy"), np.ones(D, bool), weighting="tfidf"
        )
        return fit_scaling(dataset, np.arange(N)).scale

    assert np.array_equal(scale(form()), scale(csr_matrix(COUNTS)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("backbone", ["mlp", "embedding_bag"])
def test_a_classifier_trains_on_cells_and_scores_them(
    form: Callable[[], csr_matrix], backbone: str
) -> None:
    y = (COUNTS[:, :3] > 0).astype(int)
    classifier = MultiLabelClassifier(
        backbone=backbone, max_epochs=2, random_state=0, device="cpu", decision="fixed"
    )
    expected = classifier.fit(csr_matrix(COUNTS), y).predict_proba(csr_matrix(COUNTS))
    assert np.array_equal(classifier.predictor_.scores(form()), expected)
    assert np.array_equal(classifier.fit(form(), y).predict_proba(form()), expected)
    assert isinstance(classifier.predictor_, Predictor)
