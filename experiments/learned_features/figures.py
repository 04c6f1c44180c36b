"""The figures: heads less sigmoid on each kind of features, and the lead by a property."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from experiments.harness.plots import headline
from experiments.league.claims import gains_over_sigmoid
from experiments.league.forest import MARGIN, draw_gains
from experiments.league.standings import select
from experiments.learned_features.decides import Split
from mlc.reporting.statistics import Interval, mean_interval
from mlc.tracking.palette import REFERENCE

SHOWN = ("pick_one", "pairwise", "label_powerset")
_ONE, _OWN = "sigmoid, one threshold", "sigmoid, its rule chosen"


def heads_figure(rows: pd.DataFrame, metric: str = "jaccard_samples") -> Figure:
    """Draw each head less sigmoid with its rule chosen, by kind of features, with the equality band.

    The first panel shows what sigmoid itself loses with one threshold.
    """
    tuned = select(rows, metric)
    kinds = list(dict.fromkeys(rows["data"]))
    contestants = [_ONE, *(head for head in SHOWN if (tuned["head"] == head).any())]
    height = 2.1 + 0.3 * len(kinds)
    figure = Figure(figsize=(8.4, height), layout="constrained")
    panels = figure.subplots(1, len(contestants), sharex=True, sharey=True, squeeze=False)[0]
    for panel, head in zip(panels, contestants, strict=True):
        gains = (
            _of_threshold(rows, metric) if head == _ONE else gains_over_sigmoid(tuned, head, metric)
        )
        draw_gains(panel, gains, kinds, REFERENCE if head == _ONE else head)
        panel.set_title(head.replace(", ", ",\n"), fontsize="medium")
        panel.locator_params(axis="x", nbins=3)
    panels[0].set_yticks(range(len(kinds)), kinds, fontsize="small")
    panels[0].set_ylim(len(kinds) - 0.5, -0.5)
    headline(
        figure,
        f"Is any head better than {_OWN}?",
        f"Test {metric} less that of sigmoid (black line), right is better; grey: within {MARGIN},"
        " called equal; filled: the interval over seeds excludes 0",
    )
    return figure


def _of_threshold(rows: pd.DataFrame, metric: str) -> dict[str, Interval]:
    sigmoid = rows[rows["head"] == "sigmoid"]
    key = ["data", "seed"]
    one = select(sigmoid[sigmoid["rule"] == "global"], metric).set_index(key)[metric]
    less = one - select(sigmoid, metric).set_index(key)[metric]
    return {str(data): mean_interval(group) for data, group in less.groupby("data", sort=False)}


def decides_figure(found: pd.DataFrame, split: Split | None, lead: str = "one_threshold") -> Figure:
    """Draw the lead of each data set by its share of rows with exactly one label.

    Args:
        found: "one", "kind" ("real" or "digits"), "group" and the lead, a row for each kind of features.
        split: the rule with one split on this share, if it has one.
        lead: the column of the lead.
    """
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    panel = figure.subplots()
    panel.axhspan(-MARGIN, MARGIN, color="0.9")
    for kind, face in (("real", "black"), ("digits", "white")):
        rows = found[found["kind"] == kind]
        panel.plot(
            rows["one"], rows[lead], "o", color="black", markerfacecolor=face, markersize=5,
            label=f"{kind} data" if kind == "real" else "digits with a set number of labels",
        )  # fmt: skip
    named = found[(found["kind"] == "real") & (found[lead].abs() > MARGIN)]
    for _, row in named.drop_duplicates("group").iterrows():
        panel.annotate(
            row["group"],
            (row["one"], row[lead]),
            (5, 4),
            textcoords="offset points",
            fontsize="x-small",
        )
    if split is not None and split.name == "one":
        panel.plot(
            [0, split.limit, split.limit, 1], [split.below, split.below, split.above, split.above],
            "--", color="0.4", linewidth=1, label="one split",
        )  # fmt: skip
    panel.set(
        xlabel="share of training rows with exactly one label",
        ylabel="lead in jaccard_samples",
    )
    # No point lies there: at the left they would be taken for the legend's.
    panel.legend(fontsize="small", frameon=False, loc="upper center")
    headline(
        figure,
        "When does the best head gain on sigmoid with one threshold?",
        f"A point for each kind of features; grey: within {MARGIN}, called equal",
    )
    return figure
