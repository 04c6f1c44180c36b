"""The figures of one run's TensorBoard page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from mlc.metrics import COUNT_METRICS, sweep_thresholds

_POINTS = 1000
_CLOSEST = 1e-4  # a logit axis shows neither 0 nor 1


def threshold_figure(
    scores: NDArray[np.floating],
    targets: NDArray[np.bool_],
    metrics: tuple[str, ...],
    thresholds: Mapping[str, float],
) -> Figure:
    """Metrics of `score >= t` over t, exactly, and where the rules put their threshold.

    Args:
        scores: (N, K).
        targets: (N, K).
        metrics: the curves, names of COUNT_METRICS.
        thresholds: vertical lines, by the rule's name.
    """
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in metrics:
        sweep = sweep_thresholds(
            COUNT_METRICS[name], torch.as_tensor(scores), torch.as_tensor(targets)
        )
        possible = ~sweep.values.isnan()
        x, y = sweep.thresholds[possible].numpy(), sweep.values[possible].numpy()
        shown = np.unique(np.linspace(0, len(x) - 1, _POINTS).astype(int))
        axes.plot(x[shown].clip(_CLOSEST, 1 - _CLOSEST), y[shown], label=name)
    for (rule, threshold), style in zip(thresholds.items(), ("-", "--", ":", "-."), strict=False):
        place = float(np.clip(threshold, _CLOSEST, 1 - _CLOSEST))
        axes.axvline(
            place, color="black", linestyle=style, linewidth=1, label=f"{rule}: {threshold:.3f}"
        )
    axes.set_xscale("logit")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="threshold", ylabel="value on the validation rows", ylim=(0, 1))
    axes.legend(frameon=False)
    return figure


def cardinality_figure(
    decisions: NDArray[np.bool_], targets: NDArray[np.bool_], rule: str
) -> Figure:
    """How many labels are predicted where so many are true: rows of a confusion matrix, in %."""
    predicted, actual = decisions.sum(axis=1), targets.sum(axis=1)
    most = int(max(predicted.max(), actual.max()))
    counts = np.zeros((most + 1, most + 1))
    np.add.at(counts, (actual, predicted), 1)
    rows = counts.sum(axis=1, keepdims=True)
    share = np.divide(100 * counts, rows, out=np.zeros_like(counts), where=rows > 0)
    figure = Figure(figsize=(5.5, 4.5), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(share, origin="lower", cmap="Blues", vmin=0, vmax=100)
    axes.plot([0, most], [0, most], color="grey", linewidth=0.5)
    figure.colorbar(image, label="% of the test rows with this many true labels")
    axes.set(xlabel=f"labels predicted ({rule})", ylabel="true labels")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True))
    return figure
