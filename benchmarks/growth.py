"""The cost of training by size, and its distance to the hardware's limit: python -m benchmarks.growth

Only training (steps and validation), one thread, on random data: K = 14 labels, 100 features, 1,200 rows
and hidden layers 64-64 unless the table says otherwise.
"""

from __future__ import annotations

import math
import subprocess
import sys
import time
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure

from benchmarks.drawing import logarithmic
from benchmarks.measuring import RESULTS, spread, write
from benchmarks.memory import peak_memory
from mlc.backbones.base import BACKBONES
from mlc.config.memory import readable
from mlc.config.schema import TrainerOptions
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.files.writing import write_atomically
from mlc.heads.base import HEADS
from mlc.reporting.tables import Table
from mlc.tracking.palette import COLOURS
from mlc.training.loop import Training
from mlc.training.memory import bytes_of_run
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS

EPOCHS, BATCH, FEATURES = 30, 64, 100
CPU = torch.device("cpu")


def prepare(
    n_runs: int = 1,
    width: int = 64,
    head: str = "sigmoid",
    n_labels: int = 14,
    rows: int = 1200,
    device: torch.device = CPU,
    cuda_graphs: bool = True,
) -> tuple[Training, Model, ResidentData, int]:
    """Build a cohort on random data; return also its number of measured epochs."""
    rng = np.random.default_rng(0)
    total = rows * 5 // 4
    features = rng.normal(size=(total, FEATURES)).astype(np.float32)
    targets = features @ rng.normal(size=(FEATURES, n_labels)) > 8
    names = tuple(map(str, range(FEATURES)))
    data = Dataset(
        "random", features, targets, names, names[:n_labels], np.ones(FEATURES, dtype=bool)
    )
    split = Split(np.arange(rows), np.arange(rows, total), np.arange(rows, total))
    seeds = list(range(n_runs))
    n_outputs = HEADS[head].count_outputs(n_labels, HEADS.options(head))
    options = BACKBONES.options("mlp", widths=[width, width], dropout=0.5)
    backbone = BACKBONES["mlp"](FEATURES, [options] * n_runs, seeds)
    model = Model(backbone, HEADS[head](width, n_labels, HEADS.options(head), seeds)).to(device)
    resident = ResidentData(
        data.features, data.targets, [fit_scaling(data, split.train)] * n_runs, device
    )
    optimizer = OPTIMIZERS["adamw"](
        list(model.parameters()), [OPTIMIZERS.options("adamw")] * n_runs
    )
    # Long trainings are measured on a few epochs.
    work = rows / 1200 * n_runs / 16 * max(1, width / 128) ** 2 * max(1, n_outputs / 1024)
    n_epochs = EPOCHS if device.type == "cuda" else max(1, min(EPOCHS, round(EPOCHS / work)))
    trainer = TrainerOptions(max_epochs=n_epochs, batch_size=BATCH, cuda_graphs=cuda_graphs)
    training = Training(model, resident, [split] * n_runs, optimizer, [trainer] * n_runs, seeds)
    return training, model, resident, n_epochs


def runs_per_second(repeats: int = 3, **shape: Any) -> list[float]:
    """Measure the runs of 30 epochs per second of one thread, after a warm-up round."""
    values = []
    for _ in range(repeats + 1):
        training, _, _, n_epochs = prepare(**shape)
        started = time.perf_counter()
        for _epoch in training:
            pass
        seconds = (time.perf_counter() - started) * EPOCHS / n_epochs
        values.append(shape.get("n_runs", 1) / seconds)
    return values[1:]


def flops(n_runs: int, width: int, n_outputs: int) -> float:
    """Return the FLOPs of the matrix products of a step: 6 per weight and row."""
    weights = FEATURES * width + width * width + width * n_outputs
    return 6.0 * n_runs * BATCH * weights


def peak_flops(n_runs: int, width: int) -> float:
    """Measure the FLOP/s of torch.bmm at the hidden layer's shape: the median of 30 timings."""
    a, b = torch.randn(n_runs, BATCH, width), torch.randn(n_runs, width, width)
    times = []
    for _ in range(40):
        started = time.perf_counter()
        torch.bmm(a, b)
        times.append(time.perf_counter() - started)
    return 2.0 * n_runs * BATCH * width * width / float(np.median(times[10:]))


def memory_of_powerset(n_labels: int) -> tuple[int, int]:
    """Return the predicted and measured bytes that a powerset training adds to a process."""
    code = f"from benchmarks.growth import measure_memory; measure_memory({n_labels})"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True
    )
    predicted, measured = process.stdout.split()[-2:]
    return int(predicted), int(measured)


def measure_memory(n_labels: int) -> None:
    """Print predicted and measured bytes; to be called in a new process."""
    torch.set_num_threads(1)
    # Memory that the first training of a process allocates once is not counted.
    for _ in zip(range(2), prepare(rows=256)[0], strict=False):
        pass
    with peak_memory() as measured:
        training, model, resident, _ = prepare(head="powerset", n_labels=n_labels, rows=256)
        for _ in zip(range(3), training, strict=False):
            pass
    print(bytes_of_run(model, resident, BATCH, OPTIMIZERS["adamw"].state_per_weight), *measured)


def draw(name: str, x: list[int], y: list[list[float]], xlabel: str) -> None:
    """Draw a curve on two logarithmic axes, with the range of the rounds."""
    figure = Figure(figsize=(5, 3.4), layout="constrained", dpi=120)
    axes = figure.subplots()
    axes.plot(x, [float(np.median(values)) for values in y], marker="o", color=COLOURS[2])
    axes.fill_between(x, [min(v) for v in y], [max(v) for v in y], alpha=0.2, color=COLOURS[2])
    logarithmic(axes, x, xlabel, "runs of 30 epochs a second")
    with write_atomically(RESULTS / f"growth_{name}.png") as file:
        figure.savefig(file, format="png")


def main() -> None:
    """Measure, draw and write."""
    torch.set_num_threads(1)
    sections = []
    grown: dict[str, tuple[str, list[int], dict[str, Any]]] = {
        "n_runs": ("runs trained together (R)", [1, 2, 4, 8, 16, 32, 64, 128], {}),
        "width": ("width of both hidden layers, 8 runs", [32, 64, 128, 256, 512, 1024], {"n_runs": 8}),
        "n_labels": ("powerset's labels (K), 1 run", [4, 6, 8, 10, 12, 14, 16], {"head": "powerset"}),
        "rows": ("training rows, 8 runs", [1000, 4000, 16000, 64000, 120000], {"n_runs": 8}),
    }  # fmt: skip
    for name, (title, values, fixed) in grown.items():
        speeds = []
        rows = []
        for value in values:
            repeats = 1 if name == "n_labels" and value > 14 else 3
            speeds.append(runs_per_second(repeats, **{name: value, **fixed}))
            row = [f"{value:,}", spread(speeds[-1], 3)]
            if name == "n_runs":
                row.append(f"{np.median(speeds[-1]) / np.median(speeds[0]):.1f}")
            if name == "n_labels":
                row += [readable(size) for size in memory_of_powerset(value)]
            rows.append(row)
            print(title, row, flush=True)
        draw(name, values, speeds, title)
        header = ["", "runs a second"]
        header += {"n_runs": ["times R = 1"], "n_labels": ["predicted", "measured"]}.get(name, [])
        note = " Peak memory that the training adds." if name == "n_labels" else ""
        sections.append(
            (f"![{title}](growth_{name}.png)\n\nBy {title}.{note}", Table(header, rows, 0))
        )
    limit = []
    for n_runs, width in ((1, 64), (32, 64), (32, 256), (8, 1024)):
        speed = float(np.median(runs_per_second(n_runs=n_runs, width=width)))
        n_steps = EPOCHS * math.ceil(1200 / BATCH)
        reached = speed / n_runs * n_steps * flops(n_runs, width, 14)
        peak = peak_flops(n_runs, width)
        limit.append(
            [
                f"{n_runs}",
                f"{width}",
                f"{reached / 1e9:.1f}",
                f"{peak / 1e9:.1f}",
                f"{reached / peak:.0%}",
            ]
        )
        print(limit[-1], flush=True)
    text = (
        "Distance to the limit: GFLOP/s of the training's matrix products, and of torch.bmm alone at"
        " the hidden layer's shape."
    )
    sections.append((text, Table(["R", "width", "training", "bmm", "share"], limit, 0)))
    write(
        "growth",
        "How the cost of training grows, one thread",
        "python -m benchmarks.growth",
        sections,
    )


if __name__ == "__main__":
    main()
