"""Sweeps of two processes that share one folder, on one machine or on two; one may be killed."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlc.files.names import STATUS
from mlc.runs.leases import LEASE, holders
from tests.torture.clocks import jumping
from tests.torture.kills import LAUNCHERS, N_RUNS, SWEEP, ForkServer, broken_files


@dataclass(frozen=True)
class Case:
    """Two processes in one folder.

    Attributes:
        on_two: whether each appears to be on a machine of its own.
        latest: seconds after its first run has begun until which the first process is killed; None if
            it is not.
        jumps: whether the clocks jump.
    """

    on_two: bool
    latest: float | None = None
    jumps: bool = False


CASES = {
    "two machines, both stay": Case(True),
    "two machines, one is killed": Case(True, 2.0),
    "two machines whose clocks jump": Case(True, None, True),
    "one machine, both stay": Case(False),
    "one machine, one process is killed": Case(False, 2.0),
}
# Run first in a sweep's process: the leases are in a hurry, and it may be on a machine of its own.
_HURRY = """
import sys
from mlc.runs.leases import owner, renewing
renewing.BEAT = 0.1
sys.modules["mlc.runs.leases.holding"].STALE = {stale}
sys.modules["mlc.runs.leases.holding"]._POLL = 0.05
"""
_MACHINE = 'owner.machine = lambda: ({name!r}, "boot of " + {name!r}, "")'
# Seconds without a heartbeat after which the runs of a machine are another's. While both machines live,
# none may take over from one that only waits for a processor.
STALE, NEVER_STALE = 1.5, 600
_LONGEST = 120


def start(forkserver: ForkServer, folder: Path, name: str, case: Case) -> int:
    """Start the sweep in this folder by the process of this name; return its number."""
    arguments = ("-m", *SWEEP, *LAUNCHERS["fused"], f"hydra.sweep.dir={folder}", "resume=true")
    # One run a cohort, so that there is something to share.
    arguments = (*arguments, "hydra.launcher.max_runs=1", "hydra.launcher.n_workers=1")
    prelude = _HURRY.format(stale=NEVER_STALE if case.latest is None else STALE)
    prelude += _MACHINE.format(name=name) if case.on_two else ""
    prelude += jumping(random.Random(f"{folder} {name}")) if case.jumps else ""
    return forkserver.start(said_by(folder, name), arguments, prelude)


def said_by(folder: Path, name: str) -> Path:
    """What the process of this name prints."""
    return folder.with_name(f"{folder.name}.{name}.printed")


def has_begun(folder: Path, number: int) -> bool:
    """Return whether a process or one of its own holds a run whose status says that it is running."""
    try:
        process = psutil.Process(number)
        numbers = {number, *(child.pid for child in process.children(recursive=True))}
    except psutil.NoSuchProcess:
        return False
    # The owner of a lease that is being written is not known yet.
    owners = {str(number) for number in numbers}
    return any(
        owner.split()[1] in owners and (run / STATUS).is_file()
        for run, owner in holders(folder).items()
    )


def share(
    forkservers: tuple[ForkServer, ForkServer],
    folder: Path,
    case: Case,
    moment: float | None = None,
) -> list[str]:
    """Two processes train one sweep; the first is killed `moment` seconds after its first run has begun.

    Returns:
        What is wrong: runs that were trained twice or not at all, files that are not as a lone sweep's.
    """
    for own in forkservers:
        # Until both have imported everything, one would be done before the other begins.
        own.wait(own.start(said_by(folder, "help"), ("--help",)))
    numbers = [
        start(forkserver, folder, name, case)
        for forkserver, name in zip(forkservers, "ab", strict=True)
    ]
    if moment is not None:
        deadline = time.monotonic() + _LONGEST
        while not has_begun(folder, numbers[0]):
            assert time.monotonic() < deadline, said_by(folder, "a").read_text()
            time.sleep(0.005)
        time.sleep(moment)
        with suppress(ProcessLookupError):
            os.kill(numbers[0], signal.SIGKILL)
    ends = [own.wait(number) for own, number in zip(forkservers, numbers, strict=True)]
    said = [said_by(folder, name).read_text() for name in "ab"]
    if moment is not None and "being trained" in said[1].splitlines()[-2]:
        # It had nothing else to train, and saw a sign of life just before the kill.
        time.sleep(STALE)
        ends[1] = forkservers[1].wait(start(forkservers[1], folder, "b", case))
        said[1] = said_by(folder, "b").read_text()
    faults = [
        f"process {name} ended with {end}: {text[-300:]}"
        for name, end, text in zip("ab", ends, said, strict=True)
        if end != 0 and (moment is None or name == "b")
    ]
    logs = {path.parent: path.read_text() for path in folder.rglob("train.log")}
    if len(logs) != N_RUNS:
        faults.append(f"{len(logs)} of {N_RUNS} runs have begun")
    for run, log in logs.items():
        finished = len(re.findall(r"finished, test", log))
        n_events = len(list(run.glob("events.out.tfevents.[0-9]*.[0-9]*.*")))
        # A process that is killed may have written its status, and not the line that tells of it.
        if finished > 1 or (finished == 0 and moment is None):
            faults.append(f"{run.name} was finished {finished} times")
        if n_events != 1:
            names = sorted(path.name for path in run.glob("events.*"))
            faults.append(f"{run} has {n_events} files of events: {names}")
    # The second to end has seen all; with a process killed that is the other.
    if moment is not None and "being trained" in said[1].splitlines()[-2]:
        faults.append("runs of the killed process are left to it")
    left = [path for path in folder.rglob(f"{LEASE}*") if moment is None]
    return faults + [f"{path} is left" for path in left] + broken_files(folder)
