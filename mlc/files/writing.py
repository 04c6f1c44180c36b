"""Files that are there as a whole or not at all, and that never replace what is not a plain file."""

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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO

# Ends the name of a file that is not complete yet; `temporary_of` knows the whole form.
_PART = ".mlc-part"
# mkstemp's eight random characters between the name and the end.
_TEMPORARY = re.compile(rf"\.(.+)\.[a-z0-9_]{{8}}{re.escape(_PART)}")
# Leaves room for the rest of a temporary's name within the 255 bytes of most file systems.
_LONGEST_NAME = 200
_MOST_LINKS = 40  # As many as Linux follows.


@contextmanager
def write_atomically(path: Path) -> Iterator[IO[bytes]]:
    """A binary file written beside `path` and renamed to it once it is complete and on disk.

    A regular file in its place is replaced and hands on its mode, and its owner where that is
    permitted. Another name of that file (a hard link) keeps the old content.

    Raises:
        OSError: something else than a regular file lies there (a link, a folder, a pipe, a device),
            the file there is write-protected, or the folder cannot be written to.
    """
    _replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    name = os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME])
    descriptor, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{name}.", suffix=_PART)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        before = _replaceable(path)
        if before is None:
            # mkstemp lets the owner alone read; the file gets what a plain open would give.
            mask = os.umask(0)
            os.umask(mask)
            Path(beside).chmod(0o666 & ~mask)
        else:
            if hasattr(os, "chown") and (before.st_uid, before.st_gid) != (
                os.getuid(),
                os.getgid(),
            ):
                # Only root may give files away: for others the new file is their own.
                with suppress(PermissionError):
                    os.chown(beside, before.st_uid, before.st_gid)
            Path(beside).chmod(before.st_mode & 0o777)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def temporary_of(name: str) -> str | None:
    """The name of the file that a temporary of `write_atomically` was to become, else None."""
    match = _TEMPORARY.fullmatch(name)
    return match[1] if match else None


def write_json(path: Path, content: Any) -> None:
    """Indented JSON, keys in the given order."""
    with write_atomically(path) as file:
        file.write(json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")


def write_text(path: Path, content: str) -> None:
    """Text in UTF-8, whatever the locale; what UTF-8 has no form for is written as an escape."""
    with write_atomically(path) as file:
        file.write(content.encode(errors="backslashreplace"))


def write_output(path: Path, content: str) -> None:
    """Text in UTF-8 where the user wants it, whatever lies there.

    A regular file is replaced as a whole, through a link the link's target. A device or a pipe is
    written into, and so is an open file of this process that the path names, as /dev/stdout does.

    Raises:
        OSError: it cannot be written.
    """
    descriptor = _own_descriptor(path)
    if descriptor is not None:
        sys.stdout.flush()
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(content.encode(errors="backslashreplace"))
    elif path.exists() and not path.is_file():
        with path.open("wb") as file:
            file.write(content.encode(errors="backslashreplace"))
    else:
        write_text(Path(os.path.realpath(path)), content)


def open_to_append(path: Path | str) -> TextIO:
    """A text file in UTF-8, opened at its end, made where there is none; no link is followed.

    Raises:
        OSError: it is a link, no regular file, or has another name too (a hard link).
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
    """A log that follows no link, and that a full disk cuts off, and nothing else."""

    def _open(self) -> Any:
        return open_to_append(self.baseFilename)

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing of a disk that has no room for the log."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)

    def close(self) -> None:
        """Close it, though its last lines may find no room."""
        with suppress(OSError):
            super().close()


def kind_of(mode: int) -> str:
    """What a file of this st_mode is, in words."""
    kinds = {
        stat.S_ISLNK: "a symbolic link",
        stat.S_ISDIR: "a folder",
        stat.S_ISFIFO: "a named pipe",
        stat.S_ISSOCK: "a socket",
        stat.S_ISREG: "a regular file",
    }
    return next((kind for test, kind in kinds.items() if test(mode)), "a device")


def _require_regular(path: Path) -> os.stat_result | None:
    """What lies there without following a link, None where nothing does; anything but a file raises."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise FileExistsError(errno.EEXIST, f"{kind_of(found.st_mode)} lies there", str(path))
    return found


def _require_single(path: Path | str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise FileExistsError(errno.EEXIST, f"{kind_of(found.st_mode)} lies there", str(path))
    if found.st_nlink > 1:
        raise FileExistsError(errno.EEXIST, "the file has another name, a hard link", str(path))


def _replaceable(path: Path) -> os.stat_result | None:
    found = _require_regular(path)
    if found is not None and not os.access(path, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return found


def _own_descriptor(path: Path) -> int | None:
    """The number of this process's open file that the path names, perhaps through links."""
    form = re.compile(rf"(?:/dev/fd|/proc/{os.getpid()}(?:/task/\d+)?/fd)/(\d+)")
    for _ in range(_MOST_LINKS):
        match = form.fullmatch(f"{os.path.realpath(path.parent)}/{path.name}")
        if match:
            return int(match[1])
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None
