"""Reading a run's predictions for the page: threshold curves and counts by label, one run at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import RunFolderError
from mlc.config.registry import METRICS
from mlc.files.names import PREDICTIONS
from mlc.files.reading import read_arrays

THRESHOLDS = np.linspace(0, 1, 101)
_ROWS = 4096  # of one step, which bounds the memory

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class LabelCounts:
    """Counts of the test rows by label, each (K,): true, predicted and actual positives."""

    true: Counts
    predicted: Counts
    actual: Counts

    @property
    def f1(self) -> Counts:
        """F1 by label; NaN for a label without a positive."""
        return _ratio(2 * self.true, self.predicted + self.actual, self.actual)

    @property
    def precision(self) -> Counts:
        """Precision by label; NaN for a label that is never predicted."""
        return _ratio(self.true, self.predicted, self.predicted)

    @property
    def recall(self) -> Counts:
        """Recall by label; NaN for a label without a positive."""
        return _ratio(self.true, self.actual, self.actual)


@dataclass(frozen=True)
class Predicted:
    """The parts of a run's predictions that the page shows.

    Attributes:
        curves: by metric, its test value at each of THRESHOLDS.
        labels: counts by label under one rule.
    """

    curves: dict[str, Counts]
    labels: LabelCounts


def read_predicted(run: Path, rule: str, metrics: Sequence[str]) -> Predicted:
    """Read the predictions of a run.

    Args:
        run: its folder.
        rule: the rule of the counts by label.
        metrics: the metrics of label sets whose curves are computed.

    Raises:
        RunFolderError: the file is missing, damaged, or of another run.
    """
    path = run / PREDICTIONS
    stored = read_arrays(path)
    kinds = {"scores": "f", "targets": "b", f"decisions_{rule}": "b"}
    missing = [key for key in kinds if key not in stored]
    if missing:
        raise RunFolderError(f"{path} lacks {missing[0]!r}: train the run again.")
    scores, targets, decisions = (stored[key] for key in kinds)
    fits = all(
        stored[key].shape == targets.shape and stored[key].dtype.kind == kind
        for key, kind in kinds.items()
    )
    if not fits or targets.ndim != 2 or not len(targets):
        raise RunFolderError(f"{path} does not hold the predictions of a run: train it again.")
    if not np.isfinite(scores).all():
        raise RunFolderError(f"{path} holds scores that are not finite: train the run again.")
    known = stored.get("known")
    if known is not None:
        if known.shape != targets.shape or known.dtype.kind != "b" or not known.any():
            raise RunFolderError(
                f"{path} marks no labels of its rows as known: train the run again."
            )
        rows = known.any(axis=1)
        scores, targets, decisions, known = (
            array[rows] for array in (scores, targets & known, decisions & known, known)
        )
        # Below all thresholds.
        scores = np.where(known, scores, -1)
    counts = [(decisions & targets), decisions, targets]
    labels = LabelCounts(*(array.sum(axis=0).astype(np.float64) for array in counts))
    return Predicted(threshold_curves(scores, targets, metrics, known), labels)


def threshold_curves(
    scores: NDArray[np.floating],
    targets: NDArray[np.bool_],
    metrics: Sequence[str],
    known: NDArray[np.bool_] | None = None,
) -> dict[str, Counts]:
    """Compute metrics of the label sets of all scores at or above a threshold.

    Args:
        scores: (N, K).
        targets: (N, K).
        metrics: of label sets.
        known: (N, K), with a known pair in each row; None is all. The scores of other pairs are
            below all thresholds.

    Returns:
        By metric, its value at each of THRESHOLDS.
    """
    parts = {name: METRICS[name] for name in metrics}
    n_rows, n_labels = targets.shape
    marks = np.broadcast_to(np.True_, targets.shape) if known is None else known
    by_label = np.zeros((3, n_labels, len(THRESHOLDS)))
    totals = {name: np.zeros(len(THRESHOLDS)) for name in metrics}
    for start in range(0, n_rows, _ROWS):
        rows = slice(start, start + _ROWS)
        levels = np.searchsorted(THRESHOLDS, scores[rows].astype(np.float64), side="right")
        by_label += _passed(levels.T, targets[rows].T)
        of_rows = [name for name, metric in parts.items() if metric.average == "samples"]
        counts = _passed(levels, targets[rows]) if of_rows else None
        for name in of_rows:
            totals[name] += _formula(parts[name], counts, marks[rows].sum(axis=1)).sum(axis=0)
    curves = {name: total / n_rows for name, total in totals.items()}
    for name, metric in parts.items():
        if metric.average == "macro":
            curves[name] = _formula(metric, by_label, marks.sum(axis=0)).mean(axis=0)
        elif metric.average == "micro":
            pooled = by_label.sum(axis=1, keepdims=True)
            curves[name] = _formula(metric, pooled, np.array([marks.sum()]))[0]
    return curves


def _passed(levels: NDArray[np.int64], targets: NDArray[np.bool_]) -> Counts:
    """Count true, predicted and actual positives in each row at each threshold: (3, rows, thresholds).

    Args:
        levels: (rows, pairs), the number of thresholds at or below each score.
        targets: (rows, pairs).
    """
    n, width = len(levels), len(THRESHOLDS) + 1
    bins = np.arange(n)[:, None] * width + levels
    true, predicted = (
        np.bincount(chosen.ravel(), minlength=n * width).reshape(n, width)
        for chosen in (bins[targets], bins)
    )
    actual = np.broadcast_to(targets.sum(axis=1)[:, None], (n, width))
    at_least = [np.cumsum(array[:, ::-1], axis=1)[:, ::-1] for array in (true, predicted)]
    return np.stack([array[:, 1:] for array in (*at_least, actual)]).astype(np.float64)


def _formula(metric: Any, counts: Any, n_pairs: NDArray[np.int64]) -> Counts:
    """Apply a metric to counts (groups, thresholds) of n pairs, (groups,)."""
    import torch

    sizes = torch.as_tensor(n_pairs).unsqueeze(-1)
    return np.asarray(metric.formula(*(torch.as_tensor(array) for array in counts), sizes))


def _ratio(numerator: Counts, denominator: Counts, defined: Counts) -> Counts:
    empty = np.full(len(numerator), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=empty, where=defined > 0))


def mean_labels(counts: Sequence[LabelCounts]) -> Mapping[str, Counts]:
    """Return the mean over runs of each value by label: (K,) by "f1", "actual" and so on.

    A run in which a value is undefined does not count; NaN where it is undefined in all runs.
    """
    names = ("f1", "precision", "recall", "predicted", "actual")
    values = {name: np.stack([getattr(each, name) for each in counts]) for name in names}
    defined = {name: ~np.isnan(array) for name, array in values.items()}
    return {
        name: _ratio(np.nansum(array, axis=0), n := defined[name].sum(axis=0), n)
        for name, array in values.items()
    }
