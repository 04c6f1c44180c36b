"""CSV, TSV and Parquet files."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, vstack

from mlc.data.base import DataOptions, Dataset, DataSource, Vocabulary, register_source
from mlc.data.columns import encode_columns, encode_labels
from mlc.data.files import OPENERS, located, read_text, unreadable
from mlc.data.text import TextOptions, count_words
from mlc.errors import DataError
from mlc.options import option

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


@dataclass
class TableOptions(TextOptions, DataOptions):
    """Which file, and which of its columns are what.

    Attributes:
        path: a .csv, .tsv or .parquet file, perhaps packed; its first line names the columns.
        test_path: the file to test on; null splits the one file.
        root: where a relative path starts; $MLC_DATA or the working folder where it is null.
        name: what tables call the data; the file's name where it is null.
        labels: the column that holds label sets, or several columns of 0 and 1.
        separator: between the labels of a set.
        text: the column whose words are the features; null takes all other columns.
        ignore: columns that are no features.
        test_fraction: share of the rows to test on, where there is no test_path.
        split_seed: of that split.
    """

    path: str | None = None
    test_path: str | None = None
    root: str | None = None
    name: str | None = None
    labels: list[str] = field(default_factory=list)
    separator: str = option(";", not_empty=True)
    text: str | None = None
    ignore: list[str] = field(default_factory=list)
    test_fraction: float = option(0.3, above=0, below=1)
    split_seed: int = option(0, at_least=0, at_most=2**32 - 1)


@register_source("table")
class Table(DataSource):
    """One row for each sample; numbers, categories or a text, and labels."""

    Options = TableOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """The data set; words and categories are those of the training file.

        Of those each run uses what its own training rows hold. All rows of the training file together
        decide what columns there can be: which labels there are, and which columns are numbers.
        """
        if options.path is None or not options.labels:
            raise DataError(
                "data=table needs data.path=FILE and data.labels=[COLUMN], the column that holds"
                " label sets, or several columns of 0 and 1."
            )
        path = located(options.path, options.root)
        train = read_frame(path)
        targets, label_names = encode_labels(train, options.labels, options.separator, str(path))
        features, names, numeric = _features(train, options, str(path), None)
        parts = {}
        if options.test_path is not None:
            test_path = located(options.test_path, options.root)
            test = read_frame(test_path)
            of_test = _targets_as(test, options, str(test_path), label_names)
            more, _, _ = _features(test, options, str(test_path), names)
            join: Any = vstack if isinstance(features, csr_matrix) else np.concatenate
            features, targets = join([features, more]), np.concatenate([targets, of_test])
            rows = np.arange(len(targets))
            parts = {"train": rows[: len(train)], "test": rows[len(train) :]}
        return Dataset(
            name=options.name or path.name.split(".")[0],
            features=features.tocsr() if isinstance(features, csr_matrix) else features,
            targets=targets,
            feature_names=tuple(names),
            label_names=label_names,
            numeric=numeric,
            parts=parts,
            vocabulary=_vocabulary(options, numeric),
        )

    @classmethod
    def read_features(cls, path: Path, options: Any, names: Sequence[str]) -> Any:
        """The features of another file with these columns: (N, D)."""
        features, _, _ = _features(read_frame(path), options, str(path), names)
        return features


def read_frame(path: Path) -> pd.DataFrame:
    """A file's columns: as it types them (Parquet), or all as text (CSV, TSV).

    Raises:
        DataError: it is missing, is none of these, or has rows of other lengths than its first line.
    """
    ending = next((s.lower() for s in reversed(path.suffixes) if s.lower() not in OPENERS), "")
    if ending in _SEPARATORS:
        frame = _read_separated(path, _SEPARATORS[ending])
    elif ending == ".parquet":
        frame = _read_parquet(path)
    else:
        raise DataError(f"{path} is no .csv, .tsv or .parquet file: name one.")
    if frame.empty:
        raise DataError(f"{path} has no row after its first line, which names the columns.")
    if not frame.columns.is_unique:
        twice = frame.columns[frame.columns.duplicated()][0]
        raise DataError(f"{path} has two columns {str(twice)!r}: rename one.")
    return frame


def _read_separated(path: Path, separator: str) -> pd.DataFrame:
    """By Python's own reader: pandas fills short rows up, and takes what is too many for row names."""
    csv.field_size_limit(sys.maxsize)
    lines = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=separator, strict=True)
    rows: list[list[str]] = []
    try:
        header = next((line for line in lines if line), [])
        for row in lines:
            if row and len(row) != len(header):
                raise DataError(
                    f"{path}: the row that ends in line {lines.line_num} has {len(row)} fields, and"
                    f" the first line names {len(header)}: correct one of them."
                )
            rows += [row] if row else []
    except csv.Error as error:
        raise DataError(f"{path}, line {lines.line_num}: {error}: correct its quotes.") from error
    return pd.DataFrame(rows, columns=[name.strip() for name in header], dtype=str)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        if path.is_dir():
            return pd.read_parquet(path)
        with path.open("rb") as file:
            return pd.read_parquet(file)
    except OSError as error:
        raise unreadable(path, error) from error
    except ImportError as error:
        raise DataError(f"{path}: Parquet needs pyarrow: pip install pyarrow.") from error
    except Exception as error:
        # pyarrow raises whatever it meets in a file that is none of its own.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} cannot be read as a Parquet file: {reason}.") from error


def _features(
    frame: pd.DataFrame, options: Any, where: str, names: Sequence[str] | None
) -> tuple[Any, list[str], Any]:
    if options.text is None:
        left_out = [*options.labels, *options.ignore]
        own = frame.drop(columns=[name for name in left_out if name in frame.columns])
        return encode_columns(own, where, names)
    if options.text not in frame.columns:
        raise DataError(
            f"{where}: there is no column {options.text!r}: data.text may be"
            f" {', '.join(map(str, frame.columns[:20]))}."
        )
    column = frame[options.text]
    texts = ["" if gap else str(text) for text, gap in zip(column, column.isna(), strict=True)]
    words = None if names is None else list(names)[: len(names) - options.n_buckets()]
    counts, found = count_words(texts, options, where, words)
    return counts, found, np.ones(counts.shape[1], dtype=bool)


def _vocabulary(options: Any, numeric: Any) -> Vocabulary:
    """The words of a text, but for its buckets; or what encodes a category."""
    if options.text is None:
        return Vocabulary(~numeric)
    words = np.arange(len(numeric)) < len(numeric) - options.n_buckets()
    return Vocabulary(words, options.min_count, options.max_words)


def _targets_as(frame: pd.DataFrame, options: Any, where: str, label_names: Sequence[str]) -> Any:
    """The test file's targets in the training file's order of labels."""
    targets, names = encode_labels(frame, options.labels, options.separator, where)
    unknown = sorted(set(names) - set(label_names))
    if unknown:
        raise DataError(
            f"{where}: the label {unknown[0]!r} is not in the training file: remove it."
        )
    ordered = np.zeros((len(frame), len(label_names)), dtype=bool)
    for place, name in enumerate(names):
        ordered[:, list(label_names).index(name)] = targets[:, place]
    return ordered
