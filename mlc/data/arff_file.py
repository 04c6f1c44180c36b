"""One ARFF file, dense or sparse, plain or packed, as arrays."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import arff
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, hstack, issparse

from mlc.data.files import Read, read_bytes, read_text
from mlc.errors import DataError

# Raised whenever the arrays made of a file change, so that older cache entries are not used.
FORMAT_VERSION = "arff-1"

_BINARY_WORDS = {
    "0": 0, "1": 1, "0.0": 0, "1.0": 1, "no": 0, "yes": 1, "n": 0, "y": 1,
    "false": 0, "true": 1, "f": 0, "t": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Attribute:
    """A column of the file; `values` is None for a numeric one."""

    name: str
    values: tuple[str, ...] | None

    def as_binary(self) -> NDArray[np.float64] | None:
        """What each nominal value means as 0 or 1, where all of them can be read so."""
        if self.values is None:
            return None
        words = [str(value).strip().lower() for value in self.values]
        if not all(word in _BINARY_WORDS for word in words):
            return None
        return np.array([_BINARY_WORDS[word] for word in words], dtype=np.float64)


@dataclass(frozen=True)
class ArffFile:
    """A parsed file: its attributes in order, and a column of numbers for each.

    A nominal value is the position in its attribute's list. Missing values are NaN.
    """

    path: Path
    relation: str
    attributes: tuple[Attribute, ...]
    columns: NDArray[np.float64] | csc_matrix

    def meka_labels(self) -> tuple[str, ...] | None:
        """The labels by MEKA's `-C n`: the first n attributes, or the last -n where n < 0."""
        stated = re.search(r"-C\s+(-?\d+)", self.relation)
        if stated is None:
            return None
        count = int(stated[1])
        if not 0 < abs(count) < len(self.attributes):
            raise DataError(
                f"{self.path}: '-C {count}' in @relation does not fit its"
                f" {len(self.attributes)} attributes: correct the number of labels."
            )
        chosen = self.attributes[:count] if count > 0 else self.attributes[count:]
        return tuple(attribute.name for attribute in chosen)

    def named(self, name: str) -> str:
        """The attribute of this name, or the one that differs from it in escaping alone; else itself."""
        names = [attribute.name for attribute in self.attributes]
        if name in names:
            return name
        alike = [own for own in names if _unescaped(own) == _unescaped(name)]
        return alike[0] if len(alike) == 1 else name

    def targets(self, label_names: Sequence[str]) -> NDArray[np.bool_]:
        """The label columns, (N, K)."""
        position = {attribute.name: j for j, attribute in enumerate(self.attributes)}
        for name in label_names:
            if name not in position:
                raise DataError(
                    f"{self.path}: there is no attribute {name!r}, which its .xml names as a"
                    " label: correct one of the two."
                )
        return np.stack([self._label(position[name]) for name in label_names], axis=1)

    def features(
        self, label_names: Sequence[str]
    ) -> tuple[NDArray[np.float32] | csr_matrix, list[str], NDArray[np.bool_]]:
        """All other columns, (N, D), nominal ones as one-hot; their names; which are numeric."""
        labels = set(label_names)
        kept = [j for j, attribute in enumerate(self.attributes) if attribute.name not in labels]
        blocks, names, numeric = [], [], []
        for j in kept:
            attribute = self.attributes[j]
            block = self._feature(j)
            blocks.append(block)
            if block.shape[1] == 1 and (
                attribute.values is None or attribute.as_binary() is not None
            ):
                names.append(attribute.name)
            else:
                names += [f"{attribute.name}={value}" for value in attribute.values or ()]
            numeric += [attribute.values is None] * block.shape[1]
        if not blocks:
            raise DataError(f"{self.path}: all attributes are labels: give at least one feature.")
        if issparse(self.columns):
            joined = hstack(blocks, format="csr").astype(np.float32)
            joined.eliminate_zeros()
            joined.sort_indices()
        else:
            joined = np.hstack(blocks).astype(np.float32)
        return joined, names, np.array(numeric)

    def _label(self, j: int) -> NDArray[np.bool_]:
        attribute, values = self.attributes[j], self._dense(j)
        meaning = np.array([0.0, 1.0]) if attribute.values is None else attribute.as_binary()
        if meaning is None:
            raise DataError(
                f"{self.path}: the label {attribute.name!r} is not binary, it can be"
                f" {', '.join(map(str, (attribute.values or ())[:4]))}: labels must be 0 or 1, or"
                " YES or NO."
            )
        wrong = np.flatnonzero(~np.isin(values, np.arange(len(meaning))))
        if len(wrong):
            shown = "missing" if np.isnan(values[wrong[0]]) else f"{values[wrong[0]]:g}"
            raise DataError(
                f"{self.path}: the label {attribute.name!r} is {shown} in data row"
                f" {wrong[0] + 1}: labels must be 0 or 1 in every row."
            )
        return np.asarray(meaning[values.astype(int)] > 0)

    def _feature(self, j: int) -> Any:
        """The columns (N, width) that one attribute becomes."""
        attribute, meaning = self.attributes[j], self.attributes[j].as_binary()
        as_stored = attribute.values is None or (
            meaning is not None and np.array_equal(meaning, [0, 1])
        )
        if as_stored:
            return self.columns[:, [j]]
        values = self._dense(j)
        known = ~np.isnan(values)
        if meaning is not None and set(meaning) == {0, 1}:
            block = np.full((len(values), 1), np.nan)
            block[known, 0] = meaning[values[known].astype(int)]
        else:
            # A missing value is none of the values.
            block = np.zeros((len(values), len(attribute.values or ())))
            block[known, values[known].astype(int)] = 1
        return csc_matrix(block) if issparse(self.columns) else block

    def _dense(self, j: int) -> NDArray[np.float64]:
        column: Any = self.columns[:, [j]]
        return np.asarray(column.toarray() if issparse(column) else column).ravel()


def _unescaped(name: str) -> str:
    """Without what XML and ARFF writers put around or before special characters."""
    return re.sub(r"\\(.)", r"\1", html.unescape(name)).strip().strip("'\"")


def read_arff(path: Path, read: Read = read_bytes) -> ArffFile:
    """Parse a file, whose bytes `read` gives.

    Raises:
        DataError: it cannot be read, is cut off, breaks the format, or holds NaN or infinity.
    """
    text = read_text(path, read)
    sparse = _is_sparse(text)
    try:
        parsed = arff.load(
            io.StringIO(text),
            encode_nominal=True,
            return_type=arff.LOD_GEN if sparse else arff.DENSE_GEN,
        )
    except (arff.ArffException, ValueError) as error:
        # A declaration without its second half is a ValueError of unpacking there.
        raise DataError(f"{path}: the header cannot be read: {_reason(error)}") from error
    names = _declared_names(text, [name for name, _ in parsed["attributes"]])
    attributes = tuple(
        _attribute(path, name, kind)
        for name, (_, kind) in zip(names, parsed["attributes"], strict=True)
    )
    rows = list(_rows(path, parsed["data"]))
    if not rows:
        raise DataError(f"{path}: there is no row after @data: the file is empty or cut off.")
    columns = _sparse_columns(rows, len(attributes)) if sparse else np.array(rows, dtype=np.float64)
    _check_finite(path, attributes, rows, columns)
    return ArffFile(path, parsed["relation"], attributes, columns)


def _is_sparse(text: str) -> bool:
    start = re.search(r"^\s*@data\b", text, flags=re.IGNORECASE | re.MULTILINE)
    first_row = re.compile(r"^[ \t]*([^\s%])", flags=re.MULTILINE)
    found = first_row.search(text, start.end()) if start else None
    return found is not None and found[1] == "{"


def _declared_names(text: str, parsed: list[str]) -> list[str]:
    """The attributes' names with what the parser strips: quotes at the ends of a quoted name."""
    header = re.split(r"^\s*@data\b", text, maxsplit=1, flags=re.IGNORECASE | re.MULTILINE)[0]
    lines = re.findall(r"^[ \t]*@attribute[ \t]+(.*)$", header, re.IGNORECASE | re.MULTILINE)
    if len(lines) != len(parsed):
        return parsed
    quoted = [re.match(r"""'((?:\\.|[^\\'])*)'\s|"((?:\\.|[^\\"])*)"\s""", line) for line in lines]
    return [
        name if found is None else found[1] if found[1] is not None else found[2]
        for name, found in zip(parsed, quoted, strict=True)
    ]


def _attribute(path: Path, name: str, kind: str | list[str]) -> Attribute:
    name = re.sub(r"\\(.)", r"\1", name)
    if isinstance(kind, list):
        return Attribute(name, tuple(kind))
    if kind.upper() in ("NUMERIC", "REAL", "INTEGER"):
        return Attribute(name, None)
    raise DataError(
        f"{path}: the attribute {name!r} is of type {kind}, which is neither numeric nor nominal:"
        " convert or remove it."
    )


def _rows(path: Path, data: Iterator[Any]) -> Iterator[Any]:
    number = 1
    try:
        for row in data:
            yield row
            number += 1
    except (arff.ArffException, ValueError) as error:
        raise DataError(
            f"{path}: data row {number} cannot be read ({_reason(error)}): correct it, or fetch"
            " the file again if it is cut off."
        ) from error


def _reason(error: Exception) -> str:
    try:
        told = str(error)
    except (TypeError, ValueError):
        # It formats its message with %, which the file's own text may hold.
        told = str(getattr(error, "message", type(error).__name__))
    reason = re.sub(r"(,? (at|in) line (-1|%d))", "", " ".join(told.split())).strip().rstrip(".")
    return reason if len(reason) < 120 else reason[:117] + "..."


def _sparse_columns(rows: list[dict[int, float | None]], n_columns: int) -> csc_matrix:
    starts = np.cumsum([0, *map(len, rows)])
    columns = np.fromiter((j for row in rows for j in row), dtype=np.int64, count=starts[-1])
    values = np.array([value for row in rows for value in row.values()], dtype=np.float64)
    return csr_matrix((values, columns, starts), shape=(len(rows), n_columns)).tocsc()


def _check_finite(
    path: Path, attributes: tuple[Attribute, ...], rows: list[Any], columns: Any
) -> None:
    """Only `?` may be NaN: a NaN that was written out, or an infinity, is an error."""
    stored = columns.tocoo() if issparse(columns) else None
    values = columns if stored is None else stored.data
    for place in zip(*np.nonzero(~np.isfinite(values)), strict=True):
        i, j = place if stored is None else (stored.row[place[0]], stored.col[place[0]])
        value = rows[i][j]
        if value is not None:
            raise DataError(
                f"{path}: the attribute {attributes[j].name!r} is {value} in data row {i + 1}: give"
                " a finite number, or ? for a missing one."
            )
