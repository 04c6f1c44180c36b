"""The figure of the rows for which no label is predicted."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.harness.plots import headline, legend, panels
from mlc.tracking.palette import REFERENCE, head_style


def empty_figure(epochs: pd.DataFrame, sets: Sequence[str], heads: Sequence[str]) -> Figure:
    """Draw the share after the first and after the last epoch: a panel for each data set.

    Args:
        epochs: "set", "head", "epoch" and "empty", the share of rows with no label.
        sets: the data sets, in order.
        heads: the heads, in order.
    """
    columns = min(len(sets), 6)
    row_height = 0.5 + 0.24 * len(heads)
    figure, axes = panels(len(sets), columns, 1.4, row_height, sharey=True, sharex=True)
    for panel, name in zip(axes, sets, strict=True):
        for place, head in enumerate(heads):
            rows = epochs[(epochs["set"] == name) & (epochs["head"] == head)]
            by_epoch = rows.groupby("epoch")["empty"].mean()
            if len(by_epoch):
                _draw_change(panel, place, by_epoch.iloc[0], by_epoch.iloc[-1], head)
        panel.set_title(name, fontsize="medium")
        panel.set_xlim(-0.06, 1.06)
        panel.set_xticks((0, 0.5, 1), ("0", "0.5", "1"))
    for panel in axes[::columns]:
        panel.set_yticks(range(len(heads)), heads)
        for label, head in zip(panel.get_yticklabels(), heads, strict=True):
            label.set_fontweight("bold" if head == REFERENCE else "normal")
    axes[0].set_ylim(len(heads) - 0.5, -0.5)
    axes[0].plot([], [], "o", color="0.3", markerfacecolor="white", label="first epoch")
    axes[0].plot([], [], "o", color="0.3", label="last epoch")
    axes[columns // 2].set_xlabel("share of rows")
    legend(figure, axes[0])
    headline(
        figure,
        "At a threshold of 0.5, what share of rows gets no label? By labels' frequency",
    )
    return figure


def _draw_change(panel: Axes, place: int, first: float, last: float, head: str) -> None:
    colour = head_style(head).colour
    panel.plot([first, last], [place, place], color=colour, linewidth=1.5 * head_style(head).width)
    panel.plot(first, place, "o", color=colour, markerfacecolor="white", markersize=6)
    panel.plot(last, place, "o", color=colour, markersize=6)
