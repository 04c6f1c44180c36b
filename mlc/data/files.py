"""Where a path that a user states starts."""

from __future__ import annotations

import os
from pathlib import Path


def located(path: str, root: str | None) -> Path:
    """The path itself, or under `root`, or under $MLC_DATA where `root` is null and it is there."""
    stated = Path(path).expanduser()
    base = root or os.environ.get("MLC_DATA")
    if stated.is_absolute() or not base:
        return stated
    under = Path(base).expanduser() / stated
    # A path that the user typed may start in the working folder although $MLC_DATA is set.
    here = root is None and stated.parent.is_dir()
    if root is None and stated.exists():
        return stated
    return stated if here and not under.parent.is_dir() else under
