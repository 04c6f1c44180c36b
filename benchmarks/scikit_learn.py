"""Fused runs against scikit-learn's MLPClassifier, one for each seed: python -m benchmarks.scikit_learn

Same data, epochs, batch, widths, optimiser; needs the yeast benchmark under $MLC_DATA.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.launchers import sweep
from benchmarks.measuring import interleaved, ratios, spread, write
from mlc.backbones import BACKBONES
from mlc.data import SOURCES, ResidentData, fit_scaling, split_dataset
from mlc.heads import HEADS
from mlc.metrics import COUNT_METRICS, best_threshold
from mlc.reporting.tables import Table
from mlc.training import OPTIMIZERS, Model, TrainerOptions, Training

N_RUNS, N_EPOCHS, WIDTHS = 32, 30, (64, 64)
LEARNING_RATE, BATCH = 2e-3, 64
PLAIN = ("head=sigmoid", f"seed=range({N_RUNS})", "report.figures=false")
SAME = ("backbone.dropout=0", "backbone.normalization=none")


def yeast() -> Any:
    """The data, and each seed's split and scaling."""
    data = SOURCES["arff"].load(options := SOURCES.options("arff", path="yeast/yeast"))
    splits = [split_dataset(data, options, seed) for seed in range(N_RUNS)]
    return data, splits, [fit_scaling(data, split.train) for split in splits]


def classifiers(n_threads: int, jaccards: list[float]) -> Callable[[], None]:
    """What a user would write: fit, then the best threshold on the validation rows."""

    def fit() -> None:
        data, splits, scalings = yeast()
        jaccards.clear()
        for seed, (split, scaling) in enumerate(zip(splits, scalings, strict=True)):
            features = (data.features - scaling.shift) * scaling.scale
            classifier = MLPClassifier(
                WIDTHS, batch_size=BATCH, learning_rate_init=LEARNING_RATE, max_iter=N_EPOCHS,
                random_state=seed,
            )  # fmt: skip
            with warnings.catch_warnings(), threadpool_limits(n_threads):
                warnings.simplefilter("ignore", ConvergenceWarning)
                classifier.fit(features[split.train], data.targets[split.train])
            scores = torch.as_tensor(classifier.predict_proba(features[split.val]))
            targets = torch.as_tensor(data.targets[split.val])
            best = best_threshold(COUNT_METRICS["jaccard_samples"], scores, targets)
            jaccards.append(float(best[1]))

    return fit


def training(jaccards: list[float], **backbone: Any) -> Callable[[], None]:
    """The cohort's training with its validation of every epoch; nothing judged or written."""

    def train() -> None:
        torch.set_num_threads(1)
        data, splits, scalings = yeast()
        device, seeds = torch.device("cpu"), list(range(N_RUNS))
        options = BACKBONES.options("mlp", widths=list(WIDTHS), **backbone)
        network = BACKBONES["mlp"](data.n_features, [options] * N_RUNS, seeds)
        head = HEADS["sigmoid"](WIDTHS[-1], data.n_labels, HEADS.options("sigmoid"), seeds)
        model = Model(network, head)
        rates = [OPTIMIZERS.options("adamw", lr=LEARNING_RATE)] * N_RUNS
        course = Training(
            model,
            ResidentData(data, scalings, device),
            splits,
            OPTIMIZERS["adamw"](list(model.parameters()), rates),
            [TrainerOptions(max_epochs=N_EPOCHS, batch_size=BATCH)] * N_RUNS,
            seeds,
        )
        for _ in course:
            pass
        jaccards[:] = course.best_value.tolist()

    return train


def swept(jaccards: list[float], *more: str) -> None:
    """The validation values of a sweep, from its runs' folders."""
    with tempfile.TemporaryDirectory() as folder:
        runs = more or ("head=sigmoid", f"seed=range({N_RUNS})")
        sweep("fused", WIDTHS[0], *runs, f"hydra.sweep.dir={folder}/k")()
        jaccards[:] = [
            json.loads(path.read_text())["val/global/jaccard_samples"]
            for path in Path(folder).rglob("metrics.json")
        ]


def main() -> None:
    """Measure and write the tables."""
    reached: dict[str, list[float]] = {}

    def into(name: str) -> list[float]:
        return reached.setdefault(name, [])

    machine = {
        "MLPClassifier": classifiers(2, into("MLPClassifier")),
        "fused sweep": sweep("fused", WIDTHS[0]),
        "without figures": sweep("fused", WIDTHS[0], *PLAIN),
        "and MLPClassifier's network": sweep("fused", WIDTHS[0], *PLAIN, *SAME),
    }
    swept(into("fused sweep"))
    swept(into("without figures"), *PLAIN)
    swept(into("and MLPClassifier's network"), *PLAIN, *SAME)
    thread = {
        "MLPClassifier, one thread": classifiers(1, into("MLPClassifier, one thread")),
        "cohort, default network": training(
            into("cohort, default network"), dropout=0.5, normalization="batch"
        ),
        "cohort, MLPClassifier's network": training(
            into("cohort, MLPClassifier's network"), dropout=0.0
        ),
    }
    sections = []
    for text, contestants in (
        (
            "The whole machine; the sweep judges, draws, writes files and a summary as well.",
            machine,
        ),
        ("One thread, and nothing written; the cohort validates every epoch.", thread),
    ):
        seconds = interleaved(contestants, 3)
        plain = next(iter(seconds.values()))
        rows = [
            [
                name,
                spread(spent),
                spread([N_RUNS / s for s in spent]),
                spread(ratios(plain, spent)),
                f"{np.mean(reached[name]):.3f}",
            ]
            for name, spent in seconds.items()
        ]
        header = ["", "seconds", "runs a second", "times MLPClassifier", "validation Jaccard"]
        sections.append((text, Table(header, rows, 1)))
    write(
        "scikit_learn",
        f"{N_RUNS} runs on yeast, hidden 64-64: fused against MLPClassifier",
        "python -m benchmarks.scikit_learn",
        [
            (
                "Seconds for all seeds, and the mean validation Jaccard index at the best threshold."
                f" {sections[0][0]}",
                sections[0][1],
            ),
            sections[1],
        ],
    )


if __name__ == "__main__":
    main()
