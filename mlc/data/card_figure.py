"""The labels of a data set as a picture."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mlc.data.card import Card, shortened

_MOST_LABELS = 20  # Bars and cells of more cannot be read.


def draw_card(card: Card, targets: NDArray[np.bool_]) -> Figure:
    """Label frequencies, numbers of labels, and which labels go together.

    Of more than 20 labels the most frequent are drawn.
    """
    order = np.argsort(-np.asarray(card.counts), kind="stable")[:_MOST_LABELS]
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    frequencies, sizes, together = figure.subplots(1, 3, width_ratios=[1.15, 0.9, 1.25])
    _draw_frequencies(frequencies, card, order)
    _draw_sizes(sizes, card)
    _draw_together(together, card, targets[:, order], order)
    of_all = "" if len(order) == len(card.labels) else f"; the {len(order)} most frequent labels"
    figure.suptitle(
        f"{shortened(card.name)}: {card.n_rows:,} rows, {len(card.labels)} labels{of_all}"
    )
    return figure


def _draw_frequencies(axes: Axes, card: Card, order: NDArray[np.int64]) -> None:
    shares = 100 * np.asarray(card.counts)[order] / card.n_rows
    places = np.arange(len(order))
    axes.barh(places, shares, color="0.35")
    for place, share in enumerate(shares):
        axes.text(
            float(share), place, f" {card.counts[order[place]]:,}", va="center", fontsize="x-small"
        )
    axes.set_yticks(places, [shortened(card.labels[k]) for k in order], fontsize="x-small")
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("% of the rows (number)")
    axes.set_title("how frequent each label is", fontsize="medium")


def _draw_sizes(axes: Axes, card: Card) -> None:
    shares = 100 * np.asarray(card.sizes) / card.n_rows
    axes.bar(np.arange(len(shares)), shares, color="0.35")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("labels of a row")
    axes.set_ylabel("% of the rows")
    axes.set_title("how many labels a row has", fontsize="medium")


def _draw_together(
    axes: Axes, card: Card, targets: NDArray[np.bool_], order: NDArray[np.int64]
) -> None:
    """P(column | row), in per cent: what else a row with the label has."""
    counts = targets.sum(axis=0)
    both = targets.T.astype(np.float64) @ targets
    shares = 100 * both / np.maximum(counts, 1)[:, None]
    np.fill_diagonal(shares, np.nan)
    image = axes.imshow(shares, cmap="Greys", vmin=0, vmax=100)
    names = [shortened(card.labels[k], 14) for k in order]
    axes.set_xticks(np.arange(len(order)), names, rotation=90, fontsize="x-small")
    axes.set_yticks(np.arange(len(order)), names, fontsize="x-small")
    axes.figure.colorbar(image, ax=axes, label="%", shrink=0.8)
    axes.set_title(
        "of the rows with this label (line), how many have\nthat one (column)", fontsize="medium"
    )
