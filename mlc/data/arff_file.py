"""One ARFF file, dense or sparse, plain or packed, as arrays."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_matrix, csr_matrix, hstack, issparse

from mlc.config.errors import DataError
from mlc.data.arff_grammar import Attribute, lines_of, read_header
from mlc.data.arff_rows import read_rows
from mlc.data.files import Read, read_bytes, read_text
from mlc.data.missing_labels import SOFT_RANGE, Probabilities, as_probabilities, nominal_text
from mlc.data.precision import first_infinite

# Increased when the parsed arrays change, so that older cache entries are not used.
FORMAT_VERSION = "arff-4"
_MOST_DIGITS = 18


@dataclass(frozen=True)
class ArffFile:
    """A parsed file: its attributes in order, and a column of numbers for each.

    A nominal value is stored as its index in the attribute's list of values. Missing values are NaN.
    """

    path: Path
    relation: str
    attributes: tuple[Attribute, ...]
    columns: NDArray[np.float64] | csc_matrix

    def meka_labels(self) -> tuple[str, ...] | None:
        """Return the labels by MEKA's `-C n`: the first n attributes, or the last -n if n < 0."""
        match = re.search(r"-C\s+(-?\d+)(?![\w.])", self.relation, re.ASCII)
        if match is None:
            return None
        # Python refuses to convert thousands of digits.
        count = int(match[1][:_MOST_DIGITS])
        if not 0 < abs(count) < len(self.attributes):
            raise DataError(
                f"{self.path}: '-C {match[1]}' in @relation does not fit its"
                f" {len(self.attributes)} attributes: correct the number of labels."
            )
        chosen = self.attributes[:count] if count > 0 else self.attributes[count:]
        return tuple(attribute.name for attribute in chosen)

    def named(self, name: str) -> str:
        """Return the attribute of this name, or the only one that differs in escaping; else the name."""
        names = [attribute.name for attribute in self.attributes]
        if name in names:
            return name
        alike = [other for other in names if _unescaped(other) == _unescaped(name)]
        return alike[0] if len(alike) == 1 else name

    def targets(self, label_names: Sequence[str], soft: bool = False) -> Probabilities:
        """Return the label columns, which are probabilities if `soft`, else 0 and 1: (N, K)."""
        position = {attribute.name: j for j, attribute in enumerate(self.attributes)}
        for name in label_names:
            if name not in position:
                raise DataError(
                    f"{self.path}: there is no attribute {name!r}, which its .xml names as a"
                    " label: correct one of the two."
                )
        read = self._probability if soft else self._label
        columns = [read(position[name]) for name in label_names]

        def refusal(row: int, column: int) -> str:
            return (
                f"{self.path}: the label {label_names[column]!r} is {columns[column][row]:g} in data"
                f" row {row + 1}: {SOFT_RANGE}."
            )

        return as_probabilities(columns, refusal)

    def features(
        self, label_names: Sequence[str]
    ) -> tuple[NDArray[np.float64] | csr_matrix, list[str], NDArray[np.bool_]]:
        """Return all other columns (N, D), nominal ones one-hot, their names, and which are numeric."""
        labels = set(label_names)
        blocks, names, numeric = [], [], []
        for j, attribute in enumerate(self.attributes):
            if attribute.name in labels:
                continue
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
            joined = np.hstack(blocks)
        return joined, names, np.array(numeric)

    def _label(self, j: int) -> NDArray[np.float64]:
        """Return 0 or 1 for each row, and NaN where the value is missing: (N,)."""
        attribute, values = self.attributes[j], self._dense(j)
        meaning = np.array([0.0, 1.0]) if attribute.values is None else attribute.as_binary()
        if meaning is None:
            raise DataError(
                f"{self.path}: the label {attribute.name!r} is not binary, it can be"
                f" {', '.join(map(str, (attribute.values or ())[:4]))}: labels must be 0 or 1, or"
                " YES or NO."
            )
        missing = np.isnan(values)
        wrong = np.flatnonzero(~missing & ~np.isin(values, np.arange(len(meaning))))
        if len(wrong):
            raise DataError(
                f"{self.path}: the label {attribute.name!r} is {values[wrong[0]]:g} in data row"
                f" {wrong[0] + 1}: labels must be 0 or 1 in every row."
            )
        index = np.where(missing, 0, values).astype(int)
        return np.where(missing, np.nan, np.asarray(meaning)[index] > 0)

    def _probability(self, j: int) -> NDArray[np.float64]:
        """Return the number of each row, and NaN where it is missing: (N,)."""
        attribute = self.attributes[j]
        if attribute.values is not None:
            raise DataError(nominal_text(str(self.path), attribute.name, attribute.values))
        return self._dense(j)

    def _feature(self, j: int) -> Any:
        """Return the feature columns (N, width) of one attribute."""
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
            # A missing value becomes a row of zeros.
            block = np.zeros((len(values), len(attribute.values or ())))
            block[known, values[known].astype(int)] = 1
        return csc_matrix(block) if issparse(self.columns) else block

    def _dense(self, j: int) -> NDArray[np.float64]:
        column: Any = self.columns[:, [j]]
        return np.asarray(column.toarray() if issparse(column) else column).ravel()


def _unescaped(name: str) -> str:
    """Remove the escapes and quotes that XML and ARFF writers add."""
    return re.sub(r"\\(.)", r"\1", html.unescape(name)).strip().strip("'\"")


def read_arff(path: Path, read: Read = read_bytes) -> ArffFile:
    """Parse a file; `read` returns the bytes of a path.

    Raises:
        DataError: it cannot be read, is cut off, breaks the grammar (see `arff_grammar`), or holds NaN,
            infinity, or a number that is too large for 32 bits.
    """
    relation, attributes, rows = read_header(path, lines_of(read_text(path, read)))
    columns = read_rows(path, rows, attributes)
    _check_size(path, attributes, columns)
    return ArffFile(path, relation, attributes, columns)


def _check_size(path: Path, attributes: Sequence[Attribute], columns: Any) -> None:
    if (infinite := first_infinite(columns)) is not None:
        i, j = infinite
        raise DataError(
            f"{path}: the attribute {attributes[j].name!r} is {columns[i, j]:g} in data row {i + 1}, too"
            " large for 32 bits: give a smaller number, or ? for a missing one."
        )
