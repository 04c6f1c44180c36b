"""The figures of one run's TensorBoard page.

Drawing is half of what a short run costs apart from its training, so a figure's axes are drawn once in
a process, and each run's data onto a copy of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from numpy.typing import NDArray

from mlc.metrics import COUNT_METRICS, SortedScores

_DPI = 80
_POINTS = 400
_CLOSEST = 1e-4  # a logit axis shows neither 0 nor 1
_TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99)
_STYLES = ("-", "--", ":", "-.")


class _Template:
    """Axes drawn once, and pictures of them with artists of one's own on top.

    `axes` has all that is the same in every picture; `draw` leaves it so.
    """

    def __init__(self, size: tuple[float, float], **place: float) -> None:
        figure = Figure(figsize=size, dpi=_DPI)
        self.axes: Axes = figure.subplots()
        figure.subplots_adjust(**place)
        self._canvas = FigureCanvasAgg(figure)
        self._empty: Any = None

    def draw(self, artists: Sequence[Artist]) -> NDArray[np.uint8]:
        """The picture as (height, width, 4): the axes, then these artists, which leave them again."""
        if self._empty is None:
            for artist in artists:
                artist.set_animated(True)
            self._canvas.draw()
            self._empty = self._canvas.copy_from_bbox(self.axes.figure.bbox)
        self._canvas.restore_region(self._empty)
        for artist in (*artists, *self.axes.spines.values()):
            self.axes.draw_artist(artist)
        for artist in artists:
            artist.remove()
        return np.array(self._canvas.buffer_rgba())


def threshold_figure(
    scores: NDArray[np.floating],
    targets: NDArray[np.bool_],
    metrics: tuple[str, ...],
    thresholds: Mapping[str, float],
) -> NDArray[np.uint8]:
    """Metrics of `score >= t` over t, exactly, and where the rules put their threshold.

    Args:
        scores: (N, K).
        targets: (N, K).
        metrics: the curves, names of COUNT_METRICS.
        thresholds: vertical lines, by the rule's name.

    Returns:
        The picture, (height, width, 4).
    """
    template = _threshold_template(metrics)
    axes = template.axes
    axes.set_prop_cycle(None)
    ranked = SortedScores(torch.as_tensor(scores), torch.as_tensor(targets))
    artists: list[Artist] = []
    for name in metrics:
        sweep = ranked.sweep(COUNT_METRICS[name])
        possible = ~sweep.values.isnan()
        at, values = sweep.thresholds[possible].numpy(), sweep.values[possible].numpy()
        shown = np.unique(np.linspace(0, len(at) - 1, _POINTS).astype(int))
        artists += axes.plot(at[shown].clip(_CLOSEST, 1 - _CLOSEST), values[shown])
    labels = []
    for place, (rule, threshold) in enumerate(thresholds.items()):
        x = float(np.clip(threshold, _CLOSEST, 1 - _CLOSEST))
        style = _STYLES[place % len(_STYLES)]
        artists.append(axes.axvline(x, color="black", linestyle=style, linewidth=1))
        # One above the other, for thresholds may lie close together.
        right = x < 0.9
        label = axes.annotate(
            f"{rule}: {threshold:.3f}", (x, 0.04 + 0.13 * (place % 7)),
            xytext=(3 if right else -3, 0), textcoords="offset points", fontsize="small",
            ha="left" if right else "right", va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )  # fmt: skip
        labels.append(label)
    return template.draw([*artists, *labels])


def cardinality_figure(
    decisions: NDArray[np.bool_], targets: NDArray[np.bool_], rule: str
) -> NDArray[np.uint8]:
    """How many labels are predicted where so many are true; a row is a distribution.

    Args:
        decisions: (N, K), of the rule.
        targets: (N, K).
        rule: its name.

    Returns:
        The picture, (height, width, 4).
    """
    predicted, actual = decisions.sum(axis=1), targets.sum(axis=1)
    most = int(max(predicted.max(), actual.max()))
    counts = np.zeros((most + 1, most + 1))
    np.add.at(counts, (actual, predicted), 1)
    rows = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, rows, out=np.zeros_like(counts), where=rows > 0)
    template = _cardinality_template(most, rule)
    axes = template.axes
    image = axes.imshow(shares, origin="lower", cmap="Blues", vmin=0, vmax=1)
    diagonal = axes.axline((0, 0), slope=1, color="grey", linewidth=0.5)
    return template.draw([image, diagonal])


@cache
def _threshold_template(metrics: tuple[str, ...]) -> _Template:
    template = _Template((7, 4.5), left=0.09, bottom=0.12, right=0.98, top=0.97)
    axes = template.axes
    axes.set_xscale("logit")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(_TICKS, [f"{tick:g}" for tick in _TICKS])
    axes.set(
        xlabel="threshold", ylabel="value on the validation rows",
        xlim=(_CLOSEST, 1 - _CLOSEST), ylim=(0, 1),
    )  # fmt: skip
    for name in metrics:
        axes.plot([], [], label=name)
    axes.legend(frameon=False, loc="upper right")
    return template


@cache
def _cardinality_template(most: int, rule: str) -> _Template:
    template = _Template((4.6, 4.6), left=0.11, bottom=0.1, right=0.97, top=0.9)
    axes = template.axes
    ends = (-0.5, most + 0.5)
    axes.set(xlim=ends, ylim=ends, xlabel=f"labels predicted ({rule})", ylabel="true labels")
    axes.set_title("share of the test rows with so many true labels", fontsize="medium")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True))
    return template
