"""Iterative stratification: rows divided so that each part has its share of each label."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array


def stratified_part(targets: NDArray[np.bool_], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Mark about ceil(fraction N) rows so that each label has this fraction of its rows among them.

    Each step takes the label with the fewest rows that are not yet placed, and gives each of its rows to
    the part that lacks most of this label, then to the part that lacks most rows; ties are broken at
    random. The numbers drawn, and so the result, are those of the package iterative-stratification
    0.1.9, whose time grows with rows times labels squared; here it is the number of true pairs, and
    labels squared.

    Source: Sechidis et al. 2011, "On the stratification of multi-label data".

    Args:
        targets: (N, K).
        fraction: the share of the marked rows.
        seed: of the random numbers.

    Returns:
        (N,), bool.
    """
    n_rows = len(targets)
    n_marked = math.ceil(fraction * n_rows)
    rng = np.random.RandomState(seed)
    order = np.arange(n_rows)
    rng.shuffle(order)
    parts = _Parts(csr_array(targets)[order], np.array([n_rows - n_marked, n_marked]) / n_rows, rng)
    while parts.unplaced.any():
        label = parts.rarest_label()
        if label is None:
            parts.place_unlabelled()
        else:
            parts.place(label)
    marked = np.zeros(n_rows, dtype=bool)
    marked[order] = parts.part == 1
    return marked


class _Parts:
    """The part, 0 or 1, of each row placed so far, and the rows and labels that each part lacks.

    Attributes:
        part: (N,), int.
        unplaced: (N,), bool.
    """

    def __init__(
        self, targets: csr_array, shares: NDArray[np.float64], rng: np.random.RandomState
    ) -> None:
        n_rows = targets.shape[0]
        self._rng = rng
        by_label = targets.tocsc()
        of_all = targets.indices.tolist()
        self._labels = [of_all[first:end] for first, end in pairwise(targets.indptr.tolist())]
        self._rows = np.split(by_label.indices, by_label.indptr[1:-1])
        self._left = np.diff(by_label.indptr).astype(np.int64)
        self._lacks = (shares * n_rows).tolist()
        # Lists, since the items are changed one by one.
        self._lacks_label = [(share * self._left).tolist() for share in shares]
        self.part = np.zeros(n_rows, dtype=np.int64)
        self.unplaced = np.ones(n_rows, dtype=bool)

    def rarest_label(self) -> int | None:
        """Return the label with the fewest rows to be placed, or None if none has such rows."""
        some = self._left[self._left > 0]
        if not len(some):
            return None
        rarest = np.flatnonzero(self._left == some.min())
        return int(rarest[self._rng.choice(len(rarest)) if len(rarest) > 1 else 0])

    def place(self, label: int) -> None:
        """Place all rows of a label that are not yet placed."""
        rows = self._rows[label]
        rows = rows[self.unplaced[rows]]
        placed = [self._labels[row] for row in rows.tolist()]
        first, second = self._lacks_label
        chosen = []
        for labels in placed:
            lacks = first[label], second[label]
            part = self._choose(lacks if lacks[0] != lacks[1] else self._lacks)
            chosen.append(part)
            lacking = self._lacks_label[part]
            for other in labels:
                lacking[other] -= 1
        self.part[rows] = chosen
        self.unplaced[rows] = False
        self._left -= np.bincount(list(chain.from_iterable(placed)), minlength=len(self._left))

    def place_unlabelled(self) -> None:
        """Place the remaining rows, which have no label."""
        rows = np.flatnonzero(self.unplaced)
        self.part[rows] = [self._choose(self._lacks) for _ in rows]
        self.unplaced[rows] = False

    def _choose(self, lacks: Sequence[float]) -> int:
        """Return the part of the next row: the one that lacks more, or a random one."""
        part = int(lacks[1] > lacks[0]) if lacks[0] != lacks[1] else int(self._rng.choice(2))
        self._lacks[part] -= 1
        return part
