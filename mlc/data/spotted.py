"""What a reader of a table may have overlooked: empty and repeated texts, labels that differ by case."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlc.config.quoting import setting
from mlc.config.texts import counted_of, fitted, folded_name, listed
from mlc.data.locations import location_of

_NAMED, _LONGEST = 5, 40
# Of fewer rows, each may have a label or a value of its own.
_FEW_ROWS = 20
# Of a value with fewer rows, little can be learned.
_ROWS_OF_VALUE = 5
_DATE = re.compile(r"\d{1,4}[-./]\d{1,2}[-./]\d{1,4}(\D|$)")
AS_NUMBERS = "write dates as numbers, such as days since the first"


def empty_texts(texts: Sequence[str], where: str) -> tuple[str, ...]:
    """Note the rows of a file whose text is empty or blank."""
    rows = [row for row, text in enumerate(texts) if not text.strip()]
    if not rows:
        return ()
    is_one = len(rows) == 1
    return (
        f"Warning: {counted_of(len(rows), len(texts), 'text', 'are')} empty"
        f" ({listed([location_of(where, row) for row in rows], _NAMED, 40)}): without any word, the"
        f" labels of {'this row' if is_one else 'these rows'} cannot be told.",
    )


def repeated_texts(texts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Note texts that stand in several rows, by the part's file: "train", and perhaps "val" and "test".

    Empty texts are none.
    """
    words = {part: [text.strip() for text in of_part] for part, of_part in texts.items()}
    counts = Counter(text for text in words["train"] if text)
    notes = []
    n_repeated = sum(counts.values()) - len(counts)
    if n_repeated:
        repeat = counted_of(n_repeated, len(words["train"]), "text", "repeat")
        drawn = "" if len(words) > 2 else ", and may be in another part than the first"
        notes.append(
            f"Warning: {repeat} an earlier one{drawn}: data without copies say more about new texts."
        )
    for part, name in (("val", "validation"), ("test", "test")):
        n_known = sum(text in counts for text in words.get(part, ()))
        if n_known:
            notes.append(
                f"Warning: {n_known:,} of {len(words[part]):,} {name} texts are texts of the training"
                " file too: leave them out of one of the files."
            )
    return tuple(notes)


def unshared_labels(targets: NDArray[np.bool_], names: Sequence[str]) -> tuple[str, ...]:
    """Note labels (N, K) of one column, of which most rows have one, that no other row has."""
    n_rows, n_labels = targets.shape
    n_unshared = int((targets.sum(axis=0) == 1).sum())
    if not names or n_rows < _FEW_ROWS or 2 * n_unshared < n_rows or targets.sum(axis=1).max() > 1:
        return ()
    example = fitted(names[0], _LONGEST)
    return (
        f"Warning: {n_rows:,} rows have {n_labels:,} different labels, such as {example!r}, each row one"
        " at most: such labels cannot be learned, as those of a column of measurements, texts or"
        " identifiers; name another column in data.labels, or state data.separator.",
    )


def alike_labels(names: Sequence[str], where: str = "the file") -> tuple[str, ...]:
    """Note labels whose names differ only by upper and lower case or blanks."""
    groups = _alike(names)
    if not groups:
        return ()
    return (
        f"Warning: labels whose names differ only by case or blanks are different labels:"
        f" {listed(groups, _NAMED, 60)}; write them alike in {where} if they are not.",
    )


def note_on_spellings(column: str, values: Sequence[str]) -> str | None:
    """Note the categories of a column that differ only by upper and lower case or blanks."""
    groups = _alike(values)
    if not groups:
        return None
    return (
        f"Warning: values of {column!r} that differ only by case or blanks are different categories:"
        f" {listed(groups, _NAMED, 60)}; write them alike in the file if they are not."
    )


def are_dates(values: Sequence[str]) -> bool:
    """Whether all values of a column look like dates, perhaps with a time."""
    return all(_DATE.match(value) for value in values)


def note_on_many_values(column: str, values: Sequence[str], n_filled: int) -> str | None:
    """Note that a column of categories has many values with few rows each, or many dates.

    Args:
        column: its name.
        values: the distinct ones.
        n_filled: the rows that have a value.
    """
    if n_filled < _FEW_ROWS or len(values) < min(_FEW_ROWS, n_filled / 2):
        return None
    dates = are_dates(values)
    if not dates and len(values) * _ROWS_OF_VALUE <= n_filled:
        return None
    different, instead, why = "different values", "replace it by numbers", ""
    if dates:
        different, instead, why = "dates", AS_NUMBERS, ", and new rows have other dates"
    return (
        f"Warning: the column {column!r} has {len(values)} {different} in {n_filled} rows, each of them"
        f" a feature{why}: leave it out by {setting('data.ignore', [column])}, or {instead}."
    )


def _alike(names: Sequence[str]) -> list[str]:
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(folded_name(name), []).append(name)
    return [" and ".join(map(repr, group)) for group in alike.values() if len(group) > 1]
