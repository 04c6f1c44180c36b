"""Names of contestants, and the choice of a sweep's settings by their validation values."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from mlc.metrics.names import metric_sign
from mlc.reporting.collect import Results

# (contestant, rule) pairs.
Pairs = set[tuple[str, str]]


def contestants(results: Results) -> pd.DataFrame:
    """Return the runs with two more columns.

    "contestant" is the head followed by the overrides in which the runs differ; "conditions" are
    the overrides of the data among these, which are never chosen between.
    """
    runs = results.runs.copy()
    of_data = [key for key in results.varying if key.startswith("data.")]
    runs["contestant"] = _names(runs, results.varying)
    runs["conditions"] = _settings_text(runs, of_data)
    return runs


def named_baselines(results: Results) -> pd.DataFrame:
    """Return the baselines with a column "contestant" like that of the runs."""
    baselines = results.baselines.copy()
    of_data = [key for key in results.varying if key.startswith("data.")]
    baselines["contestant"] = _names(baselines, of_data)
    return baselines


def chosen_settings(runs: pd.DataFrame, metric: str) -> Pairs | None:
    """Return the contestant with the best mean validation value for each head and rule.

    None if no head has several settings, no validation value is known, or the metric has no better
    direction. Only settings with the largest number of runs can be chosen: a setting with failed runs
    would be judged by the seeds that succeeded.
    """
    column, key, sign = f"val_{metric}", ["head", "conditions"], metric_sign(metric)
    if not sign or column not in runs or runs.groupby(key)["contestant"].nunique().max() < 2:
        return None
    chosen: Pairs = set()
    for (_, _, rule), group in runs.groupby([*key, "rule"], sort=False):
        values = group.groupby("contestant", sort=False)[column].agg(["mean", "count"])
        complete = values[values["count"] == values["count"].max()]["mean"].dropna()
        if len(complete):
            chosen.add((str((sign * complete).idxmax()), str(rule)))
    return chosen


def chosen_rows(runs: pd.DataFrame, chosen: Pairs | None) -> pd.DataFrame:
    """Return the runs of the chosen settings, or all runs if `chosen` is None."""
    if chosen is None:
        return runs
    pairs = pd.MultiIndex.from_frame(runs[["contestant", "rule"]])
    return runs[pairs.isin(chosen)]


def _names(frame: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    settings = _settings_text(frame, keys)
    return [f"{head} {text}".rstrip() for head, text in zip(frame["head"], settings, strict=True)]


def _settings_text(frame: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    return [
        " ".join(f"{key}={value}" for key, value in zip(keys, row, strict=True) if pd.notna(value))
        for row in frame[list(keys)].to_numpy(dtype=object)
    ]
