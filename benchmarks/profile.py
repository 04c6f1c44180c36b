"""Where the time of a sweep goes, phase by phase: python -m benchmarks.profile

CPU seconds of all processes of a sweep of 32 runs, as in `benchmarks.scikit_learn`; needs the yeast
benchmark under $MLC_DATA.
"""

from __future__ import annotations

import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.measuring import RESULTS, environment, spread, write
from mlc.config.imports import uncollected
from mlc.files.writing import write_atomically
from mlc.reporting.tables import Table
from mlc.tracking.palette import COLOURS

N_RUNS, N_ROUNDS = 32, 3
SWEEP = (
    "--multirun", "hydra/launcher=fused", "data=yeast", "backbone.widths=[64,64]", "head=sigmoid",
    f"seed=range({N_RUNS})", "trainer.max_epochs=30", "report.figures=false",
    "report.yardsticks=false",
)  # fmt: skip
START, COMPOSING, DATA, TRAINING, VALIDATION, JUDGING, CURVES, FILES, SUMMARY = (
    "start, imports", "composing configs", "data, splits, models", "training steps", "validation",
    "judging by metrics and rules", "curves: TensorBoard, CSV", "files of the runs",
    "summary: table and figure",
)  # fmt: skip
PHASES = (START, COMPOSING, DATA, TRAINING, VALIDATION, JUDGING, CURVES, FILES, SUMMARY)
# The functions with which a phase begins; it ends with them, less the phases inside.
BEGUN_BY = {
    "mlc.launching.command:launch": COMPOSING,
    "mlc.launching.storing:Texts.yaml": FILES,
    "mlc.launching.workers:train_runs": DATA,
    "mlc.runs.recording:FolderRecorder.claim": FILES,
    "mlc.training.loop:Training.train_epoch": TRAINING,
    "mlc.training.loop:Training._keep_best": VALIDATION,
    "mlc.training.loop:Training._validate": VALIDATION,
    "mlc.runs.cohort:evaluate": JUDGING,
    "mlc.tracking.tensorboard:RunLog.__init__": CURVES,
    "mlc.tracking.tensorboard:RunLog.epoch": CURVES,
    "mlc.tracking.tensorboard:RunLog.finish": CURVES,
    "mlc.runs.recording:FolderRecorder.record": FILES,
    "mlc.launching.sweep:finish": SUMMARY,
}


class Clock:
    """The CPU seconds of this process by phase; a worker that is forked begins at zero."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._stack = [START]
        self._last = 0.0

    def turn(self, phase: str | None) -> None:
        """Begin a phase within the current one, or end the current one."""
        now = time.process_time()
        self.seconds[self._stack[-1]] += now - self._last
        self._last = now
        if phase is None:
            self._stack.pop()
        else:
            self._stack.append(phase)

    def forked(self) -> None:
        """Begin at zero, with the CPU time of the new process."""
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._last = 0.0

    def around(self, function: Callable[..., Any], phase: str) -> Callable[..., Any]:
        """Return the function with a phase around it."""

        @wraps(function)
        def timed(*args: Any, **named: Any) -> Any:
            self.turn(phase)
            try:
                return function(*args, **named)
            finally:
                self.turn(None)

        return timed

    def store(self, folder: Path) -> None:
        """Write the seconds of this process."""
        (folder / f"{os.getpid()}.json").write_text(json.dumps(self.seconds))


def wrap(clock: Clock) -> None:
    """Put the clock around the functions of `BEGUN_BY`."""
    for path, phase in BEGUN_BY.items():
        owner, name = owner_of(path)
        setattr(owner, name, clock.around(getattr(owner, name), phase))


def owner_of(path: str) -> tuple[Any, str]:
    """Return the module or class of a function, and its name there."""
    module, _, name = path.partition(":")
    *owners, name = name.split(".")
    owner: Any = importlib.import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    return owner, name


def profiled(folder: Path, arguments: list[str]) -> None:
    """Run a sweep in this process; each process stores its seconds in the folder."""
    # As mlc-train imports it.
    with uncollected():
        from mlc.launching import command, workers

    clock = Clock()
    wrap(clock)
    train_runs: Any = workers.train_runs

    def stored(*args: Any) -> Any:
        try:
            return train_runs(*args)
        finally:
            clock.store(folder)

    workers.train_runs = stored
    os.register_at_fork(after_in_child=clock.forked)
    sys.argv = ["mlc-train", *arguments]
    try:
        command.main()
    finally:
        clock.turn(None)
        clock.store(folder)


def seconds_of(arguments: tuple[str, ...]) -> dict[str, float]:
    """Run a sweep in a new process; return the CPU seconds of its processes by phase."""
    with tempfile.TemporaryDirectory() as folder:
        code = "import sys; from pathlib import Path; from benchmarks.profile import profiled;"
        ended = subprocess.run(
            [
                sys.executable, "-c", f"{code} profiled(Path(sys.argv[1]), sys.argv[2:])", folder,
                *arguments, f"hydra.sweep.dir={folder}/s",
            ],
            capture_output=True, encoding="utf-8", env=environment(),
        )  # fmt: skip
        if ended.returncode:
            raise RuntimeError(ended.stdout + ended.stderr)
        parts = [json.loads(path.read_text()) for path in Path(folder).glob("*.json")]
    return {phase: sum(part[phase] for part in parts) for phase in PHASES}


def draw(seconds: dict[str, float]) -> None:
    """Draw a bar for each phase, from the first to the last."""
    total = sum(seconds.values())
    figure = Figure(figsize=(6.5, 3.4), layout="constrained", dpi=150)
    axes = figure.subplots()
    bars = axes.barh(list(seconds), list(seconds.values()), color=COLOURS[2])
    labels = [f"{value:.2f} s, {value / total:.0%}" for value in seconds.values()]
    axes.bar_label(bars, labels, padding=3, fontsize="small")
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_xlabel(f"CPU seconds of all processes, {N_RUNS} runs of 30 epochs on yeast")
    axes.grid(axis="x", color="0.93")
    axes.set_axisbelow(True)
    with write_atomically(RESULTS / "profile.png") as file:
        figure.savefig(file, format="png")


def main() -> None:
    """Measure, draw and write."""
    rounds = []
    for number in range(N_ROUNDS):
        rounds.append(seconds_of(SWEEP))
        print(f"round {number + 1}: {sum(rounds[-1].values()):.2f} s", flush=True)
    medians = {phase: statistics.median(each[phase] for each in rounds) for phase in PHASES}
    shares = {
        phase: [100 * each[phase] / sum(each.values()) for each in rounds] for phase in PHASES
    }
    rows = [
        [phase, spread([each[phase] for each in rounds]), spread(shares[phase], 0)]
        for phase in PHASES
    ]
    rows.append(["all", spread([sum(each.values()) for each in rounds]), "100"])
    draw(medians)
    text = (
        f"![CPU seconds of each phase](profile.png)\n\nA sweep of {N_RUNS} runs of the default network,"
        " hidden 64-64, 30 epochs: CPU seconds of all processes, and per cent, median and range of"
        f" {N_ROUNDS} rounds. The start, the composing and the summary are in one process, one after"
        " another; a worker on each core does the rest. Left out: linear models (report.yardsticks),"
        " which a data set's first sweep fits and later ones read from the cache, and pictures of the"
        " runs (report.figures)."
    )
    write(
        "profile",
        "Where the time of a sweep goes",
        "python -m benchmarks.profile",
        [(text, Table(["phase", "CPU seconds", "per cent"], rows, 1))],
    )


if __name__ == "__main__":
    main()
