"""Memory, open files and time of sweeps of many tiny runs: python -m benchmarks.many_runs

Each sweep runs in a process of its own and is sampled while it goes on. --runs chooses the sizes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from matplotlib.figure import Figure

from benchmarks.drawing import logarithmic
from benchmarks.measuring import RESULTS, environment, write
from mlc.files.writing import write_atomically
from mlc.reporting.tables import Table
from mlc.tracking.palette import COLOURS

RUNS = [500, 1000, 2500, 5000]
MEGABYTE = 2**20
_EVERY = 0.5  # seconds between two samples
TINY = (
    "data=world", "data.n_labels=3", "data.n_features=4", "data.n_train=60", "data.n_test=40",
    "head=sigmoid", "backbone.widths=[4]", "trainer.max_epochs=1",
    "report.figures=false", "report.limits=false", "report.yardsticks=false",
)  # fmt: skip


@dataclass
class Measured:
    """A sweep of `n_runs` runs, and the report on it.

    Attributes:
        n_runs: the number of runs.
        seconds: of the sweep.
        launching: the largest memory of the launching process, in MB.
        worker: the largest memory of a worker that no other process shares, in MB.
        files: the most open files of a process.
        report: seconds of mlc-report.
        reporting: its largest memory, in MB.
    """

    n_runs: int
    seconds: float = 0.0
    launching: float = 0.0
    worker: float = 0.0
    files: int = 0
    report: float = 0.0
    reporting: float = 0.0


def own_memory(process: psutil.Process) -> float:
    """Return the memory of a process in MB, without the pages that it shares, as with its parent."""
    return float(process.memory_full_info().uss) / MEGABYTE


def measure(n_runs: int) -> Measured:
    """Run a sweep in a new process, then the report on its folder.

    Raises:
        RuntimeError: a command failed.
    """
    result = Measured(n_runs)
    with tempfile.TemporaryDirectory() as folder:
        words = ["-m", "mlc.train", "-m", *TINY, f"seed=range({n_runs})"]
        words.append(f"hydra.sweep.dir={folder}/s")
        sweep = _start(words, Path(folder) / "train.txt")
        started = time.perf_counter()
        while sweep.poll() is None:
            _sample(psutil.Process(sweep.pid), result)
            time.sleep(_EVERY)
        result.seconds = time.perf_counter() - started
        _require_success(sweep, Path(folder) / "train.txt")
        report = _start(["-m", "mlc.report", f"{folder}/s"], Path(folder) / "report.txt")
        started = time.perf_counter()
        while report.poll() is None:
            with suppress(psutil.Error):
                memory = psutil.Process(report.pid).memory_info().rss / MEGABYTE
                result.reporting = max(result.reporting, memory)
            time.sleep(_EVERY / 5)
        result.report = time.perf_counter() - started
        _require_success(report, Path(folder) / "report.txt")
    return result


def _start(words: list[str], said: Path) -> subprocess.Popen[bytes]:
    with said.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, *words], stdout=file, stderr=file, env=environment()
        )


def _require_success(process: subprocess.Popen[bytes], said: Path) -> None:
    if process.returncode:
        raise RuntimeError(said.read_text(encoding="utf-8")[-2000:])


def _sample(process: psutil.Process, result: Measured) -> None:
    """Enter what the launching process and its workers have now, if it is more than before."""
    with suppress(psutil.Error):
        memory = process.memory_info().rss / MEGABYTE
        result.launching = max(result.launching, memory)
        result.files = max(result.files, process.num_fds())
        for worker in process.children():
            with suppress(psutil.Error):
                result.worker = max(result.worker, own_memory(worker))
                result.files = max(result.files, worker.num_fds())


def draw(measured: list[Measured]) -> None:
    """Draw the memory of the launching process and of a worker by the number of runs."""
    figure = Figure(figsize=(5, 3.4), layout="constrained", dpi=120)
    axes = figure.subplots()
    n_runs = [each.n_runs for each in measured]
    lines = {
        "launching process": [each.launching for each in measured],
        "worker, its own": [each.worker for each in measured],
        "mlc-report": [each.reporting for each in measured],
    }
    for colour, (name, values) in zip(COLOURS, lines.items(), strict=False):
        axes.plot(n_runs, values, marker="o", color=colour, label=name)
    logarithmic(axes, n_runs, "runs of a sweep", "largest memory in MB")
    axes.legend()
    with write_atomically(RESULTS / "many_runs.png") as file:
        figure.savefig(file, format="png")


def main() -> None:
    """Measure, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", nargs="+", type=int, default=RUNS, help="sizes of the sweeps")
    measured, rows = [], []
    for n_runs in parser.parse_args().runs:
        each = measure(n_runs)
        measured.append(each)
        rows.append(
            [
                f"{n_runs:,}",
                f"{each.seconds:.0f}",
                f"{n_runs / each.seconds:.1f}",
                f"{each.launching:.0f}",
                f"{each.worker:.0f}",
                str(each.files),
                f"{each.report:.1f}",
                f"{each.reporting:.0f}",
            ]
        )
        print(rows[-1], flush=True)
    draw(measured)
    columns = ["runs", "seconds", "runs a second", "launch, MB", "worker, MB", "files", "report, s"]
    write(
        "many_runs",
        "Sweeps of many tiny runs",
        "python -m benchmarks.many_runs",
        [
            (
                "![Memory by the number of runs](many_runs.png)\n\nSigmoid on 60 rows of an exact"
                " world, one epoch, 4 hidden units, without figures, limits and linear models."
                " Largest memory of the launching process, of a worker (without the pages that it"
                " shares with others) and of `mlc-report`, and the most open files of a process;"
                " seconds of whole commands.",
                Table([*columns, "report, MB"], rows, 0),
            )
        ],
    )


if __name__ == "__main__":
    main()
