"""The figures: contestants less sigmoid by three metrics, on the mean of the data sets and on each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.equal_budgets.baselines import BASELINES, CONSTANT
from experiments.equal_budgets.bootstrap import Gain
from experiments.equal_budgets.row_draws import REFERENCE
from experiments.equal_budgets.signed_rank import MARGIN
from experiments.equal_budgets.tables import Gains
from experiments.harness.plots import headline
from mlc.tracking.palette import head_style

_OF_BASELINES = "0.5"
# The contestants of the front page, with what they are.
SHOWN = {
    "pairwise": "energies of label pairs",
    "chain": "one label after another",
    "label_powerset": "a class for each label set",
    "bernoulli_mixture": "a mixture of sigmoids",
    "asymmetric": "negatives weigh less",
    "weighted_sigmoid": "rare labels weigh more",
    "pick_one": "one softmax and a threshold",
    "logistic_regression": "no network",
    "random_forest": "no network",
}
# So far behind that they would set the scale.
_CONSTANT = {CONSTANT, "prior"}
_TITLES = {
    "jaccard_samples": "Jaccard index",
    "f1_macro": "F1, mean of labels",
    "subset_accuracy": "exact label sets",
}
# Of the front page's axes; what lies beyond is a triangle at the edge.
_LIMITS = -0.11, 0.075


def forest_figure(found: Mapping[str, Gains]) -> Figure:
    """Draw all contestants but the constant ones on the mean of the data sets, a panel for each metric.

    Metrics of fewer than three data sets have no panel.
    """
    measured = _measured(found)
    if not measured:
        return _too_few()
    first = next(iter(measured.values())).pooled
    order = sorted(first.keys() - _CONSTANT, key=lambda head: -first[head].mean)
    figure = Figure(figsize=(8.4, 1.9 + 0.19 * len(order)), layout="constrained")
    panels = _panels(figure, measured, order)
    for axes, gains in zip(panels, measured.values(), strict=True):
        for place, head in enumerate(order):
            if head in gains.pooled:
                _draw_pooled(axes, place, head, gains.pooled[head], 1)
    panels[0].set_yticks(range(len(order)), order, fontsize="small")
    for label, head in zip(panels[0].get_yticklabels(), order, strict=True):
        label.set_color(_colour(head))
    headline(
        figure,
        f"Is any head better than {REFERENCE} on the mean of the data sets?",
        f"Test value less that of {REFERENCE} (black line); band: within {MARGIN}, called equal; filled:"
        " the interval over data sets excludes 0; grey: no network; no constants",
    )
    return figure


def front_figure(found: Mapping[str, Gains]) -> Figure:
    """Draw some contestants on the mean of the data sets and on each, a panel for each metric."""
    measured = _measured(found)
    if not measured:
        return _too_few()
    first = next(iter(measured.values()))
    order = [head for head in SHOWN if head in first.pooled]
    figure = Figure(figsize=(8.4, 1.7 + 0.42 * len(order)), layout="constrained")
    panels = _panels(figure, measured, order)
    for axes, gains in zip(panels, measured.values(), strict=True):
        axes.set_xlim(*_LIMITS)
        for place, head in enumerate(order):
            for of_data in gains.by_data.values():
                if head in of_data:
                    _draw_one(axes, place, head, of_data[head].mean)
            if head in gains.pooled:
                _draw_pooled(axes, place, head, gains.pooled[head], 2)
    names = [f"{head}\n({SHOWN[head]})" for head in order]
    panels[0].set_yticks(range(len(order)), names, fontsize="small")
    panels[len(panels) // 2].set_xlabel(
        f"difference from {REFERENCE} (black line), right is better"
    )
    headline(
        figure,
        f"Is anything better than {REFERENCE}?",
        f"{len(order)} of {len(first.pooled)} contestants. Circle: mean of {len(first.by_data)} data"
        " sets, with an interval over data sets, filled where it excludes 0; bars:"
        f" each data set, triangles beyond the axis; grey: within {MARGIN}, called equal",
    )
    return figure


def _measured(found: Mapping[str, Gains]) -> dict[str, Gains]:
    return {metric: gains for metric, gains in found.items() if gains.pooled}


def _too_few() -> Figure:
    figure = Figure(figsize=(6, 1), layout="constrained")
    figure.suptitle("fewer than three data sets are measured", fontsize="medium")
    return figure


def _panels(figure: Figure, metrics: Iterable[str], order: Sequence[str]) -> list[Axes]:
    names = list(metrics)
    panels = list(figure.subplots(1, len(names), sharey=True, squeeze=False)[0])
    for axes, metric in zip(panels, names, strict=True):
        axes.axvspan(-MARGIN, MARGIN, color="0.88")
        axes.axvline(0, color=head_style(REFERENCE).colour, linewidth=1.6)
        axes.grid(axis="y", color="0.93")
        axes.set_axisbelow(True)
        axes.set_title(_TITLES.get(metric, metric), fontsize="medium")
    panels[0].set_ylim(len(order) - 0.5, -0.5)
    return panels


def _draw_pooled(axes: Axes, place: int, head: str, gain: Gain, scale: float) -> None:
    colour = _colour(head)
    axes.plot([gain.low, gain.high], [place, place], color=colour, linewidth=scale)
    axes.plot(
        gain.mean, place, "o", color=colour, markersize=3 + scale,
        markerfacecolor=colour if gain.is_clear else "white",
    )  # fmt: skip


def _draw_one(axes: Axes, place: int, head: str, gain: float) -> None:
    low, high = _LIMITS
    inside = min(max(gain, low), high)
    marker = "|" if inside == gain else "<" if gain < low else ">"
    axes.plot(
        inside, place + 0.27, marker, color=_colour(head), markersize=5, alpha=0.7, clip_on=False
    )


def _colour(head: str) -> str:
    # A contestant is a head, or a head with a setting.
    return _OF_BASELINES if head in BASELINES else head_style(head.split()[0].rstrip(",")).colour
