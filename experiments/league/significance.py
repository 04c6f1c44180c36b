"""Significance of differences between heads: Friedman's and Nemenyi's tests, and a diagram."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from scikit_posthocs import critical_difference_diagram, posthoc_nemenyi_friedman
from scipy.stats import friedmanchisquare

from experiments.harness.plots import headline
from experiments.league.standings import means, ranks
from mlc.tracking.palette import REFERENCE, head_style, known_heads

# With fewer data sets the chi-squared approximation is conservative (fewer than 4% false alarms).
_LEAST_DATA_SETS, _LEAST_HEADS = 10, 3


def friedman_p(tuned: pd.DataFrame, metric: str) -> float | None:
    """Return the p-value of Friedman's test, or None with too few data sets or heads."""
    table = ranks(tuned, metric)
    if table.shape[1] < _LEAST_DATA_SETS or len(table) < _LEAST_HEADS:
        return None
    values = means(tuned, metric).loc[table.index]
    return float(friedmanchisquare(*values.to_numpy()).pvalue)


def nemenyi_p(tuned: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return Nemenyi's p-value of each pair of heads: heads by heads.

    Demsar 2006, "Statistical comparisons of classifiers over multiple data sets".
    """
    values = means(tuned, metric).loc[ranks(tuned, metric).index]
    p: pd.DataFrame = posthoc_nemenyi_friedman(values.T)
    return p


def n_separated(p: pd.DataFrame) -> int:
    """Count the pairs with p below 5% in a symmetric table of p-values."""
    return int((p < 0.05).to_numpy().sum()) // 2


def least_wilcoxon_holm(n_data_sets: int, n_heads: int) -> float:
    """Return the smallest p-value that Wilcoxon's test with Holm's correction can give.

    Signed ranks that all agree have p = 2 / 2^n, and Holm multiplies the smallest by the number of
    pairs of heads.
    """
    return float(min(1.0, 2 / 2**n_data_sets * n_heads * (n_heads - 1) / 2))


def ranks_figure(tuned: pd.DataFrame, metric: str) -> Figure | None:
    """Draw average ranks, with bars over heads that Nemenyi's test does not separate."""
    table, p = ranks(tuned, metric), friedman_p(tuned, metric)
    if p is None:
        return None
    pairs = nemenyi_p(tuned, metric)
    figure = Figure(figsize=(8.4, 4.9), layout="constrained")
    axes = figure.subplots()
    drawn = critical_difference_diagram(
        table.mean(axis=1), pairs, ax=axes, label_props={"fontsize": "small"},
        crossbar_props={"color": "0.75"}, text_h_margin=0.3,
        color_palette={
            head: head_style(head).colour if head in known_heads() else "0.5"
            for head in table.index
        },
    )  # fmt: skip
    for (bar,) in drawn["crossbars"]:
        # The points are in the order of a set of names, which differs between processes.
        bar.set_xdata(sorted(bar.get_xdata()))
    for label in axes.texts:
        label.set_fontweight("bold" if REFERENCE in label.get_text().split() else "normal")
    headline(
        figure,
        f"Which head ranks first by {metric}?",
        f"Average rank on {table.shape[1]} data sets, 1 is best; Friedman p = {p:.2g}; grey bars join"
        " heads that Nemenyi's test does not separate",
    )
    return figure
