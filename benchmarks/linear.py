"""Compare backbone=linear head=sigmoid, trained by L-BFGS, with tuned one-vs-rest logistic regression.

Both choose C, the threshold and at least one label by the Jaccard index on validation rows. A measured
data set is a row of results/benchmarks/linear.csv and is not measured again.

    python -m benchmarks.linear --folder FOLDER [--data NAME ...]

FOLDER holds the eleven ARFF data sets, reuters21578/modapte90_{train,test}.jsonl and
goemotions/{train,test}.tsv.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import text_defaults
from benchmarks.measuring import RESULTS, write
from mlc.backbones.base import BACKBONES
from mlc.comparing.intervals import Part, simultaneous
from mlc.comparing.row_values import row_values
from mlc.config.schema import Config
from mlc.data.base import SOURCES, Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.splits import Split, split_dataset
from mlc.evaluation.yardsticks import LogisticRegressions, decide, tune
from mlc.heads.base import HEADS
from mlc.reporting.tables import Table
from mlc.training.assembly import build_model, build_training, known_labels
from mlc.training.stacked import OPTIMIZERS

STORED = RESULTS / "linear.csv"
METRIC = "jaccard_samples"
TEXTS = "reuters21578", "goemotions"
# The cheapest first.
DATA = (
    "flags", "emotions", "birds", "cal500", "yeast", "scene", "enron", "bibtex", "corel5k",
    "reuters21578", "tmc2007-500", "goemotions", "imdb",
)  # fmt: skip
# The largest number of training rows; of imdb a random sample is used.
MOST_ROWS = 16000
# Below this number of training rows, three seeds.
FEW_ROWS = 3000


def load(folder: Path, data: str) -> tuple[Dataset, list[Split]]:
    """Return a data set and its splits: of three seeds where there are few rows, else of one."""
    if data in TEXTS:
        dataset, split = text_defaults.load(folder, data)
        return dataset, [split]
    options = SOURCES.options("arff", path=f"{data}/{data}", root=str(folder), title=data)
    dataset = SOURCES["arff"].load(options)
    first = split_dataset(dataset, options, 0)
    n_seeds = 3 if len(first.train) < FEW_ROWS else 1
    splits = [first, *(split_dataset(dataset, options, seed) for seed in range(1, n_seeds))]
    return dataset, [_sampled(split) if data == "imdb" else split for split in splits]


def _sampled(split: Split) -> Split:
    share = MOST_ROWS / len(split.train)
    rng = np.random.default_rng(0)
    train, val = (
        np.sort(rng.choice(rows, int(share * len(rows)), replace=False))
        for rows in (split.train, split.val)
    )
    return replace(split, train=train, val=val)


def network(dataset: Dataset, split: Split) -> tuple[NDArray[np.bool_], float]:
    """Train backbone=linear head=sigmoid; return the label sets of the test rows, and C."""
    scaling = fit_scaling(dataset, split.train)
    columns = np.flatnonzero(scaling.used)
    used, scalings = dataset.with_columns(columns), [scaling.with_columns(columns)]
    config = Config(
        backbone=BACKBONES.options("linear"),
        head=HEADS.options("sigmoid"),
        optimizer=OPTIMIZERS.options("lbfgs"),
    )
    known, cpu = known_labels(used, [split]), torch.device("cpu")
    model = build_model([config], used.sample_shape, known, cpu, scalings)
    training = build_training([config], model, used, [split], scalings, cpu)
    for _ in training:
        pass
    scores = {}
    for part in ("val", "test"):
        chunks = model.outputs(training.data, training.data.rows([split.parts()[part]]))
        scores[part] = torch.cat([model.head.scores(chunk)[0] for chunk, _ in chunks]).numpy()
    _, decided = decide(scores, used.targets[split.val], METRIC)
    return decided, config.optimizer.C[int(training.best_epoch) - 1]


def measure(data: str, dataset: Dataset, splits: Sequence[Split]) -> dict[str, object]:
    """Train both on each split and return the row of the table."""
    contestants = {
        "linear": network,
        "regression": lambda data, split: tune(LogisticRegressions(), data, split, METRIC),
    }
    parts: dict[str, list[Part]] = {name: [] for name in contestants}
    seconds, strengths = dict.fromkeys(contestants, 0.0), {name: [] for name in contestants}
    for split in splits:
        for name, run in contestants.items():
            began = time.perf_counter()
            decided, strength = run(dataset, split)
            seconds[name] += (time.perf_counter() - began) / len(splits)
            strengths[name].append(f"{strength:g}")
            values = row_values(METRIC, decided, dataset.targets[split.test])
            parts[name].append(Part(split.test, values))
    difference = simultaneous(parts, "regression")["linear"]
    means = {name: np.mean([part.values.mean() for part in parts[name]]) for name in parts}
    return {
        "data": data, "training_rows": len(splits[0].train), "seeds": len(splits),
        "linear": f"{means['linear']:.4f}", "regression": f"{means['regression']:.4f}",
        "difference": f"{difference.mean:+.4f}", "half_width": f"{difference.half_width:.4f}",
        "linear_seconds": f"{seconds['linear']:.1f}",
        "regression_seconds": f"{seconds['regression']:.1f}",
        "linear_C": " ".join(strengths["linear"]),
        "regression_C": " ".join(strengths["regression"]),
    }  # fmt: skip


def stored() -> list[dict[str, str]]:
    """Return the rows so far."""
    if not STORED.is_file():
        return []
    with STORED.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append(row: dict[str, object]) -> None:
    """Append a row to the stored ones."""
    is_new = not STORED.is_file()
    with STORED.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def report() -> None:
    """Print and write the table of all stored rows."""
    rows = [
        (
            row["data"], f"{int(row['training_rows']):,}", row["seeds"], row["linear"],
            row["regression"], f"{row['difference']} ±{row['half_width']}", row["linear_seconds"],
            row["regression_seconds"], row["linear_C"], row["regression_C"],
        )
        for row in stored()
    ]  # fmt: skip
    header = (
        "data", "training rows", "seeds", "linear", "regression", "difference", "seconds, linear",
        "seconds, regression", "C, linear", "C, regression",
    )  # fmt: skip
    text = (
        "Jaccard index of the test rows (`jaccard_samples`). *linear* is `backbone=linear head=sigmoid"
        " optimizer=lbfgs` with default settings, *regression* one-vs-rest logistic regression by"
        " scikit-learn's LIBLINEAR on the same features. Validation rows choose C, one threshold for all"
        " labels, and whether each row gets at least one label, for both. ± is half the 95% interval of"
        " the paired difference over seeds (validation rows) and test rows. Seconds are for one seed,"
        " with the choice of C, on one thread of a machine that did other work too. Of imdb a random"
        f" sample of {MOST_ROWS:,} training rows is used."
    )
    command = "python -m benchmarks.linear --folder FOLDER"
    write(
        "linear",
        "The linear backbone and logistic regression",
        command,
        [(text, Table(header, rows))],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not stored, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    done = {row["data"] for row in stored()}
    for data in options.data:
        if data not in done:
            row = measure(data, *load(options.folder, data))
            append(row)
            print(row, flush=True)
    report()


if __name__ == "__main__":
    main()
