"""Figures that are legible in greyscale: lines differ in marker and dash as well as in colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from mlc.reporting.statistics import Interval
from mlc.tracking.palette import COLOURS, MARKERS

DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 3)))


def panels(
    n: int, columns: int = 3, width: float = 3.3, height: float = 2.7, **options: Any
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its n panels, row by row."""
    columns = min(n, columns)
    rows = -(-n // columns)
    figure = Figure(figsize=(max(6.0, width * columns), height * rows + 0.7), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **options).flatten()
    for panel in grid[n:]:
        panel.set_visible(False)
    for panel in grid[:n]:
        panel.grid(color="0.9")
        panel.set_axisbelow(True)
    return figure, list(grid[:n])


def curve(panel: Axes, x: ArrayLike, intervals: Sequence[Interval], index: int, label: str) -> None:
    """Draw means with their intervals; `index` selects colour, marker and dash."""
    mean = np.array([interval.mean for interval in intervals])
    half = np.nan_to_num([interval.half_width for interval in intervals])
    panel.errorbar(
        np.asarray(x), mean, yerr=half, label=label, capsize=2, markersize=4, linewidth=1.1,
        color=COLOURS[index % len(COLOURS)], marker=MARKERS[index % len(MARKERS)],
        linestyle=DASHES[index % len(DASHES)],
    )  # fmt: skip


def legend(figure: Figure, panel: Axes, columns: int = 4) -> None:
    """Add one legend for all panels above them."""
    figure.legend(
        *panel.get_legend_handles_labels(), loc="outside upper center", ncols=columns,
        fontsize="small", frameon=False,
    )  # fmt: skip
