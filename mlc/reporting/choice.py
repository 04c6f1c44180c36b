"""Contestants by name, and the settings of a sweep that validation rows choose."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.collect import Results

# (contestant, rule) pairs.
Pairs = set[tuple[str, str]]


def contestants(results: Results) -> pd.DataFrame:
    """The runs with two more columns.

    "contestant" is the head with the overrides in which the runs differ; "conditions" are those of
    them that belong to the data: between these there is nothing to choose.
    """
    runs = results.runs.copy()
    of_data = [key for key in results.varying if key.startswith("data.")]
    runs["contestant"] = _names(runs, results.varying)
    runs["conditions"] = _stated(runs, of_data)
    return runs


def named_baselines(results: Results) -> pd.DataFrame:
    """The baselines with a column "contestant", as the runs have it."""
    baselines = results.baselines.copy()
    of_data = [key for key in results.varying if key.startswith("data.")]
    baselines["contestant"] = _names(baselines, of_data)
    return baselines


def chosen_settings(runs: pd.DataFrame, metric: str) -> Pairs | None:
    """For each head and rule the contestant with the best mean validation value; None where no head
    has several settings, or no validation value is known.

    Only settings with the largest number of runs can be chosen: one whose other runs failed would
    be judged by its better seeds.
    """
    column, key = f"val_{metric}", ["head", "conditions"]
    if column not in runs or runs.groupby(key)["contestant"].nunique().max() < 2:
        return None
    found: Pairs = set()
    for (_, _, rule), group in runs.groupby([*key, "rule"], sort=False):
        values = group.groupby("contestant", sort=False)[column].agg(["mean", "count"])
        whole = values[values["count"] == values["count"].max()]["mean"].dropna()
        if len(whole):
            best = whole.idxmax() if COUNT_METRICS[metric].higher_is_better else whole.idxmin()
            found.add((str(best), str(rule)))
    return found


def chosen_rows(runs: pd.DataFrame, chosen: Pairs | None) -> pd.DataFrame:
    """The runs of the chosen settings; all where nothing is to be chosen."""
    if chosen is None:
        return runs
    pairs = pd.MultiIndex.from_frame(runs[["contestant", "rule"]])
    return runs[pairs.isin(chosen)]


def _names(frame: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    stated = _stated(frame, keys)
    return [f"{head} {own}".rstrip() for head, own in zip(frame["head"], stated, strict=True)]


def _stated(frame: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    return [
        " ".join(f"{key}={value}" for key, value in zip(keys, row, strict=True) if pd.notna(value))
        for row in frame[list(keys)].itertuples(index=False, name=None)
    ]
