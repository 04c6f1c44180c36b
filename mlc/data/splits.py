"""Division of the rows into training, validation and test part."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.texts import counted, counted_of
from mlc.data.base import Dataset
from mlc.data.notices import say_once

log = logging.getLogger(__name__)

Rows = NDArray[np.int64]

# Number of labels in a message for each part, and characters of a name.
_SHOWN, _LONGEST = 3, 40
CALLED = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Split:
    """Row indices of the three disjoint parts."""

    train: Rows
    val: Rows
    test: Rows

    def parts(self) -> dict[str, Rows]:
        """Return the parts by name."""
        return {"train": self.train, "val": self.val, "test": self.test}


def split_dataset(dataset: Dataset, options: Any, seed: int) -> Split:
    """Split a data set into training, validation and test part; published parts are kept.

    The validation part depends on `seed`. An unpublished test part depends on `split_seed`, so that all
    runs have the same test rows, or on `seed` if `split_seed` is None. Both are drawn by iterative
    stratification (Sechidis et al. 2011, "On the stratification of multi-label data"), and their sizes
    do not depend on a seed.

    Raises:
        DataError: a part would be empty, or lacks a label while `absent_labels` is "error".
    """
    parts = dict(dataset.parts)
    if "test" not in parts:
        rows = np.arange(dataset.n_samples)
        split_seed = seed if options.split_seed is None else options.split_seed
        parts["train"], parts["test"] = hold_out(dataset, rows, options.test_fraction, split_seed)
    if "val" not in parts:
        parts["train"], parts["val"] = hold_out(dataset, parts["train"], options.val_fraction, seed)
    split = Split(**parts)
    _check_labels(dataset, split, options.absent_labels)
    return split


def hold_out(dataset: Dataset, rows: Rows, fraction: float, seed: int) -> tuple[Rows, Rows]:
    """Return the remaining rows and the `round(fraction * len(rows))` held-out rows, both sorted."""
    size = round(fraction * len(rows))
    if not 0 < size < len(rows):
        raise DataError(
            f"Holding {fraction:g} of {counted(len(rows), 'row')} of"
            f" {dataset.name!r} out leaves an empty part: give more rows, or another fraction."
        )
    targets = dataset.targets[rows]
    if targets.shape[1] == 1:
        # A label and its absence.
        targets = np.hstack([targets, ~targets])
    # Imports scipy.
    from mlc.data.stratification import stratified_part

    marked = stratified_part(targets, fraction, seed)
    remaining, held_out = np.flatnonzero(~marked), np.flatnonzero(marked)
    # The stratifier meets the size only approximately; random rows make up the difference.
    excess = len(held_out) - size
    rng = np.random.default_rng(seed)
    if excess > 0:
        moved = rng.choice(held_out, excess, replace=False)
        held_out = np.setdiff1d(held_out, moved)
    else:
        held_out = np.union1d(held_out, rng.choice(remaining, -excess, replace=False))
    return np.delete(rows, held_out), np.sort(rows[held_out])


def _check_labels(dataset: Dataset, split: Split, absent_labels: str) -> None:
    """Warn once per data set of labels without a positive in some part, or refuse them."""
    missing = {
        part: np.flatnonzero(~dataset.targets[rows].any(axis=0))
        for part, rows in split.parts().items()
    }
    n_absent = len(np.unique(np.concatenate(list(missing.values()))))
    if n_absent == 0:
        return
    is_one = n_absent == 1
    parts = "; ".join(
        f"{len(absent)} in {CALLED[part]}: {_named(dataset, absent)}"
        for part, absent in missing.items()
        if len(absent)
    )
    problem = (
        f"{dataset.name}: {counted_of(n_absent, dataset.n_labels, 'label', 'have')} no positive in some"
        f" part ({parts})"
    )
    if absent_labels == "error":
        raise DataError(
            f"{problem}: drop {'it' if is_one else 'them'}, try another seed or data.val_fraction,"
            " or set data.absent_labels=keep."
        )
    kept, refused = ("it is kept", "it") if is_one else ("they are kept", "them")
    message = f"{problem}: {kept}; data.absent_labels=error refuses {refused}."
    say_once(log, logging.WARNING, f"absent labels of {dataset.name}", message)


def _named(dataset: Dataset, labels: NDArray[np.int64]) -> str:
    names = ", ".join(repr(dataset.label_names[k][:_LONGEST]) for k in labels[:_SHOWN])
    return names if len(labels) <= _SHOWN else f"{names}, ..."
