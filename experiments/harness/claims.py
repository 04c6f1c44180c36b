"""What carries the sentences of the project's pages, and whether it holds.

The carriers that a claim marker names (`sentences.py` reads the markers):

- `league.sigmoid_fixed_loss > 0`: a comparison of a quoted number, of each if it has several, with its
  whole interval; `league.exact_gain_clear[birds]` is an item of a list; the limit may be another quoted
  number; `excludes` and `includes` ask where the interval lies, `is` whether the text is the same;
- `results/FILE.csv[KEY=VALUE, ...] COLUMN ± COLUMN > 0`: a comparison of the cells of a column, of all
  these rows; `=` compares at the decimals that the marker shows;
- `tests/FILE.py::test_NAME`: a test of the suite, which computes or does what the sentence says;
- `FILE: TEXT`: the text stands in the file (a default, a limit, a row of a stored table), spaces apart,
  and no word or number goes on at its ends: `LIMIT = 100` does not stand in `LIMIT = 1000`;
- `source: ...`: a publication or the manual of a library;
- `definition`: the sentence defines its words; `question`: it asks, or says what is open;
- `prediction`: it was written before the measurement, and the table of findings decides it;
- `withdrawn`: it quotes what is no longer said.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from experiments.harness.experiment import ROOT
from mlc.config.errors import ConfigError

PROJECT = ROOT.parent
HOLDS, FAILS = "holds", "does not hold"
KINDS = {
    "definition": "defined",
    "question": "asked",
    "prediction": "predicted",
    "withdrawn": "withdrawn",
}
_TEST = re.compile(r"(tests/[\w/]+\.py)::(?:\w+::)?(test_\w+)")
_COMPARED = re.compile(
    r"(results/[^;]+\.csv\[.*\] .+|\w+\.\w+(?:\[.+\])?)"
    r" (<|>|<=|>=|=|excludes|includes|is) (\S+|\w+\.\w+\[.+\])"
)
_CELL = re.compile(r"(results/[\w/.-]+\.csv)\[(.*)\] (\w+)(?: ± (\w+))?")
_NUMBER = re.compile(r"(\w+\.\w+)(?:\[([^\]]+)\])?")
_IN_FILE = re.compile(r"([\w./-]+): (.+)")
_DIGITS = re.compile(r"\d[\d,_]*(?:\.\d+)?(?:e-?\d+)?")
_VALUE = re.compile(r"(?<![\w.])(?<!\w-)([+-]?\d[\d,]*(?:\.\d+)?)(?: ±(\d+\.\d+))?")


@dataclass(frozen=True)
class Range:
    """A value with its interval, and the number of decimals that are shown."""

    low: float
    high: float
    mean: float
    decimals: int


@dataclass(frozen=True)
class Carried:
    """What carries a sentence, and the verdict on it."""

    by: str
    verdict: str


def carried(carrier: str, numbers: Mapping[str, str]) -> Carried:
    """Return what a carrier shows; `numbers` are the texts of the quoted numbers.

    Raises:
        ConfigError: the carrier has no known form, or names what does not exist.
    """
    if carrier in KINDS:
        return Carried("", KINDS[carrier])
    if carrier.startswith("source: "):
        return Carried(carrier.removeprefix("source: "), "by source")
    if test := _TEST.fullmatch(carrier):
        if test[2] not in _tests(test[1]):
            raise ConfigError(f"The claim marker {carrier!r} names a test that does not exist.")
        return Carried(f"`{test[2]}` in {test[1]}", "by test")
    if compared := _COMPARED.fullmatch(carrier):
        if compared[2] == "is":
            is_so = _text_of(compared[1], numbers) == compared[3]
            return Carried(f"`{carrier}`", HOLDS if is_so else FAILS)
        ranges, limits = (_ranges(compared[side], numbers) for side in (1, 3))
        return Carried(f"`{carrier}`", HOLDS if _holds(ranges, compared[2], limits) else FAILS)
    if stands := _IN_FILE.fullmatch(carrier):
        is_there = _stands(_plain(stands[2]), _text(stands[1]))
        return Carried(f"`{stands[2]}` in {stands[1]}", HOLDS if is_there else FAILS)
    raise ConfigError(f"The claim marker {carrier!r} has none of the forms of {__name__}.")


def absent(numbers: Sequence[str], carriers: Sequence[str]) -> list[str]:
    """Return the numbers of a sentence that none of its carriers names.

    A share may be named for a percentage. A test, a source, or what the author only states may carry
    any number, and the result is then empty.
    """
    stated = [c for c in carriers if c in KINDS or c.startswith("source: ") or _TEST.fullmatch(c)]
    if stated or not carriers:
        return []
    named = {_number(text) for carrier in carriers for text in _DIGITS.findall(carrier)}
    read = {text: _number(found[0]) for text in numbers if (found := _DIGITS.search(text))}
    return [
        text
        for text, value in read.items()
        if value not in named and not ("%" in text and round(value / 100, 9) in named)
    ]


def _number(text: str) -> float:
    return float(re.sub(r"[,_]", "", text))


def _holds(values: list[Range], comparison: str, limits: list[Range]) -> bool:
    """Return whether each value compares so with each limit."""
    compare: Mapping[str, Callable[[Range, Range], bool]] = {
        ">": lambda a, b: a.low > b.high,
        "<": lambda a, b: a.high < b.low,
        ">=": lambda a, b: a.low >= b.high,
        "<=": lambda a, b: a.high <= b.low,
        "=": lambda a, b: round(a.mean, b.decimals) == b.mean,
        "excludes": lambda a, b: not a.low <= b.mean <= a.high,
        "includes": lambda a, b: a.low <= b.mean <= a.high,
    }
    return all(compare[comparison](value, limit) for value in values for limit in limits)


def _ranges(name: str, numbers: Mapping[str, str]) -> list[Range]:
    """Return the values of a number, a quoted number, an item of one, or a cell."""
    if re.fullmatch(r"[+-]?[\d.]+", name):
        return _values(name)
    if cell := _CELL.fullmatch(name):
        return _cells(cell)
    # Values in brackets say more of the value before them.
    return _values(re.sub(r"\([^)]*\)|of \d+", "", _text_of(name, numbers)))


def _text_of(name: str, numbers: Mapping[str, str]) -> str:
    """Return the text of a quoted number, or of an item of one."""
    match = _NUMBER.fullmatch(name)
    if match is None or match[1] not in numbers:
        raise ConfigError(f"A claim marker compares {name!r}, which no page quotes.")
    text = numbers[match[1]]
    if match[2]:
        item = re.search(rf"(?:^|[,;] ){re.escape(match[2])} ([^,;]+)", text)
        text = item[1] if item else ""
    return text


def _values(text: str) -> list[Range]:
    """Read the values of a list with their intervals: the last of each item, and both ends of a range.

    Raises:
        ConfigError: there is none.
    """
    ranges = []
    for item in re.split(r"[,;] ", text):
        matches = list(_VALUE.finditer(item))
        if matches and item[matches[-1].end() :].lstrip().startswith("±"):
            raise ConfigError(f"A claim marker compares {item!r}, whose interval is no number.")
        for match in matches if re.fullmatch(r"[\d.]+ to [\d.]+", item) else matches[-1:]:
            mean, half = float(match[1].replace(",", "")), float(match[2] or 0)
            decimals = len(match[1].partition(".")[2])
            ranges.append(Range(mean - half, mean + half, mean, decimals))
    if not ranges:
        raise ConfigError(f"A claim marker compares the text {text!r}, which has no number.")
    return ranges


def _cells(cell: re.Match[str]) -> list[Range]:
    """Read a column of the rows with these values, with half the widths of intervals if it has them."""
    keys = dict(pair.split("=", 1) for pair in re.split(r", (?=\w+=)", cell[2]) if pair)
    rows = [row for row in _rows(cell[1]) if all(row.get(k) == v for k, v in keys.items())]
    columns = [name for name in cell.groups()[2:] if name]
    if not rows or any(name not in rows[0] for name in columns):
        raise ConfigError(f"The claim marker {cell[0]!r} names no row, or no column.")
    texts = [" ±".join(row[name] for name in columns) for row in rows]
    return [value for text in texts for value in _values(text)]


@cache
def _tests(file: str) -> frozenset[str]:
    """Return the names of a file's tests."""
    return frozenset(re.findall(r"^ *def (test_\w+)\(", _read(file), re.MULTILINE))


@cache
def _rows(file: str) -> list[dict[str, str]]:
    with (PROJECT / file).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


@cache
def _text(file: str) -> str:
    return _plain(_read(file))


def _stands(text: str, within: str) -> bool:
    """Return whether a text stands in another, and is no part of a longer word or number there."""
    before = r"(?<!\w)(?<!\d\.)" if re.match(r"\w", text) else ""
    after = r"(?!\w)(?!\.\d)" if re.search(r"\w$", text) else ""
    return re.search(f"{before}{re.escape(text)}{after}", within) is not None


def _plain(text: str) -> str:
    """Return text without the spaces that only align or break it."""
    return " ".join(text.split())


def _read(file: str) -> str:
    path = PROJECT / file
    if not path.is_file():
        raise ConfigError(f"A claim marker names the file {file}, which does not exist.")
    return path.read_text(encoding="utf-8")
