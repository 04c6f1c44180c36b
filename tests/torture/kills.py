"""Sweeps that are killed at random moments and resumed, against one that nobody disturbs."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from safetensors.numpy import load_file

from mlc.files.names import STATUS

REPOSITORY = Path(__file__).parent.parent.parent
SWEEP = (
    "data=digits", "data.n_train=300", "data.n_test=150", "head=sigmoid,powerset,pick_one",
    "seed=0,1", "trainer.max_epochs=6", "backbone.widths=[32]", "decisions=[fixed,global]",
    "report.figures=false",
)  # fmt: skip
LAUNCHERS = {"fused": ("hydra.launcher.n_workers=2",), "basic": ("hydra/launcher=basic",)}
N_RUNS = 6
_LONGEST = 300


@dataclass(frozen=True)
class Killed:
    """One sweep that was killed and resumed.

    Attributes:
        launcher: fused or basic.
        moment: seconds after the sweep's first file.
        n_finished: runs that were finished when it was killed.
        faults: what was found wrong, empty where nothing was.
    """

    launcher: str
    moment: float
    n_finished: int
    faults: list[str]


class ForkServer:
    """Starts sweeps; see the module of that name."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.forkserver"],
            cwd=REPOSITORY, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def start(self, printed: Path, arguments: Sequence[str], prelude: str = "") -> int:
        """A sweep as a process with a group of its own; its number."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([str(printed), prelude, *arguments]) + "\n")
        self._process.stdin.flush()
        return int(self._answer()["started"])

    def wait(self, number: int) -> int:
        """The exit status of the one process that was started and not waited for."""
        answer = self._answer()
        assert answer["ended"] == number
        return int(answer["status"])

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


class Sweep:
    """The sweep in a folder of its own, by one launcher."""

    def __init__(self, forkserver: ForkServer, launcher: str, folder: Path) -> None:
        self.forkserver, self.launcher, self.folder = forkserver, launcher, folder
        self._printed = folder.with_name(f"{folder.name}.printed")

    def start(self, *more: str) -> int:
        """The number of its process."""
        more = (*LAUNCHERS[self.launcher], f"hydra.sweep.dir={self.folder}", *more)
        return self.forkserver.start(self._printed, ("-m", *SWEEP, *more))

    def start_and_wait_for_first_file(self, *more: str) -> int:
        """The same, when a run's folder is there."""
        number = self.start(*more)
        deadline = time.monotonic() + _LONGEST
        while not any(self.folder.glob("*/*/*")):
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.005)
        return number

    def said(self) -> str:
        """On its terminal."""
        return self._printed.read_text()

    def undisturbed(self) -> float:
        """To the end; the seconds that it works after its first file."""
        number = self.start_and_wait_for_first_file()
        began = time.monotonic()
        assert self.forkserver.wait(number) == 0, self.said()
        return time.monotonic() - began

    def results(self) -> bytes:
        """The table that it ends with."""
        return (self.folder / "results.csv").read_bytes()

    def finished(self) -> dict[str, int]:
        """When the status of each finished run was written, in nanoseconds."""
        found = {}
        for path in self.folder.rglob(STATUS):
            if json.loads(path.read_text())["state"] == "completed":
                found[path.parent.relative_to(self.folder).as_posix()] = path.stat().st_mtime_ns
        return found


def kill_and_resume(
    forkserver: ForkServer, launcher: str, folder: Path, moment: float, expected: bytes
) -> Killed:
    """Kill a sweep `moment` seconds after its first file, look at what is left, resume it."""
    sweep = Sweep(forkserver, launcher, folder)
    number = sweep.start_and_wait_for_first_file()
    time.sleep(moment)
    # Its workers are to notice by themselves.
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)
    forkserver.wait(number)
    faults = broken_files(folder)
    before = sweep.finished()
    status = forkserver.wait(sweep.start("resume=true"))
    if status != 0:
        faults.append(f"the resumed sweep ended with {status}: {sweep.said()[-300:]}")
        return Killed(launcher, moment, len(before), faults)
    after = sweep.finished()
    faults += [
        f"{run} was finished and is written again" for run in before if before[run] != after[run]
    ]
    if len(after) != N_RUNS:
        faults.append(f"{len(after)} of {N_RUNS} runs are finished")
    if sweep.results() != expected:
        faults.append("results.csv differs from that of the undisturbed sweep")
    return Killed(launcher, moment, len(before), faults + broken_files(folder))


def broken_files(folder: Path) -> list[str]:
    """Files under their final name that cannot be read as a whole."""
    faults = []
    for path in sorted(folder.rglob("*")):
        try:
            if path.name.startswith(".") or ".hydra" in path.parts:
                continue
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as stored:
                    dict(stored)
            elif path.suffix == ".safetensors":
                load_file(path)
            elif path.suffix == ".csv":
                assert path.read_text().endswith("\n"), "no end of line"
        except Exception as error:
            faults.append(f"{path.relative_to(folder)}: {error}")
    return faults


def interrupt(
    forkserver: ForkServer, launcher: str, folder: Path, moment: float
) -> tuple[float, str, int]:
    """Ctrl-C a sweep: seconds until it has ended, what it said, its exit status."""
    sweep = Sweep(forkserver, launcher, folder)
    number = sweep.start_and_wait_for_first_file("trainer.max_epochs=400")
    time.sleep(moment)
    began = time.monotonic()
    # The terminal sends it to the whole group, workers included.
    os.killpg(number, signal.SIGINT)
    status = forkserver.wait(number)
    return time.monotonic() - began, sweep.said(), status


def moments(n: int, longest: float, seed: int) -> list[float]:
    """Random moments in a sweep's work."""
    draw = random.Random(seed)
    return [draw.uniform(0, longest) for _ in range(n)]
