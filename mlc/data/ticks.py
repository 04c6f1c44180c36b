"""Label columns of signs: ticks, perhaps beside crosses, dashes or empty cells, and 1 beside -1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import pandas as pd

from mlc.config.errors import DataError
from mlc.config.texts import shown
from mlc.data.label_bits import BINARY_WORDS
from mlc.data.locations import location_of
from mlc.data.title_rows import is_number

# Signs that mean yes whatever stands beside them.
_YES = frozenset("✓✔✅☑√●")
# Signs that tick a cell where other cells are empty, and mean no where others have a sign of `_YES`.
_EITHER = frozenset("x✗✘☒✖✕\u00d7")
# Those of them that often mean no, where they stand alone too.
_OFTEN_NO = frozenset("✗✘✖✕\u00d7")
_TICKS = _YES | _EITHER | frozenset("*+•")
# Signs that mean no beside a sign of `_YES`.
_NO = frozenset("❌☐□○◯") | _EITHER
_BOXES = frozenset("☐□")
DASHES = frozenset("-–—−")  # noqa: RUF001
_NOTHING = DASHES | {"0"}
# What forms write where a box is ticked, with nothing elsewhere.
_CHECKED = frozenset({"checked", "selected"})
# First words of what says that something is not there, or that nobody knows.
_WORDS_FOR_NO = """
    no not non none never nothing neither nor without negative neg absent missing unknown unclear
    normal healthy off unchecked unselected unticked inactive disabled excluded denied declined na
    n/a null kein keine nicht ohne negativ unbekannt sans aucun aucune absente inconnu négatif
    négative sin ninguno ninguna ausente negativo negativa desconocido senza nessuno assente sem
    nenhum
"""
_NOT_THERE = frozenset(_WORDS_FOR_NO.split())
# What pandas gives for a cell with nothing in it, as text.
_EMPTY = frozenset({"", "nan", "none", "<na>"})
# Which of two forms a sign is shown in, as text or as an emoji.
_VARIANTS = str.maketrans("", "", "\ufe0e\ufe0f")
_ONES, _MINUS_ONES = frozenset({"1", "1.0", "+1"}), frozenset({"-1", "-1.0"})


@dataclass(frozen=True)
class Ticks:
    """What the signs in label columns mean.

    Attributes:
        ones: signs for 1.
        zeros: signs for 0.
        note: what is assumed, in one sentence.
        sign: a sign for 1 as it is written.
        gaps_are_0: whether an empty cell is 0, and not an unknown label.
    """

    ones: frozenset[str]
    zeros: frozenset[str]
    note: str
    sign: str
    gaps_are_0: bool = False

    def value_of(self, cell: Any) -> int | None:
        """Return 1 or 0 for the sign in a cell, and None for other cells."""
        sign = sign_of(cell)
        return 1 if sign in self.ones else 0 if sign in self.zeros else None

    def values_in(self, columns: pd.DataFrame) -> set[int | None]:
        """Return the values of the cells that are not empty."""
        return {self.value_of(cell.sign) for cell in _filled(columns)}


def sign_of(cell: Any) -> str:
    """Return what is in a cell without blanks and case; "" for an empty one."""
    sign = str(cell).strip().translate(_VARIANTS).lower()
    return "" if sign in _EMPTY else sign


def ticks_in(columns: pd.DataFrame, where: str | None = None) -> Ticks | None:
    """Return what the signs in label columns mean; None for columns of other values.

    A sign in some cells is 1, and an empty cell, a dash or a 0 beside it is 0; so is a word, another
    in each of several columns. Beside a tick a cross is 0, as a minus beside a plus, and an empty cell
    is unknown. Of 1 and -1 alone, -1 is 0.

    Raises:
        DataError: the first sign is a tick and another cell has none that fits; only with `where`.
    """
    if _are_signed(columns):
        return Ticks(_ONES, _MINUS_ONES, "-1 in a column of a label is taken as 0.", "1")
    first = next((cell.sign for cell in _filled(columns) if cell.sign not in _NOTHING), None)
    if first is None or first not in _TICKS | _NO:
        # Zeros and ones are the most common, and end here.
        if first is None or first in BINARY_WORDS:
            return _boxes_in(columns) if first in _CHECKED else None
        return _words_in(columns)
    firsts: dict[str, _Cell] = {}
    spelled: dict[str, str] = {}
    for cell in _filled(columns):
        firsts.setdefault(cell.sign, cell)
        spelled[cell.sign] = min(cell.written, spelled.get(cell.sign, cell.written))
    signs = set(firsts) - _NOTHING
    ones = signs & _YES or signs & {"☒"}
    zeros = signs - ones
    taken = "in a column of a label is taken as 1,"
    # Beside a plus, a minus is a sign of its own, and a 0 a third one.
    has_minus = signs == {"+"} and bool(DASHES & set(firsts))
    if has_minus:
        ones, zeros = signs, set(firsts) & _NOTHING
    if ones and zeros and zeros <= (_NO if ones & _YES else DASHES if has_minus else _BOXES):
        # A further x may be a tick too, where cells are empty.
        if "x" not in zeros or not _has_gaps(columns):
            note = f"{_named(ones, spelled)} {taken} {_named(zeros, spelled)} as 0."
            return Ticks(frozenset(ones), frozenset(zeros), note, spelled[min(ones)])
    elif not has_minus and (signs <= _YES or (len(signs) == 1 and signs <= _TICKS)):
        nothing = "".join(f" or {sign!r}" for sign in sorted(set(firsts) & _NOTHING))
        note = f"{_named(signs, spelled)} {taken} an empty cell{nothing} as 0"
        if signs & _OFTEN_NO:
            note = f"Warning: {note}: if it means no, write 0 in its place and 1 in the other cells"
        return Ticks(frozenset(signs), _NOTHING, f"{note}.", spelled[min(signs)], True)
    if not has_minus and signs <= _TICKS - _OFTEN_NO and _one_in_each(columns):
        note = (
            f"One sign in each column of a label, {_named(signs, spelled)}, is taken as 1, and its other"
            " cells as 0."
        )
        return Ticks(frozenset(signs), _NOTHING, note, spelled[min(signs)], True)
    if where is not None and first in _TICKS:
        # Rather a word than another sign, which may stand beside the first.
        others = [cell for sign, cell in firsts.items() if sign != first]
        other = min(others, key=lambda cell: cell.sign in _TICKS | _NO | _NOTHING)
        sign = firsts[first].written
        # Of two signs, either may mean yes.
        is_sign = other.sign in _TICKS | _NO
        cure = "" if is_sign else f"leave the cells without {sign!r} empty, or "
        raise DataError(
            f"{where}: the label {other.name!r} is {shown(other.written)} in"
            f" {location_of(where, other.row)}, and other cells of labels are {sign!r}: {cure}write 0 or"
            " 1, yes or no, or true or false, in every row."
        )
    return None


class _Cell(NamedTuple):
    name: str
    row: int
    written: str
    sign: str


def _named(signs: set[str], spelled: Mapping[str, str]) -> str:
    return " or ".join(repr(spelled[sign]) for sign in sorted(signs))


def _filled(columns: pd.DataFrame) -> Iterator[_Cell]:
    """Yield the cells that are not empty."""
    for name in columns:
        for row, cell in enumerate(columns[name]):
            if sign := sign_of(cell):
                yield _Cell(str(name), row, str(cell).strip(), sign)


def _has_gaps(columns: pd.DataFrame) -> bool:
    return any(not sign_of(cell) for name in columns for cell in columns[name])


def _boxes_in(columns: pd.DataFrame) -> Ticks | None:
    """Return the meaning of checked or selected beside empty cells alone."""
    spelled = {cell.sign: cell.written for cell in _filled(columns)}
    signs = set(spelled) - _NOTHING
    if not signs <= _CHECKED or not _has_gaps(columns):
        return None
    note = f"{_named(signs, spelled)} in a column of a label is taken as 1, an empty cell as 0."
    return Ticks(frozenset(signs), _NOTHING, note, spelled[min(signs)], True)


def _words_in(columns: pd.DataFrame) -> Ticks | None:
    """Return the meaning of columns that each hold another word or nothing, as choices of surveys."""
    words: dict[str, str] = {}
    for name in columns:
        cells = {sign: str(cell).strip() for cell in columns[name] if (sign := sign_of(cell))}
        own = {sign: cell for sign, cell in cells.items() if sign not in _NOTHING}
        if len(own) > 1 or any(sign in BINARY_WORDS or is_number(sign) for sign in own):
            return None
        if any(sign.split()[0].strip(".,:;()") in _NOT_THERE for sign in own):
            return None  # The word may mean 0, and an empty cell 1.
        if own and len(own) == len({*map(sign_of, columns[name])}):
            return None  # No cell is empty.
        if not own and any(isinstance(cell, str) and cell.strip() for cell in columns[name]):
            return None  # The word may be "None".
        if set(own) & set(words):
            return None  # One word for all may say anything, such as "pending".
        words |= own
    if len(columns.columns) < 2 or not words:
        return None
    first = next(iter(words))
    note = (
        f"Each column of a label holds one word, such as {words[first]!r}, or nothing: the word is taken"
        " as 1, an empty cell as 0."
    )
    return Ticks(frozenset(words), _NOTHING, note, words[first], True)


def _one_in_each(columns: pd.DataFrame) -> bool:
    """Whether each column has one sign, in some of its cells alone."""
    for name in columns:
        signs = [sign_of(cell) for cell in columns[name]]
        if len(set(signs) - _NOTHING - {""}) != 1 or not set(signs) & (_NOTHING | {""}):
            return False
    return True


def _are_signed(columns: pd.DataFrame) -> bool:
    """Whether all cells are 1 or -1, or empty, and both occur."""
    found = set()
    for cell in _filled(columns):
        if cell.sign not in _ONES | _MINUS_ONES:
            return False
        found.add(cell.sign)
    return bool(found & _ONES and found & _MINUS_ONES)
