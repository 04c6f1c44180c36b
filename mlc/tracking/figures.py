"""Pictures of one run of a head: its threshold, its numbers of labels, its labels, its scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.sweep import SortedScores

# TensorBoard's cards show pictures 430 by 235 pixels large at most: letters come out 10 pixels high.
_SIZE, _DPI, _FONT = (4.3, 2.35), 150, 8
_POINTS = 400
_CLOSEST = 1e-4  # a logit axis shows neither 0 nor 1
_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99)
_STYLES = ("-", "--", ":", "-.")
_BINS = 10
_MOST_LABELS = 12  # more names cannot be read
_LONGEST_LABEL = 20


@dataclass(frozen=True)
class HeadFigure:
    """What is drawn of one run on its test rows.

    Attributes:
        title: which run it is.
        colour: of its head.
        scores: (N, K).
        targets: (N, K).
        decisions: (N, K), of the rule.
        labels: K names.
        metrics: the curves over the threshold, names of COUNT_METRICS.
        rule: the rule's name.
        threshold: the rule's, where it has one.
    """

    title: str
    colour: str
    scores: NDArray[np.floating]
    targets: NDArray[np.bool_]
    decisions: NDArray[np.bool_]
    labels: Sequence[str]
    metrics: Sequence[str]
    rule: str
    threshold: float | None


def draw_head(shown: HeadFigure) -> dict[str, NDArray[np.uint8]]:
    """Pictures (height, width, 3) by the tags that TensorBoard should sort them by."""
    panels = {
        "figure_decisions/threshold": _draw_thresholds,
        "figure_decisions/number_of_labels": _draw_cardinality,
        "figure_labels/precision_and_recall": _draw_labels,
        "figure_labels/reliability": _draw_reliability,
    }
    return {tag: _picture(shown, draw) for tag, draw in panels.items()}


def _picture(shown: HeadFigure, draw: Callable[[Axes, HeadFigure], None]) -> NDArray[np.uint8]:
    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    draw(axes, shown)
    axes.set_title(shown.title, fontsize=_FONT)
    axes.tick_params(labelsize=_FONT, length=2)
    axes.xaxis.label.set_fontsize(_FONT)
    axes.yaxis.label.set_fontsize(_FONT)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[:, :, :3]


def _draw_thresholds(axes: Axes, shown: HeadFigure) -> None:
    """Metrics of `score >= t` over t, exactly, and where the rule put its threshold."""
    ranked = SortedScores(torch.as_tensor(shown.scores), torch.as_tensor(shown.targets))
    for place, name in enumerate(shown.metrics):
        sweep = ranked.sweep(COUNT_METRICS[name])
        possible = ~sweep.values.isnan()
        at, values = sweep.thresholds[possible].numpy(), sweep.values[possible].numpy()
        few = np.unique(np.linspace(0, len(at) - 1, _POINTS).astype(int))
        style = _STYLES[place % len(_STYLES)]
        x = at[few].clip(_CLOSEST, 1 - _CLOSEST)
        axes.plot(x, values[few], style, color=shown.colour, linewidth=1, label=name)
    axes.set_xscale("logit")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(_TICKS, [f"{tick:g}".lstrip("0") for tick in _TICKS])
    axes.set(xlabel="threshold", ylabel="test rows", xlim=(_CLOSEST, 1 - _CLOSEST), ylim=(0, 1))
    if shown.threshold is not None:
        x = float(np.clip(shown.threshold, _CLOSEST, 1 - _CLOSEST))
        told = f"{shown.rule}: {shown.threshold:.3f}"
        axes.axvline(x, color="black", linewidth=1, label=told)
    axes.legend(frameon=False, fontsize=_FONT, loc="upper right", handlelength=2)


def _draw_reliability(axes: Axes, shown: HeadFigure) -> None:
    """How often labels are true whose score is so high, in ten bins; larger where more scores are."""
    scores, true = shown.scores.ravel(), shown.targets.ravel()
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    filled = counts > 0
    means = np.bincount(bins, scores, _BINS)[filled] / counts[filled]
    shares = np.bincount(bins, true, _BINS)[filled] / counts[filled]
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    axes.plot(means, shares, color=shown.colour, linewidth=1)
    axes.scatter(means, shares, 6 + 60 * counts[filled] / counts.max(), color=shown.colour)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), xlabel="score", ylabel="share that is true")


def _draw_cardinality(axes: Axes, shown: HeadFigure) -> None:
    """How many labels are predicted where so many are true; a row is a distribution."""
    predicted, actual = shown.decisions.sum(axis=1), shown.targets.sum(axis=1)
    most = int(max(predicted.max(), actual.max()))
    counts = np.zeros((most + 1, most + 1))
    np.add.at(counts, (actual, predicted), 1)
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
    axes.imshow(shares, origin="lower", cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.plot([-0.5, most + 0.5], [-0.5, most + 0.5], color=shown.colour, linewidth=1)
    axes.set(xlabel=f"labels predicted ({shown.rule})", ylabel="true labels")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))


def _draw_labels(axes: Axes, shown: HeadFigure) -> None:
    """Precision and recall of the most frequent labels."""
    order = np.argsort(-shown.targets.sum(axis=0), kind="stable")[:_MOST_LABELS]
    hits = (shown.decisions & shown.targets)[:, order].sum(axis=0)
    predicted, actual = (own[:, order].sum(axis=0) for own in (shown.decisions, shown.targets))
    y = np.arange(len(order))
    precision, recall = (
        np.divide(hits, of, out=np.zeros(len(order)), where=of > 0) for of in (predicted, actual)
    )
    axes.hlines(y, precision, recall, color="lightgrey", linewidth=1)
    axes.plot(precision, y, "o", color=shown.colour, markersize=3, label="precision")
    axes.plot(
        recall, y, "s", color=shown.colour, markersize=3, markerfacecolor="white", label="recall"
    )
    names = [shown.labels[label] for label in order]
    axes.set_yticks(y, [name[:_LONGEST_LABEL].replace("$", r"\$") for name in names])
    axes.set(xlim=(-0.05, 1.05), ylim=(len(order) - 0.5, -0.5), xlabel=f"by label ({shown.rule})")
    axes.legend(frameon=False, fontsize=_FONT, loc="lower left", handlelength=1)
