"""The figures of one run's TensorBoard page."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from mlc.metrics import COUNT_METRICS, sweep_thresholds

_POINTS = 400
_DPI = 80
_TICKS = (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999)
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
    figure = Figure(figsize=(7, 4.5), dpi=_DPI)
    axes = figure.subplots()
    figure.subplots_adjust(0.09, 0.12, 0.98, 0.97)
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
    # Drawing is half of what a short run costs apart from its training: no more ticks than needed.
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.set(xlabel="threshold", ylabel="value on the validation rows", ylim=(0, 1))
    axes.legend(frameon=False)
    return figure


def cardinality_figure(
    decisions: Mapping[str, NDArray[np.bool_]], targets: NDArray[np.bool_]
) -> Figure:
    """How many labels are predicted where so many are true: a panel for each rule.

    A row of a panel is the distribution of the predicted number given the true one.

    Args:
        decisions: (N, K) by the rule's name.
        targets: (N, K).
    """
    actual = targets.sum(axis=1)
    predicted = {rule: decided.sum(axis=1) for rule, decided in decisions.items()}
    most = int(max(actual.max(), *(numbers.max() for numbers in predicted.values())))
    figure = Figure(figsize=(1 + 3.4 * len(predicted), 4), dpi=_DPI)
    panels = figure.subplots(1, len(predicted), sharey=True, squeeze=False)[0]
    figure.subplots_adjust(0.5 / (1 + 3.4 * len(predicted)), 0.12, 0.98, 0.85, wspace=0.06)
    for panel, (rule, numbers) in zip(panels, predicted.items(), strict=True):
        counts = np.zeros((most + 1, most + 1))
        np.add.at(counts, (actual, numbers), 1)
        rows = counts.sum(axis=1, keepdims=True)
        share = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
        panel.imshow(share, origin="lower", cmap="Blues", vmin=0, vmax=1)
        panel.plot([0, most], [0, most], color="grey", linewidth=0.5)
        panel.set(xlabel="labels predicted", title=rule)
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    panels[0].set_ylabel("true labels")
    panels[0].yaxis.set_major_locator(MaxNLocator(5, integer=True))
    figure.suptitle("test rows: share of each true number, white 0 to blue 1", fontsize="medium")
    return figure
