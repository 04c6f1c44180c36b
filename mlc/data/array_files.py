"""Arrays from .npy, .npz and .safetensors files, read without trusting their content."""

from __future__ import annotations

import io
import json
import math
import sys
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.lib import format as npy
from numpy.typing import NDArray
from safetensors import SafetensorError
from scipy.sparse import csr_matrix, issparse, load_npz

from mlc.config.errors import DataError
from mlc.data.file_kinds import not_read
from mlc.data.files import read_bytes, require_memory

ENDINGS = (".npz", ".npy", ".safetensors")
# The key of an array in a file that holds only one.
ONLY = "the array"
# Names of columns; in a safetensors file they are JSON lists in its metadata.
NAMES = ("feature_names", "label_names")

Contents = dict[str, Any]


def read_arrays(path: Path) -> Contents:
    """Return the arrays of a file by name; the only array of a file without names has the key `ONLY`.

    Pickles are not read. The size in a header is compared with the number of bytes and with the free
    memory before anything is allocated.

    Raises:
        DataError: the file cannot be read, is damaged, or holds objects.
    """
    readers: dict[str, Callable[[Path, bytes], Contents]] = {
        ".npz": _npz, ".npy": _npy, ".safetensors": _safetensors,
    }  # fmt: skip
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise not_read(path, f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}")
    content = read_bytes(path)
    try:
        with warnings.catch_warnings():
            # Unusual headers are checked below.
            warnings.simplefilter("ignore")
            return {name: _as_text(array) for name, array in reader(path, content).items()}
    except DataError:
        raise
    except Exception as error:
        # Readers raise many kinds of errors for damaged files.
        reason = " ".join(str(error).split()).rstrip(".")[:200] or type(error).__name__
        raise DataError(
            f"{path} cannot be read as a {path.suffix} file ({ascii(reason)[1:-1]}): write it again,"
            " or fetch it again if it is cut off."
        ) from error


def _as_text(array: Any) -> Any:
    """Decode arrays of bytes; raise ValueError for text that is not valid Unicode."""
    if issparse(array) or array.dtype.kind not in "US":
        return array
    if array.dtype.kind == "S":
        return np.char.decode(array, "utf-8")
    flat = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="))).reshape(-1)
    codes = flat.view(np.uint32)
    if ((codes > sys.maxunicode) | ((codes >= 0xD800) & (codes < 0xE000))).any():
        raise ValueError("a text holds an invalid character")
    return array


def _npy(path: Path, content: bytes) -> Contents:
    stream = io.BytesIO(content)
    _check_header(path, stream, len(content), "it")
    stream.seek(0)
    return {ONLY: np.load(stream, allow_pickle=False)}


def _npz(path: Path, content: bytes) -> Contents:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        require_memory(path, sum(member.file_size for member in members), "its content")
        for member in members:
            if not member.filename.endswith(".npy"):
                raise DataError(
                    f"{path} holds {ascii(member.filename)[:80]}, which is not an array: write it by"
                    " numpy.savez."
                )
            with archive.open(member) as stream:
                _check_header(path, stream, member.file_size, ascii(member.filename[:-4])[:80])
        names = {member.filename.removesuffix(".npy") for member in members}
    if len(names) < len(members):
        raise DataError(f"{path} holds two arrays of one name: write it again.")
    if {"format", "shape", "data"} <= names:
        return {ONLY: _checked_sparse(path, load_npz(io.BytesIO(content)))}
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:
        return dict(stored)


def _safetensors(path: Path, content: bytes) -> Contents:
    arrays: Contents = dict(safetensors.numpy.load(content))
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    metadata = header.get("__metadata__", {})
    for name in NAMES:
        if name in metadata:
            listed = json.loads(metadata[name])
            if not isinstance(listed, list):
                raise SafetensorError(f"{name} in its metadata must be a JSON list")
            arrays[name] = np.array([str(text) for text in listed], dtype=np.str_)
    return arrays


def _check_header(path: Path, stream: Any, size: int, what: str) -> None:
    """Raise DataError if the array holds objects, or its size differs from that of its header."""
    version = npy.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = npy.read_array_header_1_0(stream)
        start = 10
    elif version == (2, 0):
        shape, _, dtype = npy.read_array_header_2_0(stream)
        start = 12
    else:
        raise DataError(f"{path}: {what} has named fields: give an array of numbers or texts.")
    if dtype.hasobject:
        raise DataError(
            f"{path}: {what} is an array of Python objects, which are never unpickled: convert"
            " numbers by .astype(float), texts by .astype(str), and lists of labels to texts by"
            " np.array([';'.join(labels) for labels in y])."
        )
    if dtype.names is not None or dtype.itemsize == 0 or min(shape, default=0) < 0:
        raise DataError(f"{path}: {what} is not an array of numbers or texts: convert it.")
    n_bytes = math.prod(shape) * dtype.itemsize
    if not 0 <= size - start - n_bytes <= 2**16:
        raise DataError(
            f"{path}: {what} states the shape {shape}, {n_bytes} bytes, and the file holds"
            f" {max(size - start, 0)}: write it again, or fetch it again if it is cut off."
        )


def _checked_sparse(path: Path, matrix: Any) -> csr_matrix:
    n_rows, n_columns = matrix.shape
    require_memory(path, 16 * n_rows + 8 * min(matrix.nnz, n_rows * n_columns), "its sparse matrix")
    rows = csr_matrix(matrix)
    rows.check_format(full_check=True)
    n_before = rows.nnz
    rows.sum_duplicates()
    if rows.nnz != n_before:
        raise DataError(
            f"{path}: its sparse matrix states a cell twice: sum or remove one of them."
        )
    return rows


def text_names(path: Path, array: NDArray[Any], what: str) -> tuple[str, ...]:
    """Return an array of names as texts.

    Raises:
        DataError: it is not a flat array of texts or integers.
    """
    if array.ndim != 1 or array.dtype.kind not in "Uiu":
        raise DataError(f"{path}: {what} must be a flat array of texts.")
    return tuple(map(str, array))
