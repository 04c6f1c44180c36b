"""Figures of one run on its test rows: threshold, label counts, labels, calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from mlc.config.lettering import lettering
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.sweep import SortedScores

# TensorBoard shows images of at most 430 x 235 pixels: letters are 10 pixels high.
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
    """The test predictions of one run, to be drawn.

    Attributes:
        title: names the run.
        colour: of its head.
        scores: (N, K).
        targets: (N, K).
        decisions: (N, K), of the rule.
        labels: K names.
        metrics: names of COUNT_METRICS, drawn against the threshold.
        rule: name of the rule.
        threshold: of the rule, or None if the rule has none.
        known: (N, K), the labels that are known and drawn; None is all.
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
    known: NDArray[np.bool_] | None = None


def draw_head(content: HeadFigure) -> dict[str, NDArray[np.uint8]]:
    """Draw images (height, width, 3), by tags in the order in which TensorBoard sorts them."""
    if content.known is not None:
        rows = content.known.any(axis=1)
        known = content.known[rows]
        content = replace(
            content,
            scores=content.scores[rows],
            targets=content.targets[rows] & known,
            decisions=content.decisions[rows] & known,
            known=known,
        )
    panels = {
        "figure_decisions/threshold": _draw_thresholds,
        "figure_decisions/number_of_labels": _draw_cardinality,
        "figure_labels/precision_and_recall": _draw_labels,
        "figure_labels/reliability": _draw_reliability,
    }
    return {tag: _picture(content, draw) for tag, draw in panels.items()}


def _picture(content: HeadFigure, draw: Callable[[Axes, HeadFigure], None]) -> NDArray[np.uint8]:
    figure = Figure(figsize=_SIZE, dpi=_DPI, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    draw(axes, content)
    letters = lettering([content.title])
    title = content.title.translate(letters.escapes)
    axes.set_title(title, fontsize=_FONT, family=letters.families, parse_math=False)
    axes.tick_params(labelsize=_FONT, length=2)
    axes.xaxis.label.set_fontsize(_FONT)
    axes.yaxis.label.set_fontsize(_FONT)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[:, :, :3]


def _draw_thresholds(axes: Axes, content: HeadFigure) -> None:
    """Draw the exact metrics of `score >= t` over t, and the threshold of the rule."""
    tables = content.scores, content.targets, content.known
    ranked = SortedScores(*(torch.as_tensor(table) for table in tables if table is not None))
    for index, name in enumerate(content.metrics):
        sweep = ranked.sweep(COUNT_METRICS[name])
        defined = ~sweep.values.isnan()
        thresholds, values = sweep.thresholds[defined].numpy(), sweep.values[defined].numpy()
        sample = np.unique(np.linspace(0, len(thresholds) - 1, _POINTS).astype(int))
        style = _STYLES[index % len(_STYLES)]
        x = thresholds[sample].clip(_CLOSEST, 1 - _CLOSEST)
        axes.plot(x, values[sample], style, color=content.colour, linewidth=1, label=name)
    axes.set_xscale("logit")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(_TICKS, [f"{tick:g}".lstrip("0") for tick in _TICKS])
    axes.set(xlabel="threshold", ylabel="test rows", xlim=(_CLOSEST, 1 - _CLOSEST), ylim=(0, 1))
    if content.threshold is not None:
        x = float(np.clip(content.threshold, _CLOSEST, 1 - _CLOSEST))
        label = f"{content.rule}: {content.threshold:.3f}"
        axes.axvline(x, color="black", linewidth=1, label=label)
    axes.legend(frameon=False, fontsize=_FONT, loc="upper right", handlelength=2)


def _draw_reliability(axes: Axes, content: HeadFigure) -> None:
    """Draw the share of true labels against the score in ten bins; marker area shows the count."""
    drawn = np.ones_like(content.targets) if content.known is None else content.known
    scores, true = content.scores[drawn], content.targets[drawn]
    bins = np.minimum((scores * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    filled = counts > 0
    means = np.bincount(bins, scores, _BINS)[filled] / counts[filled]
    shares = np.bincount(bins, true, _BINS)[filled] / counts[filled]
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.5)
    axes.plot(means, shares, color=content.colour, linewidth=1)
    axes.scatter(means, shares, 6 + 60 * counts[filled] / counts.max(), color=content.colour)
    axes.set(xlim=(-0.05, 1.05), ylim=(-0.05, 1.05), xlabel="score", ylabel="share that is true")


def _draw_cardinality(axes: Axes, content: HeadFigure) -> None:
    """Draw the distribution of the number of predicted labels by number of true labels."""
    predicted, actual = content.decisions.sum(axis=1), content.targets.sum(axis=1)
    most = int(max(predicted.max(), actual.max()))
    counts = np.zeros((most + 1, most + 1))
    np.add.at(counts, (actual, predicted), 1)
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
    axes.imshow(shares, origin="lower", cmap="Greys", vmin=0, vmax=1, aspect="auto")
    axes.plot([-0.5, most + 0.5], [-0.5, most + 0.5], color=content.colour, linewidth=1)
    axes.set(xlabel=f"labels predicted ({content.rule})", ylabel="true labels")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))


def _draw_labels(axes: Axes, content: HeadFigure) -> None:
    """Draw precision and recall of the most frequent labels."""
    order = np.argsort(-content.targets.sum(axis=0), kind="stable")[:_MOST_LABELS]
    hits = (content.decisions & content.targets)[:, order].sum(axis=0)
    predicted, actual = (
        sets[:, order].sum(axis=0) for sets in (content.decisions, content.targets)
    )
    y = np.arange(len(order))
    precision, recall = (
        np.divide(hits, of, out=np.zeros(len(order)), where=of > 0) for of in (predicted, actual)
    )
    axes.hlines(y, precision, recall, color="lightgrey", linewidth=1)
    axes.plot(precision, y, "o", color=content.colour, markersize=3, label="precision")
    axes.plot(
        recall, y, "s", color=content.colour, markersize=3, markerfacecolor="white", label="recall"
    )
    names = [content.labels[label] for label in order]
    letters = lettering(names)
    texts = [name[:_LONGEST_LABEL].translate(letters.escapes) for name in names]
    axes.set_yticks(y, texts, family=letters.families, parse_math=False)
    axes.set(xlim=(-0.05, 1.05), ylim=(len(order) - 0.5, -0.5), xlabel=f"by label ({content.rule})")
    axes.legend(frameon=False, fontsize=_FONT, loc="lower left", handlelength=1)
