"""Search settings of the mlp for texts by validation rows; test rows are read by --test alone.

Each finished setting is a row of results/benchmarks/text_defaults.csv, and is not trained again: the
same command goes on where it was stopped.

    python -m benchmarks.text_defaults --folder FOLDER [--test]

FOLDER holds reuters21578/modapte90_{train,test}.jsonl and goemotions/{train,test}.tsv.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measuring import RESULTS
from mlc.backbones.base import BACKBONES
from mlc.config.schema import TrainerOptions
from mlc.data.base import SOURCES, Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split, split_dataset
from mlc.decisions.base import build_decision
from mlc.heads.base import HEADS
from mlc.metrics.final import decision_metrics
from mlc.training.loop import Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS

STORED = RESULTS / "text_defaults.csv"
SCORES = "val_jaccard", "val_precision_at_1", "seconds"


@dataclass(frozen=True)
class Setting:
    """What is searched; batch normalisation, a cosine schedule and sigmoid are common to all."""

    data: str
    lr: float
    dropout: float
    width: int
    batch_size: int
    epochs: int


GRIDS = {"reuters21578": (12, 25), "goemotions": (3, 6)}


def settings(data: str) -> list[Setting]:
    """Return the grid, the shortest trainings first."""
    cells = product(GRIDS[data], (0.001, 0.003, 0.01), (0.3, 0.5), (128,), (64,))
    return [Setting(data, lr, drop, width, size, n) for n, lr, drop, width, size in cells]


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


def load(folder: Path, data: str) -> tuple[Dataset, Split]:
    """Return the data as data=table reads them, and the split of seed 0."""
    with tempfile.TemporaryDirectory() as place:
        for part in ("train", "test"):
            with (Path(place) / f"{part}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("text", "labels"), *read(folder, data, part)])
        options = SOURCES.options(
            "table", path=f"{place}/train.csv", test_path=f"{place}/test.csv", labels=["labels"],
            text="text", separator=";", title=data,
        )  # fmt: skip
        dataset = SOURCES["table"].load(options)
    return dataset, split_dataset(dataset, options, 0)


def train(dataset: Dataset, split: Split, own: Setting, seed: int = 0) -> tuple[Any, float]:
    """Return a function from rows to scores (N, K), and the seconds of the training."""
    scaling = fit_scaling(dataset, split.train)
    columns = np.flatnonzero(scaling.used)
    dataset, scaling = dataset.with_columns(columns), scaling.with_columns(columns)
    shape = {"widths": [own.width], "dropout": own.dropout, "normalization": "batch"}
    backbone = BACKBONES["mlp"](len(columns), [BACKBONES.options("mlp", **shape)], [seed])
    head = HEADS["sigmoid"](backbone.n_outputs, dataset.n_labels, HEADS.options("sigmoid"), [seed])
    model = Model(backbone, head)
    data = ResidentData(
        dataset.features, dataset.targets, [scaling], torch.device("cpu"), keep_sparse=True
    )
    options = OPTIMIZERS.options("adamw", lr=own.lr, weight_decay=0.01, schedule="cosine")
    update = OPTIMIZERS["adamw"](list(model.parameters()), [options])
    trainer = TrainerOptions(max_epochs=own.epochs, batch_size=own.batch_size)
    began = time.perf_counter()
    for _ in Training(model, data, [split], update, [trainer], [seed]):
        pass
    seconds = time.perf_counter() - began

    def scores(rows: np.ndarray) -> torch.Tensor:
        parts = model.outputs(data, data.rows([rows]))
        return torch.cat([head.scores(outputs)[0] for outputs, _ in parts])

    return scores, seconds


def precision_at_1(scores: torch.Tensor, targets: np.ndarray) -> float:
    """Return the share of rows whose highest score is that of one of their labels."""
    return float(targets[np.arange(len(targets)), scores.argmax(dim=1).numpy()].mean())


def stored() -> list[dict[str, str]]:
    """Return the rows so far."""
    if not STORED.is_file():
        return []
    with STORED.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def search(dataset: Dataset, split: Split, own: Setting) -> None:
    """Train a setting and append its row."""
    scores, seconds = train(dataset, split, own)
    found, actual = scores(split.val), dataset.targets[split.val]
    rule = build_decision("global", metric="jaccard_samples", at_least_one=True)
    rule.fit(found, torch.as_tensor(actual))
    value = decision_metrics(rule.decide(found).numpy(), actual)["jaccard_samples"]
    values = f"{value:.4f}", f"{precision_at_1(found, actual):.4f}", f"{seconds:.1f}"
    row = {**asdict(own), **dict(zip(SCORES, values, strict=True))}
    new = not STORED.is_file()
    with STORED.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(row), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)
    print(row, flush=True)


def report_test(dataset: Dataset, split: Split, own: Setting) -> None:
    """Print what the setting chosen on validation rows reaches on the test rows."""
    scores, seconds = train(dataset, split, own)
    rule = build_decision("global", metric="jaccard_samples", at_least_one=True)
    rule.fit(scores(split.val), torch.as_tensor(dataset.targets[split.val]))
    found, actual = scores(split.test), dataset.targets[split.test]
    values = decision_metrics(rule.decide(found).numpy(), actual)
    shown = {n: round(values[n], 4) for n in ("jaccard_samples", "f1_micro", "subset_accuracy")}
    print(own, shown, f"P@1 {precision_at_1(found, actual):.4f}, {seconds:.1f} s", flush=True)


def best(data: str) -> Setting:
    """Return the setting with the highest Jaccard index on validation rows."""
    rows = [row for row in stored() if row["data"] == data]
    chosen = max(rows, key=lambda row: float(row["val_jaccard"]))
    return next(own for own in settings(data) if _key(asdict(own)) == _key(chosen))


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(str(row[name]) for name in Setting.__dataclass_fields__)


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, or test the choice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--data", nargs="+", choices=tuple(GRIDS), default=list(GRIDS))
    parser.add_argument("--test", action="store_true")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    for data in options.data:
        dataset, split = load(options.folder, data)
        done = {_key(row) for row in stored()}
        for own in settings(data):
            if not options.test and _key(asdict(own)) not in done:
                search(dataset, split, own)
        if options.test:
            report_test(dataset, split, best(data))


if __name__ == "__main__":
    main()
