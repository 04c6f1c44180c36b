"""The figures of one run's TensorBoard page.

Drawing is half of what a short run costs apart from its training, so axes are made once in a process
and get each run's data, and no more ticks than are needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from mlc.metrics import COUNT_METRICS, sweep_thresholds

_DPI = 80
_POINTS = 400
_CLOSEST = 1e-4  # a logit axis shows neither 0 nor 1
_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99)
_STYLES = ("-", "--", ":", "-.")


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
    figure, axes = _threshold_axes()
    for line in list(axes.lines):
        line.remove()
    axes.set_prop_cycle(None)
    for name in metrics:
        sweep = sweep_thresholds(
            COUNT_METRICS[name], torch.as_tensor(scores), torch.as_tensor(targets)
        )
        possible = ~sweep.values.isnan()
        x, y = sweep.thresholds[possible].numpy(), sweep.values[possible].numpy()
        shown = np.unique(np.linspace(0, len(x) - 1, _POINTS).astype(int))
        axes.plot(x[shown].clip(_CLOSEST, 1 - _CLOSEST), y[shown], label=name)
    for place, (rule, threshold) in enumerate(thresholds.items()):
        axes.axvline(
            float(np.clip(threshold, _CLOSEST, 1 - _CLOSEST)),
            color="black",
            linestyle=_STYLES[place % len(_STYLES)],
            linewidth=1,
            label=f"{rule}: {threshold:.3f}",
        )
    axes.legend(frameon=False, loc="upper right")
    return figure


def cardinality_figure(
    decisions: NDArray[np.bool_], targets: NDArray[np.bool_], rule: str
) -> Figure:
    """How many labels are predicted where so many are true; a row is a distribution.

    Args:
        decisions: (N, K), of the rule.
        targets: (N, K).
        rule: its name.
    """
    predicted, actual = decisions.sum(axis=1), targets.sum(axis=1)
    most = int(max(predicted.max(), actual.max()))
    counts = np.zeros((most + 1, most + 1))
    np.add.at(counts, (actual, predicted), 1)
    rows = counts.sum(axis=1, keepdims=True)
    figure, axes, image = _cardinality_axes()
    image.set_data(np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0))
    image.set_extent((-0.5, most + 0.5, -0.5, most + 0.5))
    axes.set_xlabel(f"labels predicted ({rule})")
    return figure


@cache
def _threshold_axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7, 4.5), dpi=_DPI)
    axes = figure.subplots()
    figure.subplots_adjust(0.09, 0.12, 0.98, 0.97)
    axes.set_xscale("logit")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.set(
        xlabel="threshold", ylabel="value on the validation rows",
        xlim=(_CLOSEST, 1 - _CLOSEST), ylim=(0, 1),
    )  # fmt: skip
    return figure, axes


@cache
def _cardinality_axes() -> tuple[Figure, Axes, AxesImage]:
    figure = Figure(figsize=(4.6, 4.6), dpi=_DPI)
    axes = figure.subplots()
    figure.subplots_adjust(0.11, 0.1, 0.97, 0.9)
    image = axes.imshow(np.zeros((1, 1)), origin="lower", cmap="Blues", vmin=0, vmax=1)
    axes.axline((0, 0), slope=1, color="grey", linewidth=0.5)
    axes.set_ylabel("true labels")
    axes.set_title("share of the test rows with so many true labels", fontsize="medium")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    return figure, axes, image
