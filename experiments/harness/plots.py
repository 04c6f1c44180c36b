"""Figures that are legible in greyscale: lines differ in marker and dash as well as in colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mlc.reporting.statistics import Interval
from mlc.tracking.palette import MARKERS, Style

_TITLE_LINE, _SMALL_LINE = 15.0, 13.5  # points
_LABEL_GAP = 0.062  # between the labels of two lines, as a share of the height of a panel


def panels(
    n: int, columns: int = 3, width: float = 2.8, height: float = 2.3, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its n panels, row by row.

    The figure is no wider than a page of 830 pixels shows with letters of the common size.
    """
    columns = min(n, columns)
    rows = -(-n // columns)
    figure = Figure(figsize=(max(6.0, width * columns), height * rows + 1.0), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **options).flatten()
    for panel in grid[n:]:
        panel.set_visible(False)
    for panel in grid[:n]:
        panel.grid(color="0.92")
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    return figure, list(grid[:n])


def headline(figure: Figure, text: str, note: str = "") -> None:
    """Give the figure a title, the question or the finding, above a note and its legend."""
    width, height = figure.get_size_inches()
    text, note = fill(text, round(9.5 * width)), fill(note, round(14.5 * width))
    above = _TITLE_LINE * (1 + text.count("\n")) + 3
    if note:
        figure.text(0.01, 1 - above / 72 / height, note, fontsize="small", color="0.3", va="top")
    below = _SMALL_LINE * (1 + note.count("\n")) if note else 0.0
    for drawn in figure.legends:
        drawn.set_bbox_to_anchor((0, 1 - (above + below) / 72 / height))
        below += _SMALL_LINE * ceil(len(drawn.get_texts()) / vars(drawn)["_ncols"])
    # The layout makes room for the title alone, which has empty lines for what is below it.
    text += "\n" * ceil(below / _TITLE_LINE)
    figure.suptitle(text, fontsize="large", fontweight="bold", x=0.01, ha="left")


def curve(
    panel: Axes, x: ArrayLike, intervals: Sequence[Interval], style: Style, label: str,
    *, band: bool = False,
) -> None:  # fmt: skip
    """Draw means with their intervals, as bars or as a band without markers."""
    mean = np.array([interval.mean for interval in intervals])
    half = np.nan_to_num([interval.half_width for interval in intervals])
    drawn: dict[str, Any] = {
        **style.line, "label": label, "linewidth": 1.3 * style.width, "zorder": 2 + style.width,
    }  # fmt: skip
    if band:
        panel.plot(np.asarray(x), mean, **{**drawn, "linewidth": 1.8 * style.width})
        panel.fill_between(
            np.asarray(x), mean - half, mean + half, color=style.colour, alpha=0.15, linewidth=0
        )
    else:
        panel.errorbar(
            np.asarray(x), mean, yerr=half, marker=style.marker, markersize=4, elinewidth=0.8,
            **drawn,
        )  # fmt: skip


def legend(figure: Figure, panel: Axes, columns: int = 4) -> None:
    """Add one legend for all panels, which `headline` places below the title."""
    figure.legend(
        *panel.get_legend_handles_labels(), loc="upper left", ncols=columns, borderpad=0,
        bbox_transform=figure.transFigure, fontsize="small", frameon=False, handlelength=3,
    )  # fmt: skip


def label_ends(panel: Axes, ends: Mapping[str, tuple[float, str]], bold: str = "") -> None:
    """Write the name of each line right of its end, apart from the other names.

    Args:
        panel: with its final limits.
        ends: the last value and the colour of each line.
        bold: the name to be in bold.
    """
    heights = {
        name: float(panel.transLimits.transform(panel.transScale.transform((1.0, value)))[1])
        for name, (value, _) in ends.items()
    }
    order = sorted(heights, key=heights.__getitem__)
    places = np.array([heights[name] for name in order])
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + _LABEL_GAP)
    # Lines end close to each other: the labels are centred on them.
    places -= np.mean(places - [heights[name] for name in order])
    for name, height in zip(order, places, strict=True):
        panel.annotate(
            name, (1.0, heights[name]), (1.02, height),
            xycoords="axes fraction", textcoords="axes fraction", va="center",
            fontsize="small", color=ends[name][1],
            fontweight="bold" if name == bold else "normal", annotation_clip=False,
        )  # fmt: skip


def shaded(drawn_as: Mapping[str, Style], heads: Mapping[str, str]) -> dict[str, Style]:
    """Return styles in which further settings of a head have darker shades and other markers.

    Args:
        drawn_as: the styles by contestant.
        heads: the head of each contestant.
    """
    seen: dict[str, int] = {}
    result = {}
    for contestant, style in drawn_as.items():
        number = seen[heads[contestant]] = seen.get(heads[contestant], -1) + 1
        red, green, blue = (part * 0.72**number for part in to_rgb(style.colour))
        marker = MARKERS[(MARKERS.index(style.marker) + number) % len(MARKERS)]
        result[contestant] = replace(style, colour=to_hex((red, green, blue)), marker=marker)
    return result
