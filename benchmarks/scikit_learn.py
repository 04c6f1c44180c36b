"""Fused runs against scikit-learn's MLPClassifier, one for each seed: python -m benchmarks.scikit_learn

Same data, epochs, batch, widths, optimiser; needs the yeast benchmark under $MLC_DATA.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.launchers import sweep
from benchmarks.measuring import interleaved, ratios, spread, write
from mlc.backbones.base import BACKBONES
from mlc.config.schema import TrainerOptions
from mlc.data.base import SOURCES, Dataset
from mlc.data.preprocessing import Scaling, fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split, split_dataset
from mlc.heads.base import HEADS
from mlc.launching.workers import n_cores
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.top_scores import best_threshold
from mlc.reporting.tables import Table
from mlc.training.loop import Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS

N_RUNS, N_EPOCHS, WIDTHS, N_ROUNDS = 32, 30, (64, 64), 3
N_FITS = 15
LEARNING_RATE, BATCH = 2e-3, 64
JACCARD = COUNT_METRICS["jaccard_samples"]
# MLPClassifier fits no linear models either; a sweep reads them from the cache, if they are in it.
PLAIN = (
    "head=sigmoid", f"seed=range({N_RUNS})", "report.yardsticks=false", "report.figures=false",
)  # fmt: skip
SAME: dict[str, Any] = {"dropout": 0.0, "normalization": "none"}
DEFAULT: dict[str, Any] = {"dropout": 0.5, "normalization": "batch"}

# Validation and test Jaccard index of a run, at the best threshold on the validation rows.
Reached = tuple[float, float]


@dataclass(frozen=True)
class Yeast:
    """The data with the split and scaling of each seed, the same for every contestant."""

    data: Dataset
    splits: Sequence[Split]
    scalings: Sequence[Scaling]


@cache
def yeast() -> Yeast:
    """Read and split the data once, outside of the measured time."""
    data = SOURCES["arff"].load(options := SOURCES.options("arff", path="yeast/yeast"))
    splits = [split_dataset(data, options, seed) for seed in range(N_RUNS)]
    return Yeast(data, splits, [fit_scaling(data, split.train) for split in splits])


def reached(scores: Mapping[str, Any], targets: Mapping[str, Any]) -> Reached:
    """Return both values, at the best threshold on the validation rows."""
    val, test = (torch.as_tensor(scores[part]) for part in ("val", "test"))
    threshold, value = best_threshold(JACCARD, val, torch.as_tensor(targets["val"]))
    return float(value), float(JACCARD(test >= threshold, torch.as_tensor(targets["test"])))


def classifier(seed: int, features: dict[str, Any], targets: dict[str, Any]) -> Reached:
    """Fit an MLPClassifier, and choose the best threshold on the validation rows."""
    model = MLPClassifier(
        WIDTHS, batch_size=BATCH, learning_rate_init=LEARNING_RATE, max_iter=N_EPOCHS,
        random_state=seed,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(features["train"], targets["train"])
    return reached({part: model.predict_proba(features[part]) for part in ("val", "test")}, targets)


def classifiers(
    values: list[Reached], n_threads: int, n_processes: int, n_runs: int = N_RUNS
) -> Callable[[], None]:
    """Return a function that fits the classifiers, in sequence or in joblib's processes."""

    def fit() -> None:
        benchmark, jobs = yeast(), []
        for seed, (split, scaling) in enumerate(
            zip(benchmark.splits[:n_runs], benchmark.scalings[:n_runs], strict=True)
        ):
            scaled = (benchmark.data.features - scaling.shift) * scaling.scale
            parts = split.parts().items()
            features = {part: scaled[rows] for part, rows in parts}
            targets = {part: benchmark.data.targets[rows] for part, rows in parts}
            jobs.append(delayed(classifier)(seed, features, targets))
        with threadpool_limits(n_threads):
            values[:] = Parallel(n_processes)(jobs)

    return fit


def cohort(seeds: Sequence[int], backbone: Mapping[str, Any]) -> list[Reached]:
    """Train a cohort with a validation after every epoch; nothing is written."""
    torch.set_num_threads(1)
    benchmark, device = yeast(), torch.device("cpu")
    splits = [benchmark.splits[s] for s in seeds]
    scalings = [benchmark.scalings[s] for s in seeds]
    options = BACKBONES.options("mlp", widths=list(WIDTHS), **backbone)
    network = BACKBONES["mlp"](benchmark.data.n_features, [options] * len(seeds), seeds)
    head = HEADS["sigmoid"](WIDTHS[-1], benchmark.data.n_labels, HEADS.options("sigmoid"), seeds)
    model, data = (
        Model(network, head),
        ResidentData(benchmark.data.features, benchmark.data.targets, scalings, device),
    )
    rates = [OPTIMIZERS.options("adamw", lr=LEARNING_RATE)] * len(seeds)
    training = Training(
        model,
        data,
        splits,
        OPTIMIZERS["adamw"](list(model.parameters()), rates),
        [TrainerOptions(max_epochs=N_EPOCHS, batch_size=BATCH, followed=[])] * len(seeds),
        seeds,
    )
    for _ in training:
        pass
    scores, targets = {}, {}
    for part in ("val", "test"):
        chunks = list(model.outputs(data, data.rows([split.parts()[part] for split in splits])))
        scores[part] = torch.cat([head.scores(outputs) for outputs, *_ in chunks], dim=1)
        targets[part] = torch.cat([actual for _, actual, _ in chunks], dim=1)
    return [
        reached(
            {part: values[run] for part, values in scores.items()},
            {part: values[run] for part, values in targets.items()},
        )
        for run in range(len(seeds))
    ]


def cohorts(
    values: list[Reached], n_processes: int, backbone: Mapping[str, Any], n_runs: int = N_RUNS
) -> Callable[[], None]:
    """Return a function that trains one cohort per process, as the fused launcher does."""

    def train() -> None:
        parts = [list(range(n_runs))[start::n_processes] for start in range(n_processes)]
        if n_processes == 1:
            values[:] = cohort(parts[0], backbone)
            return
        with ProcessPoolExecutor(n_processes, get_context("fork")) as pool:
            values[:] = [
                value for part in pool.map(cohort, parts, [backbone] * len(parts)) for value in part
            ]

    return train


def swept(values: list[Reached], *more: str) -> Callable[[], float]:
    """Return a function that runs a sweep and reads the values of its runs, outside of the time."""

    def run() -> float:
        with tempfile.TemporaryDirectory() as folder:
            seconds = sweep("fused", WIDTHS[0], *more, f"hydra.sweep.dir={folder}/s")()
            values[:] = [
                (metrics["val/global/jaccard_samples"], metrics["test/global/jaccard_samples"])
                for path in Path(folder).rglob("metrics.json")
                for metrics in [json.loads(path.read_text())]
            ]
        return seconds

    return run


def table(
    contestants: Mapping[str, Callable[[list[Reached]], Callable[[], Any]]],
    n_runs: int = N_RUNS,
    n_rounds: int = N_ROUNDS,
) -> Table:
    """Measure all contestants in turns; ratios are relative to the first."""
    values: dict[str, list[Reached]] = {name: [] for name in contestants}
    runs = {name: build(values[name]) for name, build in contestants.items()}
    next(iter(runs.values()))()  # warm-up
    seconds = interleaved(runs, n_rounds)
    plain = next(iter(seconds.values()))
    rows = [
        [
            name,
            spread(spent),
            f"{statistics.median([n_runs / s for s in spent]):.1f}",
            spread(ratios(plain, spent)),
            *(f"{np.mean(reached):.3f}" for reached in zip(*values[name], strict=True)),
        ]
        for name, spent in seconds.items()
    ]
    header = ["", "seconds", "runs a second", "times the first", "validation", "test"]
    return Table(header, rows, 1)


def main() -> None:
    """Measure and write the tables."""
    yeast()
    cores = n_cores()
    fits = {
        "MLPClassifier, one after another": lambda v: classifiers(v, cores, 1),
        f"MLPClassifier, joblib, {cores} processes": lambda v: classifiers(v, 1, cores),
        f"cohorts in {cores} processes": lambda v: cohorts(v, cores, SAME),
        "with batch normalisation and dropout": lambda v: cohorts(v, cores, DEFAULT),
    }
    thread = {
        "MLPClassifier": lambda v: classifiers(v, 1, 1),
        "cohort": lambda v: cohorts(v, 1, SAME),
        "with batch normalisation and dropout": lambda v: cohorts(v, 1, DEFAULT),
    }
    alone = {
        "MLPClassifier": lambda v: classifiers(v, 1, 1, 1),
        "one run": lambda v: cohorts(v, 1, SAME, 1),
        "with batch normalisation and dropout": lambda v: cohorts(v, 1, DEFAULT, 1),
    }
    same = tuple(f"backbone.{name}={value}" for name, value in SAME.items())
    sweeps = {
        "MLPClassifier, one after another": lambda v: classifiers(v, cores, 1),
        "fused sweep, MLPClassifier's network": lambda v: swept(v, *PLAIN, *same),
        "fused sweep, default network": lambda v: swept(v, *PLAIN),
        "with all figures": lambda v: swept(v, *PLAIN[:-1]),
    }
    write(
        "scikit_learn",
        f"{N_RUNS} runs on yeast, hidden 64-64: fused against MLPClassifier",
        "python -m benchmarks.scikit_learn",
        [
            (
                f"Fitting {N_RUNS} networks on the whole machine, each with the best threshold for the"
                " Jaccard index on its validation rows; data are read and split before the clock"
                " starts. A cohort validates after every epoch and keeps the best one. Median and range"
                f" of {N_ROUNDS} rounds, interleaved; mean Jaccard index on validation and test rows.",
                table(fits),
            ),
            ("The same on one thread.", table(thread)),
            (
                f"One fit on one thread; {N_FITS} rounds. The run is validated after every epoch too.",
                table(alone, 1, N_FITS),
            ),
            (
                "A whole sweep beside the fits alone: composing, training, judging by all metrics and"
                " rules, logs, files, summary; a worker on each core. Left out are imports, and"
                " linear models (report.yardsticks); without figures (report.figures), but for the last"
                " row.",
                table(sweeps),
            ),
        ],
    )


if __name__ == "__main__":
    main()
