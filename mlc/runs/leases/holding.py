"""Who has a folder, and how to have it."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlc.config.errors import BeingTrainedError, RunFolderError
from mlc.runs.leases import renewing
from mlc.runs.leases.files import LEASE, Found, chain
from mlc.runs.leases.owner import Owner, this_process
from mlc.runs.leases.renewing import Lease, renewals

log = logging.getLogger(__name__)

# Seconds without a renewal after which an owner elsewhere counts as gone: nine beats, and more than
# the 60 for which an NFS client may show an old time.
STALE = 90.0
_POLL = 0.5


def take(folder: Path) -> Lease:
    """The folder's lease for this process, renewed until it is released.

    Raises:
        BeingTrainedError: another process has it, or may have it.
        RunFolderError: what lies there cannot be read.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    while True:
        found = chain(folder)
        if found and not _is_over(found[-1]):
            raise BeingTrainedError(str(folder), str(found[-1]))
        lease = Lease(folder / (found[-1].follower if found else LEASE))
        if lease.create():
            if lease.is_valid():
                renewals.add(lease)
                return lease
            # What it was to follow has been released meanwhile.
            lease.discard()
        time.sleep(0.01)


@contextlib.contextmanager
def holding(folder: Path) -> Iterator[None]:
    """With the folder's lease, which is taken for this alone unless this process has it.

    Raises:
        BeingTrainedError: another process has it.
    """
    own = renewals.of(folder)
    if own is not None:
        own.require()
        yield
        return
    lease = take(folder)
    try:
        yield
    finally:
        lease.release()


def holder(folder: Path) -> str | None:
    """The other process that has the folder, in words; None where there is none."""
    found = chain(folder)
    if not found or _is_over(found[-1]) or renewals.holds(found[-1].content):
        return None
    return str(found[-1])


def holders(folder: Path) -> dict[Path, str]:
    """Folders at or under this one that other processes have, and which processes those are."""
    found = {}
    for path in sorted(folder.rglob(LEASE)):
        # One that cannot be read is told to whoever would train that run.
        with contextlib.suppress(RunFolderError):
            owner = holder(path.parent)
            if owner is not None:
                found[path.parent] = owner
    return found


def wait_for_free(folders: Sequence[Path]) -> list[Path]:
    """Those of the folders that no process has any more.

    Waits while it is not known whether an owner elsewhere is alive: a beat if it is, at most `STALE`
    seconds if it is not. An owner that is alive is not waited for.
    """
    undecided, free = list(folders), list[Path]()
    said = False
    while True:
        waiting = []
        for folder in undecided:
            found = chain(folder)
            if not found or (_is_over(found[-1]) and _remove(folder)):
                free.append(folder)
            elif not _is_here(found[-1]) and not _watch.is_alive(found[-1]):
                waiting.append(folder)
                if not said:
                    log.info("Waiting at most %.0f s for a sign of %s", STALE, found[-1])
                    said = True
        if not waiting:
            return free
        undecided = waiting
        time.sleep(_POLL)


def _remove(folder: Path) -> bool:
    """Remove leases that are over; False where another process has taken the folder over."""
    try:
        take(folder).release()
    except BeingTrainedError:
        return False
    except OSError:
        # Whoever trains the run is told so.
        return True
    return True


def _is_here(found: Found) -> bool:
    return found.owner is not None and found.owner.is_here()


def _is_over(found: Found) -> bool:
    """Whether the lease's owner is known to be gone."""
    if found.owner is None or not found.owner.is_here():
        return _watch.is_still(found)
    if found.owner == this_process():
        # An earlier launch in this process may have left it.
        return not renewals.holds(found.content)
    return not found.owner.is_running()


class _Watch:
    """What this process has seen of other machines' leases, by its own monotonic clock."""

    def __init__(self) -> None:
        # Renewed when, unchanged for how long, last seen when.
        self._leases: dict[tuple[Path, bytes], tuple[int, float, float]] = {}
        self._alive: dict[Owner, float] = {}

    def is_still(self, found: Found) -> bool:
        """Whether the lease has been watched for `STALE` seconds without a renewal."""
        return self._unchanged_for(found) >= STALE

    def is_alive(self, found: Found) -> bool:
        """Whether the owner was seen to renew this lease or another in the last `STALE` seconds."""
        if self._unchanged_for(found) >= STALE or found.owner is None:
            return False
        return found.seen - self._alive.get(found.owner, -math.inf) < STALE

    def _unchanged_for(self, found: Found) -> float:
        key = found.path, found.content
        renewed, still, seen = self._leases.get(key, (found.renewed, 0.0, found.seen))
        if renewed != found.renewed:
            still = 0.0
            if found.owner is not None:
                self._alive[found.owner] = found.seen
        else:
            # Where this process looked away, or the file system hung for all, only a beat of it counts.
            still += min(found.seen - seen, renewing.BEAT)
        self._leases[key] = found.renewed, still, found.seen
        return still


_watch = _Watch()
