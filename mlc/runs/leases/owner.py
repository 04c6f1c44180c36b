"""Identity of a process across machines, and whether the process still runs."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_PROC = Path("/proc")
_HAS_PROC = (_PROC / "self" / "stat").is_file()  # as on Linux


@dataclass(frozen=True)
class Owner:
    """A process that trains runs.

    Attributes:
        host: the machine's name.
        boot: the id of the machine's boot, since machines may share a name; empty if unknown.
        namespace: the PID namespace, since containers have their own; empty if there is none.
        process: the process's number.
        started: the process's start in the machine's clock ticks, since numbers are used again.
    """

    host: str
    boot: str
    namespace: str
    process: int
    started: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"

    def is_local(self) -> bool:
        """Whether the owner is on this machine and in this PID namespace."""
        return (self.host, self.boot, self.namespace) == machine()

    def is_running(self) -> bool:
        """Whether the process runs; it must be local."""
        started = _started(self.process)
        if started is None and _HAS_PROC:
            return _is_hidden(self.process)
        return started == self.started


def this_process() -> Owner:
    """Return the calling process."""
    return _owner(os.getpid())


@cache
def _owner(process: int) -> Owner:
    return Owner(*machine(), process, _started(process) or "")


@cache
def machine() -> tuple[str, str, str]:
    """Return this machine's name, the id of its boot, and the PID namespace."""
    boot = namespace = ""
    if _HAS_PROC:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        namespace = str((_PROC / "self/ns/pid").readlink())
    return socket.gethostname(), boot, namespace


def _started(process: int) -> str | None:
    """When the process started; None if there is no such process, or only a zombie."""
    if _HAS_PROC:
        # psutil gives the time of day, which changes when the machine's clock is set.
        try:
            stat = (_PROC / str(process) / "stat").read_bytes()
        except OSError:
            return None
        # The program's name, in parentheses, may hold any character; see proc(5).
        fields = stat.rpartition(b")")[2].split()
        state, start = fields[0], fields[19]
        return None if state in b"ZX" else start.decode()
    import psutil  # Only where there is no /proc.

    try:
        running = psutil.Process(process)
        is_zombie = running.status() == psutil.STATUS_ZOMBIE
        return None if is_zombie else repr(running.create_time())
    except (psutil.Error, ValueError, OverflowError):
        return None


def _is_hidden(process: int) -> bool:
    """Whether it is another user's process that /proc (mounted with hidepid) hides."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return not (_PROC / str(process)).exists()
    except OSError:
        return False
    return False
