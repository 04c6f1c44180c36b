"""Locating and reading the files that a user names."""

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

from mlc.config.errors import DataError
from mlc.config.memory import free_bytes
from mlc.config.texts import cause
from mlc.data.file_kinds import refuse_other_kind

OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

IMAGE_ENDINGS = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm",
    ".pbm", ".jp2",
)  # fmt: skip

# A larger number of features or labels is a mistake: their names would take gigabytes.
MOST_COLUMNS = 10_000_000

_PIECE = 2**24  # Bytes to decompress at a time.

# A function from a path to the bytes of the file.
Read = Callable[[Path], bytes]

# The given paths of those that were resolved under $MLC_DATA.
_given: dict[Path, Path] = {}


def located(path: str, root: str | None) -> Path:
    """Resolve a relative path: under `root`, else in the working folder or under $MLC_DATA."""
    given = Path(path).expanduser()
    base = root or os.environ.get("MLC_DATA")
    if given.is_absolute() or not base:
        return given
    under = Path(base).expanduser() / given
    # A file in the working folder takes precedence over $MLC_DATA.
    in_working_folder = root is None and _is_folder(given.parent)
    if in_working_folder and any(given.parent.glob(f"{glob.escape(given.name)}*")):
        return given
    if in_working_folder and not _is_folder(under.parent):
        return given
    if root is None:
        _given[under] = given
    return under


def as_given(path: Path) -> str:
    """Say, for a message behind a missing path, how it was given, if it was resolved under $MLC_DATA."""
    given = _given.get(path)
    if given is None:
        return ""
    return f" ({given} is looked for in the working folder, then under $MLC_DATA)"


def read_bytes(path: Path) -> bytes:
    """Read the bytes of a file, without decompression.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read()
    except OSError as error:
        raise unreadable(path, error) from error


def sha256_of(path: Path) -> bytes:
    """Hash a file in chunks.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise unreadable(path, error) from error


def read_text(path: Path, read: Read = read_bytes) -> str:
    """Read a text file, perhaps compressed, in UTF-8 or else Latin-1; `read` returns its bytes.

    Raises:
        DataError: the file cannot be read, is cut off, or is of another kind, such as a workbook.
    """
    content = text_bytes(path, read)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def text_bytes(path: Path, read: Read = read_bytes) -> bytes:
    """Read the bytes of a text file, perhaps compressed; `read` returns its bytes.

    Raises:
        DataError: the file cannot be read, is cut off, or is of another kind, such as a workbook.
    """
    content = unpacked_bytes(path, read)
    refuse_other_kind(path, content)
    return content


def unpacked_bytes(path: Path, read: Read = read_bytes) -> bytes:
    """Read a file and decompress it according to its ending; `read` returns its bytes.

    Raises:
        DataError: the file cannot be read, or is cut off.
    """
    content = read(path)
    opener = OPENERS.get(path.suffix.lower())
    return content if opener is None else _unpacked(path, content, opener)


def unreadable(path: Path, error: OSError) -> DataError:
    """Build the error for a file or folder that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return DataError(f"There is no file {path}{as_given(path)}: correct its name.")
    return DataError(
        f"{path} cannot be read ({error.strerror or error}): make it readable, or name another."
    )


def require_memory(path: Path, n_bytes: int, what: str) -> None:
    """Raise DataError if `what` needs more than the free memory."""
    free = free_bytes()
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
                # Zeros compress to a thousandth of their size.
                require_memory(path, len(unpacked), "its unpacked content")
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{path}: the packed file is cut off or damaged: fetch it again."
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read ({cause(error)}): fetch it again.") from error
    return bytes(unpacked)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        # Reading the file raises the error.
        return False
