"""Data sets as a run reads them, for code outside a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlc.data.base import SOURCES, Dataset
from mlc.data.files import located
from mlc.data.image_input import read_whole
from mlc.data.unlabelled import read_features


def load_data(source: str, /, **options: Any) -> Dataset:
    """Load a data set: features (N, D), targets (N, K), their names, and the given parts.

    Args:
        source: one of `mlc.data.SOURCES`, such as "table" or "arff".
        **options: of the source, as path="posts.csv", labels=["tags"], text="body".

    Raises:
        ConfigError: there is no such source or option.
        DataError: a file is missing or cannot be read.
    """
    return SOURCES[source].load(SOURCES.options(source, **options))


def load_features(file: str | Path, like: Dataset, source: str, /, **options: Any) -> Any:
    """Load the features of another file in the columns of a data set: (M, D), dense or CSR.

    The file needs no labels. An image, a folder or a table of images gives (M, C, H, W), uint8.

    Args:
        file: the file.
        like: what `load_data` returned.
        source: as for `load_data`.
        **options: as for `load_data`.

    Raises:
        DataError: the file cannot be read, or lacks a feature.
    """
    given = SOURCES.options(source, **options)
    path = located(str(file), getattr(given, "root", None))
    if hasattr(SOURCES[source], "read_samples"):
        pixels = read_whole(source, [path], given, like.sample_shape)
        return pixels.reshape(-1, *like.sample_shape)
    return read_features(path, source, given, like.feature_names, like.label_names)
