"""Data sets in the multi-label format of LIBSVM and of the extreme classification repository."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mlc.config.errors import DataError
from mlc.config.options import option
from mlc.data.base import Dataset, DataSource, SplitOptions, register_source
from mlc.data.file_kinds import not_read
from mlc.data.files import MOST_COLUMNS, located, read_text, require_memory
from mlc.data.libsvm_lines import row_lines
from mlc.data.parts import join_parts
from mlc.data.weighting import weighting_of

# Endings of files that hold no such rows.
_OTHERS = (".csv", ".tsv", ".arff", ".json", ".jsonl", ".ndjson")
_ROW = re.compile(
    r"(?P<labels>\d+(?:,\d+)*)?(?:(?:^|\s+)(?P<pairs>\d+:[-+.\deE]+(?:\s+\d+:[-+.\deE]+)*))?",
    re.ASCII,
)
_BYTES_OF_COLUMN = 100  # A name, and whether it is numeric.
_LONGEST_SHOWN = 60
_MOST_DIGITS = 19  # Of a number of 64 bits.


@dataclass
class LibsvmOptions(SplitOptions):
    """Options of LIBSVM files.

    Attributes:
        path: a file of lines "3,7 1:0.5 9:2", labels and then index:value, perhaps .gz, .bz2 or .xz.
            After a first line "N D K" (rows, features, labels) features and labels count from 0.
        test_path: file of the test rows; null splits the one file.
        root: folder of a relative path; null is $MLC_DATA or the working folder.
        title: name of the data set in tables; null is the file's name.
        first_index: index of the first feature, 0 or 1; "auto" is 0 if an index 0 or a line "N D K"
            occurs, else 1.
    """

    path: str | None = None
    test_path: str | None = None
    root: str | None = None
    title: str | None = None
    first_index: str = option("auto", choices=("auto", "0", "1"))


@dataclass(frozen=True)
class LibsvmRows:
    """The content of a file.

    Attributes:
        path: the file.
        labels: label numbers of each row.
        indices: feature indices of all entries, as in the file.
        values: values of all entries, float32.
        starts: index of each row's first entry, then the number of entries: (N + 1,).
        lines: line number of each row, from 1.
        header: D and K of the line "N D K", if there is one.
    """

    path: Path
    labels: list[list[int]]
    indices: NDArray[np.int64]
    values: NDArray[np.float32]
    starts: NDArray[np.int64]
    lines: list[int]
    header: tuple[int, int] | None

    def features(self, first: int, n_columns: int) -> csr_matrix:
        """Return the features (N, D); their first column has the index `first`.

        Raises:
            DataError: an index is smaller than `first`, or does not fit the D columns.
        """
        columns = self.indices - first
        wrong = np.flatnonzero((columns < 0) | (columns >= n_columns))
        if len(wrong):
            row = int(np.searchsorted(self.starts, wrong[0], side="right")) - 1
            raise DataError(
                f"{self.path}, line {self.lines[row]}: the index {self.indices[wrong[0]]} is none of"
                f" the features from {first} to {first + n_columns - 1}: correct it, or"
                " data.first_index."
            )
        shape = len(self.labels), n_columns
        matrix = csr_matrix((self.values, columns, self.starts), shape=shape)
        matrix.eliminate_zeros()
        return matrix


@register_source("libsvm")
class Libsvm(DataSource):
    """Sparse rows with numbered labels and features."""

    Options = LibsvmOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Load the data set; the names of labels and features are their numbers."""
        if options.path is None:
            raise DataError('data=libsvm needs data.path=FILE, of lines "3,7 1:0.5 9:2".')
        path = located(options.path, options.root)
        files = [read_rows(path)]
        if options.test_path is not None:
            files.append(read_rows(located(options.test_path, options.root)))
        first = _first_index(files, options.first_index)
        n_columns = _n_columns(files, first)
        names = _label_numbers(files)
        features, targets, parts = join_parts(
            [rows.features(first, n_columns) for rows in files],
            [_targets(rows, names) for rows in files],
        )
        return Dataset(
            name=options.title or path.name.split(".")[0],
            features=features,
            targets=targets,
            feature_names=tuple(map(str, range(first, first + n_columns))),
            label_names=tuple(map(str, names)),
            numeric=np.ones(n_columns, dtype=bool),
            weighting=weighting_of(features, options.weighting, str(path)),
            parts=parts,
            parts_from=f"from {files[-1].path.name}",
        )

    @classmethod
    def read_features(cls, path: Path, options: Any, names: Sequence[str]) -> Any:
        """Return the features of another file with the same indices: (N, D)."""
        first = int(names[0]) if names and re.fullmatch(r"\d{1,8}", names[0], re.ASCII) else None
        if first is None:
            raise DataError(
                "The run's features have no numbers, as those of LIBSVM: train it again."
            )
        return read_rows(path).features(first, len(names))


def read_rows(path: Path) -> LibsvmRows:
    """Parse a file.

    Raises:
        DataError: the file cannot be read, a line is empty or malformed, the indices of a row do not
            increase, or a value is infinite or too large for 32 bits.
    """
    return _parsed(path, *row_lines(path, read_text(path)))


def _parsed(path: Path, rows: list[tuple[int, str]], header: tuple[int, int] | None) -> LibsvmRows:
    labels: list[list[int]] = []
    indices: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float32]] = []
    for number, line in rows:
        match = _ROW.fullmatch(line.strip())
        try:
            if match is None:
                raise ValueError(_why_malformed(line))
            row_indices, row_values = _pairs(match["pairs"] or "")
            labels.append(_labels(match["labels"]))
        except (ValueError, OverflowError) as error:
            if number == rows[0][0] and path.suffix.lower() in _OTHERS:
                raise not_read(path, "LIBSVM") from error
            quoted = line.strip()
            quoted = quoted if len(quoted) <= _LONGEST_SHOWN else f"{quoted[:_LONGEST_SHOWN]}..."
            raise DataError(f"{path}, line {number}: {error}: {quoted!a}.") from error
        indices.append(row_indices)
        values.append(row_values)
    starts = np.cumsum([0, *map(len, indices)])
    numbers = [number for number, _ in rows]
    return LibsvmRows(
        path, labels, np.concatenate(indices), np.concatenate(values), starts, numbers, header
    )


def _pairs(text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    words = text.replace(":", " ").split()
    try:
        indices = np.array(list(map(int, words[::2])), dtype=np.int64)
        values = np.array(list(map(float, words[1::2])))
    except (ValueError, OverflowError):
        raise ValueError("an index or a value is out of range: correct it") from None
    steps = np.diff(indices)
    if (steps <= 0).any():
        index = int(np.argmax(steps <= 0))
        problem = "occurs twice" if steps[index] == 0 else f"follows after {indices[index]}"
        raise ValueError(
            f"the index {indices[index + 1]} {problem}: each must be larger than the last"
        )
    with np.errstate(over="ignore"):
        as_float32 = values.astype(np.float32)
    if not np.isfinite(as_float32).all():
        wrong = int(np.argmin(np.isfinite(as_float32)))
        raise ValueError(
            f"the value {words[2 * wrong + 1]} is infinite, or too large for 32 bits: correct it"
        )
    return indices, as_float32


def _labels(text: str | None) -> list[int]:
    words = text.split(",") if text else []
    # Python refuses to convert thousands of digits.
    numbers = [int(word[-_MOST_DIGITS:]) for word in words]
    if any(
        len(w) > _MOST_DIGITS or n > np.iinfo(np.int64).max
        for w, n in zip(words, numbers, strict=True)
    ):
        raise ValueError("a label is too large for a number of 64 bits: correct it")
    if len(set(numbers)) < len(numbers):
        raise ValueError("it has a label twice: remove one")
    return numbers


def _why_malformed(line: str) -> str:
    if re.search(r"\bqid:", line):
        return "qid is of ranking data, whose rows are not samples: remove it"
    if re.match(r"\s*[-+]\d", line):
        return "a label has a sign: state the numbers of the labels that are true, from 0"
    return 'it must be labels and then index:value, as in "3,7 1:0.5 9:2"'


def _first_index(files: Sequence[LibsvmRows], given: str) -> int:
    if given != "auto":
        return int(given)
    from_zero = any(rows.header is not None or (rows.indices == 0).any() for rows in files)
    return 0 if from_zero else 1


def _n_columns(files: Sequence[LibsvmRows], first: int) -> int:
    """Return D, from a first line or from the largest index of all files."""
    largest = max((int(r.indices.max()) for r in files if len(r.indices)), default=first - 1)
    headers = {rows.header for rows in files if rows.header is not None}
    if len(headers) > 1:
        raise DataError(
            f"{files[0].path} and {files[1].path} give different numbers of features or labels in their"
            " first lines: they are not parts of one data set."
        )
    n_columns = next(iter(headers))[0] if headers else largest + 1 - first
    if n_columns == 0:
        raise DataError(f"{files[0].path}: no row has a feature: give at least one.")
    if n_columns > MOST_COLUMNS:
        raise DataError(
            f"{files[0].path} has {n_columns} features, and at most {MOST_COLUMNS} can be used:"
            " correct the largest index, or number the features anew."
        )
    require_memory(files[0].path, _BYTES_OF_COLUMN * n_columns, "the names of its features")
    return n_columns


def _label_numbers(files: Sequence[LibsvmRows]) -> list[int]:
    """Return the label numbers: 0 to K - 1 with a first line, otherwise those that occur."""
    n_given = next((rows.header[1] for rows in files if rows.header is not None), None)
    n_rows = sum(len(rows.labels) for rows in files)
    numbers = sorted({number for rows in files for labels in rows.labels for number in labels})
    n_labels = len(numbers) if n_given is None else n_given
    if n_labels == 0:
        raise DataError(f"{files[0].path}: no row has a label: give at least one.")
    if n_labels > MOST_COLUMNS:
        raise DataError(
            f"{files[0].path} has {n_labels} labels, and at most {MOST_COLUMNS} can be used: use those"
            " that are frequent."
        )
    require_memory(files[0].path, n_labels * (n_rows + _BYTES_OF_COLUMN), "its labels")
    if n_given is None:
        return numbers
    for rows in files:
        for line, labels in zip(rows.lines, rows.labels, strict=True):
            if labels and max(labels) >= n_given:
                raise DataError(
                    f"{rows.path}, line {line}: the label {max(labels)} is none of the {n_given} from 0"
                    f" to {n_given - 1} that the first line states: correct one of the two."
                )
    return list(range(n_given))


def _targets(rows: LibsvmRows, names: Sequence[int]) -> NDArray[np.bool_]:
    targets = np.zeros((len(rows.labels), len(names)), dtype=bool)
    column_of = {number: column for column, number in enumerate(names)}
    counts = list(map(len, rows.labels))
    columns = [column_of[number] for labels in rows.labels for number in labels]
    targets[np.repeat(np.arange(len(counts)), counts), columns] = True
    return targets
