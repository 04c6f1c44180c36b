"""The figure of a sweep: means of heads and rules with their intervals."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlc.config.texts import readable
from mlc.reporting.choice import contestants
from mlc.reporting.collect import Results
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import marked
from mlc.tracking.palette import MARKERS, Style, styles


def styles_of(results: Results) -> dict[str, Style]:
    """Return the style of each contestant: as in TensorBoard, coloured in the sweep's order."""
    indices = {name: status.get("index", 0) for name, status in results.statuses.items()}
    runs = contestants(results)
    rows = zip(runs["run"], runs["contestant"], runs["head"], strict=True)
    ordered = sorted(set(rows), key=lambda row: (indices[row[0]], row[0]))
    return styles({contestant: head for _, contestant, head in ordered})


def draw_means(results: Results, metric: str) -> bytes:
    """Draw a PNG: a panel per data set, a row per head, a marker with its interval per rule."""
    # A dollar sign in a name does not begin a formula.
    with rc_context({"text.parse_math": False}):
        figure = _figure(results, metric)
        stream = io.BytesIO()
        # A report recognises files that it wrote by this entry.
        figure.savefig(stream, format="png", metadata={"Software": "mlc"})
        return stream.getvalue()


def _figure(results: Results, metric: str) -> Figure:
    runs = contestants(results)
    data_sets = list(dict.fromkeys(runs["data"]))
    names = list(dict.fromkeys(runs["contestant"]))
    rules = list(dict.fromkeys(runs["rule"]))
    drawn_as = styles_of(results)
    height = 1.4 + len(names) * (0.3 + 0.1 * max(len(rules), 2))
    figure = Figure(figsize=(max(6.5, 4.2 * len(data_sets)), height), layout="constrained", dpi=150)
    panels = figure.subplots(1, len(data_sets), sharey=True, squeeze=False)[0]
    for panel, data in zip(panels, data_sets, strict=True):
        group = runs[runs["data"] == data]
        for index, rule in enumerate(rules):
            _draw_rule(
                panel, group, names, rule, index, len(rules), results.tuned_on, metric, drawn_as
            )
        prior = results.baselines.query("data == @data and head == 'prior' and rule == 'global'")
        # Several settings of the data have no common line.
        if (
            metric in prior
            and len(prior)
            and not any(key.startswith("data.") for key in results.varying)
        ):
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
    return figure


def _draw_rule(
    panel: Axes,
    runs: pd.DataFrame,
    names: list[str],
    rule: str,
    index: int,
    n_rules: int,
    tuned_on: dict[str, str],
    metric: str,
    drawn_as: dict[str, Style],
) -> None:
    groups = runs[runs["rule"] == rule].groupby("contestant")[metric]
    intervals = {name: mean_interval(values) for name, values in groups}
    is_oracle = tuned_on.get(rule) == "test"
    marker, fill = MARKERS[index % len(MARKERS)], "white" if is_oracle else None
    for name, interval in intervals.items():
        panel.errorbar(
            interval.mean,
            names.index(name) + (index - (n_rules - 1) / 2) * 0.7 / n_rules,
            xerr=np.nan_to_num(interval.half_width),
            fmt=marker,
            color=drawn_as[name].colour,
            markerfacecolor=fill,
            capsize=2,
        )
    label = f"{marked(rule, tuned_on)} (tuned on test)" if is_oracle else rule
    # Colours show the head, which the axis names.
    panel.plot([], [], marker, color="0.4", markerfacecolor=fill, label=label)
