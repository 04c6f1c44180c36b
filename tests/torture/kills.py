"""Commands that are killed at random moments and resumed, against one that nobody disturbs."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil
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
LONGEST_STOP = 5.0  # Seconds.
# So that a comparison takes seconds.
_BUDGET = """
from mlc.comparing.budgets import BUDGETS, Budget
BUDGETS["quick"] = Budget(2, 2, 1)
"""


@dataclass(frozen=True)
class Kind:
    """A command that is killed and resumed.

    Attributes:
        words: of the command line.
        resume: further words that resume it.
        results: the files that it ends with.
        n_runs: of the whole.
        first: what is in its folder when its work has begun.
        program: its name behind `mlc-`.
        prelude: Python that runs first.
    """

    words: tuple[str, ...]
    resume: tuple[str, ...] = ("resume=true",)
    results: tuple[str, ...] = ("results.csv",)
    n_runs: int = N_RUNS
    first: str = "*/*/*"
    program: str = "train"
    prelude: str = ""


_SWEEP = "hydra.sweep.dir={folder}"
KINDS = {
    **{name: Kind(("-m", *SWEEP, *words, _SWEEP)) for name, words in LAUNCHERS.items()},
    "search": Kind(
        ("-m", "hydra/sweeper=search", "hydra.sweeper.n_trials=3", "hydra.sweeper.more_seeds=1",
         *SWEEP, "head=sigmoid,focal", "seed=0", "report.yardsticks=false", *LAUNCHERS["fused"], _SWEEP),
        results=("results.csv", "search.csv", "choice.yaml"), n_runs=8, first="*",
    ),
    "compare": Kind(
        ("digits", "--heads", "sigmoid,pairwise", "--folder", "{folder}", "data.n_train=100",
         "data.n_test=50", "trainer.max_epochs=4", "backbone.widths=[32]", "decisions=[fixed,auto]",
         "report.figures=false", *LAUNCHERS["fused"]),
        resume=(), results=("results.csv", "search.csv", "choice.yaml", "answer.json"), n_runs=10,
        first="*", program="compare", prelude=_BUDGET,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Killed:
    """A command that was killed and resumed.

    Attributes:
        kind: which.
        moment: seconds after its work began.
        n_finished: runs that were finished when it was killed.
        faults: what was found wrong, empty where nothing was.
    """

    kind: str
    moment: float
    n_finished: int
    faults: list[str]


class ForkServer:
    """Starts commands; see the module of that name."""

    def __init__(self, program: str = "train") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.forkserver", program],
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


class Job:
    """A command in a folder of its own."""

    def __init__(self, forkserver: ForkServer, kind: str, folder: Path, prelude: str = "") -> None:
        self.forkserver, self.kind, self.folder = forkserver, KINDS[kind], folder
        self._prelude = self.kind.prelude + prelude
        self._printed = folder.with_name(f"{folder.name}.printed")

    def start(self, *more: str) -> int:
        """The number of its process."""
        words = [word.format(folder=self.folder) for word in self.kind.words]
        return self.forkserver.start(self._printed, (*words, *more), self._prelude)

    def start_and_wait_for_first_file(self, *more: str) -> int:
        """The same, when its work has begun."""
        number = self.start(*more)
        deadline = time.monotonic() + _LONGEST
        while not any(self.folder.glob(self.kind.first)):
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.005)
        return number

    def resume(self) -> int:
        """To the end; its exit status."""
        return self.forkserver.wait(self.start(*self.kind.resume))

    def said(self) -> str:
        """On its terminal."""
        return self._printed.read_text()

    def undisturbed(self) -> float:
        """To the end; the seconds that it works after it has begun."""
        number = self.start_and_wait_for_first_file()
        began = time.monotonic()
        assert self.forkserver.wait(number) == 0, self.said()
        return time.monotonic() - began

    def results(self) -> dict[str, Any]:
        """What it ends with, by file; the seconds that it took are left out."""
        found: dict[str, Any] = {}
        for name in self.kind.results:
            path = self.folder / name
            if not path.is_file():
                found[name] = None
            elif path.suffix == ".json":
                found[name] = _without_seconds(json.loads(path.read_text()))
            else:
                found[name] = path.read_bytes()
        return found

    def finished(self) -> dict[str, int]:
        """When the status of each finished run was written, in nanoseconds."""
        found = {}
        for path in self.folder.rglob(STATUS):
            if json.loads(path.read_text())["state"] == "completed":
                found[path.parent.relative_to(self.folder).as_posix()] = path.stat().st_mtime_ns
        return found


def _without_seconds(content: Any) -> Any:
    if isinstance(content, str):
        return re.sub(r"[\d.]+ (s|min|h)\b", "", content)
    if isinstance(content, dict):
        kept = {key: own for key, own in content.items() if "seconds" not in key}
        return {key: _without_seconds(own) for key, own in kept.items()}
    return [_without_seconds(own) for own in content] if isinstance(content, list) else content


def kill_and_resume(
    job: Job,
    moment: float,
    expected: dict[str, Any],
    kind: str = "",
    meanwhile: Callable[[Path], None] = lambda folder: None,
) -> Killed:
    """Kill a command `moment` seconds after it has begun, look at what is left, resume it.

    `meanwhile` is called with its folder before it is resumed.
    """
    number = job.start_and_wait_for_first_file()
    time.sleep(moment)
    # Its workers are to notice by themselves.
    with suppress(ProcessLookupError):
        os.kill(number, signal.SIGKILL)
    job.forkserver.wait(number)
    faults = broken_files(job.folder)
    meanwhile(job.folder)
    before = job.finished()
    status = job.resume()
    if status != 0:
        faults.append(f"the resumed command ended with {status}: {job.said()[-300:]}")
        return Killed(kind, moment, len(before), faults)
    after = job.finished()
    faults += [
        f"{run} was finished and is written again" for run in before if before[run] != after[run]
    ]
    if len(after) != job.kind.n_runs:
        faults.append(f"{len(after)} of {job.kind.n_runs} runs are finished")
    for name, content in job.results().items():
        if content is None or content != expected[name]:
            faults.append(f"{name} differs from that of the undisturbed command")
    return Killed(kind, moment, len(before), faults + broken_files(job.folder))


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


@dataclass(frozen=True)
class Stop:
    """A way to stop a command.

    Attributes:
        number: the signal.
        whole_group: whether all processes get it, as by a terminal's Ctrl-C, or the first one only.
        status: the exit status that is right.
    """

    number: signal.Signals
    whole_group: bool
    status: int


STOPS = {
    "Ctrl-C": Stop(signal.SIGINT, True, 130),
    "SIGTERM": Stop(signal.SIGTERM, False, 143),
    "SIGTERM to all processes": Stop(signal.SIGTERM, True, 143),
}


def interrupt(job: Job, stop: Stop, moment: float) -> tuple[float, list[str]]:
    """Stop a command `moment` seconds after it has begun; the seconds until its end, and faults."""
    number = job.start_and_wait_for_first_file("trainer.max_epochs=400")
    time.sleep(moment)
    began = time.monotonic()
    (os.killpg if stop.whole_group else os.kill)(number, stop.number)
    status = job.forkserver.wait(number)
    seconds, said = time.monotonic() - began, job.said()
    hint = "the same command goes on" if job.kind.program == "compare" else "resume=true"
    faults = [] if status == stop.status else [f"exit status {status}: {said[-300:]}"]
    faults += (
        [] if hint in (said.splitlines() or [""])[-1] else [f"no resume command: {said[-300:]}"]
    )
    faults += [f"a traceback: {said[-1500:]}"] if "Traceback" in said else []
    faults += [f"{seconds:.1f} s"] if seconds > LONGEST_STOP else []
    if "running" in _states_of_living(job.folder):
        faults.append("a process trains on")
    return seconds, faults + broken_files(job.folder)


def _states_of_living(folder: Path) -> set[str]:
    """The states of runs whose process lives."""
    states = set()
    for path in folder.rglob(STATUS):
        status = json.loads(path.read_text())
        if psutil.pid_exists(status.get("process", {}).get("id", 2**31 - 1)):
            states.add(status["state"])
    return states


def moments(n: int, longest: float, seed: int) -> list[float]:
    """Random moments in a sweep's work."""
    draw = random.Random(seed)
    return [draw.uniform(0, longest) for _ in range(n)]
