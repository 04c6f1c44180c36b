"""Images as the input of the estimator and of loaded runs: arrays of pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.data.base import Dataset
from mlc.data.rows import dense_tensor

_CHANNELS = (1, 3)


def images_in(X: Any) -> NDArray[Any] | None:
    """Return images (N, C, H, W): bytes stay, other numbers become float32; None for other input.

    An array (N, H, W) of bytes is grey. Of four axes, the last one is that of the channels if it has 1
    or 3 entries, and the second one if not.

    Raises:
        DataError: both axes could be that of the channels, or a value is infinite or no number.
    """
    X = dense_tensor(X)
    n_axes = getattr(X, "ndim", 0)
    if not isinstance(X, np.ndarray) or not (n_axes == 4 or (n_axes == 3 and X.dtype == np.uint8)):
        return None
    if X.dtype.kind not in "biuf" or 0 in X.shape:
        raise DataError(
            f"X is an array of {X.dtype} in the shape {X.shape}: give images of numbers."
        )
    if X.dtype != np.uint8:
        with np.errstate(over="ignore"):
            X = X.astype(np.float32)
        if not np.isfinite(X).all():
            row = int(np.argwhere(~np.isfinite(X))[0][0])
            raise DataError(
                f"X is infinite, too large for 32 bits or missing in image {row}: correct it."
            )
    images: NDArray[Any] = X
    if n_axes == 3:
        return images[:, None]
    if images.shape[3] not in _CHANNELS:
        return images
    if images.shape[1] in _CHANNELS:
        raise DataError(
            f"X has the shape {X.shape}, where the second or the last axis may be that of the channels:"
            " give larger images (N, C, H, W)."
        )
    return images.transpose(0, 3, 1, 2)


def as_rows(X: Any, images: NDArray[Any] | None, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the images (N, C, H, W) in X as rows (N, C * H * W).

    Raises:
        DataError: they are none, or have another shape (C, H, W) than those of a fit; () is that of no
            images.
    """
    if images is None or images.shape[1:] != shape:
        known = f"images (C, H, W) of the shape {shape}" if shape else "no images"
        form = "(N, C, H, W)" if shape else "(N, D)"
        raise DataError(
            f"X has the shape {np.shape(X)}, and fit was given {known}: give {form} of this kind."
        )
    return np.ascontiguousarray(images).reshape(len(images), -1)


def with_shape(dataset: Dataset, shape: Sequence[int]) -> Dataset:
    """Return a data set of images of this shape, whose pixels are not scaled."""
    numeric = np.zeros(dataset.n_features, dtype=bool)
    return dataclasses.replace(dataset, sample_shape=tuple(shape), numeric=numeric)


def as_paths(X: Any) -> list[Path] | None:
    """Return the paths in a path or a sequence of paths; None for other input."""
    if isinstance(X, (str, Path)):
        return [Path(X)]
    if isinstance(X, (list, tuple)) and X and all(isinstance(one, (str, Path)) for one in X):
        return [Path(one) for one in X]
    return None
