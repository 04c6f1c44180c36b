"""The preprocessing, the names and the label sets of a run, which its weights do not hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mlc.config.errors import RunFolderError
from mlc.data.base import SAMPLES, Dataset, RawSamples
from mlc.data.label_sets import distinct_rows
from mlc.data.preprocessing import Scaling
from mlc.data.splits import Split
from mlc.data.weighting import WEIGHTINGS
from mlc.files.archives import write_arrays
from mlc.files.names import PREPROCESSING
from mlc.files.reading import read_arrays
from mlc.heads.base import KnownLabels

Arrays = Mapping[str, NDArray[Any]]


def save_preprocessing(folder: Path, dataset: Dataset, split: Split, scaling: Scaling) -> None:
    """Write the scaling, the names, and the label sets that the head may use."""
    targets = dataset.targets[np.union1d(split.train, split.val)]
    arrays: dict[str, Any] = {
        "shift": scaling.shift,
        "scale": scaling.scale,
        "weighting": np.array(scaling.weighting or "", dtype=np.str_),
        "feature_names": np.array(dataset.feature_names, dtype=np.str_),
        "label_names": np.array(dataset.label_names, dtype=np.str_),
        "label_sets": targets[distinct_rows(targets)[0]],
        "sample_shape": np.array(dataset.sample_shape, dtype=np.int64),
        "samples": np.array(dataset.samples, dtype=np.str_),
    }
    write_arrays(folder / PREPROCESSING, arrays | _least_of(scaling) | _of_raw(dataset.raw))


def _least_of(scaling: Scaling) -> dict[str, Any]:
    return {} if scaling.least is None else {"least": scaling.least}


def _of_raw(raw: RawSamples | None) -> dict[str, Any]:
    if raw is None:
        return {}
    return {
        "raw_shape": np.array(raw.shape, dtype=np.int64),
        "raw_names": np.array(raw.names, dtype=np.str_),
        "raw_fingerprint": np.array(raw.fingerprint, dtype=np.str_),
        "raw_samples": np.array(raw.samples, dtype=np.str_),
    }


def read_preprocessing(folder: Path) -> Arrays:
    """Read the stored arrays of a run.

    Raises:
        RunFolderError: the file is missing, or its arrays do not fit together.
    """
    path = folder / PREPROCESSING
    arrays = read_arrays(path)
    n_features = len(arrays["shift"])
    scaling = [arrays[key] for key in ("shift", "scale", "least") if key in arrays]
    # Pixels have no names.
    lengths = {n_features, *map(len, scaling), len(arrays["feature_names"]) or n_features}
    if len(lengths) > 1 or any(array.ndim != 1 for array in scaling):
        raise RunFolderError(
            f"{path} does not hold a scaling of its features: train the run again."
        )
    # A column without any value has the mean NaN.
    if any(np.isinf(array).any() for array in scaling):
        raise RunFolderError(f"{path} holds a scaling that is infinite: train the run again.")
    if str(arrays.get("weighting", "")) not in ("", *WEIGHTINGS):
        raise RunFolderError(f"{path} names no known weighting: train the run again.")
    named = [arrays["feature_names"], arrays["label_names"]]
    if "raw_names" in arrays:
        named.append(arrays["raw_names"])
    if any(names.dtype.kind != "U" for names in named):
        raise RunFolderError(f"{path} holds names that are no texts: train the run again.")
    sets, names = arrays["label_sets"], arrays["label_names"]
    distinct = len(set(names.flat)) == names.size
    if sets.shape[1:] != names.shape or sets.size == 0 or not distinct:
        raise RunFolderError(f"{path} does not hold sets of its labels: train the run again.")
    shape = sample_shape_of(arrays)
    if str(arrays.get("samples", "columns")) not in SAMPLES:
        raise RunFolderError(f"{path} states no kind of samples: train the run again.")
    if min(shape, default=0) < 1 or math.prod(shape) != n_features:
        raise RunFolderError(
            f"{path} states samples of shape {shape} and {n_features} features: train the run again."
        )
    return arrays


def known_labels_of(arrays: Arrays) -> KnownLabels:
    """Return labels from which the same head is built: one row for each label set."""
    label_sets = torch.as_tensor(arrays["label_sets"].astype(bool))
    return KnownLabels(label_sets, torch.arange(len(label_sets)).unsqueeze(0))


def sample_shape_of(arrays: Arrays) -> tuple[int, ...]:
    """Return the shape of a sample; without a stored shape, samples are flat."""
    return tuple(map(int, arrays.get("sample_shape", [len(arrays["shift"])])))


def raw_samples_of(arrays: Arrays) -> RawSamples | None:
    """Return the samples before the backbone's preparation; None if it prepares none."""
    if "raw_fingerprint" not in arrays:
        return None
    return RawSamples(
        tuple(map(int, arrays["raw_shape"])),
        tuple(arrays["raw_names"].tolist()),
        str(arrays["raw_fingerprint"]),
        str(arrays.get("raw_samples", "")),
    )
