"""Data sets in files of NumPy, SciPy and safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, issparse

from mlc.config.errors import DataError
from mlc.data.array_files import ONLY, Contents, read_arrays, text_names
from mlc.data.base import (
    Dataset,
    DataSource,
    SplitOptions,
    register_source,
    select_columns,
)
from mlc.data.files import MOST_COLUMNS, located
from mlc.data.label_arrays import (
    are_numbers,
    label_sets,
    parted_texts,
    probabilities,
    without_gaps,
    words_as_bits,
)
from mlc.data.missing_labels import (
    CHOICES,
    HALF,
    SOFT_NOTE,
    SoftLabelOptions,
    joined_known,
    joined_soft,
    unknown_handled,
)
from mlc.data.parts import join_parts
from mlc.data.precision import first_infinite, floats
from mlc.data.weighting import weighting_of

_FEATURES = ("X", "x", "features", "inputs")
_LABELS = ("y", "Y", "labels", "targets")
_NAMES = {
    "feature": ("feature_names", "features_names", "columns"),
    "label": ("label_names", "labels_names", "target_names", "classes"),
}


@dataclass
class ArraysOptions(SoftLabelOptions, SplitOptions):
    """Options of array files.

    Attributes:
        path: a .npz or .safetensors file with X (or features) and y (or labels, targets), perhaps as
            X_train, X_test, y_train, y_test, perhaps with feature_names and label_names; or X alone,
            as .npy or SciPy's sparse .npz.
        labels_path: the file of y, if `path` holds X alone.
        test_path: file of the test rows, in the same form; null splits the one file.
        test_labels_path: the file of y of the test rows, if `test_path` holds X alone.
        root: folder of a relative path; null is $MLC_DATA or the working folder.
        title: name of the data set in tables and paths; null is the file's name.
    """

    path: str | None = None
    labels_path: str | None = None
    test_path: str | None = None
    test_labels_path: str | None = None
    root: str | None = None
    title: str | None = None


@dataclass(frozen=True)
class Part:
    """The features and labels of one part as they were read, and their files."""

    features: Any
    labels: Any
    path: Path
    labels_path: Path


@register_source("arrays")
class Arrays(DataSource):
    """A matrix of features and an array of labels in one of the forms of `label_sets`."""

    Options = ArraysOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Load the data set; columns without names are numbered from 0."""
        if options.path is None:
            raise DataError(
                "data=arrays needs data.path=FILE, a .npz, .npy or .safetensors file, and"
                " data.labels_path=FILE where it holds features alone."
            )
        path = located(options.path, options.root)
        arrays = read_arrays(path)
        beside = _beside(options.labels_path, options.root)
        parts, names = _parts(path, arrays, options, beside)
        texts, notes = parted_texts(words_as_bits([part.labels for part in parts]), names)
        parts = [replace(part, labels=y) for part, y in zip(parts, texts, strict=True)]
        numbers = not options.soft_labels and any(are_numbers(part.labels) for part in parts)
        n_labels = max(_largest(part.labels) for part in parts) + 1 if numbers else 0
        features, targets, masks, label_names = [], [], [], names
        soft: list[Any] = []
        notes += (SOFT_NOTE,) if options.soft_labels else ()
        for part in parts:
            features.append(_as_features(part.path, part.features))
            filled, known = without_gaps(part.labels)
            if options.soft_labels:
                soft.append(probabilities(part.labels_path, filled))
                filled = soft[-1] >= HALF
            encoded, part_names = label_sets(
                part.labels_path, filled, label_names, numbers and known is None, n_labels
            )
            label_names = part_names if label_names is None else label_names
            targets.append(encoded)
            mask, more = _handled(part.labels_path, known, options.missing_labels)
            masks.append(mask)
            notes += more
            if len(encoded) != features[-1].shape[0]:
                raise DataError(
                    f"{part.path} has {features[-1].shape[0]} rows of features, and {part.labels_path}"
                    f" {len(encoded)} of labels: both must be the same."
                )
        _check_same_width(parts, features)
        joined, all_targets, row_parts = join_parts(features, targets)
        return Dataset(
            name=options.title or path.name.split(".")[0],
            features=joined,
            targets=all_targets,
            feature_names=_feature_names(path, arrays, joined.shape[1]),
            label_names=label_names or (),
            numeric=np.ones(joined.shape[1], dtype=bool),
            weighting=weighting_of(joined, options.weighting, str(path)),
            parts=row_parts,
            known=joined_known(masks, targets),
            soft=joined_soft(soft),
            notes=notes,
            parts_from=f"from {parts[-1].path.name}",
        )

    @classmethod
    def read_features(cls, path: Path, options: Any, names: Sequence[str]) -> Any:
        """Return the features of another file, by name if it has names, else by order."""
        arrays = read_arrays(path)
        features = _as_features(path, _one(path, arrays, _FEATURES, "features", only=True))
        file_names = _feature_names(path, arrays, features.shape[1])
        if _stated_names(path, arrays, "feature") is None:
            if len(file_names) != len(names):
                raise DataError(
                    f"{path} has {len(file_names)} columns of features, and the training had"
                    f" {len(names)}."
                )
            return features
        return select_columns(path, features, file_names, names)


def _parts(
    path: Path, arrays: Contents, options: Any, beside: Path | None
) -> tuple[list[Part], tuple[str, ...] | None]:
    """Return the training and test parts, or one part, and the label names if a file states them."""
    label_arrays = arrays if beside is None else read_arrays(beside)
    labels_path = beside or path
    names = _stated_names(labels_path, label_arrays, "label") or _stated_names(
        path, arrays, "label"
    )
    test = _beside(options.test_path, options.root)
    if test is None and (split := _split(path, arrays)) is not None:
        return split, names
    parts = [_part(path, arrays, labels_path, label_arrays)]
    if test is not None:
        test_arrays = read_arrays(test)
        test_beside = _beside(options.test_labels_path, options.root)
        of_labels = test_arrays if test_beside is None else read_arrays(test_beside)
        parts.append(_part(test, test_arrays, test_beside or test, of_labels))
    return parts, names


def _handled(path: Path, known: Any, choice: str) -> tuple[Any, tuple[str, ...]]:
    """Return the mask of known labels of a file, or None, and a note."""
    if known is None:
        return None, ()

    def refusal(row: int, column: int) -> str:
        return f"{path}: y is NaN in row {row + 1}, column {column + 1}: {CHOICES.format('data.')}."

    return unknown_handled(choice, known, refusal)


def _part(path: Path, arrays: Contents, labels_path: Path, label_arrays: Contents) -> Part:
    if arrays is label_arrays and ONLY in arrays:
        raise DataError(
            f"{path} holds one array: name the file of the other, y, in data.labels_path (that of a"
            " test file in data.test_labels_path)."
        )
    features = _one(path, arrays, _FEATURES, "features", only=True)
    labels = _one(labels_path, label_arrays, _LABELS, "labels", only=True)
    return Part(features, labels, path, labels_path)


def _split(path: Path, arrays: Contents) -> list[Part] | None:
    """Return the parts of X_train, y_train, X_test, y_test (or train_X, ...); None if none is there."""
    parts = []
    for part in ("train", "test"):
        keys = {
            what: [form for base in bases for form in (f"{base}_{part}", f"{part}_{base}")]
            for what, bases in (("features", _FEATURES), ("labels", _LABELS))
        }
        if any(key in arrays for forms in keys.values() for key in forms):
            pair = [_one(path, arrays, forms, f"{what} ({part})") for what, forms in keys.items()]
            parts.append(Part(pair[0], pair[1], path, path))
    if len(parts) == 1:
        raise DataError(f"{path} must hold both X_train, y_train and X_test, y_test, or X and y.")
    return parts or None


def _one(path: Path, arrays: Contents, keys: Sequence[str], what: str, only: bool = False) -> Any:
    matches = [key for key in keys if key in arrays]
    if only and ONLY in arrays:
        matches = [ONLY]
    if len(matches) == 1:
        return arrays[matches[0]]
    contents = ", ".join(ascii(key)[:40] for key in list(arrays)[:10]) or "nothing"
    if matches:
        raise DataError(f"{path} holds {' and '.join(matches)}: keep one array of {what}.")
    raise DataError(
        f"{path} holds {contents}, and no {what}: name the array {' or '.join(keys[:3])}, or the file of"
        " y in data.labels_path."
    )


def _as_features(path: Path, array: Any) -> Any:
    """Check features (N, D) and convert them to floats; sparse ones to CSR in float32."""
    if array.ndim != 2 or array.dtype.kind not in "biuf" or 0 in array.shape:
        raise DataError(
            f"{path}: the features are an array of {array.dtype} in the shape {array.shape}: give"
            " numbers in the shape (N, D), as X.reshape(len(X), -1) has."
        )
    if array.shape[1] > MOST_COLUMNS:
        raise DataError(
            f"{path} has {array.shape[1]} features, and at most {MOST_COLUMNS} can be used."
        )
    if (infinite := first_infinite(array)) is not None:
        row, column = infinite
        raise DataError(
            f"{path}: the features are infinite, or too large for 32 bits, in row {row + 1}, column"
            f" {column + 1}: correct it, or write nan where a value is missing."
        )
    return csr_matrix(array.astype(np.float32)) if issparse(array) else floats(array)


def _check_same_width(parts: Sequence[Part], features: Sequence[Any]) -> None:
    first, last = features[0], features[-1]
    rows = zip(("training", "test"), (parts[0].path, parts[-1].path), (first, last), strict=True)
    if issparse(first) != issparse(last):
        kinds = (
            f"{path} ({part} rows) is {'sparse' if issparse(matrix) else 'dense'}"
            for part, path, matrix in rows
        )
        raise DataError(
            f"{' and '.join(kinds)}: write both dense, by numpy.save, or both sparse, by"
            " scipy.sparse.save_npz."
        )
    if first.shape[1] != last.shape[1]:
        widths = (f"{path} ({part} rows) has {matrix.shape[1]}" for part, path, matrix in rows)
        raise DataError(f"{' and '.join(widths)} features: both must have as many.")


def _feature_names(path: Path, arrays: Contents, n_features: int) -> tuple[str, ...]:
    names = _stated_names(path, arrays, "feature")
    if names is None:
        return tuple(map(str, range(n_features)))
    if len(names) != n_features or len(set(names)) < len(names):
        raise DataError(
            f"{path} has {len(names)} names of features, {len(set(names))} of them different, and"
            f" {n_features} features: name each once."
        )
    return names


def _stated_names(path: Path, arrays: Contents, what: str) -> tuple[str, ...] | None:
    key = next((key for key in _NAMES[what] if key in arrays), None)
    return None if key is None else text_names(path, arrays[key], key)


def _largest(labels: Any) -> int:
    """Return the largest number in y; 0 if y has no numbers."""
    numbers = not issparse(labels) and labels.dtype.kind in "iuf" and labels.size
    largest = np.nanmax(labels) if numbers and not np.isnan(labels).all() else 0
    return int(largest) if np.isfinite(largest) else 0


def _beside(path: str | None, root: str | None) -> Path | None:
    return None if path is None else located(path, root)
