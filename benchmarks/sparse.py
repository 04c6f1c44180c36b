"""Seconds of training on sparse rows: kept sparse, made dense, and one-vs-rest LIBLINEAR.

Made-up rows of Reuters-21578's shape: 7,000 x 11,000 with 60 entries each, 90 labels.

    python -m benchmarks.sparse
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import csr_matrix
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from benchmarks.measuring import interleaved, ratios, spread, write
from mlc.backbones.base import BACKBONES
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.heads.base import HEADS
from mlc.reporting.tables import Table
from mlc.training.loop import TrainerOptions, Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS

N_COLUMNS, N_ENTRIES, N_LABELS = 11_000, 60, 90


def made_up(n_rows: int) -> Dataset:
    """Columns as frequent as words are (Zipf's law), labels that depend on a few of them."""
    draw = np.random.default_rng(0)
    column = np.minimum(draw.zipf(1.2, size=(n_rows, N_ENTRIES)) - 1, N_COLUMNS - 1)
    row = np.repeat(np.arange(n_rows), N_ENTRIES)
    features = csr_matrix(
        (np.ones(row.size, np.float32), (row, column.ravel())), (n_rows, N_COLUMNS)
    )
    features.sum_duplicates()
    targets = (features @ draw.normal(size=(N_COLUMNS, N_LABELS))) > 12
    targets[np.arange(n_rows), draw.integers(N_LABELS, size=n_rows)] = True
    names = tuple(map(str, range(N_COLUMNS)))
    numeric = np.ones(N_COLUMNS, dtype=bool)
    return Dataset("made", features, targets, names, names[:N_LABELS], numeric)


def train(
    dataset: Dataset, backbone: str, optimizer: str, keep_sparse: bool, seeds: Sequence[int]
) -> float:
    """Seconds of one pass over all rows, for each run."""
    rows = np.arange(dataset.n_samples)
    split = Split(rows, rows[:10], rows[:10])
    options = [BACKBONES.options(backbone)] * len(seeds)
    network = BACKBONES[backbone](N_COLUMNS, options, seeds)
    head = HEADS["sigmoid"](network.n_outputs, N_LABELS, HEADS.options("sigmoid"), seeds)
    model = Model(network, head)
    scalings = [fit_scaling(dataset, rows)] * len(seeds)
    data = ResidentData(
        dataset.features, dataset.targets, scalings, torch.device("cpu"), keep_sparse=keep_sparse
    )
    rates = [OPTIMIZERS.options(optimizer)] * len(seeds)
    update = OPTIMIZERS[optimizer](list(model.parameters()), rates)
    trainer = [TrainerOptions(max_epochs=1)] * len(seeds)
    training = Training(model, data, [split] * len(seeds), update, trainer, seeds)
    began = time.perf_counter()
    training.train_epoch(1)
    return (time.perf_counter() - began) / len(seeds)


def liblinear(dataset: Dataset) -> None:
    """One-vs-rest, to its end."""
    OneVsRestClassifier(LinearSVC()).fit(dataset.features, dataset.targets)


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=7000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset, rows = made_up(options.rows), []
    for backbone, optimizer, n_runs in (
        ("mlp", "adamw", 1), ("mlp", "sgd", 1), ("mlp", "adamw", 2), ("linear", "adamw", 1)
    ):  # fmt: skip
        seeds = list(range(n_runs))
        times = interleaved(
            {
                "dense": lambda: train(dataset, backbone, optimizer, False, seeds),  # noqa: B023
                "sparse": lambda: train(dataset, backbone, optimizer, True, seeds),  # noqa: B023
                "LIBLINEAR": lambda: liblinear(dataset),
            },
            options.repeats,
        )
        rows.append(
            (backbone, optimizer, str(n_runs), spread(times["dense"]), spread(times["sparse"]),
             spread(ratios(times["dense"], times["sparse"])), spread(times["LIBLINEAR"]))
        )  # fmt: skip
        print(rows[-1], flush=True)
    header = ("backbone", "optimizer", "runs", "dense", "sparse", "dense / sparse", "LIBLINEAR")
    text = (
        f"Seconds of one pass over {options.rows:,} rows for each run, one thread, batches of 64;"
        " LIBLINEAR's are of its whole training. Median and range."
    )
    command = f"python -m benchmarks.sparse --rows {options.rows} --repeats {options.repeats}"
    write("sparse", "Sparse rows", command, [(text, Table(header, rows))])


if __name__ == "__main__":
    main()
