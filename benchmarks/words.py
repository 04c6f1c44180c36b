"""Compare what separates the default network from LIBLINEAR's SVM on the words of two text data sets.

The linear backbone is trained with the loss of logistic regression and with that of the SVM, the network
with both too. Validation rows choose C, the threshold and at least one label for all models. A measured
data set has its rows in results/benchmarks/words.csv and is not measured again.

    python -m benchmarks.words --folder FOLDER [--data NAME ...]

FOLDER is as for benchmarks.defaults.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.defaults import TEXTS, load, precision_at_1
from benchmarks.measuring import RESULTS, append_rows, data_parser, stored_rows, write
from benchmarks.networks import scores_of, training_of
from mlc.backbones.base import BACKBONES
from mlc.comparing.intervals import Part, simultaneous
from mlc.comparing.row_values import row_values
from mlc.config.schema import Config, TrainerOptions
from mlc.data.base import Dataset
from mlc.data.splits import Split
from mlc.evaluation.linear_models import YARDSTICKS
from mlc.evaluation.yardsticks import decide, tune_together
from mlc.heads.base import HEADS
from mlc.metrics.final import decision_metrics
from mlc.reporting.tables import Table
from mlc.training.defaults import kind_of, resolve
from mlc.training.stacked import OPTIMIZERS

NAME = "words"
STORED = RESULTS / f"{NAME}.csv"
METRIC = "jaccard_samples"
REFERENCE = "linear_svm"
Scores = dict[str, NDArray[np.float64]]


def models() -> Iterator[tuple[str, Callable[[Dataset, Split], tuple[Scores, str]]]]:
    """Yield the models by name: each returns the scores of "val" and "test", and what was chosen."""
    for kind in YARDSTICKS:
        yield kind.name, lambda data, split, kind=kind: _liblinear(kind(), data, split)
    for head in ("sigmoid", "squared_hinge"):
        yield f"linear, {head}", lambda data, split, head=head: _linear(head, data, split)
        yield f"mlp, {head}", lambda data, split, head=head: _network(head, data, split)


def _liblinear(kind: Any, dataset: Dataset, split: Split) -> tuple[Scores, str]:
    tuned = tune_together(kind, dataset, [split], METRIC)
    return tuned.scores[0], f"C={tuned.strength:g}"


def _linear(head: str, dataset: Dataset, split: Split) -> tuple[Scores, str]:
    config = Config(
        backbone=BACKBONES.options("linear"),
        head=HEADS.options(head),
        optimizer=OPTIMIZERS.options("lbfgs"),
    )
    scores, best_epoch = _trained(config, dataset, split)
    return scores, f"C={config.optimizer.C[best_epoch - 1]:g}"


def _network(head: str, dataset: Dataset, split: Split) -> tuple[Scores, str]:
    config = Config(
        backbone=BACKBONES.options("mlp", widths=None, dropout=None, normalization=None),
        head=HEADS.options(head),
        optimizer=OPTIMIZERS.options("adamw", lr=None, schedule=None, weight_decay=0.01),
        trainer=TrainerOptions(max_epochs=None, batch_size=None, followed=[]),
    )
    config = resolve(config, kind_of(dataset, split.train))
    scores, best_epoch = _trained(config, dataset, split)
    return scores, f"epoch {best_epoch}"


def _trained(config: Config, dataset: Dataset, split: Split) -> tuple[Scores, int]:
    training, _ = training_of([config], dataset, [split])
    for _ in training:
        pass
    parts = split.parts()
    scores = {part: scores_of(training, [parts[part]])[0].numpy() for part in ("val", "test")}
    return scores, int(training.best_epoch)


def measure(data: str, dataset: Dataset, split: Split) -> list[dict[str, object]]:
    """Return a row for each model, with its paired differences to the SVM."""
    actual, rows = dataset.targets[split.test], []
    sets: dict[str, Sequence[Part]] = {}
    tops: dict[str, Sequence[Part]] = {}
    for name, model in models():
        began = time.process_time()
        scores, choice = model(dataset, split)
        seconds = time.process_time() - began
        value, decided = decide(scores, dataset.targets[split.val], METRIC)
        metrics = decision_metrics(decided, actual)
        first = actual[np.arange(len(actual)), scores["test"].argmax(axis=1)]
        sets[name] = [Part(split.test, row_values(METRIC, decided, actual))]
        tops[name] = [Part(split.test, first.astype(np.float64))]
        val_first = precision_at_1(torch.as_tensor(scores["val"]), dataset.targets[split.val])
        rows.append({
            "data": data, "model": name, "chosen": choice,
            "validation": f"{value:.4f}", "validation_precision_at_1": f"{val_first:.4f}",
            METRIC: f"{metrics[METRIC]:.4f}", "subset_accuracy": f"{metrics['subset_accuracy']:.4f}",
            "precision_at_1": f"{first.mean():.4f}", "seconds": f"{seconds:.1f}",
        })  # fmt: skip
    for row in rows:
        for metric, parts in ((METRIC, sets), ("precision_at_1", tops)):
            row[f"{metric}_difference"] = _difference(parts, str(row["model"]))
    return rows


def _difference(parts: dict[str, Sequence[Part]], name: str) -> str:
    if name == REFERENCE:
        return ""
    pair = {name: parts[name], REFERENCE: parts[REFERENCE]}
    difference = simultaneous(pair, REFERENCE)[name]
    return f"{difference.mean:+.4f} ±{difference.half_width:.4f}"


def report() -> None:
    """Print and write the table."""
    columns = (
        "chosen", "validation", METRIC, f"{METRIC}_difference", "precision_at_1",
        "precision_at_1_difference", "seconds",
    )  # fmt: skip
    rows = [
        [row["data"], row["model"], *(row[name] for name in columns)] for row in stored_rows(STORED)
    ]
    header = (
        "data", "model", "chosen", "validation", "Jaccard", "to the SVM", "precision at 1",
        "to the SVM", "seconds",
    )  # fmt: skip
    text = (
        "Jaccard index of validation and test rows, and precision at 1 of the test rows. *linear* is"
        " `backbone=linear` trained by L-BFGS, *mlp* the default network; *squared_hinge* is the loss of"
        " LIBLINEAR's SVM. Validation rows choose C, one threshold and at least one label. ± is half of"
        " the 95% interval of the paired difference over test rows. Seconds are CPU time with the"
        " choice."
    )
    write(
        NAME,
        "What separates the default network from an SVM on words",
        f"python -m benchmarks.{NAME} --folder FOLDER",
        [(text, Table(header, rows))],
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not stored, then write the table."""
    options = data_parser(__doc__, TEXTS).parse_args(arguments)
    torch.set_num_threads(1)
    done = {row["data"] for row in stored_rows(STORED)}
    for data in options.data:
        if data not in done:
            dataset, splits = load(options.folder, data)
            rows = measure(data, dataset, splits[0])
            append_rows(STORED, rows)
            print(*rows, sep="\n", flush=True)
    report()


if __name__ == "__main__":
    main()
