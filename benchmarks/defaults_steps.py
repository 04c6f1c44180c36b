"""Search the epochs, the batch size, the schedule, the patience and the decay of the defaults.

Thirteen data sets, three heads, the mlp with its default hidden layers. The rows of a finished cohort
are in results/benchmarks/defaults_steps.csv, and it is not trained again: the same command goes on
where it was stopped. Test rows are not read.

    python -m benchmarks.defaults_steps --folder FOLDER [--data NAME ...] [--plans NAME ...]

FOLDER is as for benchmarks.defaults.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import torch

from benchmarks.defaults import jaccard, load, precision_at_1
from benchmarks.measuring import RESULTS, append_rows, data_parser, stored_rows
from benchmarks.networks import scores_of, training_of
from mlc.backbones.base import BACKBONES
from mlc.config.schema import Config, TrainerOptions
from mlc.data.base import Dataset
from mlc.data.splits import Split
from mlc.heads.base import HEADS
from mlc.training.defaults import Kind, kind_of, resolve
from mlc.training.stacked import OPTIMIZERS

STORED = RESULTS / "defaults_steps.csv"
HEADS_SEARCHED = "sigmoid", "label_powerset", "pick_one"
MONITOR = "jaccard_samples"
PATIENCE = 5, 10
# The cheaper first.
FEW = "flags", "emotions", "birds", "cal500"
MANY = (
    "scene", "enron", "yeast", "tmc2007-500", "bibtex", "corel5k", "imdb", "goemotions", "reuters21578",
)  # fmt: skip


class Steps(NamedTuple):
    """The settings in which the runs of a cohort differ."""

    lr: float
    schedule: str = "cosine"
    weight_decay: float = 0.01


@dataclass(frozen=True)
class Plan:
    """The settings of a cohort.

    Attributes:
        epochs: the number of epochs, as a multiple of the default.
        batch_size: the number of rows in a step.
        runs: the settings of its runs, each with the seeds of the data set; with many training rows
            only the first.
        normalization: that of the hidden layers.
    """

    epochs: float
    batch_size: int
    runs: tuple[Steps, ...]
    normalization: str = "batch"


_LOW, _MIDDLE, _HIGH = (Steps(rate) for rate in (0.001, 0.003, 0.01))
PLANS = {
    "default": Plan(1, 64, (_MIDDLE, _LOW, _HIGH)),
    "half": Plan(0.5, 64, (_MIDDLE, _HIGH)),
    "double": Plan(2, 64, (_MIDDLE, _LOW)),
    "large batches": Plan(1, 128, (_HIGH, _MIDDLE)),
    "small batches": Plan(1, 32, (_MIDDLE, _LOW)),
    "constant": Plan(2, 64, (Steps(0.001, "constant"),)),
    "decay": Plan(1, 64, (Steps(0.003, weight_decay=0.1), Steps(0.003, weight_decay=0.0))),
    "no normalization": Plan(1, 64, (_MIDDLE, _LOW), "none"),
}
_KEY = "data", "head", "plan"


def train(
    dataset: Dataset, of_seeds: Sequence[Split], head: str, plan: Plan, runs: Sequence[Steps]
) -> Iterator[dict[str, object]]:
    """Train runs of a plan side by side; yield a row for each."""
    kind = kind_of(dataset, of_seeds[0].train)
    cells = list(product(runs, range(len(of_seeds))))
    configs = [_config(head, plan, steps, seed, kind) for steps, seed in cells]
    splits = [of_seeds[seed] for _, seed in cells]
    began = time.process_time()
    training, _ = training_of(configs, dataset, splits)
    curves = torch.stack([epoch.values[f"val/{MONITOR}"].double() for epoch in training])
    seconds = (time.process_time() - began) / len(cells)
    scores = scores_of(training, [split.val for split in splits])
    for run, (steps, seed) in enumerate(cells):
        actual = dataset.targets[splits[run].val]
        yield {
            **steps._asdict(), "seed": seed, "sparse": kind.sparse, "n_train": kind.n_rows,
            "epochs": len(curves), "best_epoch": int(training.best_epoch[run]),
            "value": f"{jaccard(scores[run], actual, at_least_one=kind.sparse):.4f}",
            "precision_at_1": f"{precision_at_1(scores[run], actual):.4f}",
            **monitored(curves[:, run]),
            "seconds": f"{seconds:.2f}",
        }  # fmt: skip


def monitored(curve: torch.Tensor) -> dict[str, object]:
    """Return the monitored metric in the best and the last epoch, and at the end by each patience.

    Args:
        curve: the metric after each epoch.

    Returns:
        "best" and "last"; for each P in PATIENCE, "patience_P", the best value when there has been no
        better one for P epochs, and "epochs_P", the number of epochs until then.
    """
    values: dict[str, object] = {"best": f"{curve.max():.4f}", "last": f"{curve[-1]:.4f}"}
    for patience in PATIENCE:
        n_epochs = epochs_until(curve, patience)
        values[f"patience_{patience}"] = f"{curve[:n_epochs].max():.4f}"
        values[f"epochs_{patience}"] = n_epochs
    return values


def epochs_until(curve: torch.Tensor, patience: int) -> int:
    """Return the number of epochs after which the training loop stops by a patience."""
    best = 0
    for epoch, value in enumerate(curve.tolist()):
        if value > curve[best]:
            best = epoch
        if epoch - best >= patience:
            return epoch + 1
    return len(curve)


def _config(head: str, plan: Plan, steps: Steps, seed: int, kind: Kind) -> Config:
    return resolve(
        Config(
            backbone=BACKBONES.options(
                "mlp", widths=None, dropout=None, normalization=plan.normalization
            ),
            head=HEADS.options(head),
            optimizer=OPTIMIZERS.options("adamw", **steps._asdict()),
            trainer=TrainerOptions(
                max_epochs=round(plan.epochs * kind.n_epochs), batch_size=plan.batch_size,
                monitor=MONITOR, followed=[],
            ),
            seed=seed,
        ),
        kind,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the cohorts that are missing."""
    parser = data_parser(__doc__, (*FEW, *MANY))
    parser.add_argument("--heads", nargs="+", choices=HEADS_SEARCHED, default=HEADS_SEARCHED)
    parser.add_argument("--plans", nargs="+", choices=PLANS, default=list(PLANS))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    loaded = functools.cache(functools.partial(load, options.folder))
    done = {tuple(row[name] for name in _KEY) for row in stored_rows(STORED)}
    for data, name, head in product(options.data, options.plans, options.heads):
        key = dict(zip(_KEY, (data, head, name), strict=True))
        if tuple(key.values()) in done:
            continue
        plan = PLANS[name]
        shared = {"batch_size": plan.batch_size, "normalization": plan.normalization}
        dataset, splits = loaded(data)
        runs = plan.runs
        if data in MANY:
            splits, runs = splits[:1], runs[:1]
        rows = [{**key, **shared, **row} for row in train(dataset, splits, head, plan, runs)]
        append_rows(STORED, rows)
        print(*key.values(), rows[0]["seconds"], len(rows), flush=True)


if __name__ == "__main__":
    main()
