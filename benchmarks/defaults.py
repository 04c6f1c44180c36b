"""Search the default settings of the mlp and the embedding bag by validation rows.

Thirteen data sets. Each cohort trains four rates, and two dropouts of the mlp, side by side. A finished
cohort's rows are in results/benchmarks/defaults.csv and are not trained again: the same command goes on
where it was stopped. Test rows are not read.

    python -m benchmarks.defaults --folder FOLDER [--data NAME ...]

FOLDER holds the eleven ARFF data sets, reuters21578/modapte90_{train,test}.jsonl and
goemotions/{train,test}.tsv.
"""

from __future__ import annotations

import csv
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measuring import RESULTS, append_rows, data_parser, stored_rows
from benchmarks.networks import scores_of, training_of
from mlc.backbones.base import BACKBONES
from mlc.config.schema import Config, TrainerOptions
from mlc.data.base import SOURCES, Dataset
from mlc.data.splits import Split, split_dataset
from mlc.decisions.base import build_decision
from mlc.heads.base import HEADS
from mlc.metrics.final import decision_metrics
from mlc.training.stacked import OPTIMIZERS

_KEY = "data", "backbone", "head", "widths"
STORED = RESULTS / "defaults.csv"
TEXTS = "reuters21578", "goemotions"
# The cheapest first.
DATA = (
    "flags", "emotions", "birds", "cal500", "yeast", "scene", "enron", "corel5k", "reuters21578",
    "bibtex", "tmc2007-500", "imdb", "goemotions",
)  # fmt: skip
LARGE = DATA[6:]
SPARSE = "reuters21578", "bibtex", "tmc2007-500", "goemotions"
# By backbone.
RATES = {"mlp": (3e-4, 1e-3, 3e-3, 1e-2), "embedding_bag": (3e-3, 1e-2, 3e-2, 1e-1)}
DROPOUTS = {"mlp": (0.0, 0.5), "embedding_bag": (0.0,)}
COHORTS = ("sigmoid", (128,)), ("sigmoid", (256, 256)), ("label_powerset", (128,))
BATCH_SIZE = 64
# The largest number of training rows; of imdb a random sample is used.
MOST_ROWS = 16000
# Below this number of training rows, three seeds and 60 epochs.
FEW_ROWS = 3000


@dataclass(frozen=True)
class Shape:
    """What is common to a cohort; an embedding bag has no widths."""

    data: str
    backbone: str
    head: str
    widths: tuple[int, ...] = ()

    @property
    def key(self) -> tuple[str, ...]:
        """The first columns of its rows."""
        return self.data, self.backbone, self.head, " ".join(map(str, self.widths))


def shapes(data: Sequence[str]) -> list[Shape]:
    """Return the cohorts in the order in which they are trained: one of each data set first.

    The large data sets have only that one.
    """
    first, *others = COHORTS
    few = [name for name in data if name not in LARGE]
    networks = [*product([first], data), *product(others, few)]
    bags = [Shape(name, "embedding_bag", "sigmoid") for name in SPARSE if name in data]
    mlps = [Shape(name, "mlp", head, widths) for (head, widths), name in networks]
    return [*mlps[: len(data)], *bags, *mlps[len(data) :]]


def epochs_for(n_rows: int) -> int:
    """Return the number of epochs: more for few rows."""
    return 60 if n_rows < FEW_ROWS else 25 if n_rows < 12000 else 8


def read(folder: Path, data: str, part: str) -> Iterator[tuple[str, str]]:
    """Yield the texts and labels of a published part."""
    if data == "reuters21578":
        for line in (folder / data / f"modapte90_{part}.jsonl").read_text("utf-8").splitlines():
            row = json.loads(line)
            yield f"{row['title']} {row['text']}", ";".join(row["labels"])
        return
    names = (folder / data / "emotions.txt").read_text("utf-8").split()
    for line in (folder / data / f"{part}.tsv").read_text("utf-8").rstrip("\n").split("\n"):
        text, labels, _ = line.split("\t")
        yield text, ";".join(names[int(number)] for number in labels.split(","))


def load(folder: Path, data: str) -> tuple[Dataset, list[Split]]:
    """Return a data set and its splits: of three seeds where there are few rows, else of one."""
    if data not in TEXTS:
        options = SOURCES.options("arff", path=f"{data}/{data}", root=str(folder), title=data)
        dataset = SOURCES["arff"].load(options)
    else:
        with tempfile.TemporaryDirectory() as temporary:
            for part in ("train", "test"):
                with (Path(temporary) / f"{part}.csv").open("w", newline="", encoding="utf-8") as f:
                    csv.writer(f).writerows([("text", "labels"), *read(folder, data, part)])
            options = SOURCES.options(
                "table", path=f"{temporary}/train.csv", test_path=f"{temporary}/test.csv",
                labels=["labels"], text="text", separator=";", title=data,
            )  # fmt: skip
            dataset = SOURCES["table"].load(options)
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


def search(dataset: Dataset, of_seeds: Sequence[Split], shape: Shape) -> list[dict[str, object]]:
    """Train a cohort and return a row for each of its runs."""
    n_epochs = epochs_for(len(of_seeds[0].train))
    cells = list(product(RATES[shape.backbone], DROPOUTS[shape.backbone], range(len(of_seeds))))
    configs = [
        Config(
            backbone=_backbone(shape, dropout),
            head=HEADS.options(shape.head),
            optimizer=OPTIMIZERS.options("adamw", lr=rate, weight_decay=0.01, schedule="cosine"),
            trainer=TrainerOptions(max_epochs=n_epochs, batch_size=BATCH_SIZE, followed=[]),
            seed=seed,
        )
        for rate, dropout, seed in cells
    ]
    splits = [of_seeds[seed] for *_, seed in cells]
    training, _ = training_of(configs, dataset, splits)
    began = time.perf_counter()
    for _ in training:
        pass
    seconds = (time.perf_counter() - began) / len(cells)
    scores = scores_of(training, [split.val for split in splits])
    rows: list[dict[str, object]] = []
    for run, (rate, dropout, seed) in enumerate(cells):
        actual = dataset.targets[splits[run].val]
        rows.append({
            **dict(zip(_KEY, shape.key, strict=True)),
            "lr": rate, "dropout": dropout, "seed": seed, "n_train": len(splits[run].train),
            "n_labels": dataset.n_labels, "epochs": n_epochs,
            "best_epoch": int(training.best_epoch[run]),
            "val_global": f"{jaccard(scores[run], actual, at_least_one=False):.4f}",
            "val_at_least_one": f"{jaccard(scores[run], actual, at_least_one=True):.4f}",
            "val_precision_at_1": f"{precision_at_1(scores[run], actual):.4f}",
            "seconds": f"{seconds:.1f}",
        })  # fmt: skip
    return rows


def _backbone(shape: Shape, dropout: float) -> Any:
    if shape.backbone != "mlp":
        return BACKBONES.options(shape.backbone)
    return BACKBONES.options(
        "mlp", widths=list(shape.widths), dropout=dropout, normalization="batch"
    )


def jaccard(scores: torch.Tensor, actual: np.ndarray, at_least_one: bool) -> float:
    """Return the Jaccard index of one threshold that is tuned on the same rows."""
    rule = build_decision("global", metric="jaccard_samples", at_least_one=at_least_one)
    rule.fit(scores, torch.as_tensor(actual))
    return float(decision_metrics(rule.decide(scores).numpy(), actual)["jaccard_samples"])


def precision_at_1(scores: torch.Tensor, targets: np.ndarray) -> float:
    """Return the share of rows whose highest score is that of one of their labels."""
    return float(targets[np.arange(len(targets)), scores.argmax(dim=1).numpy()].mean())


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the cohorts that are missing."""
    options = data_parser(__doc__, DATA).parse_args(arguments)
    torch.set_num_threads(1)
    done = {tuple(row[name] for name in _KEY) for row in stored_rows(STORED)}
    for shape in shapes(options.data):
        if shape.key in done:
            continue
        rows = search(*load(options.folder, shape.data), shape)
        append_rows(STORED, rows)
        best = max(rows, key=lambda row: float(str(row["val_global"])))
        print(
            shape,
            {name: best[name] for name in ("lr", "dropout", "val_global", "seconds")},
            flush=True,
        )


if __name__ == "__main__":
    main()
