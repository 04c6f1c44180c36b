"""Encoding of a data frame's label columns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.texts import shown
from mlc.data.byte_columns import refuse_bytes
from mlc.data.label_bits import BINARY_WORDS, note_on_words, of_one_language
from mlc.data.label_cells import (
    GAPS,
    MISSING,
    CellForm,
    note_on_empty_cells,
    read_cells,
    read_cells_as,
)
from mlc.data.locations import location_of
from mlc.data.missing_labels import (
    CHOICES,
    SOFT_NOTE,
    SOFT_RANGE,
    Mask,
    as_probabilities,
    unknown_handled,
)
from mlc.data.ticks import DASHES, Ticks, ticks_in

# In a single 0/1 column, a smaller share of other values counts as slips.
_SLIPS = 0.1


class Labels(NamedTuple):
    """Targets (N, K), bool; K names; the form of the cells of a single column; assumptions.

    `known` (N, K) marks the known labels; None if all are. `soft` (N, K) are the labels, if they are
    probabilities. `ticks` are the signs in the cells, if they are not 0 and 1 or words for them.
    """

    targets: NDArray[np.bool_]
    names: tuple[str, ...]
    form: CellForm | None = None
    notes: tuple[str, ...] = ()
    known: Mask | None = None
    soft: NDArray[np.float32] | None = None
    ticks: Ticks | None = None


def separated(labels: Sequence[str], columns: Collection[str]) -> tuple[list[str], tuple[str, ...]]:
    """Take a name of no column as several columns with commas between them, if all of these exist.

    The name of a column may have commas itself; a comma behind the last name counts nothing.

    Returns:
        The columns, each once, and a note for each such name.
    """
    meant, notes = [], []
    for name in labels:
        parts = parts_of_name(name, columns)
        if name in columns or not parts or not set(parts) <= set(columns):
            meant.append(name)
            continue
        meant += parts
        *others, last = dict.fromkeys(parts)
        taken = f"{', '.join(others)} and {last}" if others else last
        notes.append(f"There is no label column {name!r}; it is taken as {taken}.")
    return list(dict.fromkeys(meant)) if notes else meant, tuple(notes)


def parts_of_name(name: str, columns: Collection[str]) -> list[str]:
    """Part a name at commas, but not within the name of a column; empty parts are left out."""
    words = str(name).split(",")
    parts, first = [], 0
    while first < len(words):
        ends = range(len(words), first, -1)
        texts = {end: ",".join(words[first:end]).strip() for end in ends}
        end = next((end for end in ends if texts[end] in columns), first + 1)
        parts.append(texts[end])
        first = end
    return [part for part in parts if part]


def require_columns(labels: Sequence[str], columns: Collection[str], where: str) -> None:
    """Raise DataError for a name of no column; it names the part that is none, if others are."""
    for name in labels:
        if name in columns:
            continue
        parts = parts_of_name(name, columns)
        wrong = [part for part in parts if part not in columns]
        missing, within = (wrong[0], f" (of {name!r})") if len(wrong) < len(parts) else (name, "")
        known = [repr(each) if "," in str(each) else str(each) for each in columns]
        raise DataError(
            f"{where}: there is no column {missing!r}{within}: data.labels may name"
            f" {', '.join(known[:20])}."
        )


def encode_labels(
    frame: pd.DataFrame,
    labels: Sequence[str],
    separator: str | None,
    where: str,
    form: CellForm | None = None,
    missing: str = "refuse",
    soft: bool = False,
    ticks: Ticks | None = None,
) -> Labels:
    """Encode label columns as targets.

    A single column holds label sets (see `read_cells`), or, without a separator, one label of 0 and 1 or
    of ticks. Several columns are labels of 0 and 1, or of ticks (see `ticks_in`). `form` is the form of
    the single column in an earlier file, `ticks` are the signs there, and `missing` says what to do with
    empty cells in columns of 0 and 1, as `MissingLabelOptions`; an empty cell of label sets is the empty
    set.

    Raises:
        DataError: a column is missing, a value is neither 0 nor 1, or there is no label at all.
    """
    require_columns(labels, frame.columns, where)
    for name in labels:
        refuse_bytes(frame[name], where)
    if soft:
        return _probabilities(frame, labels, where, missing)
    # A test file may have the sign for 0 alone.
    fits = ticks is not None and None not in ticks.values_in(frame[labels])
    if len(labels) == 1 and not fits and not _is_one_label(frame[labels], form, separator):
        sets = _label_sets(frame[labels[0]], separator, where, form)
        return sets if missing == "refuse" else _with_note(sets, frame[labels[0]], missing)
    if not fits:
        ticks = ticks_in(frame[labels], where)
    alone = len(labels) == 1
    values = np.stack(
        [_zeros_and_ones(frame[name], where, ticks, alone) for name in labels], axis=1
    )
    # A single column might have held classes.
    words = note_on_words(frame[labels[0]], str(labels[0])) if alone else None
    aside = (*filter(None, [words]),) if ticks is None else (ticks.note,)
    if ticks is not None and ticks.gaps_are_0:
        if missing == "refuse":
            values = np.where(np.isnan(values), 0, values)
        else:
            aside = ()  # What the user says of empty cells holds for them.
    known, notes = _known(~np.isnan(values), labels, where, missing)
    names = tuple(map(str, labels))
    return Labels(values == 1, names, None, (*aside, *notes), known, ticks=ticks)


def _with_note(sets: Labels, column: pd.Series[Any], missing: str) -> Labels:
    """Add that the choice about missing labels does not hold for label sets, if some are empty."""
    if sets.targets.any(axis=1).all():
        return sets
    note = (
        f"An empty cell of {str(column.name)!r} is a row without labels: data.missing_labels={missing}"
        " holds for columns of 0 and 1."
    )
    return sets._replace(notes=(*sets.notes, note))


def _known(
    given: Mask, labels: Sequence[str], where: str, missing: str
) -> tuple[Mask | None, tuple[str, ...]]:
    """Return the mask of known labels, or None, and a note; `given` (N, K) is False where missing."""

    def refusal(row: int, column: int) -> str:
        return (
            f"{where}: the label {str(labels[column])!r} is missing in {location_of(where, row)}:"
            f" {CHOICES.format('data.')}."
        )

    return unknown_handled(missing, given, refusal)


def _probabilities(frame: pd.DataFrame, labels: Sequence[str], where: str, missing: str) -> Labels:
    """Encode columns of numbers from 0 to 1.

    Raises:
        DataError: a cell is no such number.
    """

    def refusal(row: int, column: int) -> str:
        name = labels[column]
        return (
            f"{where}: the label {str(name)!r} is {shown(str(frame[name].iloc[row]).strip())} in"
            f" {location_of(where, row)}: {SOFT_RANGE}."
        )

    targets, soft, given = as_probabilities([_numbers(frame[name]) for name in labels], refusal)
    known, notes = _known(given, labels, where, missing)
    names = tuple(map(str, labels))
    return Labels(targets, names, None, (SOFT_NOTE, *notes), known, soft)


def _numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Return the number in each cell, NaN for a gap, and -1 for what is no number: (N,)."""
    words = [str(value).strip() for value in column]
    gaps = np.array([word.lower() in MISSING for word in words])
    # Of numbers from 0 to 1 a comma parts no thousands.
    words = [word.replace(",", ".") for word in words]
    numbers = pd.to_numeric(pd.Series(words, dtype=object).mask(gaps), errors="coerce")
    values = numbers.to_numpy(dtype=np.float64)
    return np.where(np.isnan(values) & ~gaps, -1.0, values)


def _label_sets(
    column: pd.Series[Any], separator: str | None, where: str, form: CellForm | None
) -> Labels:
    # scikit-learn takes a second to import, and mlc-predict does not need it.
    from sklearn.preprocessing import MultiLabelBinarizer

    name, values = str(column.name), column.tolist()
    found = {value.strip() for value in values if isinstance(value, str)}
    has_dashes = "+" in found if form is None else form.dashes
    if has_dashes:
        # A dash in quotes is a label.
        values = [f'"{v.strip()}"' if str(v).strip() in DASHES else v for v in values]
    if form is None:
        sets, form = read_cells(values, separator, where, name)
        form = replace(form, dashes=has_dashes)
    else:
        sets = read_cells_as(values, form, where, name)
    classes = [str(index) for index in range(form.width)]
    encoder = MultiLabelBinarizer(classes=classes or None).fit(sets)
    if len(encoder.classes_) == 0 or not any(sets):
        raise DataError(f"{where}: no row of the column {name!r} has a label.")
    targets = encoder.transform(sets).astype(bool)
    gaps = () if has_dashes else sorted(found & DASHES)
    notes = [f"{dash!r} in {name!r} is taken as no label." for dash in gaps]
    notes += filter(None, [note_on_empty_cells(column.tolist(), name)])
    return Labels(targets, tuple(map(str, encoder.classes_)), form, (*form.notes, *notes))


def _zeros_and_ones(
    column: pd.Series[Any], where: str, ticks: Ticks | None = None, alone: bool = True
) -> NDArray[np.float64]:
    """Return 0 or 1 for each cell, and NaN for an empty one: (N,); `alone` without other columns."""
    meaning = BINARY_WORDS.get if ticks is None else ticks.value_of
    words = (str(value).strip().lower() for value in column)
    gaps = GAPS if ticks is None or ticks.gaps_are_0 else GAPS - ticks.zeros
    values = [np.nan if word in gaps else meaning(word) for word in words]
    if None in values:
        wrong = values.index(None)
        is_share = 0 < _numbers(column.iloc[[wrong]])[0] < 1
        cure = (
            "state data.separator" if alone else "join those of a row in one column, as red|shirt"
        )
        probable = "; data.soft_labels=true takes probabilities" if is_share else ""
        raise DataError(
            f"{where}: the label {str(column.name)!r} is {shown(str(column.iloc[wrong]))} in"
            f" {location_of(where, wrong)}: labels must be 0 or 1, yes or no, or true or false,"
            " in every row, or one sign such as x in some cells of all label columns and nothing in the"
            f" others; where cells name labels, {cure}{probable}."
        )
    return np.array(values, dtype=np.float64)


def zero_one_columns(frame: pd.DataFrame, ticks: Ticks | None = None) -> list[str]:
    """Return the columns whose values are exactly 0 and 1, or words for them, or fit the ticks."""
    names = []
    for name in frame.columns:
        words = {str(value).strip().lower() for value in frame[name]}
        values = {BINARY_WORDS.get(word) for word in words} if of_one_language(words) else set()
        found = set() if ticks is None else ticks.values_in(frame[[name]])
        if values == {0, 1} or (1 in found and None not in found):
            names.append(str(name))
    return names


def _is_one_label(columns: pd.DataFrame, form: CellForm | None, separator: str | None) -> bool:
    """Whether a frame of one column is a label of 0 and 1 or of ticks in some of its cells."""
    if form is not None or separator:
        return False
    column = columns.iloc[:, 0]
    return _is_binary(column) or ticks_in(columns) is not None


def _is_binary(column: pd.Series[Any]) -> bool:
    """Whether a single column is a label of 0 and 1, perhaps with a few slips and gaps."""
    words = [str(value).strip().lower() for value in column]
    filled = [word for word in words if word not in GAPS]
    values = [BINARY_WORDS.get(word) for word in filled]
    n_slips = values.count(None)
    few = n_slips < _SLIPS * len(values) and {0, 1} <= set(values)
    return bool(values) and (not n_slips or few) and of_one_language(filled)
