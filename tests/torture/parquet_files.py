"""Parquet files with columns of every type, with nulls, and with descriptions that lie."""

from __future__ import annotations

import datetime
import importlib.util
import io
import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from mlc.data.base import SOURCES
from tests.torture.inputs import Reader, check, mangled

LABELS = ("wet", "cold", "naß")


def _arrow() -> Any:
    import pyarrow

    return pyarrow


# By type, values of a feature, each of which may be null.
FEATURES: dict[str, tuple[Any, ...]] = {
    "int8": (1, -3, 127), "uint64": (0, 2**64 - 1, 5), "int64": (-(2**63), 2**63 - 1, 0),
    "float16": (0.5, -1.0, 2.0), "float32": (1.5, -0.0, 3e38), "float64": (1e39, 0.25, 1e-320),
    "float": (float("nan"), float("inf"), 1.0), "bool_": (True, False, True),
    "string": ("red", "", "dark blue"), "large_string": ("1,5", "x" * 3000, "\x1b[31m"),
    "binary": (b"\xff\xfe", b"", b"red"), "date32": (datetime.date(2020, 1, 1),) * 3,
    "null": (None, None, None),
}  # fmt: skip


def _odd_columns(pa: Any) -> dict[str, Callable[[int], Any]]:
    """By name, a column of a type that has no plain number in it."""
    moment = datetime.datetime(2020, 1, 1, 12)
    return {
        "decimal": lambda n: pa.array([Decimal("1.50")] * n, pa.decimal128(9, 2)),
        "timestamp": lambda n: pa.array([moment] * n, pa.timestamp("ns", tz="UTC")),
        "late": lambda n: pa.array([2**62] * n, pa.timestamp("ms")),
        "duration": lambda n: pa.array([5] * n, pa.duration("ms")),
        "time": lambda n: pa.array([7] * n, pa.time64("us")),
        "struct": lambda n: pa.array([{"a": 1, "b": [None]}] * n),
        "map": lambda n: pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int8())),
        "nested": lambda n: pa.array([[[1.0], [], None]] * n),
        "dictionary": lambda n: pa.array(["red", None] * n)[:n].dictionary_encode(),
        "fixed": lambda n: pa.array([b"abcd"] * n, pa.binary(4)),
    }


def _sets(pa: Any, sets: list[list[str]], draw: random.Random) -> Any:
    """Label sets in one of the types that hold lists, or as text."""
    kind = draw.randrange(5)
    if kind == 0:
        return pa.array(sets)
    if kind == 1:
        return pa.array(sets, pa.large_list(pa.large_string()))
    if kind == 2:
        indices = [[LABELS.index(label) for label in labels] for labels in sets]
        values = pa.DictionaryArray.from_arrays(
            pa.array([index for row in indices for index in row], pa.int32()), pa.array(LABELS)
        )
        starts = np.cumsum([0, *map(len, sets)]).tolist()
        return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), values)
    if kind == 3:
        return pa.array([json.dumps(labels) for labels in sets])
    return pa.array([";".join(labels) for labels in sets]).dictionary_encode()


def _odd_sets(pa: Any, sets: list[list[str]], draw: random.Random) -> Any:
    """The same with nulls, numbers that are none, or values of another type."""
    n = len(sets)
    rows: list[Any] = list(sets)
    rows[draw.randrange(n)] = draw.choice(
        [None, [None], ["wet", None], [""], ["\x1b[31m"], ["x" * 3000]]
    )
    return draw.choice([
        lambda: pa.array(rows),
        lambda: pa.array([[0.5, float("nan")]] * n),
        lambda: pa.array([[1, 0, None]] * n, pa.list_(pa.int8(), 3)),
        lambda: pa.array([[b"\xff"]] * n),
        lambda: pa.array([[{"label": "wet"}]] * n),
        lambda: pa.array([[["wet"], ["cold"]]] * n),
        lambda: pa.nulls(n),
        lambda: pa.array([True, None, False] * n)[:n],
        lambda: pa.array([[datetime.date(2020, 1, 1)]] * n),
    ])()  # fmt: skip


def typed_case(draw: random.Random, folder: Path) -> None:
    """A table of columns of several types, whole or odd, or whose bytes are mangled."""
    pa = _arrow()
    from pyarrow import parquet

    n = draw.randint(2, 6)
    sets = [draw.sample(LABELS, draw.randint(0, 3)) for _ in range(n)]
    sets[draw.randrange(n)] = ["wet", "naß"]
    kind = draw.choice(["whole", "odd features", "odd labels", "schema", "mangled"])
    columns = {"x": pa.array(np.arange(n, dtype=np.float32))}
    if kind == "odd features":
        for name in draw.sample(list(FEATURES), 3):
            values = [draw.choice((*FEATURES[name], None)) for _ in range(n)]
            columns[f"a {name}"] = pa.array(values, getattr(pa, name, pa.float64)())
        odd = _odd_columns(pa)
        if draw.random() < 0.5:
            name = draw.choice(list(odd))
            columns[name] = odd[name](n)
    columns["tags"] = (_odd_sets if kind == "odd labels" else _sets)(pa, sets, draw)
    table = pa.table(columns)
    if kind == "schema":
        table = _lying(pa, table, draw)
    packed = io.BytesIO()
    parquet.write_table(
        table, packed, compression=draw.choice(["snappy", "gzip", "zstd", "none"]),
        version=draw.choice(["1.0", "2.6"]), row_group_size=draw.choice([1, 2, 100]),
    )  # fmt: skip
    path, content = folder / "toy.parquet", packed.getvalue()
    path.write_bytes(mangled(content, draw) if kind == "mangled" else content)
    dataset = SOURCES["table"].load(SOURCES.options("table", path=str(path), labels=["tags"]))
    check(dataset)
    if kind == "whole":
        names = np.array(dataset.label_names, dtype=object)
        found = [set(names[row].tolist()) for row in dataset.targets]
        assert found == [set(labels) for labels in sets], f"{found} for {sets}"
        np.testing.assert_array_equal(dataset.features[:, 0], np.arange(n, dtype=np.float32))


def _lying(pa: Any, table: Any, draw: random.Random) -> Any:
    """The table with two columns of one name, without rows, or with a description that lies."""
    kind = draw.randrange(4)
    if kind == 0:
        return table.append_column("tags", table["tags"])
    if kind == 1:
        return table.slice(0, 0)
    text = draw.choice(
        [b"", b"{", b"{}", b'{"columns": 3}', b"[" * 5000, b"\xff", b'{"index_columns": ["y"]}']
    )
    rows = {"kind": "range", "start": 0, "stop": 10**12, "step": 1}
    moment = {"name": "tags", "pandas_type": "datetime", "numpy_type": "M8"}
    claims = {
        "index_columns": draw.choice([["x"], ["none"], [rows], 3]),
        "columns": draw.choice([[], [moment], None]),
        "column_indexes": draw.choice([[], [None]]),
    }
    lie = text if kind == 2 else json.dumps(claims).encode()
    return table.replace_schema_metadata({b"pandas": lie})


READERS = (
    {"Parquet, every type": Reader(typed_case, 0.01)}
    if importlib.util.find_spec("pyarrow") is not None
    else {}
)
