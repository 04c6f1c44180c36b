"""Sweeps on two machines that share one folder, one of which may be killed."""

from __future__ import annotations

import os
import re
import signal
import time
from contextlib import suppress
from pathlib import Path

from mlc.files.names import STATUS
from mlc.runs.leases import LEASE, holders
from tests.torture.kills import LAUNCHERS, N_RUNS, SWEEP, ForkServer, broken_files

# Run first in a sweep's process: it is on a machine of its own, and the leases are in a hurry.
_MACHINE = """
import sys
from mlc.runs.leases import owner, renewing
owner.machine = lambda: ({name!r}, "boot of " + {name!r}, "")
renewing.BEAT = 0.1
sys.modules["mlc.runs.leases.holding"].STALE = {stale}
sys.modules["mlc.runs.leases.holding"]._POLL = 0.05
"""
# Seconds without a heartbeat after which the runs of a machine are another's. While both machines live,
# none may take over from one that only waits for a processor.
STALE, NEVER_STALE = 1.5, 600
_LONGEST = 120


def start(forkserver: ForkServer, folder: Path, name: str, stale: float = STALE) -> int:
    """Start the sweep in this folder on the machine of this name; return its number."""
    arguments = ("-m", *SWEEP, *LAUNCHERS["fused"], f"hydra.sweep.dir={folder}", "resume=true")
    # One run a cohort, so that there is something to share.
    arguments = (*arguments, "hydra.launcher.max_runs=1", "hydra.launcher.n_workers=1")
    prelude = _MACHINE.format(name=name, stale=stale)
    return forkserver.start(said_by(folder, name), arguments, prelude)


def said_by(folder: Path, name: str) -> Path:
    """What the sweep on that machine prints."""
    return folder.with_name(f"{folder.name}.{name}.printed")


def has_begun(folder: Path, name: str) -> bool:
    """Return whether the machine of this name holds a run whose status says that it is running."""
    return any(
        owner.endswith(f" on {name}") and (run / STATUS).is_file()
        for run, owner in holders(folder).items()
    )


def share(
    forkservers: tuple[ForkServer, ForkServer], folder: Path, moment: float | None = None
) -> list[str]:
    """Two machines train one sweep; the first is killed `moment` seconds after its first run has begun.

    Returns:
        What is wrong: runs that were trained twice or not at all, files that are not as a lone sweep's.
    """
    for own in forkservers:
        # Until both have imported everything, one would be done before the other begins.
        own.wait(own.start(said_by(folder, "help"), ("--help",)))
    stale = NEVER_STALE if moment is None else STALE
    numbers = [
        start(forkserver, folder, name, stale)
        for forkserver, name in zip(forkservers, "ab", strict=True)
    ]
    if moment is not None:
        deadline = time.monotonic() + _LONGEST
        while not has_begun(folder, "a"):
            assert time.monotonic() < deadline, said_by(folder, "a").read_text()
            time.sleep(0.005)
        time.sleep(moment)
        with suppress(ProcessLookupError):
            os.kill(numbers[0], signal.SIGKILL)
    ends = [own.wait(number) for own, number in zip(forkservers, numbers, strict=True)]
    said = [said_by(folder, name).read_text() for name in "ab"]
    faults = [
        f"machine {name} ended with {end}: {text[-300:]}"
        for name, end, text in zip("ab", ends, said, strict=True)
        if end != 0 and (moment is None or name == "b")
    ]
    logs = {path.parent: path.read_text() for path in folder.rglob("train.log")}
    if len(logs) != N_RUNS:
        faults.append(f"{len(logs)} of {N_RUNS} runs have begun")
    for run, log in logs.items():
        finished = len(re.findall(r"finished, test", log))
        n_events = len(list(run.glob("events.out.tfevents.1*")))
        # A machine that is killed may have written its status, and not the line that tells of it.
        if finished > 1 or (finished == 0 and moment is None):
            faults.append(f"{run.name} was finished {finished} times")
        if n_events != 1:
            faults.append(f"{run.name} has {n_events} files of events")
    # The second to end has seen all; with a machine killed that is the other.
    if moment is not None and "being trained" in said[1].splitlines()[-2]:
        faults.append("runs of the killed machine are left to it")
    left = [path for path in folder.rglob(f"{LEASE}*") if moment is None]
    return faults + [f"{path} is left" for path in left] + broken_files(folder)
