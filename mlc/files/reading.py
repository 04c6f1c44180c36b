"""Files that a finished run left, which may be damaged or a stranger's: checked before they are read."""

from __future__ import annotations

import json
import math
import stat
import zipfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import RunFolderError
from mlc.config.memory import free_bytes

LARGEST_JSON = 2**26  # Bytes: thresholds of a million labels.
_DEEPEST = 100
_LONGEST_HEADER = 2**26  # Bytes of a safetensors header.

_LARGEST_NUMBER = 16  # Bytes: a complex number of two doubles.

Arrays = dict[str, NDArray[Any]]
Shape = tuple[int, ...]
Shapes = dict[str, Shape]


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object of finite numbers, each key once.

    Raises:
        OSError: there is no file that can be read.
        ValueError: it holds anything else.
    """
    _require_file(path, LARGEST_JSON)
    try:
        content = json.loads(
            path.read_text(encoding="utf-8"),
            parse_constant=_no_number,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("it is no JSON object")
    _require_shallow(content)
    return content


def read_arrays(path: Path) -> Arrays:
    """The arrays of an .npz file, whose headers must agree with its sizes and with the free memory.

    Raises:
        RunFolderError: it cannot be read.
    """
    try:
        size = _require_file(path)
        with zipfile.ZipFile(path) as archive:
            _require_sizes(archive, size)
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    # Every library under it raises errors of its own for bytes that are not what they should be.
    except Exception as error:
        raise RunFolderError(
            f"{path} cannot be read ({error or type(error).__name__}): train the run again."
        ) from error


def weight_shapes(path: Path) -> Shapes:
    """The shapes of a safetensors file's weights, by name, once its header agrees with its size.

    No weight is read.

    Raises:
        RunFolderError: it is no such file, or it is too large for half the free memory.
    """
    try:
        size = _require_file(path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(size - 8, _LONGEST_HEADER):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        stated = {name: own for name, own in header.items() if name != "__metadata__"}
        found = {name: tuple(own["shape"]) for name, own in stated.items()}
        end = max((own["data_offsets"][1] for own in stated.values()), default=0)
        if end != size - 8 - length:
            raise ValueError("its size is not the one that its header states")
        for name, own in stated.items():
            begin, end = own["data_offsets"]
            if end - begin > _LARGEST_NUMBER * math.prod(found[name]):
                raise ValueError(f"{name} has more bytes than its shape {found[name]}")
        _require_memory(size)
    except Exception as error:
        raise RunFolderError(
            f"{path}: no weights can be read ({error or type(error).__name__}): train the run again."
        ) from error
    return found


def check_weights(path: Path, found: Mapping[str, Shape], shapes: Mapping[str, Shape]) -> None:
    """Hold the shapes of a file's weights against those of the model's.

    Raises:
        RunFolderError: they differ.
    """
    if found != shapes:
        differing = next(name for name in [*shapes, *found] if found.get(name) != shapes.get(name))
        raise RunFolderError(
            f"{path}: these are the weights of another model, {differing} has shape"
            f" {found.get(differing)} and not {shapes.get(differing)}: train the run again."
        )


def _require_file(path: Path, largest: int | None = None) -> int:
    """The file's size in bytes. A pipe would never end, and a device could."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("it is no regular file")
    if largest is not None and found.st_size > largest:
        raise ValueError(f"it has {found.st_size} bytes, more than {largest}")
    return found.st_size


def _require_sizes(archive: zipfile.ZipFile, size: int) -> None:
    total = 0
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise ValueError("an array stands in it twice")
    for member in members:
        if member.flag_bits & 1:
            raise ValueError("it is encrypted")
        if member.compress_size > size:
            raise ValueError(f"{member.filename} is cut off")
        with archive.open(member) as file:
            shape, dtype = _header(file)
            begin = file.tell()
        if dtype.hasobject:
            raise ValueError(f"{member.filename} holds Python objects")
        if begin + math.prod(shape) * dtype.itemsize != member.file_size:
            raise ValueError(f"{member.filename} has another size than its shape {shape}")
        total += member.file_size
    # Compressed zeros take a thousandth of their size.
    _require_memory(total)


def _require_memory(n_bytes: int) -> None:
    if n_bytes > free_bytes() // 2:
        raise ValueError(f"its arrays take {n_bytes} bytes, more than half the free memory")


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read = np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        (twice, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"the key {twice!r} stands twice")
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no finite number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _require_shallow(content: Any) -> None:
    level, depth = [content], 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise ValueError("it is nested too deeply")
        level = [
            value
            for part in level
            if isinstance(part, (dict, list))
            for value in (part.values() if isinstance(part, dict) else part)
        ]
