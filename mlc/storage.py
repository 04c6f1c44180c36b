"""Files that are there as a whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A binary file written beside `path` and renamed to it once it is complete and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # mkstemp lets the owner alone read; the file gets what a plain open would give.
        mask = os.umask(0)
        os.umask(mask)
        Path(beside).chmod(0o666 & ~mask)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Indented JSON, keys in the given order."""
    with write_atomically(path) as file:
        file.write(json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")


def write_text(path: Path, content: str) -> None:
    """Text in UTF-8."""
    with write_atomically(path) as file:
        file.write(content.encode())
