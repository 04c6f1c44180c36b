"""A figure of the labels of a data set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mlc.config.lettering import Lettering, lettering
from mlc.config.texts import counted
from mlc.data.card import Card

_MOST_LABELS = 20  # Names of more labels would be too small to read.
_LONG, _SHORT = 24, 14  # Columns of a name beside the bars and around the matrix.


def draw_card(card: Card, targets: NDArray[np.bool_]) -> Figure:
    """Draw label frequencies, label set sizes and co-occurrences.

    At most 20 labels are drawn, the most frequent ones.
    """
    order = np.argsort(-np.asarray(card.counts), kind="stable")[:_MOST_LABELS]
    labels = [card.labels[k] for k in order]
    letters = lettering([card.name, *labels])
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    frequencies, sizes, together = figure.subplots(1, 3, width_ratios=[1.15, 0.9, 1.25])
    _draw_frequencies(frequencies, card, order, labels, letters)
    _draw_sizes(sizes, card)
    _draw_together(together, targets[:, order], labels, letters)
    of_all = "" if len(order) == len(card.labels) else f"; the {len(order)} most frequent labels"
    if letters.escapes:
        of_all += "\n(no installed font has the signs that are written as \\u...)"
    figure.suptitle(
        f"{letters.fitted(card.name, 60)}: {counted(card.n_rows, 'row')},"
        f" {counted(len(card.labels), 'label')}{of_all}",
        family=letters.families,
        parse_math=False,
    )
    return figure


def _draw_frequencies(
    axes: Axes,
    card: Card,
    order: NDArray[np.int64],
    labels: Sequence[str],
    letters: Lettering,
) -> None:
    shares = 100 * np.asarray(card.counts)[order] / card.n_rows
    positions = np.arange(len(order))
    axes.barh(positions, shares, color="0.35")
    for position, share in enumerate(shares):
        axes.text(
            float(share),
            position,
            f" {card.counts[order[position]]:,}",
            va="center",
            fontsize="x-small",
        )
    texts = [letters.fitted(name, _LONG) for name in labels]
    axes.set_yticks(positions, texts, fontsize="x-small", family=letters.families, parse_math=False)
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
    axes: Axes, targets: NDArray[np.bool_], labels: Sequence[str], letters: Lettering
) -> None:
    """Draw P(column | row) in per cent: the other labels of rows with a label."""
    counts = targets.sum(axis=0)
    both = targets.T.astype(np.float64) @ targets
    shares = 100 * both / np.maximum(counts, 1)[:, None]
    np.fill_diagonal(shares, np.nan)
    image = axes.imshow(shares, cmap="Greys", vmin=0, vmax=100)
    positions, texts = np.arange(len(labels)), [letters.fitted(name, _SHORT) for name in labels]
    axes.set_xticks(
        positions, texts, rotation=90, fontsize="x-small", family=letters.families, parse_math=False
    )
    axes.set_yticks(positions, texts, fontsize="x-small", family=letters.families, parse_math=False)
    axes.figure.colorbar(image, ax=axes, label="%", shrink=0.8)
    axes.set_title(
        "of the rows with this label (line), how many have\nthat one (column)", fontsize="medium"
    )
