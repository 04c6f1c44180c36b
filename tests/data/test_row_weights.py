"""Weights of rows are one number each, at least 0."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mlc.config.errors import DataError
from mlc.data.row_weights import require_weight, row_weights
from mlc.data.splits import Split


def test_lists_and_tensors_are_weights() -> None:
    assert row_weights(None, 3) is None
    for given in ([1, 0, 2.5], torch.tensor([1, 0, 2.5]), np.array([1, 0, 2.5], dtype=object)):
        weights = row_weights(given, 3)
        assert weights is not None
        assert weights.tolist() == [1, 0, 2.5]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ([1, 2], r"has the shape \(2,\), and there are 3 rows"),
        ([[1], [2], [3]], r"has the shape \(3, 1\)"),
        ([1, -1, 2], "is -1 in row 1: give a number that is at least 0"),
        ([1, 2, float("nan")], "is nan in row 2"),
        ([1, 2, float("inf")], "is inf in row 2"),
        (["a", "b", "c"], "give a number for each row, at least 0"),
    ],
)
def test_others_are_refused(given: Any, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        row_weights(given, 3)


def test_training_rows_without_weight_are_refused() -> None:
    weights = np.array([0.0, 0, 1])
    split = Split(np.array([0, 2]), np.array([1]), np.array([1]))
    require_weight(weights, [split])
    empty = Split(np.array([0, 1]), np.array([2]), np.array([2]))
    with pytest.raises(DataError, match="zero in all training rows"):
        require_weight(weights, [split, empty])
    known = np.array([[True, True], [True, True], [False, False]])
    with pytest.raises(DataError, match="zero in all training rows with known labels"):
        require_weight(weights, [split], known)
