"""Safe reading of a run's files, which may be damaged or come from a stranger."""

from __future__ import annotations

import json
import math
import stat
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sys import intern
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import RunFolderError
from mlc.config.memory import free_bytes
from mlc.config.texts import cause

LARGEST_JSON = 2**26  # Bytes: thresholds of a million labels.
_DEEPEST = 100
_LONGEST_HEADER = 2**26  # Bytes of a safetensors header.

_LARGEST_NUMBER = 16  # Bytes: a complex number of two doubles.

Arrays = dict[str, NDArray[Any]]
Shape = tuple[int, ...]
Shapes = dict[str, Shape]


@contextmanager
def content_of(path: Path, what: str, cure: str) -> Iterator[None]:
    """Raise a RunFolderError that `path` is not `what` if its content cannot be read in the block."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunFolderError(f"{path} is not {what} ({cause(error)}): {cure}.") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; its numbers must be finite and its keys unique.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: the file holds anything else.
    """
    _require_file(path, LARGEST_JSON)
    try:
        content = json.loads(
            path.read_text(encoding="utf-8"),
            parse_constant=_refuse_number,
            parse_float=_finite,
            object_pairs_hook=_unique,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    _require_shallow(content)
    return content


def read_arrays(path: Path) -> Arrays:
    """Read the arrays of an .npz file after a check of their headers against file size and free memory.

    Raises:
        RunFolderError: the file cannot be read.
    """
    try:
        size = _require_file(path)
        with warnings.catch_warnings():
            # Python warns of escapes in a damaged header that numpy parses.
            warnings.simplefilter("ignore")
            with zipfile.ZipFile(path) as archive:
                _require_sizes(archive, size)
            with np.load(path, allow_pickle=False) as stored:
                return dict(stored)
    # For damaged files each library raises its own errors.
    except Exception as error:
        raise RunFolderError(
            f"{path} cannot be read ({cause(error)}): train the run again."
        ) from error


def weight_shapes(path: Path) -> Shapes:
    """Read the shapes of a safetensors file's weights by name, and check them against its size.

    No weight is read.

    Raises:
        RunFolderError: the file is damaged, or larger than half the free memory.
    """
    try:
        size = _require_file(path)
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(size - 8, _LONGEST_HEADER):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
        end = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
        if end != size - 8 - length:
            raise ValueError("its size differs from the one in its header")
        for name, entry in entries.items():
            begin, end = entry["data_offsets"]
            if end - begin > _LARGEST_NUMBER * math.prod(shapes[name]):
                raise ValueError(f"{name} has more bytes than its shape {shapes[name]}")
        _require_memory(size)
    except Exception as error:
        raise RunFolderError(
            f"{path}: no weights can be read ({cause(error)}): train the run again."
        ) from error
    return shapes


def check_weights(path: Path, stored: Mapping[str, Shape], shapes: Mapping[str, Shape]) -> None:
    """Compare the stored shapes of a file's weights with the shapes of the model's.

    Raises:
        RunFolderError: a shape differs.
    """
    if stored != shapes:
        name = next(key for key in [*shapes, *stored] if stored.get(key) != shapes.get(key))
        raise RunFolderError(
            f"{path}: these are the weights of another model, {name} has shape"
            f" {stored.get(name)} and not {shapes.get(name)}: train the run again."
        )


def _require_file(path: Path, largest: int | None = None) -> int:
    """Return the file's size in bytes; refuse pipes and devices, which may never end."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    if largest is not None and status.st_size > largest:
        raise ValueError(f"it has {status.st_size} bytes, more than {largest}")
    return status.st_size


def _require_sizes(archive: zipfile.ZipFile, size: int) -> None:
    total = 0
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise ValueError("it holds two arrays of the same name")
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
    # Zeros compress to a thousandth of their size.
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
    # The files of thousands of runs have the same keys.
    content = {intern(key): value for key, value in pairs}
    if len(content) < len(pairs):
        (key, _), *_ = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"it has the key {key!r} twice")
    return content


def _refuse_number(text: str) -> float:
    raise ValueError(f"{text} is not a finite number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refuse_number(text)


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
