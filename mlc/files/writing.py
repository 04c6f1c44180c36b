"""Atomic writing of files, which replaces only regular files and follows no links."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import stat
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any, TextIO

# The end of a temporary file's name.
_PART = ".mlc-part"
# mkstemp puts eight random characters between the name and the end.
_TEMPORARY = re.compile(rf"\.(.+)\.[a-z0-9_]{{8}}{re.escape(_PART)}")
# Most file systems allow 255 bytes; the rest of a temporary's name needs some of them.
_LONGEST_NAME = 200
_MOST_LINKS = 40  # As many as Linux follows.
# Open descriptors of the files whose way to the disk `stored_together` waits for, with their paths.
_waiting: ContextVar[list[tuple[int, Path]] | None] = ContextVar("_waiting", default=None)
# Answers of file systems that store no single file on request, such as some in user space: there is
# nothing to wait for.
_NO_FSYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)


@contextmanager
def stored_together() -> Iterator[None]:
    """Wait once, at the end, until all files that are written inside are on the disk.

    The waits overlap: a file system stores ten files in about the time of one. If the machine stops
    before the end, these files may be empty, so that what marks them as complete must be written after.

    Raises:
        OSError: a file could not be stored; it names the file.
    """
    files: list[tuple[int, Path]] = []
    before = _waiting.set(files)
    try:
        yield
        with ThreadPoolExecutor(max(1, len(files))) as pool:
            for _ in pool.map(_store, files):
                pass
    finally:
        _waiting.reset(before)
        for descriptor, _ in files:
            os.close(descriptor)


def _wait(descriptor: int, path: Path) -> None:
    """Wait until an open file is on the disk, or let `stored_together` wait."""
    files = _waiting.get()
    # Windows renames no file that is open.
    if files is not None and os.name != "nt":
        # Where no more files may be open, this one is waited for at once.
        with suppress(OSError):
            files.append((os.dup(descriptor), path))
            return
    _store((descriptor, path))


def _store(file: tuple[int, Path]) -> None:
    descriptor, path = file
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_FSYNC:
            raise type(error)(error.errno, error.strerror, str(path)) from error


@contextmanager
def write_atomically(path: Path, *, waits: bool = True) -> Iterator[IO[bytes]]:
    """Open a temporary binary file beside `path`; it is renamed to `path` when it is complete.

    An existing regular file is replaced. The new file gets its mode, and its owner if that is
    permitted. Another name of the old file (a hard link) keeps the old content.

    Args:
        path: of the file.
        waits: whether it must be on the disk at the end, or at that of `stored_together`; otherwise it
            may be empty after the machine has stopped.

    Raises:
        OSError: `path` is something other than a regular file (a link, a folder, a pipe, a device) or
            write-protected, or its folder cannot be written to.
    """
    _replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    name = os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME])
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{name}.", suffix=_PART)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if waits:
                _wait(file.fileno(), path)
        before = _replaceable(path)
        if before is None:
            # mkstemp gives access to the owner only; the file gets the mode that `open` would give it.
            mask = os.umask(0)
            os.umask(mask)
            Path(temporary).chmod(0o666 & ~mask)
        else:
            if hasattr(os, "chown") and (before.st_uid, before.st_gid) != (
                os.getuid(),
                os.getgid(),
            ):
                # Only root may change the owner.
                with suppress(PermissionError):
                    os.chown(temporary, before.st_uid, before.st_gid)
            Path(temporary).chmod(before.st_mode & 0o777)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def write_as_whole(path: Path) -> Iterator[Path]:
    """Give a path in a temporary folder beside `path`; the file or folder there is renamed to `path`.

    Raises:
        OSError: the folder of `path` cannot be written to; it names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME])
    folder = path.parent
    try:
        with tempfile.TemporaryDirectory(
            dir=path.parent, prefix=f".{name}.", suffix=_PART, ignore_cleanup_errors=True
        ) as temporary:
            folder = Path(temporary)
            yield folder / path.name
            (folder / path.name).replace(path)
    except OSError as error:
        # The temporary folder has a name that the user has not chosen.
        if error.filename is None or not Path(error.filename).is_relative_to(folder):
            raise
        raise type(error)(error.errno, error.strerror, str(path)) from error


def temporary_of(name: str) -> str | None:
    """Return the file name for which `write_atomically` made this temporary; None for other names."""
    match = _TEMPORARY.fullmatch(name)
    return match[1] if match else None


def write_json(path: Path, content: Any, *, waits: bool = True) -> None:
    """Write indented JSON, keys in the given order; `waits` is that of `write_atomically`."""
    with write_atomically(path, waits=waits) as file:
        file.write(json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")


def write_text(path: Path, content: str) -> None:
    """Write text in UTF-8, whatever the locale; surrogates are written as escapes."""
    with write_atomically(path) as file:
        file.write(content.encode(errors="backslashreplace"))


def write_output(path: Path, content: str) -> bool:
    """Write text in UTF-8 to a path that the user has chosen as output; say whether it replaced a text.

    A regular file is replaced atomically; for a link, its target is. Text is written into a device, a
    pipe, or an open file of this process that the path names, such as /dev/stdout.

    Raises:
        OSError: the path cannot be written.
    """
    descriptor = _open_descriptor(path)
    if descriptor is not None:
        sys.stdout.flush()
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content.encode(errors="backslashreplace"))
        return False
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            file.write(content.encode(errors="backslashreplace"))
        return False
    target = Path(os.path.realpath(path))
    replaces = target.exists() and target.stat().st_size > 0
    write_text(target, content)
    return replaces


def open_to_append(path: Path | str) -> TextIO:
    """Open or create a text file in UTF-8 for appending; links are not followed.

    Raises:
        OSError: the path is a link or no regular file, or the file has another name (a hard link).
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError:
        _require_regular(Path(path))
        raise
    try:
        _require_single(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace", newline="")
    except BaseException:
        os.close(descriptor)
        raise


class LogFile(logging.FileHandler):
    """A log file that follows no link and ignores a full disk."""

    def _open(self) -> Any:
        return open_to_append(self.baseFilename)

    def handleError(self, record: logging.LogRecord) -> None:
        """Ignore errors of the file system."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        """Close the file; ignore errors of the file system."""
        with suppress(OSError):
            super().close()


def kind_of(mode: int) -> str:
    """Describe the kind of a file with this st_mode."""
    kinds = {
        stat.S_ISLNK: "a symbolic link",
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a named pipe",
        stat.S_ISSOCK: "a socket",
        stat.S_ISREG: "a regular file",
    }
    return next((kind for test, kind in kinds.items() if test(mode)), "a device")


def _require_regular(path: Path) -> os.stat_result | None:
    """Return the status of a regular file, or None if there is no file; links are not followed."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return None
    _check_kind(path, status)
    return status


def _check_kind(path: Path | str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileExistsError(errno.EEXIST, f"it is {kind_of(status.st_mode)}", str(path))


def _require_single(path: Path | str, status: os.stat_result) -> None:
    _check_kind(path, status)
    if status.st_nlink > 1:
        raise FileExistsError(errno.EEXIST, "the file has another name, a hard link", str(path))


def _replaceable(path: Path) -> os.stat_result | None:
    status = _require_regular(path)
    if status is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return status


def _open_descriptor(path: Path) -> int | None:
    """Return the descriptor of this process's open file that the path names, also through links."""
    form = re.compile(rf"(?:/dev/fd|/proc/{os.getpid()}(?:/task/\d+)?/fd)/(\d+)")
    for _ in range(_MOST_LINKS):
        match = form.fullmatch(f"{os.path.realpath(path.parent)}/{path.name}")
        if match:
            return int(match[1])
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None
