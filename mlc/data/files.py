"""Finding and reading the files that a user names."""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import os
import zlib
from pathlib import Path
from typing import Any

from mlc.errors import DataError

OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def located(path: str, root: str | None) -> Path:
    """The path itself, or under `root`, or under $MLC_DATA where `root` is null and it is there."""
    stated = Path(path).expanduser()
    base = root or os.environ.get("MLC_DATA")
    if stated.is_absolute() or not base:
        return stated
    under = Path(base).expanduser() / stated
    # A path that the user typed may start in the working folder although $MLC_DATA is set.
    here = root is None and stated.parent.is_dir()
    if here and any(stated.parent.glob(f"{glob.escape(stated.name)}*")):
        return stated
    return stated if here and not under.parent.is_dir() else under


def read_text(path: Path) -> str:
    """A text file, perhaps packed, in UTF-8 or else in Latin-1.

    Raises:
        DataError: it cannot be read, or is cut off.
    """
    try:
        with OPENERS.get(path.suffix.lower(), open)(path, "rb") as file:
            content: bytes = file.read()
    except FileNotFoundError as error:
        raise DataError(f"There is no file {path}: correct its name.") from error
    except (EOFError, zlib.error, lzma.LZMAError) as error:
        raise DataError(
            f"{path}: the packed file is cut off or damaged: fetch it again."
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
