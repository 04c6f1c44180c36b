"""The leases that this process has, and the thread that renews them."""

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


class Lease:
    """One file of this process's own; `take` makes it count."""

    def __init__(self, path: Path) -> None:
        self.folder, self._path = path.parent, path
        owner = dataclasses.asdict(this_process())
        self.content = json.dumps({**owner, "token": secrets.token_hex(16)}).encode()

    def create(self) -> bool:
        """Write the file; False where another process was faster.

        Raises:
            OSError: it cannot be written.
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
        """Remove the file of a lease that never counted."""
        self._path.unlink(missing_ok=True)

    def is_valid(self) -> bool:
        """Whether it is the one that counts."""
        found = chain(self.folder)
        return bool(found) and found[-1].content == self.content

    def require(self) -> None:
        """Do nothing while it is valid.

        Raises:
            BeingTrainedError: another process has taken the run over, as this one gave no sign of life.
        """
        found = chain(self.folder)
        if not found or found[-1].content != self.content:
            owner = str(found[-1]) if found else "another process"
            raise BeingTrainedError(str(self.folder), owner)

    def renew(self) -> None:
        """Show that the owner is alive."""
        # A file system that is away for a while must not end the thread: the next beat tries again.
        with contextlib.suppress(OSError, RunFolderError):
            found = read(self._path)
            if found is not None and found.content == self.content:
                os.utime(self._path)

    def release(self) -> None:
        """Leave the folder without a lease; where another process has taken it over, as it is."""
        renewals.remove(self)
        found = chain(self.folder)
        if found and found[-1].content == self.content:
            # The first one first: without it the others are no chain, wherever this is cut off.
            for lease in found:
                lease.path.unlink(missing_ok=True)


class Renewals:
    """Renews leases in a thread, which is there while there are some."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._leases: list[Lease] = []
        self._thread: threading.Thread | None = None
        self._end = threading.Event()

    def add(self, lease: Lease) -> None:
        """Renew it from now on."""
        with self._lock:
            self._leases.append(lease)
            if self._thread is None:
                self._end = threading.Event()
                self._thread = threading.Thread(
                    target=self._beat, args=(self._end,), name="leases", daemon=True
                )
                self._thread.start()

    def remove(self, lease: Lease) -> None:
        """Renew it no more."""
        ended = None
        with self._lock:
            self._leases = [own for own in self._leases if own is not lease]
            if not self._leases:
                ended, self._thread = self._thread, None
                self._end.set()
        # A process that forks should have no thread left.
        if ended is not None:
            ended.join()

    def of(self, folder: Path) -> Lease | None:
        """This process's lease on the folder."""
        return next((lease for lease in self._leases if lease.folder == folder), None)

    def holds(self, content: bytes) -> bool:
        """Whether a lease with this content is this process's."""
        return any(lease.content == content for lease in self._leases)

    def _beat(self, end: threading.Event) -> None:
        while not end.wait(BEAT):
            for lease in list(self._leases):
                lease.renew()


renewals = Renewals()


def _begin_anew() -> None:
    """A forked process has neither its parent's thread nor its leases."""
    # In place, since other modules have the object; the lock may have been held at the fork.
    renewals.__init__()  # type: ignore[misc]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
