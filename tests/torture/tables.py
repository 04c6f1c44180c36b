"""Tables in every dialect, whole and damaged: what was written is read back, or refused."""

from __future__ import annotations

import bz2
import csv
import gzip
import importlib.util
import io
import json
import lzma
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlc.data.base import SOURCES, Dataset
from mlc.data.label_cells import join_labels
from mlc.data.missing_labels import MISSING_LABELS
from tests.torture.inputs import Reader, check, check_gaps, mangled

POOL = ("wet", "cold", "naß", "New York", "x;y", 'say "ah"', "a,b")
WORDS = ("wet", "cold", "warm", "dry")
# Cells that no column was written for.
HOSTILE = (
    "", " ", "nan", "None", "null", "?", "NA", "1e999", "-inf", "9" * 400, "1e-400", "\x00", "\x1b[31m",
    "[", "[1, 0", "[" * 5000, "{'a': " * 3000, "(" * 90 + ")" * 90, "[1, 0, 2]", "[0, [1]]", "[1, 0]",
    "wet\ncold", '"', '"wet', "\u202eabc", "x" * 5000, "1,5", "1.234,5", "0x10", "\u0661\u0662", "1_000",
    "['a', 1, None]", "[1e999]", "[True, 'x']", "[-1]", "[-2, 0]", "True", "2", "0.5", "-1",
    "__label__wet", "array([0, 1])", "[1 0 1]", "[0 1 ... 1]", "{1: 2}", "b'x'", "['\\ud800']", "[1j]",
    "[...]", "[" + "1, " * 3000 + "1]", "set()", "[nan, 1]", "\ufeff", "=1+1", "\u2028",
)  # fmt: skip
# By how a cell holds a set: what it writes, and the labels' names that are read.
CELLS: dict[str, Callable[[list[str]], str]] = {
    "JSON": json.dumps,
    "Python's list": repr,
    "Python's tuple": lambda labels: repr(tuple(labels)),
    "Python's set": lambda labels: repr(set(labels)) if labels else "set()",
    "NumPy's array": lambda labels: str(np.array(labels, dtype=np.str_)),
}
SEPARATORS = {
    ";": ";",
    "|": "|",
    "tab": "\t",
    "newline": "\n",
    ",": ",",
    "#": "#",
    "/": "/",
    "blank": " ",
}
BINARY = (
    ("0", "1"),
    ("0.0", "1.0"),
    ("False", "True"),
    ("no", "yes"),
    ("n", "y"),
    ("FALSE", "TRUE"),
)
PACKED: dict[str, Callable[[bytes], bytes]] = {
    ".gz": lambda content: gzip.compress(content, 1), ".bz2": bz2.compress, ".xz": lzma.compress,
}  # fmt: skip


@dataclass
class Made:
    """A table and what is to be read of it.

    Attributes:
        header: the columns' names.
        rows: their cells.
        numbers: of the column "x", by row; NaN where a cell is empty.
        sets: each row's labels.
        options: `TableOptions` but for the path.
    """

    header: list[str]
    rows: list[list[Any]]
    numbers: list[float]
    sets: list[set[str]]
    options: dict[str, Any]


# Labels that are missing, in any case, perhaps between blanks.
GAPS = ("", "?", "nan", "na", "null", "none")


def made(draw: random.Random) -> Made:
    """A table of two features and label sets in one of the forms."""
    n_rows = draw.randint(2, 6)
    numbers = [
        draw.choice([round(draw.uniform(-1e4, 1e4), 3), draw.randrange(99)]) for _ in range(n_rows)
    ]
    kind = draw.choice(["separated", "separated", "list", "vector", "padded", "columns"])
    pool = WORDS if kind == "separated" else POOL
    drawn = [draw.sample(pool, draw.randint(0, 3)) for _ in range(n_rows)]
    drawn[draw.randrange(n_rows)] = draw.sample(pool, 2)
    places = [sorted(pool.index(label) for label in labels) for labels in drawn]
    sets = [{str(place) for place in own} for own in places]
    options: dict[str, Any] = {"labels": ["tags"]}
    header = ["x", "colour", "tags"]
    if kind == "separated":
        name, mark = draw.choice(list(SEPARATORS.items()))
        options |= {"separator": None if name in ";|" and draw.random() < 0.5 else name}
        cells: list[list[str]] = [[join_labels(labels, mark)] for labels in drawn]
        sets = [set(labels) for labels in drawn]
    elif kind == "list":
        write = CELLS[draw.choice(list(CELLS))]
        cells = [[write(labels)] for labels in drawn]
        sets = [set(labels) for labels in drawn]
    elif kind == "vector":
        vectors = [[int(label in labels) for label in pool] for labels in drawn]
        joint = draw.choice([", ", " "])
        cells = [[f"[{joint.join(map(str, own))}]"] for own in vectors]
    elif kind == "padded":
        cells = [[str(own + [-1] * (4 - len(own)))] for own in places]
    else:
        words = draw.choice(BINARY)
        cells = [[words[label in labels] for label in pool] for labels in drawn]
        header = ["x", "colour", *(f"is {label}" for label in pool)]
        options = {"labels": header[2:], "missing_labels": draw.choice(MISSING_LABELS)}
        sets = [{f"is {label}" for label in labels} for labels in drawn]
    rows = [
        [repr(x), draw.choice(["red", "dark blue"]), *own]
        for x, own in zip(numbers, cells, strict=True)
    ]
    return Made(header, rows, numbers, sets, options)


def written(table: Made, draw: random.Random, folder: Path) -> Path:
    """The table's file, in one of the dialects."""
    mark = draw.choice(",;\t|")
    ending = draw.choice([".csv", ".tsv", ".txt", ".data"])
    everything = draw.random() < 0.3
    rows = [list(map(str, row)) for row in table.rows]
    if mark != "," and draw.random() < 0.4:
        rows = [
            [row[0].replace(".", ",") if _is_written(row[0]) else row[0], *row[1:]] for row in rows
        ]
    stream = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if everything else csv.QUOTE_MINIMAL
    end = draw.choice(["\n", "\r\n"])
    writer = csv.writer(stream, delimiter=mark, quoting=quoting, lineterminator=end)
    writer.writerows([table.header, *rows])
    text = stream.getvalue()
    if everything and draw.random() < 0.5:
        text = text.replace(f'"{mark}"', f'"{mark} "')  # A blank before a quote.
    encoding = draw.choice(
        ["utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "gb18030"]
    )
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        content, encoding = text.encode(), "utf-8"
    if encoding in ("cp1252", "gb18030"):
        table.options["encoding"] = encoding
    if draw.random() < 0.1:
        packing = draw.choice(list(PACKED))
        content, ending = PACKED[packing](content), ending + packing
    path = folder / f"toy{ending}"
    path.write_bytes(content)
    return path


def table_case(draw: random.Random, folder: Path) -> None:
    """A table that is whole, has one odd cell, has no header, or has its bytes mangled."""
    _tried(draw, folder, written)


def parquet_case(draw: random.Random, folder: Path) -> None:
    """The same as Parquet, whose cells may be lists."""
    _tried(draw, folder, _parquet)


def _tried(
    draw: random.Random, folder: Path, write: Callable[[Made, random.Random, Path], Path]
) -> None:
    table = made(draw)
    kind, odd = draw.choice(["whole", "odd cell", "odd cell", "mangled", "mangled", "widths"]), -1
    if kind == "odd cell":
        odd = draw.randrange(len(table.rows))
        odd_cells = GAPS if draw.random() < 0.2 else HOSTILE
        table.rows[odd][draw.randrange(len(table.header))] = draw.choice(odd_cells)
    elif kind == "widths" and write is written:
        row = draw.choice(table.rows)
        row.append("1") if draw.random() < 0.5 else row.pop()
    path = write(table, draw, folder)
    if kind == "mangled":
        path.write_bytes(mangled(path.read_bytes(), draw))
    options = SOURCES.options("table", path=str(path), **table.options)
    try:
        dataset = SOURCES["table"].load(options)
    finally:
        path.unlink()
    check(dataset)
    assert kind != "widths" or write is not written, "a row of another width was read"
    if kind != "mangled":
        _compare(table, dataset, odd)
        if "missing_labels" in table.options:
            gaps = [[cell.strip().lower() in GAPS for cell in row[2:]] for row in table.rows]
            choice = table.options["missing_labels"]
            check_gaps(np.array(gaps), choice, dataset.targets, dataset.known)


def _compare(table: Made, dataset: Dataset, odd: int) -> None:
    """Each row but the odd one is as it was written."""
    assert dataset.n_samples == len(table.rows), "as many rows"
    for row, expected in enumerate(table.sets):
        names = np.array(dataset.label_names, dtype=object)[dataset.targets[row]]
        assert row == odd or set(names) == expected, f"row {row}: {names} for {expected}"
    # Beside 1.234,5 a column has decimal commas, and -98.916 is read with a mark of thousands.
    has_commas = odd >= 0 and "," in str(table.rows[odd][table.header.index("x")])
    if "x" in dataset.feature_names and not has_commas:
        found = dataset.features[:, dataset.feature_names.index("x")]
        kept = [row for row in range(len(table.rows)) if row != odd]
        np.testing.assert_array_equal(found[kept], np.float32(table.numbers)[kept], "x")


def _is_written(cell: str) -> bool:
    return cell.replace(".", "").replace("-", "").isdigit()


def _parquet(table: Made, draw: random.Random, folder: Path) -> Path:
    frame = pd.DataFrame(table.rows, columns=table.header)
    path, packing = folder / "toy.parquet", draw.choice(["snappy", "gzip", None])
    if draw.random() < 0.5:
        frame["x"] = pd.to_numeric(frame["x"], errors="coerce")
    if table.header[2:] == ["tags"] and all(map(_is_json, frame["tags"])) and draw.random() < 0.7:
        # Lists of values of several types have no form in Parquet.
        with suppress(ValueError):
            lists = frame.assign(tags=[json.loads(cell) for cell in frame["tags"]])
            lists.to_parquet(path, compression=packing)
            return path
    frame.to_parquet(path, compression=packing)
    return path


def _is_json(cell: str) -> bool:
    try:
        return isinstance(json.loads(cell), list)
    except (ValueError, RecursionError):
        return False


LABELLED = (
    "__label__wet __label__cold rain on hill\n__label__warm sun in sky\nfog on road\n",
    "1\twet cold\train on hill\n2\twarm\tsun on hill\n3\t\tfog on road\n",
    "wet cold\train on hill\nwarm\tsun on hill\ncold\tfog on road\n",
)
LABELLED_SETS = [[{"wet", "cold"}, {"warm"}, set()]] * 2 + [[{"wet", "cold"}, {"warm"}, {"cold"}]]


def labelled_case(draw: random.Random, folder: Path) -> None:
    """A file of labelled texts without a header, whole or mangled."""
    kind, whole = draw.randrange(len(LABELLED)), draw.random() < 0.2
    content = LABELLED[kind].replace("\n", draw.choice(["\n", "\r\n"]))
    packed = content.encode(draw.choice(["utf-8", "utf-8-sig", "utf-16"]))
    path = folder / draw.choice(["toy.txt", "toy.tsv"])
    path.write_bytes(packed if whole else mangled(packed, draw))
    dataset = SOURCES["table"].load(SOURCES.options("table", path=str(path), min_df=1))
    check(dataset)
    names = np.array(dataset.label_names, dtype=object)
    if whole:
        assert [set(names[row]) for row in dataset.targets] == LABELLED_SETS[kind], "its label sets"


CSV = (
    b'size,colour,round,red\n1.5,blue,1,0\n2,"dark, red",0,1\n,red,1,1\n',
    b"body,tags\r\nsalt oven,cooking\r\ngoal,sport;league\r\nmoon,\r\n",
    b"x,y\n1,0\n2,1\n",
    b'a;b;tags\n1,5;x;["wet", \'cold\']\n2.234,5;y;["warm"]\n;z;[]\n',
    "a|tags\n1|na\u00df, k\u00fchl\n2|k\u00fchl\n3|na\u00df\n".encode("cp1252"),
    "a,tags\n1,[1 0 1]\n2,[0 1 0]\n".encode("utf-16-le"),
    "a,tags\n1,\u65e5\u672c;\u96e8\n2,\u96e8\n3,\u304b\u306a;\u65e5\u672c\n".encode("cp932"),
)
CSV_LABELS = (["round", "red"], ["tags"], ["y"], ["tags"], ["tags"], ["tags"], ["tags"])


def csv_case(draw: random.Random, folder: Path) -> None:
    """A CSV file whose encoding nobody states, mangled, of numbers or of texts."""
    kind = draw.randrange(len(CSV))
    path = folder / "toy.csv"
    path.write_bytes(mangled(CSV[kind], draw))
    text = "body" if kind == 1 and draw.random() < 0.7 else None
    options = SOURCES.options("table", path=str(path), labels=CSV_LABELS[kind], text=text, min_df=1)
    check(SOURCES["table"].load(options))


_HAS_PARQUET = importlib.util.find_spec("pyarrow") is not None
READERS = {
    "tables in every dialect": Reader(table_case, 0.16 if _HAS_PARQUET else 0.19),
    "CSV of unknown encoding": Reader(csv_case, 0.07),
    "texts of fastText and LibMultiLabel": Reader(labelled_case, 0.06),
}
if _HAS_PARQUET:
    READERS["Parquet"] = Reader(parquet_case, 0.02)
