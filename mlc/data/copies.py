"""Notes on copies: labels alike in all rows, features that tell one, and rows that repeat others."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.texts import counted, counted_of, fitted
from mlc.data.base import Dataset
from mlc.data.sparse import is_sparse

# Rarer labels, and labels that fewer rows lack, may well have the same rows.
LEAST_ROWS = 5
# The probability that two of the labels are alike by chance, at most.
_BY_CHANCE = 1e-4
# A smaller share of copies changes no metric much.
LEAST_SHARE = 0.01
# Sparse rows with fewer entries may be alike by chance, and so may few distinct dense ones.
LEAST_ENTRIES, LEAST_DISTINCT = 5, 20
# Larger data sets are not looked at.
_MOST_ROWS, _MOST_CELLS, _MOST_PAIRS = 500_000, 2**27, 2**23
_CELLS_AT_ONCE = 2**22
_MOST_VALUES = 100  # Of a feature that may be a code.
_ROWS_OF_FIRST_LOOK = 300  # In which most features tell no label.
_MOST_COLUMNS = 64  # That are looked at for one whose values differ.
_NAMED, _LONGEST = 3, 40


def notes_on_copies(dataset: Dataset) -> tuple[str, ...]:
    """Warn of labels and features that are alike, and of rows that repeat others.

    Labels are compared with each other where all are known, whether they are equal or opposites, and
    with the values of dense features. Rows are those of columns, and not of texts, on which the reader
    makes notes. Of dense rows one column must differ in most distinct rows, for a few codes and flags
    are alike by chance.
    """
    if len(dataset.targets) > _MOST_ROWS:
        return ()
    return *_on_labels(dataset), *_on_features(dataset), *_on_rows(dataset)


def _on_labels(dataset: Dataset) -> tuple[str, ...]:
    targets, names = dataset.targets, dataset.label_names
    if dataset.known is not None or dataset.soft is not None or targets.size > _MOST_CELLS:
        return ()
    counts = targets.sum(axis=0)
    often = np.flatnonzero(np.minimum(counts, len(targets) - counts) >= LEAST_ROWS)
    step = max(1, _CELLS_AT_ONCE // len(targets))
    firsts: dict[bytes, int] = {}
    found = []
    for start in range(0, len(often), step):
        part = often[start : start + step]
        # A label and its opposite are alike where each is compared with its own first row.
        for k, column in zip(
            part, np.packbits(targets[:, part] ^ targets[0, part], axis=0).T, strict=True
        ):
            first = firsts.setdefault(column.tobytes(), int(k))
            if first != k and _chance(targets, counts[k]) <= _BY_CHANCE:
                how = "equals" if targets[0, k] == targets[0, first] else "is the opposite of"
                found.append((names[k], how, names[first]))
    if not found:
        return ()
    said = [
        f"the label {fitted(name, _LONGEST)!r} {how} {fitted(other, _LONGEST)!r}"
        for name, how, other in found[:_NAMED]
    ]
    more = len(found) - len(said)
    others = f", as {counted(more, 'more label')} with another" if more else ""
    return (
        f"Warning: {'; '.join(said)} in all rows{others}: averages count such a label twice; leave it"
        " out unless it is meant.",
    )


def _on_features(dataset: Dataset) -> tuple[str, ...]:
    targets, features = dataset.targets, dataset.features
    # What a frozen network computes is nobody's column to leave out.
    if dataset.soft is not None or dataset.samples != "columns" or dataset.raw is not None:
        return ()
    if is_sparse(features) or max(targets.size, features.size) > _MOST_CELLS:
        return ()
    known = np.ones_like(targets) if dataset.known is None else dataset.known
    sizes, counts = known.sum(axis=0), (targets & known).sum(axis=0)
    often = np.flatnonzero(np.minimum(counts, sizes - counts) >= LEAST_ROWS)
    if features.shape[1] * len(often) > _MOST_PAIRS:
        return ()
    first = np.linspace(0, len(targets) - 1, min(len(targets), _ROWS_OF_FIRST_LOOK)).astype(int)
    looked_at = targets[first][:, often], known[first][:, often]
    found = []
    for j in range(features.shape[1] if len(often) else 0):
        column = np.asarray(features[:, j])
        if len(np.unique(column[first])) > _MOST_VALUES:
            continue
        likely = often[_told(column[first], *looked_at)[0]]
        if not len(likely) or len(np.unique(column)) > _MOST_VALUES:
            continue
        told, n_values = _told(column, targets[:, likely], known[:, likely])
        labels = [
            dataset.label_names[k]
            for k in likely[told]
            if n_values > 1
            and _chance(targets, counts[k], features.shape[1], sizes[k], n_values) <= _BY_CHANCE
        ]
        if labels:
            more = f" and {counted(len(labels) - 1, 'more label')}" if len(labels) > 1 else ""
            name = fitted(dataset.feature_names[j], _LONGEST)
            found.append(f"{name!r} tells {fitted(labels[0], _LONGEST)!r}{more}")
    if not found:
        return ()
    n_others = len(found) - _NAMED
    others = f", as {counted(n_others, 'more feature')} another" if n_others > 0 else ""
    return (
        f"Warning: the feature {'; '.join(found[:_NAMED])} in all rows{others}: leave out what new rows"
        " do not have before their labels are known.",
    )


def _told(
    column: NDArray[np.floating], targets: NDArray[np.bool_], known: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], int]:
    """Return which labels (K,) are alike in all rows with one value, and the number of values.

    Codes of a class tell its label so, though none of their values is 0 or 1.
    """
    order = np.argsort(column, kind="stable")
    ordered = column[order]
    # All gaps are one value, at the end.
    begins = (ordered[1:] != ordered[:-1]) & ~np.isnan(ordered[:-1])
    starts = np.concatenate([[0], 1 + np.flatnonzero(begins)])
    sizes = np.add.reduceat(known[order], starts, axis=0, dtype=np.int64)
    counts = np.add.reduceat((targets & known)[order], starts, axis=0, dtype=np.int64)
    return ((counts == 0) | (counts == sizes)).all(axis=0), len(starts)


def _chance(
    targets: NDArray[np.bool_],
    count: int,
    n_others: int | None = None,
    n_rows: int | None = None,
    n_values: int = 1,
) -> float:
    """Bound the probability that a label and another, or a feature, are alike or opposites by chance.

    Each of the values of a feature may have the label or not.
    """
    n_rows, n_labels = n_rows or len(targets), targets.shape[1]
    sizes = n_rows + 1, count + 1, n_rows - count + 1
    of_all, of_rows, of_others = map(math.lgamma, sizes)
    pairs = math.log(n_labels) + math.log(n_others or n_labels) + (n_values - 1) * math.log(2)
    return math.exp(min(0.0, pairs + of_rows + of_others - of_all))


def _on_rows(dataset: Dataset) -> tuple[str, ...]:
    features: Any = dataset.features
    n_cells = features.nnz if is_sparse(features) else features.size
    if dataset.samples != "columns" or dataset.texts is not None or n_cells > _MOST_CELLS:
        return ()
    rows, hashes = _hashes(features)
    n_rows = len(dataset.targets)
    is_test = np.zeros(n_rows, dtype=bool)
    is_test[dataset.parts.get("test", [])] = True
    n_test = int(is_test.sum())
    if n_test:
        others = hashes[~is_test[rows]]
        n_copies, n = int(np.isin(hashes[is_test[rows]], others).sum()), n_test
    else:
        n_copies, n = len(hashes) - len(np.unique(hashes)), n_rows
    if n_copies < max(1, LEAST_SHARE * n) or not (is_sparse(features) or _differ(dataset, hashes)):
        return ()
    if n_test:
        of_test = counted_of(n_copies, n, "test row", "have")
        return (
            f"Warning: {of_test} the features of a training row: copies say nothing about new rows;"
            " leave them out of one part.",
        )
    return (
        f"Warning: {counted_of(n_copies, n, 'row', 'repeat')} the features of an earlier one, and may be"
        " in another part than the first: data without copies say more about new rows.",
    )


def _differ(dataset: Dataset, hashes: NDArray[np.uint64]) -> bool:
    """Whether a numeric column has as many values as half of the distinct rows, or more."""
    n_distinct = len(np.unique(hashes))
    columns = np.flatnonzero(dataset.numeric)[:_MOST_COLUMNS]
    features: Any = dataset.features
    return n_distinct >= LEAST_DISTINCT and any(
        2 * len(np.unique(features[:, column])) >= n_distinct for column in columns
    )


def _hashes(features: Any) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the indices of the rows that are compared, and a hash of each: sums modulo 2^64."""
    n_rows, n_columns = features.shape
    draws = np.random.default_rng(0).integers(2**64, size=n_columns, dtype=np.uint64)
    if is_sparse(features):
        lengths = np.diff(features.indptr)
        rows = np.flatnonzero(lengths >= LEAST_ENTRIES)
        products = _bits(features.data) * draws[features.indices]
        sums = np.concatenate([np.zeros(1, np.uint64), np.cumsum(products, dtype=np.uint64)])
        return rows, sums[features.indptr[rows + 1]] - sums[features.indptr[rows]]
    step = max(1, _CELLS_AT_ONCE // n_columns)
    parts = [_bits(features[first : first + step]) @ draws for first in range(0, n_rows, step)]
    return np.arange(n_rows), np.concatenate(parts)


def _bits(values: NDArray[np.floating]) -> NDArray[np.uint64]:
    """Return the bits of numbers as integers; those of 0 and -0 are the same."""
    numbers = np.ascontiguousarray(values + 0)
    return numbers.view(f"u{numbers.itemsize}").astype(np.uint64)
