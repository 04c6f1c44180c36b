"""The figure of the front page: contestants less sigmoid on every data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.harness.plots import headline
from experiments.league.baselines import NAME as BASELINE
from experiments.league.claims import gains_over_sigmoid
from experiments.league.studies import N_LABELS
from mlc.reporting.statistics import Interval
from mlc.tracking.palette import REFERENCE, head_style

# Differences within this margin are called equal.
MARGIN = 0.01
_OF_BASELINE = "0.5"
SHOWN = {
    "pairwise": "pairwise\n(energies of label pairs)",
    "label_powerset": "label_powerset\n(a class for each label set)",
    "chain": "chain\n(one label after another)",
    "pick_one": "pick_one\n(one softmax and a threshold)",
    "weighted_sigmoid": "weighted_sigmoid\n(rare labels weigh more)",
    BASELINE: "logistic regression\n(no network)",
}


def forest_figure(tuned: pd.DataFrame, metric: str) -> Figure:
    """Draw each contestant's gain over sigmoid by data set, with the band of equality.

    A filled point is a gain whose interval over seeds excludes 0.
    """
    measured = set(tuned["data"])
    data_sets = [name for name in sorted(N_LABELS, key=lambda n: N_LABELS[n]) if name in measured]
    contestants = [name for name in SHOWN if name in set(tuned["head"])]
    figure = Figure(figsize=(8.4, 6.6), layout="constrained")
    grid = figure.subplots(2, 3, sharex=True, sharey=True)
    for axes, name in zip(grid.flat, contestants, strict=False):
        draw_gains(axes, gains_over_sigmoid(tuned, name, metric), data_sets, name)
        axes.set_title(SHOWN[name], fontsize="medium")
    for axes in grid.flat[len(contestants) :]:
        axes.remove()
    grid[0, 0].set_yticks(
        range(len(data_sets)), [f"{name} ({N_LABELS[name]})" for name in data_sets]
    )
    grid[0, 0].invert_yaxis()
    grid[1, 1].set_xlabel(f"test {metric} less that of sigmoid (black line), right is better")
    headline(
        figure,
        "Is any head better than sigmoid?",
        f"Data sets by their number of labels; grey: within {MARGIN}, called equal; filled: the interval"
        " over seeds excludes 0",
    )
    return figure


def draw_gains(
    axes: Axes, gains: Mapping[str, Interval], names: Sequence[str], head: str = REFERENCE
) -> None:
    """Draw a row for each name, in this order: its gain with the interval, if it has one.

    Args:
        axes: the axes.
        gains: the gains over sigmoid by name.
        names: the names of the rows.
        head: whose colour the points have.
    """
    axes.axvspan(-MARGIN, MARGIN, color="0.88")
    colour = _OF_BASELINE if head == BASELINE else head_style(head).colour
    axes.axvline(0, color=head_style(REFERENCE).colour, linewidth=1.4)
    for position, name in enumerate(names):
        gain = gains.get(name)
        if gain is None:
            continue
        half = 0.0 if np.isnan(gain.half_width) else gain.half_width
        axes.errorbar(
            gain.mean, position, xerr=half, fmt="o", color=colour, markersize=5,
            markerfacecolor=colour if gain.is_clear else "white", elinewidth=1.2,
        )  # fmt: skip
    axes.grid(axis="y", color="0.93")
    axes.set_axisbelow(True)
