"""Finding and reading the files that a user names."""

from __future__ import annotations

import bz2
import glob
import gzip
import hashlib
import io
import lzma
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from mlc.config.errors import DataError

OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

_PIECE = 2**24  # Bytes that are unpacked at once.

# From a path to the bytes of its file.
Read = Callable[[Path], bytes]


def located(path: str, root: str | None) -> Path:
    """The path itself, or under `root`, or under $MLC_DATA where `root` is null and it is there."""
    given = Path(path).expanduser()
    base = root or os.environ.get("MLC_DATA")
    if given.is_absolute() or not base:
        return given
    under = Path(base).expanduser() / given
    # A path that the user typed may start in the working folder although $MLC_DATA is set.
    in_working_folder = root is None and _is_folder(given.parent)
    if in_working_folder and any(given.parent.glob(f"{glob.escape(given.name)}*")):
        return given
    return given if in_working_folder and not _is_folder(under.parent) else under


def read_bytes(path: Path) -> bytes:
    """A file's bytes, packed as they are.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read()
    except OSError as error:
        raise unreadable(path, error) from error


def sha256_of(path: Path) -> bytes:
    """The hash of a file's bytes, which are not held in memory at once.

    Raises:
        DataError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise unreadable(path, error) from error


def read_text(path: Path, read: Read = read_bytes) -> str:
    """A text file, perhaps packed, in UTF-8 or else in Latin-1; `read` gives its bytes.

    Raises:
        DataError: it cannot be read, or is cut off.
    """
    content = unpacked_bytes(path, read)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def unpacked_bytes(path: Path, read: Read = read_bytes) -> bytes:
    """A file's bytes, unpacked where its ending says that it is packed; `read` gives them.

    Raises:
        DataError: it cannot be read, or is cut off.
    """
    content = read(path)
    opener = OPENERS.get(path.suffix.lower())
    return content if opener is None else _unpacked(path, content, opener)


def unreadable(path: Path, error: OSError) -> DataError:
    """What to say of a file or folder that the machine does not let us read."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"There is no file {path}: correct its name.")
    return DataError(
        f"{path} cannot be read ({error.strerror or error}): make it readable, or name another."
    )


def require_memory(path: Path, n_bytes: int, what: str) -> None:
    """Raise DataError where `what` would take more than the memory that is free."""
    free = int(psutil.virtual_memory().available)
    if n_bytes > free:
        raise DataError(
            f"{path}: {what} would take {n_bytes / 1e9:.3g} GB, and {free / 1e9:.3g} GB of memory are"
            " free: give fewer rows or columns."
        )


def _unpacked(path: Path, content: bytes, opener: Any) -> bytes:
    try:
        with opener(io.BytesIO(content)) as file:
            unpacked = bytearray()
            while piece := file.read(_PIECE):
                unpacked += piece
                # Packed zeros take a thousandth of their size, and less; as text they take it again.
                require_memory(path, len(unpacked), "its unpacked content")
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{path}: the packed file is cut off or damaged: fetch it again."
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}): fetch it again.") from error
    return bytes(unpacked)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # Whoever reads the file is told why that fails.
        return False
