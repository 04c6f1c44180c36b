"""A process among all of all machines, and whether it still runs."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

_PROC = Path("/proc")
_HAS_PROC = (_PROC / "self" / "stat").is_file()  # as on Linux


@dataclass(frozen=True)
class Owner:
    """A process that trains runs.

    Attributes:
        host: its machine's name.
        boot: of the machine's running system, since names may be shared; empty where unknown.
        namespace: of process numbers, since containers count their own; empty where there is none.
        process: its number.
        started: in the machine's own ticks, since numbers are used again.
    """

    host: str
    boot: str
    namespace: str
    process: int
    started: str

    def __str__(self) -> str:
        return f"process {self.process} on {self.host}"

    def is_here(self) -> bool:
        """Whether this process can see if that one runs."""
        return (self.host, self.boot, self.namespace) == machine()

    def is_running(self) -> bool:
        """Whether the process runs, which must be `is_here`."""
        started = _started(self.process)
        if started is None and _HAS_PROC:
            return _is_hidden(self.process)
        return started == self.started


def this_process() -> Owner:
    """The process that calls."""
    return _own(os.getpid())


@cache
def _own(process: int) -> Owner:
    return Owner(*machine(), process, _started(process) or "")


@cache
def machine() -> tuple[str, str, str]:
    """This machine's name, its boot and its namespace of process numbers."""
    boot = namespace = ""
    if _HAS_PROC:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
        namespace = str((_PROC / "self/ns/pid").readlink())
    return socket.gethostname(), boot, namespace


def _started(process: int) -> str | None:
    """When the process started; None where there is none, or only what is left of one."""
    if _HAS_PROC:
        # psutil gives the time of day, which changes with the machine's clock.
        try:
            stat = (_PROC / str(process) / "stat").read_bytes()
        except OSError:
            return None
        # The program's name, in parentheses, may hold anything; proc(5) counts from 1.
        fields = stat.rpartition(b")")[2].split()
        state, start = fields[0], fields[19]
        return None if state in b"ZX" else start.decode()
    try:
        found = psutil.Process(process)
        is_left = found.status() == psutil.STATUS_ZOMBIE
        return None if is_left else repr(found.create_time())
    except (psutil.Error, ValueError, OverflowError):
        return None


def _is_hidden(process: int) -> bool:
    """Whether another user's process runs that /proc (mounted with hidepid) does not show."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return not (_PROC / str(process)).exists()
    except OSError:
        return False
    return False
