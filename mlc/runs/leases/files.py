"""Reading the leases of a folder."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from mlc.config.errors import RunFolderError
from mlc.runs.leases.owner import Owner

LEASE = ".lease"
_LONGEST = 4096


@dataclass(frozen=True)
class StoredLease:
    """A lease as it was read from its file.

    Attributes:
        path: the lease's file.
        content: the file's content, which is unique to the lease.
        renewed: the file's modification time in nanoseconds; compare it only with earlier values of it.
        seen: when the file was read, by this machine's monotonic clock, in seconds.
        owner: the process that wrote the lease, or None if the content is not a lease's.
    """

    path: Path
    content: bytes
    renewed: int
    seen: float
    owner: Owner | None

    @property
    def follower(self) -> str:
        """The file name of the lease that follows this one."""
        return f"{LEASE}-{hashlib.sha256(self.content).hexdigest()[:32]}"

    def __str__(self) -> str:
        return f"the unknown owner of {self.path}" if self.owner is None else str(self.owner)


def chain(folder: Path) -> list[StoredLease]:
    """Return the folder's leases in order; the last one is valid.

    Raises:
        RunFolderError: a lease cannot be read.
    """
    leases: list[StoredLease] = []
    name = LEASE
    while (last := read(folder / name)) is not None:
        leases.append(last)
        name = last.follower
    return leases


def read(path: Path) -> StoredLease | None:
    """Read the lease in this file; None if there is no file.

    Raises:
        RunFolderError: the file cannot be read, or is a link.
    """
    seen = time.monotonic()
    try:
        # An NFS client asks the server for the current modification time when a file is opened.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as file:
            renewed = os.fstat(descriptor).st_mtime_ns
            content = file.read(_LONGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be read as a lease ({error.strerror}): delete it if no process trains"
            " that run."
        ) from error
    return StoredLease(path, content, renewed, seen, _owner(content))


def _owner(content: bytes) -> Owner | None:
    try:
        stored = json.loads(content)
        process = stored["process"]
        host, boot, namespace, started = (
            stored[key] for key in ("host", "boot", "namespace", "started")
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not all(isinstance(value, str) for value in (host, boot, namespace, started)):
        return None
    # To os.kill, 0 is this process's group and a negative number another group.
    if isinstance(process, bool) or not isinstance(process, int) or not 0 < process < 2**31:
        return None
    return Owner(host, boot, namespace, process, started)
