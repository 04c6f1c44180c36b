"""Reading the features of a file for prediction."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlc.config.errors import DataError
from mlc.data.arff_file import read_arff
from mlc.data.base import SOURCES, select_columns
from mlc.data.columns import Encoded, encode_columns
from mlc.data.table_file import read_frame

log = logging.getLogger(__name__)


def read_features(
    path: Path, source: str, options: Any, names: Sequence[str], label_names: Sequence[str]
) -> Any:
    """Read a model's features from another file.

    Args:
        path: a file in the format of the source, if it reads files; else an ARFF, CSV, TSV or Parquet
            file with columns of the features' names.
        source: name of the data source of the model's training.
        options: options of the source.
        names: the D features of the model.
        label_names: the labels of the model, whose columns are ignored.

    Returns:
        (N, D), dense or CSR.

    Raises:
        DataError: the file cannot be read, or lacks a feature.
    """
    read = getattr(SOURCES[source], "read_features", None)
    if read is not None:
        return read(path, options, names)
    if ".arff" not in path.suffixes:
        return values_said(encode_columns(read_frame(path), str(path), names))
    features, feature_names, _ = read_arff(path).features(label_names)
    return select_columns(path, features, feature_names, names)


def values_said(encoded: Encoded) -> Any:
    """Return the features of new rows, and log what is assumed of them."""
    for note in encoded.notes:
        log.warning("%s", note, extra={"folded": True})
    return encoded.values


def read_texts(path: Path, source: str, options: Any) -> list[str]:
    """Read the texts of another file in the format of a source of texts.

    Raises:
        DataError: the file cannot be read, or the source has no texts.
    """
    read = getattr(SOURCES[source], "read_texts", None)
    if read is None:
        raise DataError(f"{path}: data={source} holds no texts: name a file of data=table.")
    texts: list[str] = read(path, options)
    return texts
