"""Parsed arrays kept on disk, so that a second load need not parse again."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import stat
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np

from mlc.config.errors import DataError
from mlc.data.files import Read, read_bytes, sha256_of
from mlc.files.writing import write_atomically

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]

_DIGEST_SIZE = hashlib.sha256().digest_size


def cache_folder() -> Path | None:
    """`mlc` under $XDG_CACHE_HOME, or under ~/.cache; None, with one warning, where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "mlc"
    try:
        return Path.home() / ".cache" / "mlc"
    except RuntimeError as error:
        _warn_of_no_home(str(error))
        return None


def cached(files: Sequence[Path], version: str, parse: Callable[[Read], Arrays]) -> Arrays:
    """What `parse` returns, from the cache where these very bytes were parsed before.

    `parse` is given the function by which it must read the files, each once. An entry is named by a
    hash of `version` and of the bytes that were parsed, so a file that is edited, even while it is
    read, is parsed again. An entry holds a hash of itself: what is damaged in any way is parsed anew,
    with one warning. A cache that cannot be written costs time only.

    Raises:
        DataError: a file cannot be read.
    """
    folder = cache_folder()
    if folder is None:
        return parse(read_bytes)
    before = _key(version, [sha256_of(path) for path in files])
    stored = _read_entry(_entry(folder, before), before)
    if stored is not None:
        return stored
    digests: dict[Path, bytes] = {}

    def read(path: Path) -> bytes:
        content = read_bytes(path)
        digest = hashlib.sha256(content).digest()
        if digests.setdefault(path, digest) != digest:
            raise DataError(f"{path} was changed while it was read: start again.")
        return content

    arrays = parse(read)
    # A file may have been replaced since it was hashed, and be restored by now.
    parsed = _key(version, [digests[path] for path in files])
    _write_entry(_entry(folder, parsed), parsed, arrays)
    return arrays


def remembered(version: str, inputs: Sequence[bytes], compute: Callable[[], Arrays]) -> Arrays:
    """What `compute` returns, from the cache where it was computed of these inputs before."""
    folder = cache_folder()
    if folder is None:
        return compute()
    key = _key(version, [hashlib.sha256(content).digest() for content in inputs])
    stored = _read_entry(_entry(folder, key), key)
    if stored is None:
        stored = compute()
        _write_entry(_entry(folder, key), key, stored)
    return stored


def source_version(*modules: str) -> str:
    """A hash of modules' files, for the `version` of what they compute; to be taken on import.

    Later the files may hold other code than runs.
    """
    return hashlib.sha256(b"".join(sha256_of(Path(module)) for module in modules)).hexdigest()


def _key(version: str, digests: Sequence[bytes]) -> bytes:
    return hashlib.sha256(version.encode() + b"".join(digests)).digest()


def _entry(folder: Path, key: bytes) -> Path:
    return folder / f"{key.hex()[:32]}.arrays"


def _read_entry(entry: Path, key: bytes) -> Arrays | None:
    """The arrays of an entry; None where there is none, or none that is whole."""
    # A link is not followed, and nothing that waits for a writer is waited for.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(entry, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            seal = file.read(_DIGEST_SIZE)
            if _seal(key, hashlib.file_digest(file, "sha256").digest()) != seal:
                raise ValueError("its content is not what was written")
            file.seek(_DIGEST_SIZE)
            with np.load(file, allow_pickle=False) as stored:
                return dict(stored)
    except FileNotFoundError:
        return None
    # NumPy and zipfile raise errors of a dozen kinds for bytes that are not what they should be.
    except Exception as error:
        log.warning("The cache entry %s cannot be used (%s): parsing again.", entry, error)
        return None


def _write_entry(entry: Path, key: bytes, arrays: Arrays) -> None:
    payload = io.BytesIO()
    np.savez(payload, **arrays)
    content = payload.getbuffer()
    try:
        # What is no file in an entry's place is not ours, and its reading has been warned of.
        if os.path.lexists(entry) and not stat.S_ISREG(entry.lstat().st_mode):
            return
        with write_atomically(entry) as beside:
            beside.write(_seal(key, hashlib.sha256(content).digest()))
            beside.write(content)
    except OSError as error:
        log.warning("The parsed data were not cached in %s: %s.", entry.parent, error)


def _seal(key: bytes, digest: bytes) -> bytes:
    """What an entry begins with: other content, or another entry under this name, differs in it."""
    return hashlib.sha256(key + digest).digest()


@cache
def _warn_of_no_home(reason: str) -> None:
    log.warning(
        "Nothing is cached, since no home folder is known (%s): set XDG_CACHE_HOME.",
        reason.rstrip("."),
    )
