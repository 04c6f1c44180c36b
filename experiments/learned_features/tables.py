"""Tables of leads, of sigmoids by rule, and of what decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.learned_features.decides import (
    LeftOut,
    Split,
    fit_split,
    leave_out,
    rank_correlations,
)
from experiments.learned_features.leads import LEADS, best_heads, leads
from experiments.learned_features.outcomes import LEAGUE, LEARNED, PROPERTIES
from experiments.learned_features.rules import AT_LEAST_ONE
from experiments.learned_features.tuned import values_of
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table

SIGMOID_RULES = (
    "global", f"global{AT_LEAST_ONE}", "fixed", f"fixed{AT_LEAST_ONE}", "expected_jaccard",
    f"expected_jaccard{AT_LEAST_ONE}", "seen",
)  # fmt: skip


def lead_intervals(rows: pd.DataFrame) -> dict[str, dict[str, Interval]]:
    """Return the leads with their intervals over seeds, by lead and data set."""
    found = leads(rows)
    return {
        name: {
            str(data): mean_interval(group[name])
            for data, group in found.groupby("data", sort=False)
            if group[name].notna().all()
        }
        for name in LEADS
    }


def leads_table(rows: pd.DataFrame) -> Table:
    """Return the best head on validation rows and the leads, by data set."""
    heads, intervals = best_heads(rows), lead_intervals(rows)
    lines = [
        [
            data,
            head,
            *(intervals[name][data].signed() if data in intervals[name] else "-" for name in LEADS),
        ]
        for data, head in heads.items()
    ]
    return Table(["data and features", "best head", *LEADS], lines)


def rules_table(kinds: Mapping[str, pd.DataFrame], metric: str) -> Table:
    """Return the test values of sigmoid by rule."""
    columns = []
    for rows in kinds.values():
        values = {rule: values_of(rows, rule, metric) for rule in SIGMOID_RULES}
        columns.append(["-" if value is None else str(value) for value in values.values()])
    lines = [[rule, *cells] for rule, *cells in zip(SIGMOID_RULES, *columns, strict=True)]
    return Table(["rule", *(str(rows["data"].iloc[0]) for rows in kinds.values())], lines, 1)


def properties_table(properties: pd.DataFrame, found: pd.DataFrame) -> Table:
    """Return the properties of each data set, and its mean leads over its kinds of features.

    Args:
        properties: the columns of `PROPERTIES`, by name.
        found: the columns "group" and those of `LEADS`, a row for each kind of features.
    """
    means = found.groupby("group", sort=False)[list(LEADS)].mean()
    lines = []
    for name in means.index:
        values = properties.loc[name]
        cells = [f"{values[column]:,.3g}" for column in PROPERTIES]
        lines.append([name, *cells, *(_signed(means.loc[name, lead]) for lead in LEADS)])
    return Table(["data", *PROPERTIES, *LEADS], lines, 1)


def decides(
    properties: pd.DataFrame, found: pd.DataFrame, columns: Sequence[str] = tuple(PROPERTIES)
) -> dict[str, LeftOut]:
    """Judge the one-split rules on these properties on data sets left out, by lead."""
    values = properties.loc[found["group"]].set_axis(found.index)[list(columns)]
    return {
        lead: leave_out(values, found[lead], list(found["group"]))
        for lead in LEADS
        if found[lead].notna().all()
    }


def decides_table(properties: pd.DataFrame, found: pd.DataFrame) -> Table:
    """Return the split of each lead, and its absolute errors on data sets that were left out."""
    judged = decides(properties, found)
    values = properties.loc[found["group"]].set_axis(found.index)[list(PROPERTIES)]
    lines = []
    for lead, result in judged.items():
        split = fit_split(values, found[lead], list(found["group"]))
        if split is None or result.errors.empty:
            continue
        mean = result.errors.mean()
        same = sum(one.name == split.name for one in result.chosen.values())
        lines.append(
            [lead, str(split), f"{same} of {len(result.chosen)}", f"{mean['split']:.4f}",
             f"{mean['mean']:.4f}", f"{mean['none']:.4f}", result.gain("mean").signed(),
             result.gain("none").signed()]
        )  # fmt: skip
    header = [
        "lead", "one split, fitted on all", "same property left out", "error of the split",
        "of the mean", "of no lead", "split gains on the mean", "on no lead",
    ]  # fmt: skip
    return Table(header, lines)


def transfer_errors(
    properties: pd.DataFrame, found: pd.DataFrame, lead: str, columns: Sequence[str]
) -> tuple[Split, pd.DataFrame] | None:
    """Fit a split of a lead on the league alone; return it and its errors on each other data set.

    The errors are absolute, averaged over the kinds of features of a data set, with the columns "split",
    "mean" (of the league) and "none" (no lead).
    """
    values = properties.loc[found["group"]].set_axis(found.index)[list(columns)]
    old = found["group"].isin(LEAGUE)
    split = fit_split(values[old], found.loc[old, lead])
    new = ~old & found[lead].notna()
    if split is None or not new.any():
        return None
    actual = found.loc[new, lead]
    errors = pd.DataFrame(
        {
            "split": (actual - split.predict(values[new])).abs(),
            "mean": (actual - found.loc[old, lead].mean()).abs(),
            "none": actual.abs(),
        }
    )
    return split, errors.groupby(found.loc[new, "group"], sort=False).mean()


def transfer_table(properties: pd.DataFrame, found: pd.DataFrame) -> Table:
    """Return the errors on other data of splits that were fitted on the data sets of the league alone.

    One split is free to take any property; the other must take the share of rows with exactly one label.
    """
    lines = []
    for lead in LEADS:
        for columns in (list(PROPERTIES), ["one"]):
            result = transfer_errors(properties, found, lead, columns)
            if result is None:
                continue
            split, errors = result
            new = errors.index.isin(LEARNED)
            parts = [errors[new].mean(), errors[~new].mean()]
            cells = ["-" if pd.isna(e) else f"{e:.4f}" for part in parts for e in part]
            gain = mean_interval(errors["mean"] - errors["split"]).signed()
            lines.append([lead, str(split), *cells, gain])
    kinds = [
        f"{name}: {what}"
        for name in ("new data", "digits")
        for what in ("split", "mean", "no lead")
    ]
    header = ["lead", "one split, fitted on the league", *kinds, "split gains on the mean"]
    return Table(header, lines)


def correlations_table(properties: pd.DataFrame, found: pd.DataFrame) -> Table:
    """Return Spearman's correlation of each property with each lead, over data sets."""
    means = found.groupby("group", sort=False)[list(LEADS)].mean().dropna(axis=1)
    values = properties.loc[means.index, list(PROPERTIES)]
    columns = {lead: rank_correlations(values, means[lead]) for lead in means}
    lines = [
        [
            text,
            *(
                f"{table.loc[name, 'rho']:+.2f} ({table.loc[name, 'p_holm']:.2g})"
                for table in columns.values()
            ),
        ]
        for name, text in PROPERTIES.items()
    ]
    return Table(["property", *columns], lines, 1)


def _signed(value: float) -> str:
    return "-" if pd.isna(value) else f"{value:+.3f}"
