"""Parsing of label sets in the cells of one column."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlc.config.errors import DataError
from mlc.config.texts import shown
from mlc.data.label_bits import as_bits, bits
from mlc.data.label_literals import bare_words, is_bracketed, literal
from mlc.data.label_separators import infer_separator, split_cell
from mlc.data.locations import location_of
from mlc.data.object_cells import without_objects
from mlc.data.ticks import DASHES

# Cells for a missing value, in features too: "?", \N of MySQL, and those of pandas.read_csv.
MISSING = {
    "", "?", "na", "nan", "null", "none", "n/a", "#n/a", "#n/a n/a", "#na", "<na>", "-nan",
    "\\n", "1.#ind", "-1.#ind", "1.#qnan", "-1.#qnan",
}  # fmt: skip
# Those among zeros and ones.
GAPS = MISSING | DASHES
_EMPTY_SETS = {"[]", "()", "{}", "set()", "frozenset()", "array([])"}
_NO_LABEL = GAPS | _EMPTY_SETS
Labels = list[Any]


@dataclass(frozen=True)
class CellForm:
    """The form of label sets in a column.

    Attributes:
        kind: "separated" labels, "lists" of labels or "vectors" of 0 and 1.
        separator: the separator of "separated" labels; None is one label per cell.
        width: the length of a vector.
        notes: assumptions, one sentence each.
        dashes: whether a dash is a label.
        objects: whether sets of several labels are objects, and texts beside them one label each.
    """

    kind: str
    separator: str | None = None
    width: int = 0
    notes: tuple[str, ...] = ()
    dashes: bool = False
    objects: bool = False


def read_cells(
    values: Sequence[Any], separator: str | None, where: str, name: str
) -> tuple[list[list[str]], CellForm]:
    """Parse the cells of a column; return the labels of each cell and the form of the column.

    Cells are lists (of words, of indices, of 0 and 1) or texts. A text is a list as written by JSON,
    Python or numpy, labels with a separator between them (None infers it), or zeros and ones. A label
    in double quotes may contain the separator, and doubled quotes.

    Raises:
        DataError: a cell has a different form than the others.
    """
    values, example = without_objects(values)
    cells = _parsed(values, separator is None, where, name)
    if example is not None:
        cells = _as_lists(cells)
        said = (
            f"Cells of {name!r} such as {shown(example)} hold several labels, and others one each."
        )
        return _sets(cells, CellForm("lists", notes=(said,), objects=True), where, name)
    lists = [cell for cell in cells if isinstance(cell, list)]
    if (vectors := as_bits(cells, separator)) is not None:
        cells = lists = vectors
    if lists:
        form = _form_of_lists(cells, values, where, name)
    elif separator is not None:
        form = CellForm("separated", separator)
    else:
        texts = [cell for cell in cells if isinstance(cell, str)]
        inferred, note = infer_separator(texts, name)
        form = CellForm("separated", inferred, notes=(note,) if note else ())
    return _sets(cells, form, where, name)


def read_cells_as(values: Sequence[Any], form: CellForm, where: str, name: str) -> list[list[str]]:
    """Parse the cells of another file in the form of the first file.

    Raises:
        DataError: a cell has another form.
    """
    values, _ = without_objects(values)
    cells = _parsed(values, form.kind != "separated", where, name)
    if form.objects:
        cells = _as_lists(cells)
    if form.kind == "vectors":
        cells = [(bits(cell) or cell) if isinstance(cell, str) else cell for cell in cells]
    return _sets(cells, form, where, name)[0]


def note_on_empty_cells(values: Sequence[Any], name: str) -> str | None:
    """Return a note on a column in which some cells are gaps and others are empty sets."""
    n_gaps = n_empty = 0
    for value in values:
        if isinstance(value, (list, tuple, set, frozenset, np.ndarray)):
            n_empty += np.size(value) == 0 if isinstance(value, np.ndarray) else not value
        elif _is_gap(value) or (text := str(value).strip().lower()) in MISSING:
            n_gaps += 1
        else:
            n_empty += text in _EMPTY_SETS
    if not (n_gaps and n_empty):
        return None
    return (
        f"Of {name!r} {n_gaps} cells have no value and {n_empty} an empty set, and both are read as no"
        " label: if no value means that nobody labelled the row, leave these rows out of the file."
    )


def join_labels(labels: Sequence[str], separator: str = ";") -> str:
    """Write labels as one cell that `read_cells` reads back; ambiguous labels are quoted."""
    return separator.join(_quoted(label, separator) for label in labels)


def _quoted(label: str, separator: str) -> str:
    plain = label == label.strip() and separator not in label and not label.startswith('"')
    if plain and label.lower() not in _NO_LABEL:
        return label
    return '"' + label.replace('"', '""') + '"'


def _as_lists(cells: Sequence[Labels | str | None]) -> list[Labels | str | None]:
    return [[cell] if isinstance(cell, str) else cell for cell in cells]


def _parsed(values: Sequence[Any], lists: bool, where: str, name: str) -> list[Labels | str | None]:
    """Convert each cell to a list, a text, or None for no label."""
    cells: list[Any] = [_plain(value) for value in values]
    texts = {cell for cell in cells if isinstance(cell, str)}
    if not lists or not any(map(is_bracketed, texts)):
        return cells
    with warnings.catch_warnings():
        # Escapes such as "\d" in a label cause warnings.
        warnings.simplefilter("ignore")
        known = {text: literal(text) for text in texts}
    if all(is_bracketed(text) for text in known) and any(v is None for v in known.values()):
        square = all(text.strip()[0] in "[{" for text in known)
        if square and all(known[t] is not None or bare_words(t) is not None for t in known):
            known = {t: bare_words(t) if v is None else v for t, v in known.items()}
    # Names may be in parentheses, and some in brackets; only a column of brackets holds lists.
    if all(v is None for v in known.values()) and not all(t.strip()[0] in "[{" for t in known):
        return cells
    for row, cell in enumerate(cells):
        if isinstance(cell, str) and known[cell] is None:
            raise DataError(
                f"{where}: the cell {shown(cell)} of {name!r} in {location_of(where, row)} is no list"
                " that can be read: write all in one form, or state data.separator."
            )
    return [known[cell] if isinstance(cell, str) else cell for cell in cells]


def _plain(value: Any) -> Labels | str | None:
    if isinstance(value, np.ndarray):
        return value.tolist() if value.ndim else _plain(value.item())
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    if _is_gap(value):
        return None
    text = str(value).strip()
    return None if text.lower() in _NO_LABEL else text


def _is_gap(value: Any) -> bool:
    # Comparing pandas' NA with itself gives NA, which has no truth value.
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def _form_of_lists(cells: Sequence[Any], values: Sequence[Any], where: str, name: str) -> CellForm:
    filled = [(row, cell) for row, cell in enumerate(cells) if cell is not None]
    for row, cell in filled:
        if isinstance(cell, str) or any(
            isinstance(v, (list, tuple, dict, set, type(...))) for v in cell
        ):
            raise DataError(
                f"{where}: the cell {shown(cell)} of {name!r} in {location_of(where, row)} is no plain"
                " list of labels, as others are: write all in one form."
            )
    if _is_vectors(lists := [cell for _, cell in filled]):
        width = len(next(cell for cell in lists if cell))
        note = f"{name!r} holds vectors of 0 and 1: its labels are called 0 to {width - 1}."
        return CellForm("vectors", width=width, notes=(note,))
    if _is_padded(lists):
        note = f"-1 in {name!r} is taken as padding, which is not a label."
        return CellForm("lists", notes=(note,))
    _refuse_almost(filled, where, name)
    parsed = any(isinstance(value, str) for value in values)
    return CellForm("lists", notes=(f"The cells of {name!r} are read as lists.",) if parsed else ())


def _is_vectors(lists: Sequence[Labels]) -> bool:
    filled = [cell for cell in lists if cell]
    if not filled or not all(_is_zero_or_one(value) for cell in filled for value in cell):
        return False
    # A set repeats no index.
    repeats = any(len(set(cell)) < len(cell) for cell in filled)
    return repeats or (len(filled) == len(lists) and len({len(cell) for cell in filled}) == 1)


def _refuse_almost(filled: Sequence[tuple[int, Labels]], where: str, name: str) -> None:
    """Refuse a column that is almost, but not entirely, of vectors or padded lists.

    Raises:
        DataError: a cell repeats a number or has a negative one, so its numbers are not label numbers.
    """
    for row, cell in filled:
        numbers = [value for value in cell if isinstance(value, (int, float))]
        if len(set(numbers)) < len(numbers) or any(value < 0 for value in numbers):
            raise DataError(
                f"{where}: the cell {shown(cell)} of {name!r} in {location_of(where, row)} has a number"
                " twice or below 0, and not all cells are vectors of 0 and 1, or padded with -1:"
                " write all in one form."
            )


def _is_padded(lists: Sequence[Labels]) -> bool:
    if not all(_is_whole(v) and v >= -1 for c in lists for v in c if v == v):
        return False
    signs = not any(v > 1 for c in lists for v in c)  # As 1 and -1, which recur.
    padded = not signs or all(c.count(v) < 2 for c in lists for v in (0, 1))
    return padded and len(set(map(len, lists))) == 1 and any(-1 in c for c in lists)


def _is_whole(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def _is_zero_or_one(value: Any) -> bool:
    return isinstance(value, (bool, int, float, np.generic)) and value in (0, 1)


def _sets(
    cells: Sequence[Any], form: CellForm, where: str, name: str
) -> tuple[list[list[str]], CellForm]:
    padded = any("padding" in note for note in form.notes)
    sets = []
    for row, cell in enumerate(cells):
        if form.kind == "vectors":
            sets.append(_of_vector(cell, form.width, where, name, row))
        elif isinstance(cell, str):
            if form.kind == "lists":
                raise DataError(
                    f"{where}: the cell {shown(cell)} of {name!r} in {location_of(where, row)} is no"
                    " list, as in the training file: write it as one."
                )
            sets.append(split_cell(cell, form.separator))
        else:
            labels = [] if cell is None else [v for v in cell if not (padded and v == -1)]
            if any(isinstance(v, float) and math.isinf(v) for v in labels):
                raise DataError(
                    f"{where}: the cell {shown(cell)} of {name!r} in {location_of(where, row)} holds a"
                    " number that is infinite, or too large for 64 bits: write it in quotes."
                )
            sets.append([label for label in map(_name_of, labels) if label])
    return sets, form


def _of_vector(cell: Any, width: int, where: str, name: str, row: int) -> list[str]:
    if not isinstance(cell, list) or len(cell) != width or not all(map(_is_zero_or_one, cell)):
        raise DataError(
            f"{where}: the cell {shown(cell)} of {name!r} in {location_of(where, row)} is no vector of"
            f" {width} zeros and ones, as the others are: correct it."
        )
    return [str(index) for index, value in enumerate(cell) if value]


def _name_of(value: Any) -> str:
    is_whole = isinstance(value, float) and value.is_integer()
    return "" if _is_gap(value) else str(int(value) if is_whole else value).strip()
