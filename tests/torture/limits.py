"""Sweeps that meet the limits of their machine: a sentence each, and what is finished is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlc.files.names import STATUS
from tests.images import clothes
from tests.torture.kills import SWEEP, ForkServer, broken_files


@dataclass(frozen=True)
class Ended:
    """How a sweep ended.

    Attributes:
        status: its exit status.
        said: its standard error and output.
        states: of its runs, by their folder.
        errors: of its failed runs, likewise.
    """

    status: int
    said: str
    states: dict[str, str]
    errors: dict[str, str]


def run(
    forkserver: ForkServer,
    folder: Path,
    *more: str,
    prelude: str = "",
    words: Sequence[str] = SWEEP,
    meanwhile: Callable[[int], None] | None = None,
) -> Ended:
    """A sweep in the folder; `prelude` is Python that runs first in its process."""
    # Not beside the folder: that may be full, or not to be written.
    printed = Path(tempfile.mkdtemp()) / "printed"
    arguments = ("-m", *words, f"hydra.sweep.dir={folder}", *more)
    number = forkserver.start(printed, arguments, prelude)
    if meanwhile is not None:
        meanwhile(number)
    status = forkserver.wait(number)
    states, errors = {}, {}
    for path in sorted(folder.rglob(STATUS)):
        with suppress(OSError, ValueError):
            found = json.loads(path.read_text())
            name = path.parent.relative_to(folder).as_posix()
            states[name] = found["state"]
            errors |= {name: found["error"]} if "error" in found else {}
    return Ended(status, printed.read_text(), states, errors)


def divergence(forkserver: ForkServer, folder: Path) -> list[str]:
    """One run's learning rate lets its loss overflow."""
    ended = run(forkserver, folder, "head=sigmoid", "seed=0,1", "optimizer.lr=0.002,1e30")
    wild = {name: error for name, error in ended.errors.items() if "1e+30" in name}
    return [
        *_unless(ended.status != 0, "the exit status is 0"),
        *_unless(sorted(ended.states.values()) == ["completed"] * 2 + ["failed"] * 2, ended.states),
        *_unless(
            len(wild) == 2 and all("from step" in e and "epoch 1" in e for e in wild.values()), wild
        ),
        *_unless("Traceback" not in ended.said, "it printed a traceback"),
    ]


def out_of_memory(forkserver: ForkServer, folder: Path) -> list[str]:
    """The network of one head does not fit into the address space that is left to the process."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))"
    ended = run(
        forkserver,
        folder,
        "head=sigmoid",
        "seed=0",
        "backbone.widths=[16],[40000,40000]",
        prelude=limit,
    )
    return [
        *_unless(ended.status != 0, "the exit status is 0"),
        *_unless(sorted(ended.states.values()) == ["completed", "failed"], ended.states),
        *_unless(all("emory" in error for error in ended.errors.values()), ended.errors),
        *_unless("Traceback" not in ended.said, "it printed a traceback"),
        *broken_files(folder),
    ]


def killed_worker(forkserver: ForkServer, folder: Path) -> list[str]:
    """A worker process is killed, as the kernel does when memory runs out."""

    def kill(number: int) -> None:
        parent = psutil.Process(number)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and parent.status() != psutil.STATUS_ZOMBIE:
            running = [
                json.loads(path.read_text())["process"]["id"]
                for path in folder.rglob(STATUS)
                if '"running"' in path.read_text()
            ]
            own = [child.pid for child in parent.children() if child.pid in running]
            if own:
                os.kill(own[0], signal.SIGKILL)
                return
            time.sleep(0.01)

    ended = run(
        forkserver, folder, "trainer.max_epochs=30", "hydra.launcher.n_workers=2", meanwhile=kill
    )
    states = list(ended.states.values())
    return [
        *_unless(ended.status != 0, "the exit status is 0"),
        *_unless("failed" in states and "completed" in states, ended.states),
        *_unless(
            all("worker process ended before its time" in e for e in ended.errors.values()),
            ended.errors,
        ),
        *_unless("Traceback" not in ended.said, "it printed a traceback"),
        *broken_files(folder),
    ]


def full_disk(forkserver: ForkServer, folder: Path) -> list[str]:
    """The file system has no room for all runs."""
    with _Mounted(folder, "size=400k") as mounted:
        ended = run(forkserver, mounted, "hydra.launcher.max_runs=1", "hydra.launcher.n_workers=1")
        faults = broken_files(mounted)
    states = list(ended.states.values())
    return [
        *_unless(ended.status != 0, "the exit status is 0"),
        *_unless("completed" in states, f"no run was kept: {ended.states}"),
        *_unless("No space left on device" in ended.said, ended.said[-300:]),
        *_unless("Traceback" not in ended.said, f"it printed a traceback: {ended.said[-1500:]}"),
        *faults,
    ]


def read_only_folder(forkserver: ForkServer, folder: Path) -> list[str]:
    """The folder of the sweep cannot be written to."""
    with _Mounted(folder, "ro") as mounted:
        ended = run(forkserver, mounted / "sweep")
    lines = [line for line in ended.said.splitlines() if line.strip()]
    return [
        *_unless(ended.status != 0, "the exit status is 0"),
        *_unless("Read-only file system" in ended.said, ended.said[-300:]),
        *_unless(len(lines) == 1, f"it said more than a sentence: {lines[-3:]}"),
    ]


def file_size(forkserver: ForkServer, folder: Path) -> list[str]:
    """No file may be larger than 3000 bytes, as under ulimit -f."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))"
    ended = run(forkserver, folder, "head=sigmoid", "seed=0,1", prelude=limit)
    return [
        *_unless(ended.status != 0, "the exit status is 0"),
        *_unless("completed" not in ended.states.values(), ended.states),
        *_unless("File too large" in ended.said, ended.said[-300:]),
        *_unless("Traceback" not in ended.said, f"it printed a traceback: {ended.said[-1500:]}"),
        *broken_files(folder),
    ]


def full_cache(forkserver: ForkServer, folder: Path) -> list[str]:
    """The file system of the cache has no room for the decoded images."""
    images = folder.with_name(f"{folder.name}_images")
    clothes(images, n=8, size=24)
    words = (
        "data=images", f"data.path={images}", "head=sigmoid", "trainer.max_epochs=1",
        "report.figures=false", "report.yardsticks=false",
    )  # fmt: skip
    with _Mounted(folder.with_name(f"{folder.name}_cache"), "size=40k") as mounted:
        room = f"import os; os.environ['XDG_CACHE_HOME'] = {str(mounted)!r}"
        ended = run(forkserver, folder, prelude=room, words=words)
        left = [path for path in mounted.rglob("*") if path.is_file()]
    return [
        *_unless(ended.status == 0, f"the exit status is {ended.status}: {ended.said[-300:]}"),
        *_unless(set(ended.states.values()) == {"completed"}, ended.states),
        *_unless("were not cached" in ended.said, ended.said[:300]),
        *_unless("Traceback" not in ended.said, f"it printed a traceback: {ended.said[-1500:]}"),
        *_unless(not left, f"files are left: {left}"),
        *broken_files(folder),
    ]


class _Mounted:
    """A small file system of its own at a folder; needs root."""

    def __init__(self, folder: Path, options: str) -> None:
        self.folder, self.options = folder, options

    def __enter__(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        _call("mount", "-t", "tmpfs", "-o", self.options, "tmpfs", str(self.folder))
        return self.folder

    def __exit__(self, *error: object) -> None:
        _call("umount", "--lazy", str(self.folder))


def can_mount(folder: Path) -> bool:
    """Whether this process may mount a file system."""
    try:
        with _Mounted(folder / "try", "size=100k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _unless(holds: bool, fault: object) -> Sequence[str]:
    return [] if holds else [str(fault)]


ALWAYS: dict[str, Callable[[ForkServer, Path], list[str]]] = {
    "a loss that overflows": divergence,
    "memory that runs out": out_of_memory,
    "a worker that is killed": killed_worker,
    "a limit of file sizes": file_size,
}
WITH_ROOT: dict[str, Callable[[ForkServer, Path], list[str]]] = {
    "a full disk": full_disk,
    "a read-only folder": read_only_folder,
    "a full disk of the cache": full_cache,
}
CASES = ALWAYS | WITH_ROOT
