"""Sweeps whose clock jumps, and whose files have impossible times."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path

from mlc.files.names import STATUS
from tests.torture.caches import JUMPS
from tests.torture.kills import ForkServer, Job, kill_and_resume

# Run first in a process: its clock jumps now and then, and with it the times of files that it writes.
JUMPING = f"""
import os, pathlib, random, time
draw, real, utime, replace = random.Random({{seed}}), time.time, os.utime, pathlib.Path.replace
jump = [0.0]
def now():
    if draw.random() < 0.2:
        jump[0] = draw.choice((0.0, *{JUMPS}))
    return max(1.0, real() + jump[0])
def touch(path, times=None, *, ns=None, **more):
    if times is None and ns is None:
        times = (now(), now())
        return utime(path, times, **more)
    return utime(path, times, **more) if ns is None else utime(path, ns=ns, **more)
def put(self, target):
    path = replace(self, target)
    touch(target)
    return path
time.time, time.time_ns = now, lambda: int(now() * 1e9)
os.utime, pathlib.Path.replace = touch, put
"""


def jumping(draw: random.Random) -> str:
    """Python by which the clock of a process jumps."""
    return JUMPING.format(seed=draw.randrange(2**32))


def in_a_sweep(forkserver: ForkServer, folder: Path, draw: random.Random) -> list[str]:
    """The clock jumps while a sweep runs."""
    whole = Job(forkserver, "fused", folder.with_name(f"{folder.name} whole"))
    whole.undisturbed()
    job = Job(forkserver, "fused", folder, jumping(draw))
    job.undisturbed()
    return _differences(job, whole.results())


def before_a_resume(forkserver: ForkServer, folder: Path, draw: random.Random) -> list[str]:
    """A sweep is killed, all its files get other times, and it is resumed by another clock."""
    whole = Job(forkserver, "fused", folder.with_name(f"{folder.name} whole"))
    seconds = whole.undisturbed()
    job = Job(forkserver, "fused", folder, jumping(draw))
    return kill_and_resume(
        job, draw.uniform(0, seconds), whole.results(), "fused", partial(shift, draw)
    ).faults


def shift(draw: random.Random, folder: Path) -> None:
    """Give all files other times."""
    for path in folder.rglob("*"):
        status = path.lstat()
        times = status.st_atime_ns, max(0, status.st_mtime_ns + draw.choice(JUMPS) * 10**9)
        os.utime(path, ns=times)


def of_a_finished_sweep(forkserver: ForkServer, folder: Path, draw: random.Random) -> list[str]:
    """A finished sweep is resumed when the clock is back in 1970: nothing is trained again."""
    job = Job(forkserver, "fused", folder)
    job.undisturbed()
    before, results = job.finished(), job.results()
    prelude = "import time; time.time, time.time_ns = lambda: 1.0, lambda: 10**9"
    again = Job(forkserver, "fused", folder, prelude)
    faults = [] if again.resume() == 0 else [f"it ended with an error: {again.said()[-300:]}"]
    faults += [] if job.finished() == before else ["finished runs are written again"]
    return faults + _differences(job, results)


def _differences(job: Job, expected: dict[str, object]) -> list[str]:
    n_runs = sum(1 for _ in job.folder.rglob(STATUS))
    faults = [] if len(job.finished()) == n_runs == job.kind.n_runs else [f"{n_runs} runs"]
    if job.results() != expected:
        faults.append("results.csv differs from that of the undisturbed sweep")
    return faults


CASES: dict[str, Callable[[ForkServer, Path, random.Random], list[str]]] = {
    "jumps in a sweep": in_a_sweep,
    "jumps before a resume": before_a_resume,
    "begins anew in 1970": of_a_finished_sweep,
}
