"""A cache of parsed arrays on disk."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from mlc.config.errors import DataError
from mlc.data.files import Read, read_bytes, sha256_of
from mlc.files.writing import write_atomically

log = logging.getLogger(__name__)

Arrays = dict[str, np.ndarray]

_DIGEST_SIZE = hashlib.sha256().digest_size


def cache_folder() -> Path | None:
    """Return `mlc` under $XDG_CACHE_HOME or ~/.cache; warn once and return None without a home."""
    base = os.environ.get("XDG_CACHE_HOME")
    if base:
        return Path(base) / "mlc"
    try:
        return Path.home() / ".cache" / "mlc"
    except RuntimeError as error:
        _warn_of_no_home(str(error))
        return None


def cached(files: Sequence[Path], version: str, parse: Callable[[Read], Arrays]) -> Arrays:
    """Return the arrays of the files from the cache, or parse the files and cache the result.

    `parse` must read each file once, by the function that it receives. The name of an entry is a hash
    of `version` and of the parsed bytes, so a file that changes, even while it is read, is parsed
    again. An entry contains its own hash: a damaged entry causes a warning and is parsed again. A
    cache that cannot be written only costs time.

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
    # A file may have changed after it was hashed.
    parsed = _key(version, [digests[path] for path in files])
    _write_entry(_entry(folder, parsed), parsed, arrays)
    return arrays


def remembered(version: str, inputs: Sequence[bytes], compute: Callable[[], Arrays]) -> Arrays:
    """Return the arrays for these inputs from the cache, or compute and cache them."""
    folder = cache_folder()
    if folder is None:
        return compute()
    key = _key(version, [hashlib.sha256(content).digest() for content in inputs])
    stored = _read_entry(_entry(folder, key), key)
    if stored is None:
        stored = compute()
        _write_entry(_entry(folder, key), key, stored)
    return stored


def remembered_parts(
    version: str,
    digests: Sequence[bytes],
    compute: Callable[[int], Arrays],
    report: Callable[[int], None] = lambda done: None,
) -> list[Arrays]:
    """Return the arrays of all parts from the cache, or compute and cache those that are missing.

    A process that ends early leaves the parts that it has computed. Processes that need the same parts
    at the same time divide them: each leaves a part that another computes until the others are done.

    Args:
        version: identifies the computation.
        digests: a hash of the input of each part.
        compute: computes the part of a number.
        report: is called with the number of finished parts after each.
    """
    folder = cache_folder()
    parts: dict[int, Arrays] = {}
    waiting = deque(range(len(digests)))
    n_busy = 0  # Parts in a row that other processes compute.
    while waiting:
        number = waiting.popleft()
        part = None
        if folder is None:
            part = compute(number)
        else:
            key = _key(version, [digests[number]])
            entry = _entry(folder, key)
            part = _read_entry(entry, key)
            if part is None:
                waits = n_busy > len(waiting)
                part = _compute_alone(entry, key, partial(compute, number), waits)
        if part is None:
            waiting.append(number)
            n_busy += 1
            continue
        n_busy = 0
        parts[number] = part
        report(len(parts))
    return [parts[number] for number in range(len(digests))]


def _compute_alone(
    entry: Path, key: bytes, compute: Callable[[], Arrays], waits: bool
) -> Arrays | None:
    """Compute and cache an entry under a lock; None if another process does and `waits` is not set."""
    with _locked(entry.with_suffix(".lock"), waits) as is_free:
        if not is_free:
            return None
        # Another process may have written it since.
        if (stored := _read_entry(entry, key)) is not None:
            return stored
        arrays = compute()
        _write_entry(entry, key, arrays)
        return arrays


@contextmanager
def _locked(path: Path, waits: bool) -> Iterator[bool]:
    """Hold the lock of a file; yield False if another process does and `waits` is not set.

    Without locks in the file system, processes may do the same work twice.
    """
    try:
        import fcntl

        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
    except (ImportError, OSError):
        yield True
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if waits else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        except OSError:
            pass
        try:
            yield True
        finally:
            # The folder may be read-only.
            with suppress(OSError):
                path.unlink()


def source_version(*modules: str) -> str:
    """Hash the files of modules, for the `version` of their results.

    Call it on import: later the files may differ from the running code.
    """
    return hashlib.sha256(b"".join(sha256_of(Path(module)) for module in modules)).hexdigest()


def _key(version: str, digests: Sequence[bytes]) -> bytes:
    return hashlib.sha256(version.encode() + b"".join(digests)).digest()


def _entry(folder: Path, key: bytes) -> Path:
    return folder / f"{key.hex()[:32]}.arrays"


def _read_entry(entry: Path, key: bytes) -> Arrays | None:
    """Return the arrays of an entry, or None if it is missing or damaged."""
    # Do not follow links, and do not wait for the writer of a pipe.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        with os.fdopen(os.open(entry, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            seal = file.read(_DIGEST_SIZE)
            if _seal(key, hashlib.file_digest(file, "sha256").digest()) != seal:
                raise ValueError("its content differs from its hash")
            file.seek(_DIGEST_SIZE)
            with np.load(file, allow_pickle=False) as stored:
                return dict(stored)
    except FileNotFoundError:
        return None
    # NumPy and zipfile raise many kinds of errors for damaged files.
    except Exception as error:
        log.warning("The cache entry %s cannot be used (%s): parsing again.", entry, error)
        return None


def _write_entry(entry: Path, key: bytes, arrays: dict[str, Any]) -> None:
    payload = io.BytesIO()
    np.savez(payload, **arrays)
    content = payload.getbuffer()
    try:
        # Leave anything but a regular file alone; reading it already caused a warning.
        if os.path.lexists(entry) and not stat.S_ISREG(entry.lstat().st_mode):
            return
        with write_atomically(entry) as file:
            file.write(_seal(key, hashlib.sha256(content).digest()))
            file.write(content)
    except OSError as error:
        log.warning("The parsed data were not cached in %s: %s.", entry.parent, error)


def _seal(key: bytes, digest: bytes) -> bytes:
    """Return the first bytes of an entry, a hash of its key and its content."""
    return hashlib.sha256(key + digest).digest()


@cache
def _warn_of_no_home(reason: str) -> None:
    log.warning(
        "Nothing is cached, since no home folder is known (%s): set XDG_CACHE_HOME.",
        reason.rstrip("."),
    )
