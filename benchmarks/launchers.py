"""Time of a fused sweep and of the same runs with other launchers: python -m benchmarks.launchers

Needs the yeast benchmark under $MLC_DATA.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable

from benchmarks.measuring import environment, interleaved, ratios, spread, write
from mlc.reporting.tables import Table

N_RUNS = 32
# The measured time starts with main(): imports are the same for both, and made as mlc-train does.
DRIVER = """
import sys, time
from mlc.config.imports import uncollected
with uncollected():
    import mlc.launching.command
started = time.perf_counter()
sys.argv = ["mlc-train", *sys.argv[1:]]
try:
    mlc.launching.command.main()
finally:
    print("seconds", time.perf_counter() - started)
"""


def sweep(launcher: str, width: int, *more: str) -> Callable[[], float]:
    """Return a function that runs a sweep in a new process and returns its seconds after imports."""

    def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            arguments = [
                "--multirun", f"hydra/launcher={launcher}", f"hydra.sweep.dir={folder}/s",
                "data=yeast", f"backbone.widths=[{width},{width}]", "trainer.max_epochs=30",
                *(more or ("head=sigmoid", f"seed=range({N_RUNS})")),
            ]  # fmt: skip
            ended = subprocess.run(
                [sys.executable, "-c", DRIVER, *arguments], capture_output=True, encoding="utf-8",
                env=environment(),
            )  # fmt: skip
            if ended.returncode:
                raise RuntimeError(ended.stdout + ended.stderr)
            return float(ended.stdout.split("seconds ")[-1])

    return run


def one_process(width: int) -> None:
    """Train one run by a separate command, including imports."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                sys.executable, "-m", "mlc.train", f"hydra.run.dir={folder}/r", "data=yeast",
                "head=sigmoid", f"backbone.widths=[{width},{width}]", "trainer.max_epochs=30",
            ],
            capture_output=True, check=True, env=environment(),
        )  # fmt: skip


def main() -> None:
    """Measure and write the table."""
    rows = []
    for width, repeats in ((64, 3), (256, 3)):
        seconds = interleaved(
            {"fused": sweep("fused", width), "basic": sweep("basic", width)}, repeats
        )
        rows.append(
            [
                f"{width}-{width}",
                spread(seconds["fused"]),
                spread(seconds["basic"]),
                spread(ratios(seconds["basic"], seconds["fused"])),
            ]
        )
        if width == 64:
            alone = interleaved({"process": lambda: one_process(64)}, 4)["process"]
            times = statistics.median(alone) * N_RUNS / statistics.median(seconds["fused"])
            processes = [spread(alone), f"{statistics.median(alone) * N_RUNS:.0f}", f"{times:.1f}"]
    many = (
        "head=sigmoid,pick_one,label_powerset", "seed=range(20)",
        "optimizer.lr=5e-4,1e-3,2e-3,4e-3",
    )  # fmt: skip
    sweeps = interleaved(
        {
            "fused": sweep("fused", 64, *many),
            "joblib": sweep("joblib", 64, "hydra.launcher.n_jobs=2", *many),
        },
        1,
    )
    sweeps_row = [f"{value:.0f}" for (value,) in sweeps.values()]
    sweeps_row.append(f"{sweeps['joblib'][0] / sweeps['fused'][0]:.1f}")
    write(
        "launchers",
        f"{N_RUNS} runs on yeast: fused against one after another",
        "python -m benchmarks.launchers",
        [
            (
                "Seconds of a whole sweep (composing, 30 epochs, judging, figures, files, summary),"
                " median and range of 3 rounds, interleaved; imports are left out of both.",
                Table(["hidden", "fused", "basic", "times"], rows, 1),
            ),
            (
                f"Against one process per run (4 measured, {N_RUNS} of them reckoned; hidden 64-64).",
                Table(["seconds of one", f"of {N_RUNS}", "times fused"], [processes], 0),
            ),
            (
                "Seconds of a sweep of 240 runs: sigmoid, pick_one and label_powerset, 20 seeds, 4"
                " learning rates, hidden 64-64, against joblib with 2 workers; one round.",
                Table(["fused", "joblib", "times"], [sweeps_row], 0),
            ),
        ],
    )


if __name__ == "__main__":
    main()
