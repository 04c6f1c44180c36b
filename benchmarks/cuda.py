"""Cohorts on a CUDA device, with and without a captured step: python -m benchmarks.cuda [--device cpu]

Only training (steps and validation), on random data: 1,200 rows, batch 64, two hidden layers.
`--device cpu` tests the script and writes no page.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import random as random_sparse

from benchmarks.measuring import spread, write
from mlc.backbones.base import BACKBONES
from mlc.config.memory import readable
from mlc.config.schema import Config, TrainerOptions
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.splits import Split
from mlc.heads.base import HEADS
from mlc.reporting.tables import Table
from mlc.training.assembly import build_model, build_training, known_labels
from mlc.training.loop import Training
from mlc.training.stacked import OPTIMIZERS

EPOCHS, ROWS, BATCH, FEATURES, LABELS = 30, 1200, 64, 100, 14
# An embedding bag's columns, and how many of them a row has.
WORDS, OCCURRING = 2000, 30
IMAGE = (3, 16, 16)


@dataclass(frozen=True)
class Shape:
    """What is trained, and in which cohorts."""

    title: str
    sizes: tuple[int, ...]
    head: str = "sigmoid"
    backbone: str = "mlp"
    width: int = 64
    epochs: int = 10
    captured: bool = True


SHAPES = (
    Shape("sigmoid, hidden layers of 64", (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)),
    Shape("sigmoid, hidden layers of 256", (1, 8, 64, 256, 1024), width=256),
    Shape("powerset of 14 labels (16,384 outputs), hidden layers of 64", (1, 8, 64, 128),
          head="powerset", epochs=5),
    Shape("embedding bag of 2,000 words, 30 in a row", (1, 8, 64), backbone="embedding_bag",
          epochs=5, captured=False),
    Shape("cnn on 3 x 16 x 16 images", (1,), backbone="cnn", captured=False),
)  # fmt: skip


def random_data(backbone: str) -> tuple[Dataset, tuple[int, ...]]:
    """Draw a data set for a backbone; return also the shape of a sample."""
    rng, total = np.random.default_rng(0), ROWS * 5 // 4
    n_features = {"embedding_bag": WORDS, "cnn": math.prod(IMAGE)}.get(backbone, FEATURES)
    if backbone == "embedding_bag":
        features = random_sparse(
            total, WORDS, OCCURRING / WORDS, format="csr", dtype=np.float32, random_state=rng
        )
    else:
        features = rng.normal(size=(total, n_features)).astype(np.float32)
    targets = features @ rng.normal(size=(n_features, LABELS)) > 0.8 * n_features**0.5
    names = tuple(map(str, range(n_features)))
    shape = IMAGE if backbone == "cnn" else (n_features,)
    data = Dataset(
        "random", features, targets, names, names[:LABELS], np.zeros(n_features, dtype=bool)
    )
    return data, shape


def prepare(
    shape: Shape, n_runs: int, device: torch.device, graphs: bool, compiled: bool = False
) -> Training:
    """Build a cohort."""
    data, sample_shape = random_data(shape.backbone)
    train = np.arange(ROWS)
    splits = [Split(train, np.arange(ROWS, len(data.targets)), train[:0])] * n_runs
    options = {"widths": [shape.width] * 2} if shape.backbone == "mlp" else {}
    trainer = TrainerOptions(
        max_epochs=shape.epochs, batch_size=BATCH, cuda_graphs=graphs, compile=compiled
    )
    configs = [
        Config(
            backbone=BACKBONES.options(shape.backbone, **options),
            head=HEADS.options(shape.head),
            optimizer=OPTIMIZERS.options("adamw"),
            trainer=trainer,
            seed=seed,
        )
        for seed in range(n_runs)
    ]
    scalings = [fit_scaling(data, train)] * n_runs
    model = build_model(configs, sample_shape, known_labels(data, splits), device)
    return build_training(configs, model, data, splits, scalings, device)


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all that was asked of it."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Time a call, the device's part included."""
    synchronize(device)
    started = time.perf_counter()
    work()
    synchronize(device)
    return time.perf_counter() - started


def runs_per_second(
    shape: Shape, n_runs: int, device: torch.device, graphs: bool, repeats: int
) -> list[float]:
    """Measure runs of 30 epochs a second, after a warm-up training."""
    values = []
    for _ in range(repeats + 1):
        training = prepare(shape, n_runs, device, graphs)
        elapsed = seconds(lambda training=training: [None for _ in training], device)
        values.append(n_runs * shape.epochs / EPOCHS / elapsed)
    return values[1:]


def growth(shape: Shape, device: torch.device, repeats: int) -> list[list[str]]:
    """Measure each cohort size and return a row for each."""
    rows, base = [], 0.0
    for n_runs in shape.sizes:
        plain = runs_per_second(shape, n_runs, device, False, repeats)
        captured = (
            runs_per_second(shape, n_runs, device, True, repeats) if shape.captured else plain
        )
        base = base or float(np.median(plain))
        best = max(float(np.median(plain)), float(np.median(captured)))
        row = [f"{n_runs:,}", spread(plain), spread(captured) if shape.captured else ""]
        rows.append([*row, f"{best / base:.1f}"])
        print(shape.title, rows[-1], flush=True)
    return rows


def products(n_runs: int, width: int, device: torch.device) -> Callable[[], None]:
    """`torch.bmm` forward and backward at the layers' shapes, captured where there is CUDA."""
    sizes = (FEATURES, width, width, LABELS)
    weights = [torch.randn(n_runs, a, b, device=device) for a, b in pairwise(sizes)]
    inputs = [torch.randn(n_runs, BATCH, size, device=device) for size in sizes]

    def work() -> None:
        for rows, weight in zip(inputs, weights, strict=False):
            torch.bmm(rows, weight)
        for rows, weight, gradient in zip(inputs, weights, inputs[1:], strict=False):
            torch.bmm(rows.mT, gradient)
            # The features need no gradient.
            if rows is not inputs[0]:
                torch.bmm(gradient, weight.mT)

    if device.type != "cuda":
        return work
    for _ in range(3):
        work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()

    def replay() -> None:
        # A graph keeps no tensor alive that it reads.
        assert weights
        assert inputs
        graph.replay()

    return replay


def limit(width: int, n_runs: int, device: torch.device, repeats: int) -> list[str]:
    """Compare training steps, captured and compiled, with their matrix products alone."""
    # Of each shape of batch, the fourth step is the first that is replayed.
    shape, warm = Shape("", (), width=width, epochs=4 * repeats), range(1, 5)
    captured = prepare(shape, n_runs, device, True)
    compiled = prepare(shape, n_runs, device, True, compiled=True)
    bare, steps = products(n_runs, width, device), math.ceil(ROWS / BATCH)
    seconds(lambda: [captured.train_epoch(number) for number in warm], device)
    ready = seconds(lambda: [compiled.train_epoch(number) for number in warm], device)
    whole, fused, alone = [], [], []
    for number in range(5, 5 + repeats):
        whole.append(steps / seconds(lambda n=number: captured.train_epoch(n), device))
        fused.append(steps / seconds(lambda n=number: compiled.train_epoch(n), device))
        alone.append(steps / seconds(lambda: [bare() for _ in range(steps)], device))
    shares = [[a / b for a, b in zip(own, alone, strict=True)] for own in (whole, fused)]
    weights = sum(
        a * b for a, b in zip((FEATURES, width, width), (width, width, LABELS), strict=True)
    )
    row = [
        f"{n_runs:,}", f"{width}", readable(4.0 * n_runs * weights),
        *(spread(rates, 0) for rates in (whole, fused, alone)), *map(spread, shares), f"{ready:.0f}",
    ]  # fmt: skip
    print(row, flush=True)
    return row


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments = parser.parse_args()
    header = ["R", "plain, runs a second", "captured, runs a second", "times R = 1 plain"]
    beside = [
        "R",
        "width",
        "weights",
        "captured, steps a second",
        "compiled",
        "bmm alone",
        "captured / bmm",
        "compiled / bmm",
        "seconds to compile",
    ]
    if arguments.device == "cpu":
        for shape in SHAPES:
            growth(
                Shape(**{**vars(shape), "sizes": shape.sizes[:2], "epochs": 1}),
                torch.device("cpu"),
                1,
            )
        limit(64, 4, torch.device("cpu"), 2)
        return
    if not torch.cuda.is_available():
        print("No CUDA device: nothing was measured, and the page of the last measurement stays.")
        return
    sections = []
    device = torch.device("cuda")
    for shape in SHAPES:
        rows = growth(shape, device, 3)
        title = shape.title[0].upper() + shape.title[1:]
        text = "Runs of 30 epochs a second (training and validation), median and range of 3 rounds."
        sections.append((f"## {title}\n\n{text}", Table(header, rows, 1)))
    pairs = ((1, 64), (64, 64), (64, 256), (1024, 256))
    rows = [limit(width, n_runs, device, 5) for n_runs, width in pairs]
    text = (
        "## Distance to the limit\n\nTraining steps a second (sigmoid; captured, and captured after"
        " trainer.compile=true) beside `torch.bmm` alone, forward and backward at the same shapes and"
        " precision (float32, captured). A step also draws two dropout masks, computes activations and"
        " losses, and updates the weights by AdamW."
    )
    sections.append((text, Table(beside, rows, 2)))
    write("cuda", "Cohorts on a CUDA device", "python -m benchmarks.cuda", sections)


if __name__ == "__main__":
    main()
