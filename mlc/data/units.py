"""Numbers with a unit, such as 12%, $5 or 3 kg."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_MONEY = (
    "$ € £ ¥ ￥ ₹ ₽ ₩ ₺ ₴ ₪ ₫ ฿ ¢ R$ US$ USD EUR GBP CHF JPY CNY INR RUB BRL SEK NOK DKK PLN CZK HUF TRY"
    " AUD CAD kr zł Kč Ft lei"
)
# Of single letters g and m alone: others stand in codes too, such as 1b and 2b.
_MEASURES = (
    "% ‰ ° °C °F ℃ ℉ kg g mg \u00b5g μg lb lbs oz km m cm mm \u00b5m μm mi ft in ml cl dl hr hrs min"
    " mins sec ms \u00b5s μs Hz kHz MHz GHz kW MW Wh kWh MWh kV mV mA kcal cal kJ Pa hPa kPa bar mbar"
    " psi mmHg bpm rpm dB kB MB GB TB km/h kmh mph m/s m² m2 m³ m3 km² km2 sqm sqft px dpi mg/dl mmol/l"
)
_BLANKS = "[\\s\u00a0\u202f]*"
# What parts thousands beside the comma and the point.
THOUSANDS = " \u00a0\u202f'\u2019"


def _any_of(units: str) -> str:
    return "|".join(re.escape(unit) for unit in sorted(units.split(), key=len, reverse=True))


_CELL = re.compile(
    rf"(?P<sign>[+-]?){_BLANKS}(?:(?P<before>{_any_of(_MONEY)}){_BLANKS})?"
    rf"(?P<number>[+-]?[.,]?\d(?:[\d.,{THOUSANDS}]*\d)?(?:e[+-]?\d+)?)"
    rf"{_BLANKS}(?P<after>{_any_of(f'{_MONEY} {_MEASURES}')})?",
    re.IGNORECASE | re.ASCII,
)
_ZERO = re.compile(r"[+-]?0+(?:[.,]0*)?")
# Of them milli and mega are both in use.
_BY_CASE = ("W", "Wh", "V", "A")
_SINGULAR = {"lbs": "lb", "hrs": "hr", "mins": "min"}
# The minus of typography, which spreadsheets of some languages write.
_MINUS = "\u2212"


class Measured(NamedTuple):
    """A number as text, without its unit; the unit is "" for a plain number.

    It is in small letters where case says nothing, unlike in mW and MW.
    """

    number: str
    unit: str


def measured(text: str) -> Measured | None:
    """Part a cell into a number, whose form is not checked, and its unit; None for other cells.

    >>> measured("-$5"), measured("12,5 %"), measured("3 apples")
    (Measured(number='-5', unit='$'), Measured(number='12,5', unit='%'), None)
    """
    cell = _CELL.fullmatch(text.replace(_MINUS, "-"))
    if cell is None or (cell["before"] and cell["after"]):
        return None
    number = cell["sign"] + cell["number"]
    if number[:2].strip("+-") == "":
        return None  # Two signs.
    unit = cell["before"] or cell["after"] or ""
    if unit in ("G", "M"):
        return None  # As in 4G, of telephones, and $5 or 10 M, of millions.
    if unit[:1] not in ("m", "M") or unit[1:] not in _BY_CASE:
        unit = unit.casefold()
    return Measured(number, _SINGULAR.get(unit, unit))


def without_unit(texts: Iterable[str]) -> dict[str, str] | None:
    """Return the number in each of several texts, all of one unit; a 0 needs none.

    Returns:
        The number by the text; None if a text is no number, or has another unit.
    """
    numbers, unit = {}, None
    for text in texts:
        parted = measured(text)
        if parted is None:
            return None
        if parted.unit or not is_zero(parted.number):
            if unit is not None and parted.unit != unit:
                return None
            unit = parted.unit
        numbers[text] = parted.number
    return numbers


def is_zero(number: str) -> bool:
    """Whether a number as text is 0, which means the same in all units."""
    return _ZERO.fullmatch(number) is not None
