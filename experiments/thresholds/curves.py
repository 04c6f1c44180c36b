"""Metrics of trained sigmoids by the threshold."""

import numpy as np
import pandas as pd
import torch

from experiments.harness.curves import CurvesFigure, Points
from mlc.files.names import PREDICTIONS
from mlc.metrics.counts import COUNT_METRICS
from mlc.tracking.view import ViewedRun

THRESHOLDS = np.arange(2, 100, 2) / 100
METRICS = {
    "jaccard_samples": "Jaccard index", "f1_macro": "macro F1", "subset_accuracy": "exact label sets",
}  # fmt: skip


def by_threshold(run: ViewedRun) -> Points:
    """Compute metrics of the test rows by threshold, from the stored scores of the run."""
    with np.load(run.folder / PREDICTIONS, allow_pickle=False) as stored:
        scores, targets = torch.as_tensor(stored["scores"]), torch.as_tensor(stored["targets"])
    for threshold in THRESHOLDS:
        for metric in METRICS:
            value = COUNT_METRICS[metric](scores >= threshold, targets)
            yield METRICS[metric], float(threshold), float(value)


def best(rows: pd.DataFrame) -> dict[str, float]:
    """Return the threshold of the highest mean of each metric."""
    means = rows.groupby(["panel", "x"])["value"].mean()
    return {panel: float(means[panel].idxmax()) for panel in METRICS.values()}


FIGURES = (
    CurvesFigure(
        sweep="thresholds",
        title="On digits 0.5 is above the best threshold of each metric",
        shows=lambda rows: max(best(rows).values()) < 0.5,
        line=lambda run: run.head,
        points=by_threshold,
        y="value at the threshold",
        x="threshold",
        rows="test rows of digits",
        mark=0.5,
    ),
)
