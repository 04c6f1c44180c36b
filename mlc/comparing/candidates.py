"""The choice of settings for each head and rule, and of each head's rule, by validation rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mlc.comparing.intervals import Part
from mlc.comparing.row_values import row_values
from mlc.config.errors import RunFolderError
from mlc.files.names import METRICS, PREDICTIONS, SPLIT
from mlc.files.reading import read_arrays
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.collect import Results
from mlc.runs.folder import read_stored
from mlc.search.choice import (
    TRIAL,
    RuleChoice,
    choose_and_confirm,
    chosen_runs,
    validation_values,
)


@dataclass(frozen=True)
class Candidate:
    """A head with a rule, in the settings that the validation rows choose for the pair.

    Attributes:
        head: the head.
        rule: the decision rule.
        trial: the number of the configuration; 0 is the defaults.
        settings: the overrides that distinguish its runs from the head's other runs.
        validation: the metric on the validation rows, mean over the seeds of `values`.
        test: the metric on the test rows, likewise.
        runs: names of its runs by seed; none of a linear model or a constant.
        values: the metric on validation rows and on test rows, by seed.
    """

    head: str
    rule: str
    trial: int
    settings: dict[str, str]
    validation: float
    test: float
    runs: dict[int, str]
    values: dict[int, tuple[float, float]]

    def on(self, seeds: Collection[int]) -> Candidate | None:
        """Return the candidate on these seeds alone; None if it has none of them."""
        values = {seed: pair for seed, pair in self.values.items() if seed in seeds}
        if not values:
            return None
        runs = {seed: run for seed, run in self.runs.items() if seed in values}
        validation, test = np.array(list(values.values())).mean(axis=0)
        return replace(
            self, validation=float(validation), test=float(test), runs=runs, values=values
        )


def candidates(
    results: Results,
    metric: str,
    searched: Collection[int] = (),
    grid: Sequence[str] = (),
) -> dict[str, list[Candidate]]:
    """Return the candidates of each head, the chosen rule first, by validation values alone.

    Rules tuned on test rows are left out. A rule with a threshold for each label is chosen only for F1
    averaged over labels (`mlc.search.choice`).

    Args:
        results: of the search.
        metric: one of COUNT_METRICS.
        searched: the seeds of every trial, which choose it; all where there are none.
        grid: the settings beside the head of which each combination was searched separately.

    Raises:
        RunFolderError: no run of a search has a validation value of the metric.
    """
    settings = [key for key in grid if key in results.runs]
    values = validation_values(results.runs, metric, results.tuned_on, settings)
    choices = [each for each in choose_and_confirm(values, metric, searched) if each.rule]
    sign = COUNT_METRICS[metric].sign
    keys = [key for key in results.varying if not key.startswith("data.") and key != TRIAL]
    by_head = {}
    for head in dict.fromkeys(choice.head for choice in choices):
        of_head = [choice for choice in choices if choice.head == head]
        chosen = max(of_head, key=lambda each: _rank(each.by_rule[str(each.rule)], sign))
        rules = dict.fromkeys(rule for choice in of_head for rule in choice.by_rule)
        found = []
        for rule in rules:
            own = [choice for choice in of_head if rule in choice.by_rule]
            best = max(own, key=lambda each: _rank(each.by_rule[rule], sign))
            runs = chosen_runs(results.runs, [best], by_rule=True)
            trial = best.by_rule[rule].trial
            found.append(_candidate(head, rule, trial, runs[runs["rule"] == rule], metric, keys))
        by_head[head] = sorted(
            found, key=lambda each: (each.rule != chosen.rule, -sign * each.validation)
        )
    if not by_head:
        raise RunFolderError(f"No finished run of a search has {metric} of validation rows.")
    return by_head


def _rank(choice: RuleChoice, sign: int) -> tuple[int, float]:
    """What the best of several settings has the most of."""
    return choice.n_seeds, sign * choice.value


def _candidate(
    head: str, rule: str, trial: int, runs: pd.DataFrame, metric: str, keys: Sequence[str]
) -> Candidate:
    first = runs.iloc[0]
    settings = {key: str(first[key]) for key in keys if pd.notna(first[key])}
    finite = runs[np.isfinite(runs[f"val_{metric}"].astype(float))]
    by_seed = {int(row["seed"]): row for row in finite.to_dict("records")}
    values = {
        seed: (float(row[f"val_{metric}"]), float(row[metric])) for seed, row in by_seed.items()
    }
    validation, test = np.array(list(values.values())).mean(axis=0)
    names = {seed: str(row["run"]) for seed, row in by_seed.items()}
    return Candidate(head, rule, trial, settings, float(validation), float(test), names, values)


def test_parts(
    results: Results, heads: Mapping[str, Candidate], seeds: Sequence[int], metric: str
) -> dict[str, list[Part]]:
    """Return the values of the test rows of each head, one part for each seed.

    Raises:
        RunFolderError: the rows of two heads differ, there is no row, or a label is missing.
    """
    parts: dict[str, list[Part]] = {}
    rows: dict[int, NDArray[np.int64]] = {}
    for head, candidate in heads.items():
        for seed in seeds:
            part = _part(results, candidate, seed, metric)
            if not np.array_equal(rows.setdefault(seed, part.rows), part.rows):
                raise RunFolderError(
                    f"{candidate.runs[seed]} has other test rows than the runs of other heads with its"
                    " seed: compare heads on the same data in one folder."
                )
            parts.setdefault(head, []).append(part)
    return parts


def common_seeds(heads: Mapping[str, Candidate]) -> tuple[list[int], dict[int, list[str]]]:
    """Return the seeds that all heads have, and of every other seed the heads that lack it.

    Raises:
        RunFolderError: no seed is common to all heads.
    """
    every = sorted(set().union(*(each.values for each in heads.values())))
    lacking = {seed: [h for h, each in heads.items() if seed not in each.values] for seed in every}
    common = [seed for seed in every if not lacking[seed]]
    if not common:
        raise RunFolderError("No seed has finished for every head: start the same command again.")
    return common, {seed: names for seed, names in lacking.items() if names}


def _part(results: Results, candidate: Candidate, seed: int, metric: str) -> Part:
    folder = results.folders[candidate.runs[seed]]
    stored = read_arrays(folder / PREDICTIONS)
    if "known" in stored:
        raise RunFolderError(
            f"{folder} was trained with missing labels, and an answer judges rows by all their labels:"
            " mlc-report compares such runs."
        )
    try:
        decisions, targets = stored[f"decisions_{candidate.rule}"], stored["targets"]
        rows = read_arrays(folder / SPLIT)["test"]
    except KeyError as error:
        raise RunFolderError(f"{folder} lacks {error}: train the run again.") from error
    if not len(rows):
        raise RunFolderError(
            f"{folder / SPLIT} has no test row, so there is nothing to compare on: give data with some."
        )
    if decisions.shape != targets.shape or len(rows) != len(targets):
        raise RunFolderError(f"{folder / PREDICTIONS} does not fit the split: train the run again.")
    return Part(rows, row_values(metric, decisions, targets))


def training_seconds(results: Results, candidate: Candidate) -> float:
    """Return the mean seconds of training one network; networks trained side by side share the time."""
    stored = [read_stored(results.folders[run] / METRICS) for run in candidate.runs.values()]
    return float(np.mean([values.get("train/seconds", np.nan) for values in stored]))
