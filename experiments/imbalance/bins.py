"""F1 by the number of positives: the chosen rates, intervals, tables and the figure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import stdtrit

from experiments.equal_budgets.bootstrap import draw, gains
from experiments.harness.plots import curve, headline, legend, panels
from experiments.imbalance.by_positives import BINS, DATA, HEADS, RANKING, RATES, WORLD, unpacked
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table
from mlc.tracking.palette import head_style

REFERENCE = HEADS[0]
# A bootstrap of fewer labels, or seeds, says little.
_LEAST = 5
_N_DRAWS = 500
_LEVEL = 0.05
_SETTINGS = ("data", "head", "optimizer.lr", "seed")
# By data set, bin and head; of the reference its mean, of the others the difference from it.
Cells = Mapping[tuple[str, str], Mapping[str, Interval]]


def choose(rows: pd.DataFrame) -> pd.DataFrame:
    """Return all rows of the runs whose rate has the best validation loss of their head and seed.

    Only data sets on which all heads have run at all rates in the same number of seeds are returned. A
    run that diverged is not chosen.
    """
    if rows.empty:
        return rows.reindex(columns=[*rows.columns, *_SETTINGS])
    runs = rows.drop_duplicates("run")
    numbers = (
        runs.groupby(["data", "head", "optimizer.lr"]).size().unstack(["head", "optimizer.lr"])
    )
    is_complete = numbers.eq(numbers.max(axis=1), axis=0).all(axis=1)
    is_complete &= numbers.shape[1] == len(HEADS) * len(RATES)
    runs = runs[runs["data"].isin(numbers.index[is_complete]) & runs["val_loss"].notna()]
    best = runs.groupby(["data", "head", "seed"], sort=False)["val_loss"].idxmin()
    return rows[rows["run"].isin(runs.loc[best, "run"])]


def compared(chosen: pd.DataFrame, rule: str) -> Cells:
    """Return the values under a rule, by data set and bin.

    On real data the interval is bootstrapped over seeds and labels, which all seeds share, and is
    simultaneous for the heads of a bin. In worlds, whose labels differ between seeds, it is Student's t
    over the means of each world's labels, with Bonferroni's correction for the heads. Bins with
    fewer than five labels, or worlds, have no interval.
    """
    of_rule = chosen[chosen["rule"] == rule]
    return {
        (data, name): _in_world(group) if data == WORLD else _on_data(group)
        for data in DATA
        for name in BINS
        if len(group := of_rule[(of_rule["data"] == data) & (of_rule["bin"] == name)])
    }


def _in_world(group: pd.DataFrame) -> dict[str, Interval]:
    values = group.pivot_table(index="seed", columns="head", values="value")
    differences = values.sub(values[REFERENCE], axis=0)
    return {
        REFERENCE: _corrected(mean_interval(values[REFERENCE]), 1),
        **{
            head: _corrected(mean_interval(differences[head]), len(HEADS) - 1) for head in HEADS[1:]
        },
    }


def _corrected(interval: Interval, n_heads: int) -> Interval:
    """Correct for the number of heads; without enough values there is no interval."""
    if interval.n < _LEAST:
        return Interval(interval.mean, np.nan, interval.n)
    one, every = stdtrit(interval.n - 1, [1 - _LEVEL / 2, 1 - _LEVEL / 2 / n_heads])
    return Interval(interval.mean, interval.half_width * float(every / one), interval.n)


def _on_data(group: pd.DataFrame) -> dict[str, Interval]:
    values = {head: _by_label(group[group["head"] == head]) for head in HEADS}
    reference = values[REFERENCE]
    n_seeds, n_labels = reference.shape
    if min(n_seeds, n_labels) < _LEAST:
        means = {head: float((each - reference).mean()) for head, each in values.items()}
        means[REFERENCE] = float(reference.mean())
        return {head: Interval(mean, np.nan, n_labels) for head, mean in means.items()}
    draws = draw(values, np.random.default_rng(0), _N_DRAWS)
    differences = {
        head: Interval(gain.mean, gain.high - gain.mean, n_labels)
        for head, gain in gains(draws, REFERENCE).items()
    }
    # The reference alone has no family.
    half = 1.96 * float(draws.drawn[:, draws.heads.index(REFERENCE)].std(ddof=1))
    return {REFERENCE: Interval(float(reference.mean()), half, n_labels), **differences}


def _by_label(rows: pd.DataFrame) -> NDArray[np.float64]:
    """Return the values of one head: (seeds, labels)."""
    return np.stack([unpacked(text) for text in rows.sort_values("seed")["by_label"]])


def bins_table(chosen: pd.DataFrame, cells: Cells) -> Table:
    """Return the values of the reference, and the differences of the other heads from them."""
    lines = []
    for data in dict.fromkeys(data for data, _ in cells):
        counts = chosen[chosen["data"] == data].groupby("bin")[["labels", "test_positives"]]
        sizes = counts.first() if data != WORLD else _world_sizes(chosen)
        present = [name for name in BINS if (data, name) in cells]
        lines.append([data, "labels (test positives)", *_line(present, {
            name: f"{sizes.loc[name, 'labels']:,.0f} ({sizes.loc[name, 'test_positives']:,.0f})"
            for name in present
        })])  # fmt: skip
        for head in HEADS:
            of_head = {name: cells[data, name][head] for name in present}
            texts = {
                name: str(value) if head == REFERENCE else value.signed()
                for name, value in of_head.items()
            }
            lines.append([data, head, *_line(present, texts)])
    return Table(["data", "head", *(f"{name} positives" for name in BINS)], lines)


def _world_sizes(chosen: pd.DataFrame) -> pd.DataFrame:
    """Return the labels and test positives of all worlds together, by bin."""
    rows = chosen[(chosen["data"] == WORLD) & (chosen["head"] == REFERENCE)]
    rows = rows[rows["rule"] == RANKING]
    return rows.groupby("bin")[["labels", "test_positives"]].sum()


def _line(present: list[str], texts: Mapping[str, str]) -> list[str]:
    return [texts[name] if name in present else "-" for name in BINS]


def chosen_rates_table(chosen: pd.DataFrame) -> Table:
    """Return how often each rate was chosen, by data set and head, and how often one at an edge."""
    runs = chosen.drop_duplicates("run")
    lines = []
    for data in [name for name in DATA if (runs["data"] == name).any()]:
        for head in HEADS:
            rates = runs[(runs["data"] == data) & (runs["head"] == head)]["optimizer.lr"]
            counts = [int(np.isclose(rates, rate).sum()) for rate in RATES]
            lines.append([data, head, *(str(n) if n else "-" for n in counts)])
    names = [f"{rate:g}" for rate in RATES]
    names[0], names[-1] = f"{names[0]} (lowest)", f"{names[-1]} (highest)"
    return Table(["data", "head", *names], lines)


def at_edge(chosen: pd.DataFrame) -> tuple[int, int, int]:
    """Return the numbers of chosen runs at the lowest and at the highest rate, and of all."""
    rates = chosen.drop_duplicates("run")["optimizer.lr"]
    low, high = (int(np.isclose(rates, rate).sum()) for rate in (RATES[0], RATES[-1]))
    return low, high, len(rates)


def differences(cells: Cells, names: Collection[str]) -> Iterator[tuple[str, str, str, Interval]]:
    """Yield data set, bin, head and difference from the reference, in some bins."""
    for (data, name), by_head in cells.items():
        if name in names:
            for head in HEADS[1:]:
                yield data, name, head, by_head[head]


def bins_figure(by_rule: Mapping[str, Cells]) -> Figure:
    """Draw the differences from the reference: a row for each data set, at 0.5 and per label."""
    rules = {"fixed": "at 0.5", "per_label": "one threshold per label"}
    data_sets = list(dict.fromkeys(data for data, _ in by_rule["fixed"]))
    if not data_sets:
        figure = Figure(figsize=(6, 1), layout="constrained")
        figure.suptitle("no two rates are measured", fontsize="medium")
        return figure
    figure, axes = panels(
        len(rules) * len(data_sets),
        columns=len(rules),
        sharex=True,
        sharey=True,
        width=4.2,
        height=2.1,
    )
    places = [(data, rule) for data in data_sets for rule in rules]
    for panel, (data, rule) in zip(axes, places, strict=True):
        cells = by_rule[rule]
        present = [index for index, name in enumerate(BINS) if (data, name) in cells]
        names = list(BINS)
        for number, head in enumerate(HEADS[1:]):
            intervals = [cells[data, names[index]][head] for index in present]
            offset = 0.07 * (number - (len(HEADS) - 2) / 2)
            curve(panel, np.array(present) + offset, intervals, head_style(head), head)
        panel.axhline(0, **head_style(REFERENCE).line, linewidth=1.6)
        panel.axhspan(-0.01, 0.01, color="0.9", zorder=0)
        panel.set_xticks(range(len(BINS)), names, fontsize="x-small")
        panel.set_title(f"{data}, {rules[rule]}", fontsize="medium")
    figure.supylabel(f"F1 less {REFERENCE}'s, higher is better", fontsize="medium")
    for panel in axes[-len(rules) :]:
        panel.set_xlabel("positives of a label, training and validation")
    legend(figure, axes[0], 4)
    headline(figure, f"Do losses for rare labels have a better F1 than {REFERENCE} (black)?")
    return figure
