"""What validation rows choose in a sweep: settings for each head and rule, and the rule of each head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlc.comparing.intervals import Part
from mlc.comparing.row_values import row_values
from mlc.config.errors import RunFolderError
from mlc.files.names import METRICS, PREDICTIONS, SPLIT
from mlc.files.reading import read_arrays
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.choice import chosen_rows, chosen_settings, contestants
from mlc.reporting.collect import Results
from mlc.reporting.tables import FAIR
from mlc.runs.folder import read_stored

# Their K thresholds are tuned on the rows that would compare them, so they seem better than they are.
_FLEXIBLE = ("per_label",)
_OF_LABELS = "f1_macro"


@dataclass(frozen=True)
class Candidate:
    """A head with a rule, in the settings that validation rows choose for the two.

    Attributes:
        head: the head.
        rule: the decision rule.
        settings: the overrides by which its runs differ from those of the head's other settings.
        validation: the metric on validation rows, mean over the splits.
        test: the same on test rows.
        runs: names of its runs by seed.
    """

    head: str
    rule: str
    settings: dict[str, str]
    validation: float
    test: float
    runs: dict[int, str]


def candidates(results: Results, metric: str) -> dict[str, list[Candidate]]:
    """The candidates by head, the best rule of each head first, by validation values alone.

    Rules tuned on test rows are left out. Of equals the rule that is named first comes first. A rule
    with a threshold for each label is never first, except for F1 averaged over labels.

    Raises:
        RunFolderError: no run has a validation value of the metric.
    """
    runs = contestants(results)
    if f"val_{metric}" not in runs or not len(runs):
        raise RunFolderError(f"No finished run has {metric} of validation rows: nothing is chosen.")
    chosen = chosen_rows(runs, chosen_settings(runs, metric))
    sign = 1 if COUNT_METRICS[metric].higher_is_better else -1
    found: dict[str, list[Candidate]] = {}
    keys = [key for key in results.varying if not key.startswith("data.")]
    for (head, rule), group in chosen.groupby(["head", "rule"], sort=False):
        if results.tuned_on.get(str(rule)) in FAIR:
            candidate = _candidate(str(head), str(rule), group, metric, keys)
            found.setdefault(str(head), []).append(candidate)

    def worth(candidate: Candidate) -> tuple[bool, float]:
        comes_last = candidate.rule in _FLEXIBLE and metric != _OF_LABELS
        return comes_last, -sign * candidate.validation

    return {head: sorted(rows, key=worth) for head, rows in found.items()}


def _candidate(
    head: str, rule: str, group: pd.DataFrame, metric: str, keys: Sequence[str]
) -> Candidate:
    first = group.iloc[0]
    return Candidate(
        head,
        rule,
        {key: str(first[key]) for key in keys if pd.notna(first[key])},
        float(group[f"val_{metric}"].mean()),
        float(group[metric].mean()),
        {int(seed): str(run) for seed, run in zip(group["seed"], group["run"], strict=True)},
    )


def test_parts(
    results: Results, heads: Mapping[str, Candidate], metric: str
) -> dict[str, list[Part]]:
    """The values of the test rows by head, one part for each seed that all heads have.

    Raises:
        RunFolderError: no seed is common to all heads, or the rows of two heads differ.
    """
    common = sorted(set.intersection(*(set(each.runs) for each in heads.values())))
    if not common:
        raise RunFolderError("No seed has finished for every head: start the same command again.")
    parts: dict[str, list[Part]] = {}
    rows: dict[int, NDArray[np.int64]] = {}
    for head, candidate in heads.items():
        for seed in common:
            part = _part(results, candidate, seed, metric)
            if not np.array_equal(rows.setdefault(seed, part.rows), part.rows):
                raise RunFolderError(
                    f"{candidate.runs[seed]} has other test rows than the runs of other heads with its"
                    " seed: compare heads on the same data in one folder."
                )
            parts.setdefault(head, []).append(part)
    return parts


def _part(results: Results, candidate: Candidate, seed: int, metric: str) -> Part:
    folder = results.folders[candidate.runs[seed]]
    stored = read_arrays(folder / PREDICTIONS)
    try:
        decisions, targets = stored[f"decisions_{candidate.rule}"], stored["targets"]
        rows = read_arrays(folder / SPLIT)["test"]
    except KeyError as error:
        raise RunFolderError(f"{folder} lacks {error}: train the run again.") from error
    if decisions.shape != targets.shape or len(rows) != len(targets):
        raise RunFolderError(f"{folder / PREDICTIONS} does not fit the split: train the run again.")
    return Part(rows, row_values(metric, decisions, targets))


def training_seconds(results: Results, candidate: Candidate) -> float:
    """Seconds of training one network, mean over its runs; networks trained side by side share time."""
    stored = [read_stored(results.folders[run] / METRICS) for run in candidate.runs.values()]
    return float(np.mean([values.get("train/seconds", np.nan) for values in stored]))
