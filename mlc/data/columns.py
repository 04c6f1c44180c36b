"""Encoding of a data frame's columns as features."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.quoting import setting
from mlc.config.texts import as_known, as_written, listed
from mlc.data.files import IMAGE_ENDINGS
from mlc.data.label_cells import MISSING
from mlc.data.left_out import identifies, refuse_nested, without_row_numbers
from mlc.data.new_columns import no_column, note_on_empty, note_on_new, note_on_units
from mlc.data.numerals import (
    Unit,
    decimal_of,
    finite_numbers,
    gaps,
    marked,
    note_on_doubt,
    required_numbers,
    slips,
    unit_of,
)
from mlc.data.spotted import AS_NUMBERS, are_dates, note_on_many_values, note_on_spellings

# A column with more distinct words is text or an identifier.
MOST_CATEGORIES = 1000
# A column of words with this many rows, of which this share differ, is text or an identifier.
_FEW_ROWS, _ALL_DIFFERENT = 20, 0.9
# A value of at least this many words is probably a text.
_WORDS_OF_TEXT = 4
_NAMED = 8


class Encoded(NamedTuple):
    """Features (N, D), their names, and which of them are numeric.

    `categories` maps each column of words to its number of values; `notes` are assumptions; `units` are
    those of the columns of numbers with a unit.
    """

    values: NDArray[np.float64]
    names: list[str]
    numeric: NDArray[np.bool_]
    categories: dict[str, int]
    notes: tuple[str, ...] = ()
    units: Mapping[str, str] = {}


class _Column(NamedTuple):
    """Features (N, d) of one column, their names, and what its notes need.

    `odd`, `mark`, `unit` and `gap` describe odd cells; `is_text` says that most categories have several
    words.
    """

    values: NDArray[Any]
    names: list[str]
    numeric: bool
    odd: str | None = None
    mark: str | None = None
    unit: Unit | None = None
    gap: str | None = None
    is_text: bool = False


def encode_columns(
    frame: pd.DataFrame,
    where: str,
    names: Sequence[str] | None = None,
    test_is_drawn: bool = True,
) -> Encoded:
    """Encode numbers as they are and other columns one-hot as NAME=VALUE; missing numbers are NaN.

    Args:
        frame: the feature columns.
        where: the file, for messages.
        names: the features to encode, as named by an earlier call; None derives them from the frame.
        test_is_drawn: whether the test rows are drawn from these.

    Raises:
        DataError: a column is missing, or is not numeric and has too many values; a number is infinite.
    """
    if names is not None:
        refuse_nested(frame[[name for name in frame.columns if str(name) in names]], where)
        return _as_named(frame, where, names)
    refuse_nested(frame, where)
    frame, dropped = without_row_numbers(frame, test_is_drawn)
    decimal = decimal_of(frame)
    columns: dict[str, _Column] = {}
    refused = []
    for name in frame.columns:
        try:
            columns[str(name)] = _encode_column(frame[name], where, decimal)
        except _NoCategoriesError as error:
            refused.append(error)
    if refused:
        raise _all_refused(refused, where)
    feature_names = [name for column in columns.values() for name in column.names]
    if not feature_names:
        raise DataError(f"{where}: no column is left for features: name fewer in data.ignore.")
    twice = next((name for name, n in Counter(feature_names).items() if n > 1), None)
    if twice is not None:
        raise DataError(
            f"{where}: the column {twice!r} is named as the value {twice.partition('=')[2]!r} of"
            f" {twice.partition('=')[0]!r}: rename it."
        )
    widths = [len(column.names) for column in columns.values()]
    return Encoded(
        np.hstack([column.values for column in columns.values()]).astype(np.float64, copy=False),
        feature_names,
        np.repeat([column.numeric for column in columns.values()], widths),
        {name: len(column.names) for name, column in columns.items() if not column.numeric},
        (*(c.odd for c in columns.values() if c.odd is not None), *dropped, *_notes(columns)),
        {name: column.unit.unit for name, column in columns.items() if column.unit is not None},
    )


class _NoCategoriesError(DataError):
    """A column of words that are texts or identifiers; `said` counts them, `instead` is what to do."""

    def __init__(self, name: str, said: str, instead: str) -> None:
        super().__init__(name)
        self.name, self.said, self.instead = name, said, instead


def _all_refused(refused: Sequence[_NoCategoriesError], where: str) -> DataError:
    """Return one error for all columns whose words are no categories."""
    names = [error.name for error in refused]
    left_out = setting("data.ignore", names)
    first, *others = refused
    if not others:
        return DataError(
            f"{where}: the words of the column {first.name!r} are no categories ({first.said}):"
            f"{first.instead} name it in data.text if it is text, or leave it out by {left_out}."
        )
    said = listed([f"{error.name!r} ({error.said})" for error in refused], _NAMED, 70)
    instead = next((error.instead for error in refused if error.instead), "")
    return DataError(
        f"{where}: the words of {len(refused)} columns are no categories: {said}:{instead} name one in"
        f" data.text if it is text, and leave the others out by {left_out}."
    )


def _encode_column(column: pd.Series[Any], where: str, decimal: str | None) -> _Column:
    name = str(column.name)
    values = finite_numbers(column, where, decimal)
    if values is not None:
        unit = unit_of(column, values)
        mark = None if unit else marked(column, values)
        odd = note_on_doubt(column, decimal)
        return _Column(values[:, None], [name], True, odd, mark=mark, unit=unit, gap=gaps(column))
    slip = slips(column, where)
    words = _words(column)
    kinds = sorted({word for word in words if word is not None})
    filled = sum(word is not None for word in words)
    if filled >= _FEW_ROWS and len(kinds) * 2 >= filled:
        # Most are numbers, and many differ.
        mostly = slip or slips(column, where, recurring=True)
        if mostly is not None:
            raise DataError(
                f"{where}: {mostly}: correct it or leave it empty, or leave the column out by"
                f" {setting('data.ignore', [name])}."
            )
    if len(kinds) > MOST_CATEGORIES:
        raise _NoCategoriesError(name, f"{len(kinds)} different words", _instead(name, kinds))
    if filled >= _FEW_ROWS and len(kinds) >= _ALL_DIFFERENT * filled:
        differ = f"{len(kinds)} of {filled} rows differ"
        raise _NoCategoriesError(name, differ, _instead(name, kinds))
    one_hot = pd.get_dummies(pd.Categorical(words, categories=kinds)).to_numpy(dtype=np.float32)
    odd = None if slip is None else f"Warning: {slip}: all its values are taken as categories."
    if images := _of_images(name, kinds):
        odd = (
            f"Warning: the names of images in the column {name!r} are taken as categories:{images} leave"
            f" it out by {setting('data.ignore', [name])}."
        )
    if odd is None and not identifies(column):
        odd = note_on_many_values(name, kinds, filled)
    if odd is None:
        odd = note_on_spellings(name, kinds)
    several_words = sum(len(kind.split()) >= _WORDS_OF_TEXT for kind in kinds)
    is_text = several_words * 2 > len(kinds)
    return _Column(one_hot, [f"{name}={kind}" for kind in kinds], False, odd, is_text=is_text)


def _instead(name: str, kinds: Sequence[str]) -> str:
    """What to do with a column of names of images or of dates; empty for other columns."""
    if are_dates(kinds):
        return f" {AS_NUMBERS}, or"
    return _of_images(name, kinds)


def _of_images(name: str, kinds: Sequence[str]) -> str:
    """What to do with a column that names image files; empty for other columns."""
    if not kinds or not all(kind.lower().endswith(IMAGE_ENDINGS) for kind in kinds):
        return ""
    return f" its images are read by data=images and {setting('data.file', name)}, or"


def require_units(encoded: Encoded, known: Encoded, where: str) -> None:
    """Raise DataError for a column with another unit than in the training file; zeros need none."""
    for name in {**known.units, **encoded.units}:
        unit, usual = encoded.units.get(name), known.units.get(name)
        column = known.names.index(name)
        both = encoded.values[:, column], known.values[:, column]
        if unit != usual and all(np.nan_to_num(values).any() for values in both):
            has = "has no unit" if unit is None else f"is in {unit}"
            had = "without one" if usual is None else f"in {usual}"
            raise DataError(
                f"{where}: the column {name!r} {has}, and {had} in the training file: write both in one"
                " unit."
            )


def _as_named(frame: pd.DataFrame, where: str, names: Sequence[str]) -> Encoded:
    frame = frame.set_axis(_as_named_before(frame.columns, names), axis=1)
    encoded = np.zeros((len(frame), len(names)))
    numeric = np.zeros(len(names), dtype=bool)
    kinds: dict[str, dict[str, int]] = {}
    decimal = decimal_of(frame[[name for name in names if name in frame.columns]])
    for index, name in enumerate(names):
        if name in frame.columns:
            encoded[:, index], numeric[index] = required_numbers(frame[name], where, decimal), True
            continue
        column, is_category, kind = name.rpartition("=")
        while column and column not in frame.columns:
            column, _, more = column.rpartition("=")
            kind = f"{more}={kind}"
        if not is_category or column not in frame.columns:
            raise no_column(name, frame, where)
        kinds.setdefault(column, {})[kind] = index
    words = {name: _words_as(known, frame[name]) for name, known in kinds.items()}
    for name, known in kinds.items():
        given = [(row, known[word]) for row, word in enumerate(words[name]) if word in known]
        rows, indices = np.array(given, dtype=int).reshape(-1, 2).T
        encoded[rows, indices] = 1
    notes = [note_on_new(name, words[name], known, where) for name, known in kinds.items()]
    empty = [name for name, cells in words.items() if not any(cells)]
    empty += [names[int(j)] for j in np.flatnonzero(numeric & np.isnan(encoded).all(axis=0))]
    notes.append(note_on_empty(empty, len(frame)))
    columns = map(int, np.flatnonzero(numeric))
    found = {names[j]: unit_of(frame[names[j]], encoded[:, j]) for j in columns}
    notes.append(note_on_units(found.values()))
    units = {name: unit.unit for name, unit in found.items() if unit is not None}
    return Encoded(encoded, list(names), numeric, {}, tuple(filter(None, notes)), units)


def _words_as(known: Collection[str], column: pd.Series[Any]) -> list[str | None]:
    """Return the words of a column as known ones, where only accents are written otherwise."""
    words = _words(column)
    written = as_known({word for word in words if word is not None}, known)
    return [word and written.get(word, word) for word in words]


def _as_named_before(columns: Sequence[Any], names: Sequence[str]) -> list[Any]:
    """Return the names of columns as those of features, where only accents are written otherwise."""
    known = [*names, *(name.rpartition("=")[0] for name in names if "=" in name)]
    texts = [name for name in columns if isinstance(name, str)]
    written = dict(zip(texts, as_written(texts, known), strict=True))
    return [written.get(name, name) for name in columns]


def _notes(columns: Mapping[str, _Column]) -> tuple[str, ...]:
    """Describe gaps and marks in numbers, and texts that became categories."""
    texts = [name for name, column in columns.items() if column.is_text]
    marks = [column.mark for column in columns.values() if column.mark is not None]
    empty = [column.gap for column in columns.values() if column.gap is not None]
    notes = []
    if empty:
        notes.append(f"Gaps among numbers: {'; '.join(empty[:3])}.")
    if texts:
        notes.append(
            f"The values of {listed(texts, 5)} are taken as categories, although most have several"
            f" words: {setting('data.text', texts[0])} would count their words."
        )
    if marks:
        notes.append(f"Marks in numbers: {', '.join(marks[:3])}.")
    units = note_on_units(column.unit for column in columns.values())
    return (*notes, units) if units else tuple(notes)


def _words(column: pd.Series[Any]) -> list[str | None]:
    words = [None if value is None or value is pd.NA else str(value).strip() for value in column]
    return [None if word is None or word.lower() in MISSING else word for word in words]
