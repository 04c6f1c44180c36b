"""Labels that are missing in a data set: refused, left unknown, or taken as negative."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError, MissingLabelError
from mlc.config.options import option
from mlc.config.texts import counted_of
from mlc.data.splits import CALLED, Split

MISSING_LABELS = ("refuse", "mask", "negative")
CHOICES = (
    "fill it with 0 or 1, or state {}missing_labels=mask, which leaves it unknown, or negative, which"
    " takes it as 0"
)

Mask = NDArray[np.bool_]


@dataclass
class MissingLabelOptions:
    """Options of sources with columns of 0 and 1 as labels.

    Attributes:
        missing_labels: "refuse" refuses a label that is neither 0 nor 1 but empty, NaN or ?; "mask"
            leaves it unknown, so that training and metrics use the known labels alone; "negative" takes
            it as 0.
    """

    missing_labels: str = option("refuse", choices=MISSING_LABELS)


@dataclass
class SoftLabelOptions(MissingLabelOptions):
    """Options of sources whose labels may be probabilities.

    Attributes:
        soft_labels: whether labels are numbers from 0 to 1, which the loss of some heads takes as
            targets; metrics, decision rules and the data card take them as positive from 0.5 on.
    """

    soft_labels: bool = False


# From this probability on, a soft label counts as positive.
HALF = 0.5
SOFT_RANGE = "with data.soft_labels=true labels must be numbers from 0 to 1"
SOFT_NOTE = (
    "Labels are probabilities: metrics, rules and this card take them as positive from 0.5 on."
)


class Probabilities(NamedTuple):
    """Targets (N, K), bool, which are the probabilities from `HALF` on; these; and which are known."""

    targets: Mask
    soft: NDArray[np.float32]
    known: Mask


def as_probabilities(
    columns: Sequence[NDArray[np.float64]], refusal: Callable[[int, int], str]
) -> Probabilities:
    """Return labels that are numbers from 0 to 1, from K columns (N,) with NaN where one is missing.

    Args:
        columns: the numbers of each label.
        refusal: the message for the row and column of the first number that is not in [0, 1].

    Raises:
        DataError: there is such a number.
    """
    values = np.stack(columns, axis=1)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0)
    if (wrong := first_not_soft(filled)) is not None:
        raise DataError(refusal(*wrong))
    soft = filled.astype(np.float32)
    return Probabilities(soft >= HALF, soft, known)


def first_not_soft(values: NDArray[np.floating]) -> tuple[int, int] | None:
    """Return row and column of the first value (N, K) that is not in [0, 1], such as NaN."""
    wrong = np.argwhere(~((values >= 0) & (values <= 1)))
    return None if not len(wrong) else (int(wrong[0, 0]), int(wrong[0, 1]))


def nominal_text(where: str, name: str, values: Sequence[str]) -> str:
    """Say that a nominal label cannot be a probability."""
    return (
        f"{where}: the label {name!r} is nominal, {{{', '.join(values[:4])}}}: with"
        " data.soft_labels=true labels must be numeric, from 0 to 1; leave the option out, or name"
        " other labels."
    )


def joined_soft(
    parts: Sequence[NDArray[np.float32] | None],
) -> NDArray[np.float32] | None:
    """Concatenate the soft targets of several files, (N_p, K) each; None if there are none."""
    tables = [part for part in parts if part is not None]
    return np.concatenate(tables) if tables else None


def unknown_handled(
    choice: str, known: Mask, refusal: Callable[[int, int], str]
) -> tuple[Mask | None, tuple[str, ...]]:
    """Return the mask of known labels, None if all count as known, and a note on the assumption.

    Args:
        choice: one of MISSING_LABELS.
        known: (N, K), False where a label is missing; its target is then False.
        refusal: the message for the row and column of the first missing label.

    Raises:
        MissingLabelError: a label is missing, and the choice is to refuse it.
    """
    if known.all():
        return None, ()
    if choice == "refuse":
        row, column = (int(index) for index in np.argwhere(~known)[0])
        raise MissingLabelError(refusal(row, column))
    if choice == "mask":
        return known, ()
    are = counted_of(int((~known).sum()), known.size, "label", "are")
    return None, (f"{are} missing and taken as negative.",)


def require_known(known: Mask, splits: Sequence[Split]) -> None:
    """Raise DataError if no label of a part is known; the test part may be empty."""
    for split in splits:
        for part, rows in split.parts().items():
            if len(rows) and not known[rows].any():
                raise DataError(
                    f"No label of the {CALLED[part]} rows is known: give labels to some of them, or"
                    " other rows."
                )


def joined_known(masks: Sequence[Mask | None], targets: Sequence[Mask]) -> Mask | None:
    """Concatenate the masks of known labels of several files, each (N_p, K); None if all are known."""
    if all(mask is None for mask in masks):
        return None
    return np.concatenate(
        [
            np.ones_like(part) if mask is None else mask
            for mask, part in zip(masks, targets, strict=True)
        ]
    )
