"""The cost of a training step by the number of runs and the shape: python -m benchmarks.cohort_cost

Fits the constants of `mlc.training.grouping`: one thread, random data, 100 features, two hidden layers.
"""

from __future__ import annotations

import math
import time

import numpy as np
import torch

from benchmarks.growth import BATCH, FEATURES, prepare
from benchmarks.measuring import write
from mlc.reporting.tables import Table

RUNS, WIDTHS, OUTPUTS = (1, 2, 4, 8, 16, 64), (64, 256), (10, 1024)
ROWS, ENOUGH = 640, 0.3


def products(width: int, n_outputs: int) -> float:
    """Return the weights of a run times the rows of a batch."""
    return float(BATCH * (FEATURES * width + width * width + width * n_outputs))


def step(n_runs: int, width: int, n_outputs: int) -> float:
    """Return the CPU seconds of a step, with its share of the validation: the least of some epochs."""
    # The powerset of ten labels has 1,024 outputs.
    head = "powerset" if n_outputs == 1024 else "sigmoid"
    training = prepare(n_runs, width, head, n_labels=10, rows=ROWS)[0]
    seconds: list[float] = []
    started = time.process_time()
    for _epoch in training:
        seconds.append(time.process_time() - started)
        if sum(seconds) > ENOUGH and len(seconds) > 3:
            break
        started = time.process_time()
    return min(seconds[1:]) / math.ceil(ROWS / BATCH)


def fit(sizes: np.ndarray, seconds: np.ndarray) -> tuple[float, float]:
    """Return the overhead and the seconds for each product, by least squares of relative errors."""
    design = np.stack([np.ones_like(sizes), sizes], axis=1) / seconds[:, None]
    overhead, each = np.linalg.lstsq(design, np.ones_like(seconds), rcond=None)[0]
    return float(overhead), float(each)


def main() -> None:
    """Measure, fit and write."""
    torch.set_num_threads(1)
    shapes = [(r, width, outputs) for width in WIDTHS for outputs in OUTPUTS for r in RUNS]
    seconds = []
    for shape in shapes:
        seconds.append(step(*shape))
        print(shape, f"{seconds[-1] * 1e3:.2f} ms", flush=True)
    sizes = np.array([n_runs * products(width, outputs) for n_runs, width, outputs in shapes])
    overhead, each = fit(sizes, np.array(seconds))
    rows = [
        [
            f"{width}", f"{outputs:,}", f"{n_runs}", f"{measured * 1e3:.2f}",
            f"{(overhead + each * size) * 1e3:.2f}",
        ]
        for (n_runs, width, outputs), measured, size in zip(shapes, seconds, sizes, strict=True)
    ]  # fmt: skip
    text = (
        f"CPU milliseconds of a step with its share of the validation; fitted: {overhead * 1e3:.2g} ms"
        f" and {each * 1e9:.2g} ns for each weight and row of each run."
    )
    write(
        "cohort_cost",
        "The cost of a training step by runs and shape, one thread",
        "python -m benchmarks.cohort_cost",
        [(text, Table(["width", "outputs", "R", "measured", "fitted"], rows, 2))],
    )


if __name__ == "__main__":
    main()
