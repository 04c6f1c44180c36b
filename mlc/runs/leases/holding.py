"""Taking a folder's lease, and finding out which process holds it."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlc.config.errors import BeingTrainedError, RunFolderError
from mlc.runs.leases import renewing
from mlc.runs.leases.files import LEASE, StoredLease, chain
from mlc.runs.leases.owner import Owner, this_process
from mlc.runs.leases.renewing import Lease, renewals

log = logging.getLogger(__name__)

# Seconds without a renewal after which an owner on another machine counts as gone: nine renewals, and
# more than the 60 s for which an NFS client may cache a modification time.
STALE = 90.0
_POLL = 0.5


def take(folder: Path) -> Lease:
    """Take the folder's lease for this process; it is renewed until it is released.

    Raises:
        BeingTrainedError: another process holds it, or may hold it.
        RunFolderError: a lease in the folder cannot be read.
        OSError: the lease cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        leases = chain(folder)
        if leases and not _is_over(leases[-1]):
            raise BeingTrainedError(str(folder), str(leases[-1]))
        lease = Lease(folder / (leases[-1].follower if leases else LEASE))
        if lease.create():
            if lease.is_valid():
                renewals.add(lease)
                return lease
            # The lease before it has been released in the meantime.
            lease.discard()
        time.sleep(0.01)


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Context in which this process holds the folder's lease; a lease that it holds already is used.

    Raises:
        BeingTrainedError: another process holds it.
    """
    lease = renewals.of(folder)
    if lease is not None:
        lease.require()
        yield
        return
    lease = take(folder)
    try:
        yield
    finally:
        lease.release()


def holder(folder: Path) -> str | None:
    """Describe the other process that holds the folder's lease; None if there is none."""
    leases = chain(folder)
    if not leases or _is_over(leases[-1]) or renewals.holds(leases[-1].content):
        return None
    return str(leases[-1])


def holders(folder: Path) -> dict[Path, str]:
    """Map the folders at or under this one that other processes hold to their holders."""
    owners = {}
    for path in sorted(folder.rglob(LEASE)):
        # A lease that cannot be read is reported when its run is to be trained.
        with contextlib.suppress(RunFolderError):
            owner = holder(path.parent)
            if owner is not None:
                owners[path.parent] = owner
    return owners


def wait_for_free(folders: Sequence[Path]) -> list[Path]:
    """Return the folders that no process holds any more.

    Waits until it is known whether owners on other machines are alive: one renewal for an owner that is,
    `STALE` seconds for one that is not. It does not wait for an owner that is alive to finish.
    """
    undecided, free = list(folders), list[Path]()
    is_logged = False
    while True:
        waiting = []
        for folder in undecided:
            leases = chain(folder)
            if not leases or (_is_over(leases[-1]) and _remove(folder)):
                free.append(folder)
            elif not _is_local(leases[-1]) and not _watch.is_alive(leases[-1]):
                waiting.append(folder)
                if not is_logged:
                    log.info("Waiting at most %.0f s for a sign of life of %s", STALE, leases[-1])
                    is_logged = True
        if not waiting:
            return free
        undecided = waiting
        time.sleep(_POLL)


def _remove(folder: Path) -> bool:
    """Remove leases whose owners are gone; False if another process has taken the folder."""
    try:
        take(folder).release()
    except BeingTrainedError:
        return False
    except OSError:
        # The error is reported when the run is trained.
        return True
    return True


def _is_local(lease: StoredLease) -> bool:
    return lease.owner is not None and lease.owner.is_local()


def _is_over(lease: StoredLease) -> bool:
    """Whether the lease's owner is known to be gone."""
    if lease.owner is None or not lease.owner.is_local():
        return _watch.is_stale(lease)
    if lease.owner == this_process():
        # An earlier launch in this process may have left it.
        return not renewals.holds(lease.content)
    return not lease.owner.is_running()


class _Watch:
    """Observes the renewals of other machines' leases by this process's monotonic clock."""

    def __init__(self) -> None:
        # Modification time, seconds without a change, time of the last reading.
        self._leases: dict[tuple[Path, bytes], tuple[int, float, float]] = {}
        self._alive: dict[Owner, float] = {}

    def is_stale(self, lease: StoredLease) -> bool:
        """Whether the lease has been observed for `STALE` seconds without a renewal."""
        return self._unchanged_for(lease) >= STALE

    def is_alive(self, lease: StoredLease) -> bool:
        """Whether the owner has renewed this lease or another in the last `STALE` seconds."""
        if self._unchanged_for(lease) >= STALE or lease.owner is None:
            return False
        return lease.seen - self._alive.get(lease.owner, -math.inf) < STALE

    def _unchanged_for(self, lease: StoredLease) -> float:
        key = lease.path, lease.content
        renewed, unchanged, seen = self._leases.get(key, (lease.renewed, 0.0, lease.seen))
        if renewed != lease.renewed:
            unchanged = 0.0
            if lease.owner is not None:
                self._alive[lease.owner] = lease.seen
        else:
            # A long gap between readings (a busy process, a hanging file system) counts as one renewal.
            unchanged += min(lease.seen - seen, renewing.BEAT)
        self._leases[key] = lease.renewed, unchanged, lease.seen
        return unchanged


_watch = _Watch()
