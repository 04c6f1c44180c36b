"""JSON files of a cache that contain their own hash."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from mlc.files.writing import write_json


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object with its hash.

    Raises:
        OSError: the file cannot be written.
    """
    write_json(path, {"content": content, "hash": _hash_of(content)})


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what `write_sealed` has written.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError, KeyError, TypeError, RecursionError: it is damaged.
    """
    require_file(path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    content: dict[str, Any] = stored["content"]
    if stored["hash"] != _hash_of(content):
        raise ValueError(f"the content of {path.name} differs from its hash")
    return content


def require_file(path: Path) -> os.stat_result:
    """Return the status of a regular file; reading a pipe would never end.

    Raises:
        OSError: there is nothing.
        ValueError: it is a link, a folder, a pipe or a device.
    """
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{path.name} is not a regular file")
    return status


def _hash_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
