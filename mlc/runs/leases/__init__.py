"""Which process trains a run: a lease in the run's folder, for all machines that see the folder.

A lease is a file that its owner creates with O_EXCL, at which one process alone succeeds, also on NFS
from version 3 on. A lease whose owner is gone is not replaced but followed: the next owner creates,
again with O_EXCL, a file that is named after what the last lease holds. So the leases of a folder are
a chain that begins at `.lease`, its last one counts, and of two processes that follow the same lease
one succeeds. A process that was suspended finds at its end that its own lease is not the last.

While a process holds leases, a thread renews their modification times. An owner on this machine is
gone when its process is. Of an owner elsewhere it counts whether that time changes while this
machine's monotonic clock runs, so no clock is ever compared with another's.
"""

from mlc.runs.leases.files import LEASE
from mlc.runs.leases.holding import holder, holders, holding, take, wait_for_free
from mlc.runs.leases.renewing import Lease

__all__ = ["LEASE", "Lease", "holder", "holders", "holding", "take", "wait_for_free"]
