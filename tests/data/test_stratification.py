"""The division of rows against the package that draws the same numbers, and its own promise."""

from __future__ import annotations

import numpy as np
import pytest
from iterstrat.ml_stratifiers import MultilabelStratifiedShuffleSplit
from numpy.testing import assert_array_equal

from mlc.data.label_sets import distinct_rows
from mlc.data.stratification import stratified_part


@pytest.mark.parametrize("trial", range(25))
def test_the_rows_are_those_of_the_package(trial: int) -> None:
    rng = np.random.default_rng(trial)
    n_rows, n_labels = int(rng.integers(5, 90)), int(rng.integers(2, 12))
    targets = rng.random((n_rows, n_labels)) < rng.random(n_labels) * rng.random()
    fraction = (0.2, 0.3, 0.5)[trial % 3]
    package = MultilabelStratifiedShuffleSplit(1, test_size=fraction, random_state=trial)
    _, expected = next(package.split(np.zeros(n_rows), targets))
    assert_array_equal(np.flatnonzero(stratified_part(targets, fraction, trial)), expected)


def test_many_rare_labels_are_shared_better_than_by_chance() -> None:
    rng = np.random.default_rng(0)
    targets = np.zeros((1500, 1000), dtype=bool)
    targets[np.arange(1500)[:, None], rng.integers(1000, size=(1500, 5))] = True
    marked = stratified_part(targets, 0.25, 0)
    assert marked.mean() == pytest.approx(0.25, abs=0.05)

    def error(part: np.ndarray) -> float:
        counts = targets.sum(axis=0)
        return float(abs(targets[part].sum(axis=0) - 0.25 * counts).mean())

    assert error(marked) < error(rng.permutation(marked)) / 1.5


@pytest.mark.parametrize("n_labels", [1, 8, 9, 300])
def test_distinct_rows_are_those_of_numpy(n_labels: int) -> None:
    targets = np.random.default_rng(n_labels).random((40, n_labels)) < 1 / n_labels
    first, number, count = distinct_rows(targets)
    sets, expected, counts = np.unique(targets, axis=0, return_inverse=True, return_counts=True)
    assert_array_equal(targets[first], sets)
    assert_array_equal(number, expected.ravel())
    assert_array_equal(count, counts)
