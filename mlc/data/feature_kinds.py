"""A description of the features of a data set: kinds, numbers, names and encodings."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from mlc.config.memory import readable
from mlc.config.texts import listed
from mlc.data.base import Dataset, Vocabulary
from mlc.data.preprocessing import Scaling

# Up to this many names are all listed, otherwise only the first few.
_ALL_NAMED, _NAMED = 12, 5

Columns = NDArray[np.bool_]


def kinds_of_features(dataset: Dataset, scaling: Scaling) -> str:
    """Describe the words, categories, numbers and other columns of a data set."""
    if dataset.samples != "columns":
        return _integers(dataset)
    vocabulary = dataset.vocabulary or Vocabulary(np.zeros(dataset.n_features, dtype=bool))
    words = vocabulary.columns & dataset.numeric
    categories = vocabulary.columns & ~dataset.numeric
    constant = np.zeros_like(words) if scaling.constant is None else scaling.constant
    plain = ~(words | categories | constant)
    kinds = []
    if words.any():
        limits = _limits(vocabulary)
        kinds.append(
            f"{_used(words, scaling)} {_sequences(dataset, words)}{_origin(vocabulary)} ({limits})"
            f" {_weighting(scaling)}"
        )
    if words.any() and plain.any():
        kinds.append(f"{int(plain.sum()):,} hashed sequences of words, likewise")
    elif plain.any():
        kinds += _plain(dataset, plain, scaling)
    if constant.any():
        kinds.append(_named(dataset, constant, "constant in the training rows, not used"))
    if categories.any():
        kinds.append(f"{_used(categories, scaling)} categories{_origin(vocabulary)}, one-hot")
    matrix: Any = dataset.features
    if issparse(matrix):
        kinds.append(f"sparse, {matrix.nnz / dataset.n_samples:.1f} nonzero values per row")
    if len(dataset.sample_shape) > 1:
        kinds.append(f"a sample is {' x '.join(map(str, dataset.sample_shape))}")
    return "; ".join(kinds)


def _integers(dataset: Dataset) -> str:
    """Describe the size of images, or of sequences of tokens."""
    if dataset.samples == "tokens":
        return f"sequences of {dataset.n_features:,} numbers of tokens"
    if len(dataset.sample_shape) != 3:
        return f"{dataset.n_features:,} pixels from 0 to 255, divided by 255"
    channels, height, width = dataset.sample_shape
    colours = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    return (
        f"images of {height} x {width} pixels ({colours}), a byte each, divided by 255:"
        f" {readable(dataset.features.nbytes)} in all"
    )


def _used(columns: Columns, scaling: Scaling) -> str:
    n_used, n_all = int((columns & scaling.used).sum()), int(columns.sum())
    return f"{n_used:,}" + (f" (of {n_all:,} in all rows)" if n_used < n_all else "")


def _sequences(dataset: Dataset, words: Columns) -> str:
    """Name the units of the text: words or characters, pairs or longer sequences."""
    names = [dataset.feature_names[j].split() for j in np.flatnonzero(words)]
    unit = "characters" if all(len(each) == 1 for name in names for each in name) else "words"
    lengths = sorted({len(name) for name in names})
    return " and ".join({1: unit, 2: "pairs"}.get(n, f"sequences of {n}") for n in lengths)


def _limits(vocabulary: Vocabulary) -> str:
    """Describe the limits on the number of training texts with a word."""
    most = "" if vocabulary.max_df == 1 else f", max_df {vocabulary.max_df:g}"
    return f"min_df {vocabulary.min_df:g}{most}"


def _weighting(scaling: Scaling) -> str:
    """Describe the weighting of counts."""
    if scaling.weighting == "tfidf":
        return "as TF-IDF (1 + log count, idf of the training rows, rows of length 1)"
    if scaling.weighting == "binary":
        return "as 0 and 1"
    scaled = (scaling.scale[scaling.used] != 1).any()
    return "as counts" + (", scaled to at most 1" if scaled else "")


def _origin(vocabulary: Vocabulary) -> str:
    """Name the file's columns from which words or categories are derived."""
    origins = vocabulary.read_from
    if not origins:
        return ""
    several = len(origins) > 1
    names = [f"{name} ({n:,})" if several else name for name, n in origins.items()]
    return f" of {listed(names, _ALL_NAMED)}"


def _plain(dataset: Dataset, columns: Columns, scaling: Scaling) -> list[str]:
    """Describe numbers and flags by their scaling."""
    if scaling.weighting is not None:
        return [_named(dataset, columns, f"counts {_weighting(scaling)}")]
    if issparse(dataset.features):
        values = dataset.features.data if columns.all() else dataset.features[:, columns].data
        scaled = "binary" if _are_binary(values) else "numeric, scaled to at most 1"
        return [_named(dataset, columns, scaled)]
    moved = dataset.numeric & ((scaling.shift != 0) | (scaling.scale != 1))
    # Numeric columns of zeros and ones are not scaled either.
    others = columns & ~dataset.numeric
    values = dataset.features if others.all() else dataset.features[:, others]
    binary = columns & ~moved if _are_binary(values) else columns & ~moved & dataset.numeric
    rest = columns & ~moved & ~binary
    kinds = [(columns & moved, "numeric, standardised"), (binary, "binary")]
    if rest.any():
        low, high = np.nanmin(values), np.nanmax(values)
        kinds.append((rest, f"numeric from {low:g} to {high:g}, not scaled"))
    return [_named(dataset, group, description) for group, description in kinds if group.any()]


def _are_binary(values: Any) -> bool:
    return bool(((values == 0) | (values == 1) | (values != values)).all())


def _named(dataset: Dataset, columns: Columns, description: str) -> str:
    n = int(columns.sum())
    names = [dataset.feature_names[j] for j in np.flatnonzero(columns)]
    # Numbers instead of names are not worth listing.
    if all(name.isdecimal() for name in names):
        return f"{n:,} {description}"
    return f"{n:,} {description}: {listed(names, n if n <= _ALL_NAMED else _NAMED)}"
