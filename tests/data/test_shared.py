"""Arrays that torch does not read as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from mlc.data.preprocessing import Scaling
from mlc.data.resident import ResidentData
from mlc.data.shared import shared

VALUES = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


@pytest.fixture
def warns_always() -> Iterator[None]:
    """Not only for the first read-only array of the process."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


def read_only(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array


def sparse_and_read_only() -> csr_matrix:
    matrix = csr_matrix(VALUES)
    for part in (matrix.data, matrix.indices, matrix.indptr):
        part.setflags(write=False)
    return matrix


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize(
    "form",
    [
        lambda: read_only(VALUES.copy()),
        lambda: VALUES[:, ::-1].copy()[:, ::-1],
        lambda: VALUES[::-1].copy()[::-1],
        sparse_and_read_only,
    ],
    ids=["read-only", "columns in reverse", "rows in reverse", "sparse and read-only"],
)
def test_rows_are_gathered_from_memory_of_any_form(
    form: Callable[[], Any], dtype: torch.dtype, warns_always: None
) -> None:
    ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
    features, targets = form(), np.eye(6, dtype=bool)[::-1]
    data = ResidentData(features, targets, [Scaling(zeros, ones)], torch.device("cpu"), dtype)
    batch = data.batch(torch.tensor([[4, 0, 4]]))
    assert isinstance(batch.features, torch.Tensor)
    assert torch.equal(batch.features[0], torch.as_tensor(VALUES[[4, 0, 4]], dtype=dtype))
    assert torch.equal(batch.targets[0].bool(), torch.as_tensor(targets[[4, 0, 4]]))


def test_memory_is_shared_where_it_can_be() -> None:
    for array in (VALUES, VALUES[::2, ::3], VALUES.T):
        assert shared(array).data_ptr() == array.ctypes.data
    assert shared(VALUES[::-1]).tolist() == VALUES[::-1].tolist()
