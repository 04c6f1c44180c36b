"""Compare backbone=linear head=sigmoid, trained by L-BFGS, with tuned one-vs-rest logistic regression.

Both choose C, the threshold and at least one label by the Jaccard index on validation rows. A measured
data set is a row of results/benchmarks/linear.csv and is not measured again.

    python -m benchmarks.linear --folder FOLDER [--data NAME ...]

FOLDER holds the eleven ARFF data sets, reuters21578/modapte90_{train,test}.jsonl and
goemotions/{train,test}.tsv.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.defaults import DATA, MOST_ROWS, load
from benchmarks.measuring import RESULTS, append_rows, data_parser, stored_rows, write
from benchmarks.networks import scores_of, training_of
from mlc.backbones.base import BACKBONES
from mlc.comparing.intervals import Part, simultaneous
from mlc.comparing.row_values import row_values
from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.splits import Split
from mlc.evaluation.linear_models import LogisticRegressions
from mlc.evaluation.yardsticks import decide, tune
from mlc.heads.base import HEADS
from mlc.reporting.tables import Table
from mlc.training.stacked import OPTIMIZERS

STORED = RESULTS / "linear.csv"
METRIC = "jaccard_samples"


def network(dataset: Dataset, split: Split) -> tuple[NDArray[np.bool_], float]:
    """Train backbone=linear head=sigmoid; return the label sets of the test rows, and C."""
    config = Config(
        backbone=BACKBONES.options("linear"),
        head=HEADS.options("sigmoid"),
        optimizer=OPTIMIZERS.options("lbfgs"),
    )
    training, _ = training_of([config], dataset, [split])
    for _ in training:
        pass
    scores = {
        part: scores_of(training, [split.parts()[part]])[0].numpy() for part in ("val", "test")
    }
    _, decided = decide(scores, dataset.targets[split.val], METRIC)
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
            began = time.process_time()
            decided, strength = run(dataset, split)
            seconds[name] += (time.process_time() - began) / len(splits)
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


def report() -> None:
    """Print and write the table of all stored rows."""
    rows = [
        (
            row["data"], f"{int(row['training_rows']):,}", row["seeds"], row["linear"],
            row["regression"], f"{row['difference']} ±{row['half_width']}", row["linear_seconds"],
            row["regression_seconds"], row["linear_C"], row["regression_C"],
        )
        for row in stored_rows(STORED)
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
        " the paired difference over seeds (validation rows) and test rows. Seconds are CPU time,"
        " for one seed, with the choice of C, on one thread. Of imdb a random sample of"
        f" {MOST_ROWS:,} training rows is used."
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
    options = data_parser(__doc__, DATA).parse_args(arguments)
    torch.set_num_threads(1)
    done = {row["data"] for row in stored_rows(STORED)}
    for data in options.data:
        if data not in done:
            row = measure(data, *load(options.folder, data))
            append_rows(STORED, [row])
            print(row, flush=True)
    report()


if __name__ == "__main__":
    main()
