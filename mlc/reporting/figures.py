"""A sweep's one picture: heads and rules with their intervals."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlc.reporting.collect import Results
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import contestants, marked
from mlc.texts import readable

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
# More than there are colours, so that no two rules share both.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<")


def draw_means(results: Results, metric: str) -> bytes:
    """A PNG: a panel for each data set, a row for each head, a marker and interval for each rule."""
    # A name may hold dollars, which are no formula here.
    with rc_context({"text.parse_math": False}):
        return _drawn(results, metric)


def _drawn(results: Results, metric: str) -> bytes:
    runs = contestants(results)
    data_sets = list(dict.fromkeys(runs["data"]))
    names = list(dict.fromkeys(runs["contestant"]))
    rules = list(dict.fromkeys(runs["rule"]))
    height = 1.4 + len(names) * (0.3 + 0.1 * max(len(rules), 2))
    figure = Figure(figsize=(max(6.5, 4.2 * len(data_sets)), height), layout="constrained", dpi=150)
    panels = figure.subplots(1, len(data_sets), sharey=True, squeeze=False)[0]
    for panel, data in zip(panels, data_sets, strict=True):
        here = runs[runs["data"] == data]
        for place, rule in enumerate(rules):
            _draw_rule(panel, here, names, rule, place, len(rules), results.tuned_on, metric)
        prior = results.baselines.query("data == @data and head == 'prior' and rule == 'global'")
        # Under several conditions of the data there is no one line.
        if len(prior) and not any(key.startswith("data.") for key in results.varying):
            panel.axvline(
                prior[metric].mean(), color="grey", linestyle=":", label="label frequencies, global"
            )
        panel.set_title(readable(data, 80))
        panel.set_xlabel(f"test {metric}")
        panel.grid(axis="x", color="0.9")
        panel.set_axisbelow(True)
    panels[0].set_yticks(range(len(names)), [readable(name, 80) for name in names])
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    figure.legend(
        *panels[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        fontsize="small",
        frameon=False,
    )
    seeds = runs["seed"].nunique()
    title = f"Mean of {seeds} seeds with its 95% interval" if seeds > 1 else "One seed"
    figure.suptitle(title, fontsize="medium")
    stream = io.BytesIO()
    # By which a report knows its own files.
    figure.savefig(stream, format="png", metadata={"Software": "mlc"})
    return stream.getvalue()


def _draw_rule(
    panel: Axes,
    runs: pd.DataFrame,
    names: list[str],
    rule: str,
    place: int,
    n_rules: int,
    tuned_on: dict[str, str],
    metric: str,
) -> None:
    shown = runs[runs["rule"] == rule].groupby("contestant")[metric]
    intervals = {name: mean_interval(values) for name, values in shown}
    y = [names.index(name) + (place - (n_rules - 1) / 2) * 0.7 / n_rules for name in intervals]
    is_oracle = tuned_on.get(rule) == "test"
    panel.errorbar(
        [interval.mean for interval in intervals.values()],
        y,
        xerr=np.nan_to_num([interval.half_width for interval in intervals.values()]),
        fmt=MARKERS[place % len(MARKERS)],
        color=COLOURS[place % len(COLOURS)],
        markerfacecolor="white" if is_oracle else None,
        capsize=2,
        label=f"{marked(rule, tuned_on)} (tuned on test)" if is_oracle else rule,
    )
