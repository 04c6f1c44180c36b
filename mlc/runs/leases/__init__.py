"""Leases on runs' folders: they say which process trains a run, on all machines that share the folder.

A lease is a file that its owner creates with O_EXCL. Only one process can succeed, also on NFS 3 or
later. A lease whose owner is gone is not replaced but followed: the next owner creates, again with
O_EXCL, a file whose name is a hash of the last lease's content. The leases of a folder thus form a
chain that begins at `.lease`; only the last one is valid. If two processes follow the same lease, one
succeeds. A process that was suspended detects at its end that its lease is no longer the last.

While a process holds leases, a thread renews their modification times. An owner on this machine is
gone when its process has ended. An owner on another machine is gone when the modification time has
not changed for a while by this machine's monotonic clock; clocks of two machines are never compared.
"""

from mlc.runs.leases.files import LEASE
from mlc.runs.leases.holding import holder, holders, holding, take, wait_for_free
from mlc.runs.leases.renewing import Lease

__all__ = ["LEASE", "Lease", "holder", "holders", "holding", "take", "wait_for_free"]
