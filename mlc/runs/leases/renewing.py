"""The leases that this process holds, and the thread that renews them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import threading
from pathlib import Path

from mlc.config.errors import BeingTrainedError, RunFolderError
from mlc.runs.leases.files import chain, read
from mlc.runs.leases.owner import this_process

# Seconds between two renewals.
BEAT = 10.0
# Seconds that the thread gets to end.
_LONGEST_END = 1.0


class Lease:
    """A lease of this process; `take` makes it valid."""

    def __init__(self, path: Path) -> None:
        self.folder, self._path = path.parent, path
        owner = dataclasses.asdict(this_process())
        self.content = json.dumps({**owner, "token": secrets.token_hex(16)}).encode()

    def create(self) -> bool:
        """Write the file; False if another process was faster.

        Raises:
            OSError: the file cannot be written.
        """
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.content)
        except BaseException:
            self.discard()
            raise
        return True

    def discard(self) -> None:
        """Remove the file of a lease that was never valid."""
        self._path.unlink(missing_ok=True)

    def is_valid(self) -> bool:
        """Whether it is the last lease of its folder."""
        leases = chain(self.folder)
        return bool(leases) and leases[-1].content == self.content

    def require(self) -> None:
        """Require that it is valid.

        Raises:
            BeingTrainedError: another process has taken the run, since this one was not renewing.
        """
        leases = chain(self.folder)
        if not leases or leases[-1].content != self.content:
            owner = str(leases[-1]) if leases else "another process"
            raise BeingTrainedError(str(self.folder), owner)

    def renew(self) -> None:
        """Update the modification time."""
        # The thread must survive a file system that is unavailable for a while; it tries again later.
        with contextlib.suppress(OSError, RunFolderError):
            stored = read(self._path)
            if stored is not None and stored.content == self.content:
                os.utime(self._path)

    def release(self) -> None:
        """Remove the folder's leases, unless another process has taken the folder."""
        renewals.remove(self)
        leases = chain(self.folder)
        if leases and leases[-1].content == self.content:
            # The first one first: without it there is no chain, even if this is interrupted.
            for lease in leases:
                lease.path.unlink(missing_ok=True)


class Renewals:
    """Renews leases in a thread that exists while there are leases."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: list[Lease] = []
        self._thread: threading.Thread | None = None
        self._end = threading.Event()

    def add(self, lease: Lease) -> None:
        """Start to renew the lease."""
        with self._lock:
            self._leases.append(lease)
            if self._thread is None:
                self._end = threading.Event()
                self._thread = threading.Thread(
                    target=self._beat, args=(self._end,), name="leases", daemon=True
                )
                self._thread.start()

    def remove(self, lease: Lease) -> None:
        """Stop renewing the lease."""
        thread = None
        with self._lock:
            self._leases = [other for other in self._leases if other is not lease]
            if not self._leases:
                thread, self._thread = self._thread, None
                self._end.set()
        # A process should have no other thread when it forks; one that an interrupt has stopped from
        # starting never ends.
        if thread is not None:
            thread.join(_LONGEST_END)

    def of(self, folder: Path) -> Lease | None:
        """Return this process's lease on the folder; None if there is none."""
        return next((lease for lease in self._leases if lease.folder == folder), None)

    def holds(self, content: bytes) -> bool:
        """Whether this process holds a lease with this content."""
        return any(lease.content == content for lease in self._leases)

    def _beat(self, end: threading.Event) -> None:
        while not end.wait(BEAT):
            for lease in list(self._leases):
                lease.renew()


renewals = Renewals()


def _reset() -> None:
    """Forget the parent's thread and leases after a fork."""
    # In place, since other modules refer to the object; the lock may have been held at the fork.
    renewals.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)
