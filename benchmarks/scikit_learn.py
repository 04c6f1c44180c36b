"""Fused runs against scikit-learn's MLPClassifier, one for each seed: python -m benchmarks.scikit_learn

Same data, epochs, batch, widths, optimiser; needs the yeast benchmark under $MLC_DATA.
"""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.launchers import sweep
from benchmarks.measuring import interleaved, ratios, spread, write
from mlc.data import SOURCES, fit_scaling, split_dataset
from mlc.metrics import COUNT_METRICS, best_threshold
from mlc.reporting.tables import Table

N_RUNS, N_EPOCHS, WIDTHS = 32, 30, (64, 64)


def classifiers(jaccards: list[float]) -> None:
    """What a user would write: fit, then the best threshold on the validation rows."""
    options = SOURCES.options("arff", path="yeast/yeast")
    data: Any = SOURCES["arff"].load(options)
    for seed in range(N_RUNS):
        split = split_dataset(data, options, seed)
        scaling = fit_scaling(data, split.train)
        features = (data.features - scaling.shift) * scaling.scale
        classifier = MLPClassifier(
            WIDTHS, batch_size=64, learning_rate_init=2e-3, max_iter=N_EPOCHS, random_state=seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(features[split.train], data.targets[split.train])
        scores = torch.as_tensor(classifier.predict_proba(features[split.val]))
        targets = torch.as_tensor(data.targets[split.val])
        jaccards.append(float(best_threshold(COUNT_METRICS["jaccard_samples"], scores, targets)[1]))


def main() -> None:
    """Measure and write the table."""
    jaccards: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        seconds = interleaved(
            {"fused": sweep("fused", WIDTHS[0]), "MLPClassifier": lambda: classifiers(jaccards)}, 3
        )
        sweep(
            "fused",
            WIDTHS[0],
            "head=sigmoid",
            f"seed=range({N_RUNS})",
            f"hydra.sweep.dir={folder}/k",
        )()
        ours = [
            json.loads(path.read_text())["val/global/jaccard_samples"]
            for path in Path(folder).rglob("metrics.json")
        ]
    rows = [
        [name, spread(spent), spread([N_RUNS / s for s in spent]), f"{np.mean(reached):.3f}"]
        for (name, spent), reached in zip(seconds.items(), (ours, jaccards), strict=True)
    ]
    times = spread(ratios(seconds["MLPClassifier"], seconds["fused"]))
    write(
        "scikit_learn",
        f"{N_RUNS} runs on yeast, hidden 64-64: fused against MLPClassifier",
        "python -m benchmarks.scikit_learn",
        [
            (
                f"Seconds for {N_RUNS} seeds, runs per second, and mean validation Jaccard index at the"
                f" best threshold. Fused is {times} times as fast, judging, figures and files included.",
                Table(["", "seconds", "runs a second", "validation Jaccard"], rows, 1),
            )
        ],
    )


if __name__ == "__main__":
    main()
