"""Images with the same pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

# Bytes in the middle of an image, compared first: one or two pages of a mapped file for each image.
_BLOCK = 256


def copies(pixels: NDArray[np.uint8]) -> list[list[int]]:
    """Return the rows of images with the same bytes, for each image that occurs more than once.

    Args:
        pixels: (N, C * H * W). Rows are read whole only where their middles are equal.
    """
    start = max(0, (pixels.shape[1] - _BLOCK) // 2)
    middles = (row[start : start + _BLOCK].tobytes() for row in np.asarray(pixels))
    return [
        same
        for alike in _equal(range(len(pixels)), middles)
        for same in _equal(alike, (hashlib.sha256(pixels[row].tobytes()).digest() for row in alike))
    ]


def _equal(rows: Sequence[int], contents: Iterable[bytes]) -> list[list[int]]:
    """Return the rows with equal contents; those with a content of their own are left out."""
    by_content: dict[bytes, list[int]] = {}
    for row, content in zip(rows, contents, strict=True):
        by_content.setdefault(content, []).append(row)
    return [same for same in by_content.values() if len(same) > 1]


def note_on_copies(
    pixels: NDArray[np.uint8], parts: NDArray[np.str_] | None, names: Sequence[str]
) -> tuple[str, ...]:
    """Return a note on images that occur in several parts, or may do so where parts are drawn.

    Args:
        pixels: (N, C * H * W).
        parts: the part of each image, (N,); None if the parts are drawn.
        names: the N files.
    """
    same = copies(pixels)
    if parts is not None:
        same = [rows for rows in same if len(set(parts[rows].tolist())) > 1]
    if not same:
        return ()
    n_images = sum(map(len, same))
    first, second = same[0][:2]
    if parts is None:
        where = "occur more than once, so that the drawn parts may share them"
    else:
        second = next(row for row in same[0] if parts[row] != parts[first])
        where = "occur in more than one part, which makes test values too good"
    return (
        f"Warning: {n_images:,} images {where}: their pixels are the same, as in {names[first]} and"
        f" {names[second]}.",
    )
