"""Learning rates and hidden layers on frozen features, compared on validation rows alone.

MLC_DATA=FOLDER python -m benchmarks.frozen_defaults goemotions.npy ucmerced.npy

The arguments are the features of GoEmotions (training, then validation rows first) by MiniLM, and of the
rows of UC Merced's labels.csv by EfficientNet-Lite0. No test row is read.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from mlc.config.registry import BACKBONES, HEADS, OPTIMIZERS, SOURCES
from mlc.config.schema import Config, TrainerOptions
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.splits import Split
from mlc.training.assembly import build_model, build_training, known_labels

RATES = (0.0003, 0.001, 0.003, 0.01, 0.03)
WIDTHS: tuple[list[int], ...] = ([], [256], [256, 256])
EPOCHS = {"goemotions": 8, "ucmerced": 60}
N_EMOTIONS = 28


def main() -> None:
    """Print a table of validation metrics."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("goemotions", type=Path)
    parser.add_argument("ucmerced", type=Path)
    parser.add_argument("--heads", nargs="+", default=["sigmoid"])
    args = parser.parse_args()
    folder = Path(os.environ["MLC_DATA"])
    torch.set_num_threads(1)
    for name, read in (("ucmerced", ucmerced), ("goemotions", goemotions)):
        dataset, split = read(folder / name, np.load(getattr(args, name), mmap_mode="r"))
        for head in args.heads:
            for widths in WIDTHS:
                values = validated(dataset, split, head, widths, EPOCHS[name])
                cells = " | ".join(f"{value:.4f}" for value in values)
                print(f"| {name} | {head} | {widths} | {cells} |", flush=True)


def goemotions(folder: Path, features: NDArray[np.float32]) -> tuple[Dataset, Split]:
    """Read the training and validation comments."""
    targets = []
    for part in ("train", "dev"):
        frame = pd.read_csv(folder / f"{part}.tsv", sep="\t", header=None, quoting=3, dtype=str)
        targets.append(np.zeros((len(frame), N_EMOTIONS), dtype=bool))
        for row, labels in enumerate(frame[1]):
            targets[-1][row, [int(label) for label in labels.split(",")]] = True
    n_train, n_val = map(len, targets)
    rows = np.arange(n_train + n_val)
    return _dataset("goemotions", features[rows], np.concatenate(targets)), Split(
        rows[:n_train], rows[n_train:], rows[:0]
    )


def ucmerced(folder: Path, features: NDArray[np.float32]) -> tuple[Dataset, Split]:
    """Read the training and validation images."""
    frame = pd.read_csv(folder / "labels.csv")
    outside = np.flatnonzero(frame["split"] != "test")
    frame = frame.iloc[outside]
    targets = frame.iloc[:, 3:].to_numpy().astype(bool)
    parts = [np.flatnonzero(frame["split"] == part) for part in ("train", "val")]
    return _dataset("ucmerced", features[outside], targets), Split(*parts, parts[0][:0])


def _dataset(name: str, features: NDArray[np.float32], targets: NDArray[np.bool_]) -> Dataset:
    columns, labels = (tuple(map(str, range(n))) for n in (features.shape[1], targets.shape[1]))
    return Dataset(
        name, np.array(features), targets, columns, labels, np.ones(len(columns), dtype=bool)
    )


def validated(
    dataset: Dataset, split: Split, head: str, widths: list[int], n_epochs: int
) -> list[float]:
    """Return the Jaccard index of the best epoch on validation rows for each rate."""
    dropout, normalization = (0.5, "batch") if widths else (0.0, "none")
    network = BACKBONES.options("mlp", widths=widths, dropout=dropout, normalization=normalization)
    config = Config(
        SOURCES.options("digits"),
        network,
        HEADS.options(head),
        OPTIMIZERS.options("adamw", schedule="cosine"),
        TrainerOptions(max_epochs=n_epochs, batch_size=64),
    )
    configs = [replace(config, optimizer=replace(config.optimizer, lr=rate)) for rate in RATES]
    splits, scalings = [split] * len(RATES), [fit_scaling(dataset, split.train)] * len(RATES)
    known, cpu = known_labels(dataset, splits), torch.device("cpu")
    model = build_model(configs, dataset.sample_shape, known, cpu, scalings)
    training = build_training(configs, model, dataset, splits, scalings, cpu)
    for _ in training:
        pass
    return [float(value) for value in training.best_value]


if __name__ == "__main__":
    main()
