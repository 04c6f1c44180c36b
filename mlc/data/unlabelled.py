"""The features of a file whose labels, if it has any, nobody asks for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mlc.config.errors import DataError
from mlc.data.arff_file import read_arff
from mlc.data.base import SOURCES
from mlc.data.columns import encode_columns
from mlc.data.table_file import read_frame


def read_features(
    path: Path, source: str, options: Any, names: Sequence[str], label_names: Sequence[str]
) -> Any:
    """The features that a model was trained on, of the rows of another file.

    Args:
        path: a file in the source's own form, where it is of files; else an ARFF, CSV, TSV or Parquet
            file, whose columns are found by their names.
        source: the data source that the model was trained on.
        options: the source's; a table's say which column is text.
        names: the model's features, D.
        label_names: the model's labels, whose columns are passed over.

    Returns:
        (N, D), dense or CSR.

    Raises:
        DataError: the file cannot be read, or lacks a feature.
    """
    read = getattr(SOURCES[source], "read_features", None)
    if read is not None:
        return read(path, options, names)
    if ".arff" not in path.suffixes:
        return encode_columns(read_frame(path), str(path), names).values
    features, feature_names, _ = read_arff(path).features(label_names)
    column_of = {name: number for number, name in enumerate(feature_names)}
    missing = [name for name in names if name not in column_of]
    if missing:
        raise DataError(
            f"{path}: there is no attribute {missing[0]!r}, which the training had: add it."
        )
    return features[:, np.array([column_of[name] for name in names])]
