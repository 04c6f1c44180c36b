"""Splitting a cell into labels, and inference of the separator."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache

from mlc.config.texts import shortened

# In the order of trial.
SEPARATORS = (";#", ";", "；", "؛", "|", "｜", "\t", "\n", "、", ",", "，", "،", "#", "/", " ")  # noqa: RUF001
NAMES = {"\t": "tab", "\n": "newline", " ": "blank"}
_LONGEST = 40  # Characters of a cell in a note.
# Characters that names do not contain: a single cell with one is sufficient evidence.
_CERTAIN = (";#", ";", "；", "؛", "|", "｜", "\t", "\n", "、")  # noqa: RUF001
# Microsoft's lists have it between choices.
_OF_LISTS = ";#"
# Rarer separators, which a note proposes.
_POSSIBLE = ("<br>", "<br/>", "·", "•", "+", "&", " and ", " und ", " et ", ":", "~", "^", ">", "_")


def split_cell(text: str, separator: str | None) -> list[str]:
    """Split one cell into labels; a label in double quotes may contain the separator.

    >>> split_cell('a; "b;c" ;;d', ";")
    ['a', 'b;c', 'd']
    """
    if separator is None:
        return [label] if (label := _unquoted(text.strip())) else []
    pieces = text.split(separator) if '"' not in text else _pattern(separator).findall(text)
    return [label for piece in pieces if (label := _unquoted(piece.strip()))]


def infer_separator(cells: Sequence[str], name: str) -> tuple[str | None, str | None]:
    """Infer the separator of a column; return it, or None for one label per cell, and a note.

    Names may contain a comma, #, / or a blank. Such a character is the separator if most of the pieces
    recur in other cells; for a blank, one of these pieces must also fill a cell.
    """
    different = list(dict.fromkeys(cells))
    possible = next((sign for sign in _POSSIBLE if _recurs(different, sign)), None)
    for separator in SEPARATORS:
        # If " and " is the separator, splitting by blanks would make "and" a label.
        if separator == " " and possible is not None:
            break
        if _explains(different, separator):
            shown = f"{NAMES[separator]}s" if separator in NAMES else repr(separator)
            return separator, (
                f"The labels of {name!r} are separated by {shown}; data.separator states another."
            )
    if possible is not None:
        holding = next(cell for cell in different if possible in cell)
        return None, (
            f"Warning: each cell of {name!r} is one label, such as {shortened(holding, _LONGEST)!r}, but"
            f" what {possible!r} parts recurs: data.separator={stated_as(possible)} would split it."
        )
    for separator in reversed(SEPARATORS):
        example = next((cell for cell in different if separator in cell), None)
        if example is not None:
            return None, (
                f"Each cell of {name!r} is one label, such as {shortened(example, _LONGEST)!r};"
                f" data.separator={stated_as(separator)} would split it."
            )
    return None, None


def _explains(cells: Sequence[str], separator: str) -> bool:
    if not any(separator in cell for cell in cells):
        return False
    pieces = [split_cell(cell, separator) for cell in cells]
    parted = [labels for labels in pieces if len(labels) > 1]
    if separator == _OF_LISTS:
        return _parts_choices(cells)
    if separator in _CERTAIN:
        return bool(parted) or separator == ";"
    if not parted or (separator in "#/" and _is_part_of_names(cells, separator)):
        return False
    in_cells = Counter(piece for labels in pieces for piece in set(labels))
    recurring = [piece for labels in parted for piece in labels if in_cells[piece] > 1]
    if not _recurs(cells, separator):
        return False
    alone = {labels[0] for labels in pieces if len(labels) == 1}
    return separator != " " or bool(alone & set(recurring)) or _is_mixed(parted, in_cells)


def _recurs(cells: Sequence[str], separator: str) -> bool:
    """Whether most pieces of these distinct cells occur in several of them."""
    if not any(separator in cell for cell in cells):
        return False
    pieces = [split_cell(cell, separator) for cell in cells]
    parted = [labels for labels in pieces if len(labels) > 1]
    in_cells = Counter(piece for labels in pieces for piece in set(labels))
    recurring = sum(in_cells[piece] > 1 for labels in parted for piece in labels)
    return 2 * recurring > sum(map(len, parted))


def combined_by(cells: Sequence[str]) -> str | None:
    """Return the separator of these distinct cells, whose pieces recur; None without one.

    Unlike `infer_separator`, it tries no character that is common in names.
    """
    signs = [sign for sign in (*_CERTAIN, ",") if sign != _OF_LISTS or _parts_choices(cells)]
    return next((sign for sign in signs if _recurs(cells, sign)), None)


def _parts_choices(cells: Sequence[str]) -> bool:
    """Whether ;# parts choices, and not ; labels that each begin with #."""
    plain = not any(cell.startswith("#") for cell in cells)
    return plain and all(cell.count(";") == cell.count(_OF_LISTS) for cell in cells)


def stated_as(separator: str) -> str:
    """Return the typed form of a separator in data.separator=...

    >>> stated_as(" and "), stated_as(" "), stated_as("+")
    ("' and '", 'blank', "'+'")
    """
    return NAMES.get(separator, f"'{separator}'")


def _is_part_of_names(cells: Sequence[str], separator: str) -> bool:
    """Whether cells such as C# or AC/ end or begin with the separator, unless all begin with it."""
    leading = all(cell.startswith(separator) for cell in cells)
    return any(
        cell.endswith(separator) or (cell.startswith(separator) and not leading) for cell in cells
    )


def _is_mixed(parted: Sequence[Sequence[str]], in_cells: Counter[str]) -> bool:
    """Whether few pieces make many cells of several lengths, unlike a list of names."""
    return len({len(labels) for labels in parted}) > 1 and 2 * len(in_cells) <= len(parted)


@cache
def _pattern(separator: str) -> re.Pattern[str]:
    part = re.escape(separator)
    quoted = r'[^\S\n]*"(?:[^"]|"")*"[^\S\n]*'
    return re.compile(rf"(?:{quoted}(?={part}|$)|(?:(?!{part})[\s\S])+)")


def _unquoted(piece: str) -> str:
    if len(piece) > 1 and re.fullmatch(r'"(?:[^"]|"")*"', piece):
        return piece[1:-1].replace('""', '"')
    return piece


def separator_named(given: str) -> str:
    """Return the separator for its typed form, such as "\\t" or "tab", "\\n" or "newline", "blank"."""
    return {"\\t": "\t", "\\n": "\n"}.get(given, {v: k for k, v in NAMES.items()}.get(given, given))
