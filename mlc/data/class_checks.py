"""What labels that name one class per row may not be."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.texts import counted, shown
from mlc.data.label_literals import literal
from mlc.data.label_separators import combined_by
from mlc.data.object_cells import labels_in
from mlc.data.rows import is_missing
from mlc.data.spotted import alike_labels

log = logging.getLogger(__name__)


def refuse_joined(values: NDArray[Any]) -> None:
    """Raise DataError for texts that each hold a label set."""
    texts: dict[str, int] = {}
    for row, value in enumerate(values):
        if isinstance(value, str):
            texts.setdefault(value, row)
    if not texts:
        return
    filled = [text.strip() for text in texts if text.strip()]
    with warnings.catch_warnings():
        # Escapes such as "\d" in a text cause warnings.
        warnings.simplefilter("ignore")
        are_lists = bool(filled) and all(literal(text) is not None for text in filled)
    if are_lists:
        row = texts[next(text for text in texts if text.strip())]
        raise DataError(
            f"y is {shown(values[row])} in row {row}, a list written as text: give lists, as by"
            " [ast.literal_eval(text) for text in y]."
        )
    odd = next((text for text in filled if labels_in(text) is not None), None)
    if odd is not None:
        raise DataError(
            f"y is {shown(odd)} in row {texts[odd]}, a label set written as an object: give a list of"
            " labels for each row."
        )
    sign = combined_by(filled)
    if sign is not None:
        row = next(row for text, row in texts.items() if sign in text)
        raise DataError(
            f"y is {shown(values[row])} in row {row}, and what {sign!r} parts recurs in other rows:"
            f" give lists of labels, as by {splitting(sign)}, or classes without this sign."
        )


def splitting(sign: str) -> str:
    """Python code that parts the texts of `y` into lists of labels, without blanks and empty ones."""
    parts = f"text.split({sign!r})"
    return f"[[label.strip() for label in {parts} if label.strip()] for text in y]"


def warn_of_alike(labels: NDArray[Any]) -> None:
    """Log a warning of labels (K,) that differ only by case or blanks."""
    for note in alike_labels([label for label in labels.tolist() if isinstance(label, str)], "y"):
        log.warning("In y, %s", note.removeprefix("Warning: "))


def warn_of_blank(labels: NDArray[Any], counts: NDArray[np.integer]) -> None:
    """Log a warning of labels (K,) without a letter, and how many rows (K,) have them."""
    for label, n in zip(labels.tolist(), counts.tolist(), strict=True):
        if isinstance(label, str) and not label.strip():
            log.warning(
                "%s is a label of %s of y, as splitting the text of a row without labels gives: leave it"
                " out.",
                shown(label),
                counted(n, "row"),
            )


def require_one_kind(values: NDArray[Any]) -> None:
    """Raise DataError unless the classes are all texts or all numbers, without missing values."""
    for row, value in enumerate(values):
        if is_missing(value):
            raise DataError(
                f"y is {shown(value)} in row {row}: give its class, or leave the row out."
            )
        if isinstance(value, str) != isinstance(values[0], str):
            raise DataError(
                f"y is {shown(values[0])} in row 0 and {shown(value)} in row {row}: write all classes as"
                " text, or all as numbers."
            )
