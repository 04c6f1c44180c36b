"""Cohorts on a CUDA device, with and without a captured step: python -m benchmarks.cuda [--device cpu]

Only training (steps and validation) of 30 epochs: 100 features, 14 labels, 1,200 rows, batch 64, hidden
layers 64-64, sigmoid head, random data. Without a device the table says that nothing was measured;
`--device cpu` tests the script and writes no table.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from benchmarks.growth import EPOCHS, prepare
from benchmarks.measuring import spread, write
from mlc.reporting.tables import Table

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
HEADER = ["R", "plain, runs a second", "captured, runs a second", "times R = 1 plain"]
NOT_MEASURED = "not measured"


def runs_per_second(n_runs: int, device: torch.device, graphs: bool, repeats: int) -> list[float]:
    """Measure runs per second, after a warm-up training."""
    values = []
    for _ in range(repeats + 1):
        training, _, _, n_epochs = prepare(n_runs=n_runs, device=device, cuda_graphs=graphs)
        started = time.perf_counter()
        for _epoch in training:
            pass
        if device.type == "cuda":
            torch.cuda.synchronize()
        values.append(n_runs / (time.perf_counter() - started) * n_epochs / EPOCHS)
    return values[1:]


def measure(device: torch.device, sizes: tuple[int, ...], repeats: int) -> list[list[str]]:
    """Measure each cohort size and return a row for each."""
    rows, base = [], 0.0
    for n_runs in sizes:
        plain = runs_per_second(n_runs, device, False, repeats)
        captured = runs_per_second(n_runs, device, True, repeats)
        base = base or float(np.median(plain))
        best = max(float(np.median(plain)), float(np.median(captured)))
        rows.append([f"{n_runs:,}", spread(plain), spread(captured), f"{best / base:.1f}"])
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and write the table, or write that there is no device."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args()
    if arguments.device == "cpu":
        measure(torch.device("cpu"), (1, 4), 1)
        return
    if torch.cuda.is_available():
        rows = measure(torch.device("cuda"), SIZES, 3)
    else:
        rows = [[f"{n_runs:,}", NOT_MEASURED, NOT_MEASURED, NOT_MEASURED] for n_runs in SIZES]
    write(
        "cuda",
        "Cohorts on a CUDA device",
        "python -m benchmarks.cuda",
        [
            (
                "Runs of 30 epochs a second (training and validation), median and range of 3 rounds.",
                Table(HEADER, rows, 1),
            )
        ],
    )


if __name__ == "__main__":
    main()
