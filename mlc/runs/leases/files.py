"""A folder's leases as they lie there."""

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
class Found:
    """A lease that was read.

    Attributes:
        path: of its file.
        content: of its file, which no other lease has.
        renewed: its modification time in nanoseconds, to be compared with itself alone.
        seen: when it was read, by this machine's monotonic clock, in seconds.
        owner: None where the content is not what this package writes.
    """

    path: Path
    content: bytes
    renewed: int
    seen: float
    owner: Owner | None

    @property
    def follower(self) -> str:
        """The name of the lease that follows this one."""
        return f"{LEASE}-{hashlib.sha256(self.content).hexdigest()[:32]}"

    def __str__(self) -> str:
        return f"the unknown owner of {self.path}" if self.owner is None else str(self.owner)


def chain(folder: Path) -> list[Found]:
    """The folder's leases, the one that counts last.

    Raises:
        RunFolderError: one cannot be read.
    """
    found: list[Found] = []
    name = LEASE
    while (last := read(folder / name)) is not None:
        found.append(last)
        name = last.follower
    return found


def read(path: Path) -> Found | None:
    """The lease in this file, or None where there is no file.

    Raises:
        RunFolderError: it cannot be read, or is a link.
    """
    seen = time.monotonic()
    try:
        # Opening it makes an NFS client ask the server how old it is.
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
    return Found(path, content, renewed, seen, _owner(content))


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
    # Another number could mean this process's group, or every process, to the system.
    if isinstance(process, bool) or not isinstance(process, int) or not 0 < process < 2**31:
        return None
    return Owner(host, boot, namespace, process, started)
