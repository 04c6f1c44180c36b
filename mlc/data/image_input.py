"""Images as the input of the estimator and of loaded runs: arrays of pixels."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.texts import shown
from mlc.data.base import SOURCES, Dataset
from mlc.data.feature_rows import as_array
from mlc.data.rows import dense_tensor

_CHANNELS = (1, 3)


def images_in(X: Any) -> NDArray[Any] | None:
    """Return images (N, C, H, W): bytes stay, other numbers become float32; None for other input.

    An array (N, H, W) of bytes is grey. Of four axes, the last one is that of the channels if it has 1
    or 3 entries, and the second one if not.

    Raises:
        DataError: both axes could be that of the channels, or a value is infinite or no number.
    """
    array = dense_tensor(X)
    n_axes = getattr(array, "ndim", 0)
    if not isinstance(array, np.ndarray) or not (
        n_axes == 4 or (n_axes == 3 and array.dtype == np.uint8)
    ):
        return None
    images: NDArray[Any] = array
    if images.dtype.kind not in "biuf" or 0 in images.shape:
        raise DataError(
            f"X is an array of {images.dtype} in the shape {images.shape}: give images of numbers."
        )
    if images.dtype != np.uint8:
        images = _floats(images)
    if n_axes == 3:
        return images[:, None]
    if images.shape[3] not in _CHANNELS:
        return images
    if images.shape[1] in _CHANNELS:
        raise DataError(
            f"X has the shape {images.shape}, where the second or the last axis may be that of the"
            " channels: give larger images (N, C, H, W)."
        )
    return images.transpose(0, 3, 1, 2)


def _floats(images: NDArray[Any]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        images = images.astype(np.float32)
    if not np.isfinite(images).all():
        row = int(np.argwhere(~np.isfinite(images))[0][0])
        raise DataError(
            f"X is infinite, too large for 32 bits or missing in image {row}: correct it."
        )
    return images


def as_rows(X: Any, images: NDArray[Any] | None, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return the images (N, C, H, W) in X as rows (N, C * H * W).

    Raises:
        DataError: they are none, or have another shape (C, H, W) than those of a fit; () is that of no
            images.
    """
    if images is None or images.shape[1:] != shape:
        known = f"images (C, H, W) of the shape {shape}" if shape else "no images"
        form = "(N, C, H, W)" if shape else "(N, D)"
        try:
            given = f"the shape {np.shape(X)}"
        except ValueError:  # Lists of different lengths have none.
            given = "rows of different lengths"
        raise DataError(f"X has {given}, and fit was given {known}: give {form} of this kind.")
    return np.ascontiguousarray(images).reshape(len(images), -1)


def with_shape(dataset: Dataset, shape: Sequence[int]) -> Dataset:
    """Return a data set of images of this shape, whose pixels are not scaled."""
    numeric = np.zeros(dataset.n_features, dtype=bool)
    return dataclasses.replace(dataset, sample_shape=tuple(shape), numeric=numeric)


def pixels_of(X: Any, shape: tuple[int, ...], options: Any) -> Any:
    """Return the pixels of image files or arrays for a run on images; other input stays as it is.

    Args:
        X: a path or several, or an array.
        shape: (C, H, W) of the training.
        options: of the data source of the training.

    Raises:
        DataError: a file cannot be used, or the array holds no images.
    """
    paths = as_paths(X)
    if paths is not None:
        return read_whole(options.name, paths, options, shape)
    array = as_array(X, f"image files, or an array (N, {', '.join(map(str, shape))})")
    if array.shape[1:] == shape:
        return array
    images = images_in(array)
    return array if images is None else images


def refuse_bytes(images: NDArray[Any]) -> None:
    """Raise DataError if images are bytes; call it where those of the training were floats."""
    if images.dtype == np.uint8:
        raise DataError(
            "The images are bytes (uint8), and those of the training were floats: give floats on the"
            " scale of the training."
        )


def read_whole(source: str, paths: Sequence[Path], options: Any, shape: Sequence[int]) -> Any:
    """Return the pixels (M, C * H * W) of image files, a row for each.

    Raises:
        DataError: an image is broken, so that the rows would not be the files.
    """
    # Imports Pillow.
    from mlc.data.image_files import refuse_broken

    read: Any = SOURCES[source].read_samples  # type: ignore[attr-defined]
    pixels, files, broken = read(paths, options, shape)
    refuse_broken(broken, files, "")
    return pixels


def as_paths(X: Any) -> list[Path] | None:
    """Return the paths in a path, or a sequence, an array or a series of paths; None for other input.

    Raises:
        DataError: only some entries are paths, or one is no possible name of a file.
    """
    if isinstance(X, (str, Path)):
        X = [X]
    if not isinstance(X, (list, tuple)):
        if getattr(X, "ndim", 0) != 1 or not hasattr(X, "__iter__"):
            return None
        X = list(X)
    if not any(isinstance(one, (str, Path)) for one in X):
        return None
    for index, one in enumerate(X):
        if not isinstance(one, (str, Path)):
            raise DataError(
                f"X is {shown(one)} in row {index}, and a file in others: give files alone."
            )
        try:
            is_name = b"\0" not in os.fsencode(one)
        except UnicodeEncodeError:
            is_name = False
        if not is_name:
            raise DataError(
                f"X is {shown(str(one))} in row {index}, which no file can be called: correct it."
            )
    return [Path(one) for one in X]
