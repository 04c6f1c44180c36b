"""The figure: every contestant less sigmoid on the mean of the data sets, by three metrics."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.equal_budgets.baselines import BASELINES
from experiments.equal_budgets.bootstrap import Draws, Gain
from experiments.equal_budgets.row_draws import REFERENCE
from experiments.equal_budgets.signed_rank import MARGIN
from experiments.equal_budgets.tables import pooled_gains
from experiments.harness.plots import headline
from mlc.tracking.palette import head_style

_OF_BASELINES = "0.5"


def forest_figure(draws: Mapping[str, Mapping[str, Draws]]) -> Figure:
    """Draw a panel for each metric; a filled point has an interval without 0.

    Metrics of fewer than three data sets have no panel.
    """
    every = {metric: pooled_gains(of_metric) for metric, of_metric in draws.items()}
    gains = {metric: by_head for metric, by_head in every.items() if by_head}
    if not gains:
        figure = Figure(figsize=(6, 1), layout="constrained")
        figure.suptitle("fewer than three data sets are measured", fontsize="medium")
        return figure
    first = next(iter(gains.values()))
    order = sorted(first, key=lambda head: first[head].mean)
    figure = Figure(figsize=(8.4, 1.9 + 0.19 * len(order)), layout="constrained")
    panels = figure.subplots(1, len(gains), sharey=True, squeeze=False)[0]
    for axes, (metric, by_head) in zip(panels, gains.items(), strict=True):
        _draw(axes, [by_head.get(head) for head in order], order)
        axes.set_title(metric, fontsize="medium")
    panels[0].set_yticks(range(len(order)), order, fontsize="small")
    for label, head in zip(panels[0].get_yticklabels(), order, strict=True):
        label.set_color(_colour(head))
    headline(
        figure,
        f"Is any head better than {REFERENCE} on the mean of the data sets?",
        f"Test value less that of {REFERENCE} (black line); band: within {MARGIN}, called equal; filled:"
        " the interval over data sets, seeds and test rows excludes 0; grey: no network",
    )
    return figure


def _draw(axes: Axes, gains: list[Gain | None], heads: list[str]) -> None:
    axes.axvspan(-MARGIN, MARGIN, color="0.88")
    axes.axvline(0, color=head_style(REFERENCE).colour, linewidth=1.6)
    for position, (gain, head) in enumerate(zip(gains, heads, strict=True)):
        if gain is None:
            continue
        colour = _colour(head)
        is_clear = gain.low > 0 or gain.high < 0
        axes.plot([gain.low, gain.high], [position, position], color=colour, linewidth=1)
        axes.plot(
            gain.mean, position, "o", color=colour, markersize=4,
            markerfacecolor=colour if is_clear else "white",
        )  # fmt: skip
    axes.grid(axis="y", color="0.93")
    axes.set_axisbelow(True)


def _colour(head: str) -> str:
    # A contestant is a head, or a head with a setting.
    return _OF_BASELINES if head in BASELINES else head_style(head.split()[0].rstrip(",")).colour
