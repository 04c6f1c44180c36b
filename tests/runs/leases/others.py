"""Leases of processes that do not exist in these tests."""

from __future__ import annotations

import dataclasses
import json
import secrets
from pathlib import Path

from mlc.runs.leases import LEASE
from mlc.runs.leases.owner import Owner, _started, machine, this_process

THIS_BOOT = this_process().boot


def elsewhere() -> Owner:
    """A process on another machine."""
    return Owner("node7", "of node7", "pid:[4026531836]", 4711, "123456")


def running(process: int) -> Owner:
    """Another process on this machine."""
    started = _started(process)
    assert started is not None
    return Owner(*machine(), process, started)


def leave(folder: Path, owner: Owner, name: str = LEASE) -> Path:
    """Write a lease of this owner, as if it had taken the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps({**dataclasses.asdict(owner), "token": secrets.token_hex(16)}))
    return path
