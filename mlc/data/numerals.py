"""Parsing of numbers with decimal commas, thousands separators and units."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.quoting import setting
from mlc.config.texts import counted, shown
from mlc.data.label_cells import MISSING
from mlc.data.locations import location_of
from mlc.data.units import THOUSANDS, is_zero, measured, without_unit

_COMMA = re.compile(
    rf"[+-]?(?:\d+|[1-9]\d{{0,2}}(?:\.\d{{3}})+|[1-9]\d{{0,2}}(?:[{THOUSANDS}]\d{{3}})+)?(?:,\d+)?(?:[eE][+-]?\d+)?",
    re.ASCII,
)
_POINT = re.compile(
    rf"[+-]?(?:\d+|[1-9]\d{{0,2}}(?:,\d{{3}})+|[1-9]\d?(?:,\d{{2}})+,\d{{3}}|[1-9]\d{{0,2}}(?:[{THOUSANDS}]\d{{3}})+)?(?:\.\d*)?(?:[eE][+-]?\d+)?",
    re.ASCII,
)
_MOST_DIGITS = 1000
# What spreadsheets write where a formula has no value.
_ERRORS = (
    "#div/0!", "#value!", "#ref!", "#num!", "#name?", "#null!", "#wert!", "#bezug!", "#zahl!",
)  # fmt: skip
# Cells for a missing number; in a column of words they may be words.
_GAPS = {
    *MISSING, *_ERRORS, "-", "--", "–", "—", ".", "..", "missing", "n.a.", "n. a.", "k.a.", "k. a.",  # noqa: RUF001
}  # fmt: skip
_TRUTHS = {"true": 1.0, "false": 0.0}
# In a column of numbers, a smaller share of other words counts as slips.
_SLIPS = 0.05
_FEW_WORDS = 3
# Different numbers with points that may part thousands.
_FEW_PARTED = 3
# A number of four digits or more that begins with 0 is a code; so many rows are looked at.
_CODE, _LOOKED_AT = re.compile(r"0\d{3,}", re.ASCII), 1000
_GROUPED = re.compile(r"[+-]?(?:[1-9]\d{0,2}(\.\d{3})+|\d{1,3})", re.ASCII)
_GRAMMARS = {",": _COMMA, ".": _POINT}


def decimal_of(frame: pd.DataFrame) -> str | None:
    """Return the decimal mark that a column with commas proves; None without such a column."""
    proven = {mark for name in frame.columns if (mark := _proven(frame[name])) is not None}
    return proven.pop() if len(proven) == 1 else None


def numbers_of(column: pd.Series[Any], decimal: str | None, where: str) -> pd.Series[Any] | None:
    """Convert a text column to floats, missing cells to NaN; return None if it holds other words.

    Args:
        column: the cells.
        decimal: the decimal mark of other columns of the file.
        where: the file, for messages.

    Raises:
        DataError: the commas may be decimal or thousands separators, and no other column decides.
    """
    texts = column.astype("string").str.strip()
    too_long = texts.str.len() > _MOST_DIGITS
    if too_long.any():
        # Python refuses to convert so many digits to an integer; as a float the number is infinite.
        texts = texts.mask(too_long, texts.str.replace(r"^([+-]?[0-9]+)$", r"\1.0", regex=True))
    missing = texts.isna() | texts.str.lower().isin(_GAPS)
    if missing.all():
        return None
    if decimal != "," or not _all_fit(texts[~missing], _GROUPED):
        parsed = pd.to_numeric(texts.mask(missing), errors="coerce")
        if not (parsed.isna() & ~missing).any():
            return parsed
    numbers = without_unit(texts[~missing].unique())
    if numbers is None:
        return None
    texts = texts.mask(missing).map(numbers, na_action="ignore")
    fitting = [mark for mark, form in _GRAMMARS.items() if _all_fit(texts[~missing], form)]
    if not fitting:
        return None
    mark = decimal if decimal in fitting else fitting[0]
    if len(fitting) == 2 and decimal is None:
        _refuse_comma(texts, where)
        mark = "."
    return pd.to_numeric(
        texts.mask(missing).map(lambda text: float(_plain(text, mark)), na_action="ignore")
    )


def finite_numbers(
    column: pd.Series[Any], where: str, decimal: str | None = None
) -> NDArray[np.float64] | None:
    """Convert a column to numbers; return None if it holds other words.

    Raises:
        DataError: a number is infinite, or too large for 32 bits.
    """
    if _has_numbers(column):
        numbers = column.astype(float).to_numpy()
    else:
        parsed = numbers_of(column, decimal, where)
        if parsed is None:
            return None
        numbers = parsed.to_numpy(dtype=float, na_value=np.nan)
    with np.errstate(over="ignore"):
        wrong = np.flatnonzero(np.isinf(numbers.astype(np.float32)))
    if len(wrong):
        raise DataError(
            f"{where}: the column {str(column.name)!r} is infinite, or too large for 32 bits, in"
            f" {location_of(where, int(wrong[0]))}: correct it."
        )
    return np.asarray(numbers)


def required_numbers(
    column: pd.Series[Any], where: str, decimal: str | None
) -> NDArray[np.float64]:
    """Return the numbers of a column, NaN for gaps; truth values, which CSV holds as words, are 1 and 0.

    Raises:
        DataError: a cell is another word.
    """
    values = finite_numbers(column, where, decimal)
    if values is not None:
        return values
    words = column.astype("string").str.strip().str.lower()
    if (words.isna() | words.isin({*_GAPS, *_TRUTHS})).all():
        return np.asarray(words.map(_TRUTHS).to_numpy(dtype=float, na_value=np.nan))
    row = first_word(column)
    value = "has words" if row is None else f"is {shown(str(column.iloc[row]).strip())}"
    place = "" if row is None else f" in {location_of(where, row)}"
    raise DataError(
        f"{where}: the column {str(column.name)!r} {value}{place}, and must hold numbers, as in"
        " training: correct it or leave it empty."
    )


def _refuse_comma(texts: pd.Series[Any], where: str) -> None:
    row = int(texts.str.contains(",", na=False).to_numpy().argmax())
    if "," in str(texts.iloc[row]):
        raise DataError(
            f"{where}: the comma of {shown(str(texts.iloc[row]))} in the column {str(texts.name)!r},"
            f" {location_of(where, row)}, may be decimal or part thousands: write it without."
        )


def marked(column: pd.Series[Any], values: NDArray[np.float64]) -> str | None:
    """Describe a cell, with its value, that Python's float() would not read in the same way."""
    if _has_numbers(column):
        return None
    plain = pd.to_numeric(column.astype("string").str.strip(), errors="coerce")
    differing = np.flatnonzero(
        ~np.isnan(values) & (plain.to_numpy(float, na_value=np.nan) != values)
    )
    if not len(differing):
        return None
    row = differing[0]
    return f"{str(column.iloc[row]).strip()} in {str(column.name)!r} is read as {values[row]:.10g}"


def note_on_doubt(column: pd.Series[Any], decimal: str | None) -> str | None:
    """Warn of numbers that are probably codes, such as the postal code 01234, or parted as 12.500.

    Where all numbers with a point have three digits behind it, and others are below 1000, points may
    part thousands, unless the file has decimal commas, which show it.
    """
    if _has_numbers(column):
        return None
    texts = column.iloc[:_LOOKED_AT].astype("string").str.strip().dropna()
    name, filled = str(column.name), [text for text in texts.unique() if text.lower() not in _GAPS]
    code = next((text for text in filled if _CODE.fullmatch(text)), None)
    left_out = setting("data.ignore", [column.name])
    if code is not None:
        return (
            f"Warning: {name!r} holds codes such as {code}, and is taken as numbers: begin each with a"
            f" letter if they are categories, or leave it out by {left_out}."
        )
    parted = [text for text in filled if "." in text]
    if decimal == "," or not _FEW_PARTED <= len(parted) < len(filled):
        return None
    if not all(_GROUPED.fullmatch(text) for text in filled):
        return None
    return (
        f"Warning: {parted[0]} in {name!r} is read as {float(parted[0]):g}, and numbers without a point"
        " are below 1,000: if points part thousands, write the numbers without them."
    )


class Unit(NamedTuple):
    """The unit of a column of numbers, and what is said of a cell with it."""

    unit: str
    said: str


def unit_of(column: pd.Series[Any], values: NDArray[np.float64]) -> Unit | None:
    """Return the unit of a column of numbers; None without one."""
    if _has_numbers(column):
        return None
    # All cells but those of 0 have the unit.
    row = int(np.argmax(np.nan_to_num(values) != 0))
    text = str(column.iloc[row]).strip()
    cell = measured(text)
    if cell is None or not cell.unit:
        return None
    return Unit(cell.unit, f"{text} in {str(column.name)!r} is read as {values[row]:.10g}")


def gaps(column: pd.Series[Any]) -> str | None:
    """Describe the words for missing values in a column of numbers; None without any."""
    if _has_numbers(column):
        return None
    texts = column.astype("string").str.strip()
    cells = texts[(texts != "") & texts.str.lower().isin(_GAPS)]
    n = len(cells)
    if not n:
        return None
    return f"{counted(n, 'cell')} of {str(column.name)!r}, such as {str(cells.iloc[0])!r}"


def slips(column: pd.Series[Any], where: str, recurring: bool = False) -> str | None:
    """Describe the few words in a column of numbers, or less than half, `recurring` ones such as <5.

    Returns None for other columns: of many different words, as in codes, the numbers are codes too.
    """
    filled, odd = _words(column)
    n, share = int(odd.sum()), 0.5 if recurring else _SLIPS
    if not 0 < n < share * len(filled) or (recurring and filled[odd].nunique() > _FEW_WORDS):
        return None
    return (
        f"{len(filled) - n:,} of {len(filled):,} cells of the column {str(column.name)!r} are numbers,"
        f" and {n:,} not, such as {shown(str(filled[odd].iloc[0]))} in"
        f" {location_of(where, _first(odd, column))}"
    )


def first_word(column: pd.Series[Any]) -> int | None:
    """Return the row of the first cell that is neither a number nor empty; None if there is none."""
    _, odd = _words(column)
    return _first(odd, column) if odd.any() else None


def _first(odd: pd.Series[Any], column: pd.Series[Any]) -> int:
    """Return the row of the first odd cell of a column."""
    return int(np.flatnonzero(column.index == odd.idxmax())[0])


def _words(column: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Return the texts of the cells that are not empty, and which are no numbers of the usual unit."""
    texts = column.astype("string").str.strip()
    filled = texts[~(texts.isna() | texts.str.lower().isin(_GAPS))]
    parted = {text: cell for text in filled.unique() if (cell := measured(text)) is not None}
    units = Counter(parted[text].unit for text in filled if text in parted)
    usual = max(units, key=lambda unit: (units[unit], not unit), default="")
    forms = tuple(_GRAMMARS.values())
    fits = {
        text: text in parted
        and parted[text].unit in (usual, "" if is_zero(parted[text].number) else usual)
        and any(form.fullmatch(parted[text].number) for form in forms)
        for text in filled.unique()
    }
    return filled, ~filled.map(fits).astype(bool)


def _has_numbers(column: pd.Series[Any]) -> bool:
    """Whether a column is of numbers or truth values, and not of texts."""
    return bool(pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column))


def _all_fit(texts: pd.Series[Any], form: re.Pattern[str]) -> bool:
    return all(form.fullmatch(text) and text[-1].isdigit() for text in texts.unique())


def _plain(text: str, mark: str) -> str:
    text = re.sub(rf"[{THOUSANDS}]", "", text)
    return text.replace(".", "").replace(",", ".") if mark == "," else text.replace(",", "")


def _proven(column: pd.Series[Any]) -> str | None:
    if _has_numbers(column):
        return None
    sample = [text.strip() for text in column.unique() if isinstance(text, str)]
    filled = [text for text in sample if text.lower() not in _GAPS]
    if not any("," in text for text in filled):
        return None
    numbers = without_unit(filled)
    if numbers is None:
        return None
    cells = pd.Series(list(numbers.values()), dtype=object)
    fitting = [mark for mark, form in _GRAMMARS.items() if _all_fit(cells, form)]
    return fitting[0] if len(fitting) == 1 else None
