"""Seconds of commands that compute little, beside their libraries: python -m benchmarks.imports"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable

from benchmarks.measuring import environment, interleaved, ratios, spread, write
from mlc.reporting.tables import Table

REPEATS = 5
NEEDED = {
    "Hydra": "import hydra",
    "pandas and matplotlib": "import pandas, matplotlib.figure, matplotlib.backends.backend_agg",
    "torch": "import torch",
}


def command(*words: str) -> Callable[[], None]:
    """Return a function that runs Python with these words."""

    def run() -> None:
        subprocess.run([sys.executable, *words], capture_output=True, check=True, env=environment())

    return run


def main() -> None:
    """Measure and write the table."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = f"{folder}/s"
        small = ("data=digits", "data.n_train=60", "data.n_test=30", "trainer.max_epochs=1")
        command("-m", "mlc.train", "-m", *small, "seed=0,1", f"hydra.sweep.dir={sweep}")()
        contestants = {
            **{name: command("-c", code) for name, code in NEEDED.items()},
            **{
                f"{name} --help": command("-m", f"mlc.{name}", "--help")
                for name in ("train", "data", "compare", "predict", "curves", "report")
            },
            "report of two runs": command("-m", "mlc.report", sweep),
            "predict --help and the run's package": command("-c", "import mlc.runs.predicting"),
        }
        interleaved(contestants, 1)
        seconds = interleaved(contestants, REPEATS)
    rows = [
        [name, spread(values), *(spread(ratios(values, seconds[other])) for other in NEEDED)]
        for name, values in seconds.items()
    ]
    columns = ["command", "seconds", *(f"times {name}" for name in NEEDED)]
    write(
        "imports",
        "The start of the commands",
        "python -m benchmarks.imports",
        [
            (
                f"Seconds of a process, median and range of {REPEATS} rounds, interleaved, after one"
                " round that fills the file cache and writes bytecode.",
                Table(columns, rows, 1),
            )
        ],
    )


if __name__ == "__main__":
    main()
