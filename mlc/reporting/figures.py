"""The figure of a sweep: means of heads and rules with their intervals."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mlc.config.lettering import lettering
from mlc.config.texts import readable
from mlc.metrics.names import metric_sign
from mlc.reporting.choice import contestants
from mlc.reporting.collect import Results
from mlc.reporting.leaders import Leader, leaders
from mlc.reporting.limits import Point, robust_limits
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import marked
from mlc.tracking.palette import MARKERS, REFERENCE, Style, styles

_COLUMNS = 3  # of panels
_DPI = 150
_HIGHEST = 7.6  # inches, unless rows would be lower than _LOWEST_ROW
_LOWEST_ROW = 0.17
_FRAME = 1.3  # inches above and below the rows of all panels
_FAINT = 0.35


def styles_of(results: Results) -> dict[str, Style]:
    """Return the style of each contestant, as in TensorBoard."""
    indices = {name: status.get("index", 0) for name, status in results.statuses.items()}
    runs = contestants(results)
    rows = zip(runs["run"], runs["contestant"], runs["head"], strict=True)
    ordered = sorted(set(rows), key=lambda row: (indices[row[0]], row[0]))
    return styles({contestant: head for _, contestant, head in ordered})


def draw_means(results: Results, metric: str) -> bytes:
    """Draw a PNG: a panel per data set, a row per head, a marker with its interval per rule."""
    # A dollar sign in a name does not begin a formula.
    with rc_context({"text.parse_math": False}):
        figure = means_figure(results, metric)
        stream = io.BytesIO()
        # A report recognises files that it wrote by this entry. Figure.savefig would draw twice.
        FigureCanvasAgg(figure).print_png(stream, metadata={"Software": "mlc"})
        return stream.getvalue()


def means_figure(results: Results, metric: str) -> Figure:
    """Return the figure; the best head is on top, and what is far from all else is at the edge."""
    runs = contestants(results)
    data_sets = list(dict.fromkeys(runs["data"]))
    best = {
        data: leaders(runs[runs["data"] == data], metric, results.tuned_on) for data in data_sets
    }
    names = _ordered(runs, best, metric)
    rules = list(dict.fromkeys(runs["rule"]))
    columns = min(len(data_sets), _COLUMNS)
    n_rows = -(-len(data_sets) // columns)
    wanted = 0.3 + 0.1 * max(len(rules), 2)
    row = np.clip((_HIGHEST - _FRAME - 0.6 * n_rows) / (len(names) * n_rows), _LOWEST_ROW, wanted)
    height = _FRAME + n_rows * (0.6 + len(names) * float(row))
    figure = Figure(figsize=(max(6.5, 4.0 * columns), height), layout="constrained", dpi=_DPI)
    grid = figure.subplots(n_rows, columns, sharey=True, squeeze=False).flatten()
    for panel in grid[len(data_sets) :]:
        panel.set_visible(False)
    drawn_as = styles_of(results)
    letters = lettering([*data_sets, *names])
    for panel, data in zip(grid, data_sets, strict=False):
        chosen = {(leader.name, leader.rule) for leader in best[data]}
        _draw(panel, runs[runs["data"] == data], names, rules, chosen, results, metric, drawn_as)
        title = letters.fitted(readable(data, 80), 80)
        panel.set_title(title, fontsize="medium", family=letters.families)
    heads = dict(zip(runs["contestant"], runs["head"], strict=True))
    for panel in grid[::columns]:
        panel.set_yticks(
            range(len(names)), [letters.fitted(readable(name, 80), 80) for name in names]
        )
        for label, name in zip(panel.get_yticklabels(), names, strict=True):
            label.set_family(letters.families)
            label.set_fontweight("bold" if heads[name] == REFERENCE else "normal")
    grid[0].set_ylim(len(names) - 0.5, -0.5)
    figure.legend(
        *grid[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
        fontsize="small", frameon=False,
    )  # fmt: skip
    figure.suptitle(_title(runs, rules), fontsize="medium")
    return figure


def _title(runs: pd.DataFrame, rules: Sequence[str]) -> str:
    seeds = runs["seed"].nunique()
    title = f"mean of {seeds} seeds with its 95% interval" if seeds > 1 else "one seed"
    faint = "; faint: rules that the validation rows do not choose" if len(rules) > 1 else ""
    return f"Which head? The best is on top\n{title}{faint}"


def _ordered(runs: pd.DataFrame, best: Mapping[str, Sequence[Leader]], metric: str) -> list[str]:
    """Return the contestants, the best by mean rank of its chosen rule first; else as in the tables."""
    names = list(dict.fromkeys(runs["contestant"]))
    sign = metric_sign(metric) or 0
    values = pd.DataFrame(
        {data: {each.name: sign * each.test.mean for each in of} for data, of in best.items()}
    )
    ranks = values.rank(ascending=False, method="min").mean(axis=1)
    # Settings that the validation rows do not choose follow.
    return sorted(names, key=lambda name: float(ranks.get(name, np.inf)))


def _draw(
    panel: Axes,
    runs: pd.DataFrame,
    names: list[str],
    rules: list[str],
    chosen: set[tuple[str, str]],
    results: Results,
    metric: str,
    drawn_as: Mapping[str, Style],
) -> None:
    """Draw the means of one data set by rule; a triangle at the edge has the value beyond it."""
    groups = runs.groupby(["rule", "contestant"])[metric]
    means = {pair: mean_interval(values) for pair, values in groups}
    half = {pair: float(np.nan_to_num(mean.half_width)) for pair, mean in means.items()}
    low, high = robust_limits([Point(p[1], m.mean, half[p]) for p, m in means.items()])
    heads = dict(zip(runs["contestant"], runs["head"], strict=True))
    for place, name in enumerate(names):
        if heads.get(name) == REFERENCE:
            panel.axhspan(place - 0.5, place + 0.5, color="0.93", zorder=0)
    size = 6 if len(names) <= 12 else 4.5
    for index, rule in enumerate(rules):
        is_oracle = results.tuned_on.get(rule) == "test"
        marker, fill = MARKERS[index % len(MARKERS)], "white" if is_oracle else None
        for name in (name for name in names if (rule, name) in means):
            mean, is_chosen = means[rule, name].mean, (name, rule) in chosen
            y = names.index(name) + (index - (len(rules) - 1) / 2) * 0.7 / len(rules)
            colour = drawn_as[name].colour
            if np.isfinite(mean) and not low <= mean <= high:
                _mark_edge(panel, mean, rule, y, colour, (low, high))
                continue
            panel.errorbar(
                mean, y, xerr=half[rule, name] or None, fmt=marker, color=colour, markerfacecolor=fill,
                capsize=2, markersize=size, alpha=1 if is_chosen or is_oracle else _FAINT,
                zorder=3 if is_chosen else 2,
            )  # fmt: skip
        label = f"{marked(rule, results.tuned_on)} (tuned on test)" if is_oracle else rule
        # Colours show the head, which the axis names.
        panel.plot([], [], marker, color="0.4", markerfacecolor=fill, label=label)
    _draw_prior(panel, results, str(runs["data"].iloc[0]), metric, (low, high))
    panel.set_xlim(low, high)
    better = {1: " (right is better)", -1: " (left is better)"}.get(metric_sign(metric) or 0, "")
    panel.set_xlabel(f"test {metric}{better}")
    panel.grid(axis="x", color="0.9")
    panel.set_axisbelow(True)


def _mark_edge(
    panel: Axes, value: float, rule: str, y: float, colour: str, limits: tuple[float, float]
) -> None:
    """Draw a triangle at the edge of the axis, with the value that is beyond it and its rule."""
    is_low = value < limits[0]
    panel.annotate(
        f"\u25c0 {value:.3g} {rule}" if is_low else f"{rule} {value:.3g} \u25b6",
        (limits[0] if is_low else limits[1], y), (3 if is_low else -3, 0),
        textcoords="offset points", ha="left" if is_low else "right", va="center",
        fontsize="x-small", color=colour,
    )  # fmt: skip


def _draw_prior(
    panel: Axes, results: Results, data: str, metric: str, limits: tuple[float, float]
) -> None:
    """Draw what scores by label frequencies alone reach, if that is on the axis."""
    prior = results.baselines.query("data == @data and head == 'prior' and rule == 'global'")
    # Several settings of the data have no common line.
    if metric not in prior or prior.empty or any(k.startswith("data.") for k in results.varying):
        return
    value, label = float(prior[metric].mean()), "label frequencies, global"
    if limits[0] <= value <= limits[1]:
        panel.axvline(value, color="grey", linestyle=":", label=label)
    else:
        panel.plot([], [], linestyle="", label=f"label frequencies: {value:.3g}, off the axis")
