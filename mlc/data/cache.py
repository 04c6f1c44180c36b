"""Parsed arrays kept on disk, so that a second load need not parse again."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from mlc.storage import write_atomically

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]


def cache_folder() -> Path:
    """`mlc` under $XDG_CACHE_HOME, or under ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "mlc"


def cached(files: Iterable[Path], version: str, parse: Callable[[], Arrays]) -> Arrays:
    """What `parse` returns, from the cache where these very bytes were parsed before.

    The key is a hash of `version` and of all files, so an edited file is parsed again. A cache that
    cannot be written costs time only, and a damaged entry is parsed anew.
    """
    digest = hashlib.sha256(version.encode())
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    entry = cache_folder() / f"{digest.hexdigest()[:32]}.npz"
    if entry.is_file():
        try:
            with entry.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return dict(stored)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            log.warning("The cache entry %s cannot be read (%s): parsing again.", entry, error)
    arrays = parse()
    try:
        with write_atomically(entry) as beside:
            np.savez(beside, allow_pickle=False, **arrays)
    except OSError as error:
        log.warning("The parsed data were not cached in %s: %s.", entry.parent, error)
    return arrays
