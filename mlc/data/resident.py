"""Data in device memory, from which batches of all runs are gathered at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix, issparse
from torch import Tensor

from mlc.config.errors import ConfigError
from mlc.data.base import samples_in
from mlc.data.preprocessing import Scaling, shifted
from mlc.data.sample_rows import SampleRows
from mlc.data.shared import shared
from mlc.data.weighting import weighted
from mlc.layers.bags import Bags

# Numbers of batches that are gathered at once: 2^22 are 16 MB in float32.
_GATHERED_AT_ONCE = 2**22


class DenseRows:
    """Rows of a matrix, by index: (R, B) to (R, B, D)."""

    def __init__(self, features: np.ndarray, device: torch.device, dtype: torch.dtype) -> None:
        self._features = shared(features).to(device, dtype)
        self.n_columns = features.shape[1]

    def __getitem__(self, index: Tensor) -> Tensor:
        # index_select is four times as fast as an index expression.
        rows = self._features.index_select(0, index.flatten())
        return rows.view(*index.shape, rows.shape[1])


class SparseRows:
    """Rows of a CSR matrix, by index: (R, B) to (R, B, D), sparse or dense.

    Args:
        features: the matrix, (N, D).
        device: device of the rows.
        dtype: dtype of the values.
        bags: whether batches are sparse.
        used: mask of the columns that each run uses, (R, D); None is all.
        scale: factors of each run's columns, (R, D); None is 1.
        unit: whether rows are then scaled to length 1.
    """

    def __init__(
        self,
        features: csr_matrix,
        device: torch.device,
        dtype: torch.dtype,
        bags: bool = False,
        used: np.ndarray | None = None,
        scale: np.ndarray | None = None,
        unit: bool = False,
    ) -> None:
        self._bags, self._unit = bags, unit
        self._scale = None if scale is None else torch.as_tensor(scale, dtype=dtype, device=device)
        self._used = None if used is None else torch.as_tensor(used, device=device)
        value = shared(features.data).to(device, dtype)
        # SciPy gathers rows several times as fast as indexing does, on the CPU alone.
        self._by_scipy = device.type == "cpu" and dtype in (torch.float32, torch.float64)
        self._length = torch.as_tensor(np.diff(features.indptr), dtype=torch.int64, device=device)
        if self._by_scipy:
            entries = value.numpy(), features.indices, features.indptr
            self._matrix = csr_matrix(entries, shape=features.shape)
        else:
            self._start, self._column = (
                shared(part).to(device, torch.int64)
                for part in (features.indptr[:-1], features.indices)
            )
            self._value = value
        self._n_columns = features.shape[1]

    def __getitem__(self, index: Tensor) -> Tensor | Bags:
        flat = index.flatten()
        length = self._length[flat]
        starts = length.cumsum(0) - length
        row = torch.repeat_interleave(torch.arange(len(flat), device=flat.device), length)
        column, value = self._entries(flat, row, starts)
        n_runs, n_rows = index.shape
        shape = n_runs, n_rows, self._n_columns
        run = row.div(max(n_rows, 1), rounding_mode="floor")
        if self._used is not None:
            is_used = self._used[run, column]
            run, row, column, value = run[is_used], row[is_used], column[is_used], value[is_used]
            length = torch.bincount(row, minlength=len(flat))
            starts = length.cumsum(0) - length
        if self._scale is not None:
            value = value * self._scale[run, column]
        if self._unit:
            squares = value.new_zeros(len(flat)).index_add_(0, row, value.square())
            value = value / torch.where(squares > 0, squares, 1).sqrt()[row]
        bags = Bags(run, row, column, value, starts, shape)
        return bags if self._bags else bags.dense()

    def _entries(self, flat: Tensor, row: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the columns and values of the entries of rows.

        Args:
            flat: indices of the rows.
            row: number of each entry's row among them.
            starts: number of each row's first entry.
        """
        if self._by_scipy:
            rows = self._matrix[flat.numpy()]
            return torch.from_numpy(rows.indices.astype(np.int64)), torch.from_numpy(rows.data)
        entry = self._start[flat][row] + torch.arange(len(row), device=flat.device) - starts[row]
        return self._column[entry], self._value[entry]


@dataclass(frozen=True)
class Batch:
    """Features (R, B, D), dense or as bags, and targets (R, B, K) in the same dtype.

    Numbers of tokens are int64. `known` (R, B, K), bool, marks the known labels; None if all are.
    """

    features: Tensor | Bags
    targets: Tensor
    known: Tensor | None = None


class ResidentData:
    """A data set on a device, with a scaling for each run.

    Args:
        features: (N, D), an array or a CSR matrix; integers as in `Dataset`.
        targets: (N, K).
        scalings: one scaling per run.
        device: device of the data.
        dtype: dtype of features and targets.
        bags: whether batches are bags of unscaled counts, without the columns that a scaling leaves
            out; the features must be sparse.
        keep_sparse: whether batches of sparse rows are bags of scaled entries.
        known: (N, K), bool, the labels that are known; None if all are.
        soft: (N, K), the targets of batches in place of `targets`, as in `Dataset`.

    Raises:
        ConfigError: `bags` is set, and the features are dense or negative.
    """

    def __init__(
        self,
        features: Any,
        targets: np.ndarray,
        scalings: Sequence[Scaling],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        bags: bool = False,
        keep_sparse: bool = False,
        known: np.ndarray | None = None,
        soft: np.ndarray | None = None,
    ) -> None:
        self.device = device
        self.dtype = dtype
        sparse = issparse(features)
        if bags and not sparse:
            raise ConfigError(
                "backbone=embedding_bag needs sparse rows: give texts (in a config, data=table"
                " data.text=COLUMN), or choose backbone=mlp."
            )
        if bags and (features.data < 0).any():
            raise ConfigError(
                "backbone=embedding_bag weighs words by their counts, and a feature is negative: choose"
                " backbone=mlp."
            )
        self._samples: SampleRows | None = None
        if samples_in(features) != "columns":
            self._samples = SampleRows(features, device, dtype)
        # Whether a step consists of the same operations on the device, whatever the rows in its batch.
        self.fixed_shapes = not sparse and (self._samples is None or self._samples.on_device)
        # Size of a sample in a batch, where it may be larger than what a network computes from it.
        self.numbers_per_sample = 1 if self._samples is None else features.shape[1]
        # Truth values take a quarter of the memory of numbers.
        self.is_soft = soft is not None
        self._targets = (
            DenseRows(targets, device, torch.bool)
            if soft is None
            else DenseRows(soft, device, dtype)
        )
        self._known = None if known is None else DenseRows(known, device, torch.bool)
        # Gathered batches with their indices, by the identity of these.
        self._ahead: dict[int, tuple[Tensor, Batch]] = {}
        # The largest number of labels of a row.
        self.most_labels = int(targets.sum(axis=1).max(initial=0))
        if self._samples is None:
            self._prepare_columns(features, scalings, bags, keep_sparse)

    def _prepare_columns(
        self, features: Any, scalings: Sequence[Scaling], bags: bool, keep_sparse: bool
    ) -> None:
        device, dtype, sparse = self.device, self.dtype, issparse(features)
        scale = np.stack([scaling.scale for scaling in scalings])
        shift: Any = np.stack([scaling.shift for scaling in scalings])
        if not sparse:
            features, shift = shifted(features, scalings)
        shift = shift[:, None]
        # After a shift, entries of 0 would no longer be 0.
        stays = bags or (keep_sparse and not shift.any())
        self._rows: DenseRows | SparseRows = (
            _sparse_rows(features, scalings, scale, device, dtype, bags, stays)
            if sparse
            else DenseRows(features, device, dtype)
        )
        scale = scale[:, None]
        self._shift = torch.as_tensor(shift, dtype=dtype, device=device) if shift.any() else None
        self._scale = (
            torch.as_tensor(scale, dtype=dtype, device=device)
            if (scale != 1).any() and not sparse
            else None
        )
        values = features.data if sparse else features
        # A column without a value in training has no mean.
        self._has_missing = bool(np.isnan(shift).any() or np.isnan(values).any())

    def rows(self, parts: Sequence[np.ndarray]) -> Tensor:
        """Stack the row indices of each run's part: (R, N), int64, on the device."""
        return torch.stack([torch.as_tensor(part) for part in parts]).to(self.device)

    def prefetch(self, batches: Sequence[Tensor]) -> None:
        """Announce the next calls of `batch`, with the same tensors in this order; it saves waiting."""
        if self._samples is not None:
            self._samples.prefetch(batches)
        elif self._are_small(batches):
            # The calls for small batches take longer than their computation.
            whole = self._gathered(torch.cat(list(batches), dim=1))
            sizes = [batch.shape[1] for batch in batches]
            whole_tables: tuple[Any, ...] = whole.features, whole.targets, whole.known
            tables = [
                repeat(None) if table is None else table.split(sizes, dim=1)
                for table in whole_tables
            ]
            self._ahead = {
                id(index): (index, Batch(*parts))
                for index, *parts in zip(batches, *tables, strict=False)
            }

    def _are_small(self, batches: Sequence[Tensor]) -> bool:
        """Whether the batches are of one run on the CPU, dense and of few numbers in all."""
        if self.device.type != "cpu" or not isinstance(self._rows, DenseRows):
            return False
        n_numbers = sum(batch.numel() for batch in batches) * self._rows.n_columns
        return len(batches) > 1 and len(batches[0]) == 1 and n_numbers <= _GATHERED_AT_ONCE

    def batch(self, index: Tensor) -> Batch:
        """Gather the rows of each run; `index` is (R, B), int64, on the device."""
        # At most once, since the caller may change a batch.
        ahead = self._ahead.pop(id(index), None) if self._ahead else None
        return self._gathered(index) if ahead is None else ahead[1]

    def _gathered(self, index: Tensor) -> Batch:
        if self._samples is not None:
            return self._batch(self._samples[index], index)
        # A copy, which can be changed in place.
        features = self._rows[index]
        if isinstance(features, Bags):
            if self._has_missing:
                features.value.nan_to_num_(nan=0.0)
            return self._batch(features, index)
        if self._shift is not None:
            features.sub_(self._shift)
        if self._scale is not None:
            features.mul_(self._scale)
        if self._has_missing:
            features.nan_to_num_(nan=0.0)
        return self._batch(features, index)

    def _batch(self, features: Tensor | Bags, index: Tensor) -> Batch:
        return Batch(
            features,
            self._targets[index].to(self.dtype),
            None if self._known is None else self._known[index],
        )


def _sparse_rows(
    features: csr_matrix,
    scalings: Sequence[Scaling],
    scale: np.ndarray,
    device: torch.device,
    dtype: torch.dtype,
    bags: bool,
    stays: bool,
) -> SparseRows:
    """Return raw counts with `bags`, else weighted and scaled entries, sparse if `stays`."""
    if bags:
        used = scale != 0
        return SparseRows(features, device, dtype, True, None if used.all() else used)
    weighting = scalings[0].weighting
    entries = weighted(features.data, weighting)
    features = csr_matrix((entries, features.indices, features.indptr), shape=features.shape)
    factors = scale if (scale != 1).any() else None
    return SparseRows(features, device, dtype, stays, scale=factors, unit=weighting == "tfidf")
