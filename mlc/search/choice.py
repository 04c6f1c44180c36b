"""The choice of each head's trial by validation rows.

`choose` takes a table with one validation value for each run and rule and no other value, so that test
rows cannot take part.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from mlc.config.errors import ConfigError
from mlc.search.metrics import higher_is_better, needs_rule, require_validation_metric

TRIAL, VALUE = "trial", "value"
# The columns of validation values; the grid's other settings are between head and trial.
_FIRST, _LAST = ["data", "head"], [TRIAL, "rule", "seed", VALUE]
# The name of the rule where the metric needs none.
NO_RULE = "-"
# These tune a threshold for each label on the validation rows, so that their values there are too good
# to be compared with those of other rules; only for this metric is the gain larger than that bias.
PER_LABEL, PER_LABEL_METRIC = "per_label", "f1_macro"
BY_LABEL = (PER_LABEL, "micro_macro")
# Means over seeds that differ by less are equal but for rounding.
_RELATIVE, _ABSOLUTE = 1e-9, 1e-12


@dataclass(frozen=True)
class RuleChoice:
    """The best trial of a head with one rule.

    Attributes:
        trial: the trial's number.
        value: the mean value of the metric on the validation rows, over the seeds.
        n_seeds: the number of seeds in the mean.
    """

    trial: int
    value: float
    n_seeds: int


@dataclass(frozen=True)
class Chosen:
    """The choice for one head on one data set with one set of the grid's other settings.

    Attributes:
        data: the data set's name.
        head: the head's name.
        settings: the other settings of the grid, by key.
        trial: the number of the chosen trial; null if no run has a finite value.
        rule: the rule of the best value; "-" if the metric depends on none.
        value: the mean value of the metric on the validation rows, over the seeds.
        n_seeds: the number of seeds in the mean.
        n_trials: the number of trials that could be chosen.
        overrides: the values drawn for the chosen trial, as overrides; none for trial 0.
        edges: "low" or "high" by key, for values at an edge of their space.
        by_rule: the best trial of each rule.
        failed: why a trial could not be chosen, by number.
    """

    data: str
    head: str
    settings: dict[str, str] = field(default_factory=dict)
    trial: int | None = None
    rule: str | None = None
    value: float | None = None
    n_seeds: int = 0
    n_trials: int = 0
    overrides: list[str] = field(default_factory=list)
    edges: dict[str, str] = field(default_factory=dict)
    by_rule: dict[str, RuleChoice] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)


def validation_values(
    runs: pd.DataFrame, metric: str, tuned_on: Mapping[str, str], settings: Sequence[str] = ()
) -> pd.DataFrame:
    """Return the validation values of a search's runs, without any other value.

    Args:
        runs: a row for each run and rule, as `collect` returns them.
        metric: of the validation rows.
        tuned_on: the part of the data on which each rule was tuned; rules tuned on test rows are left
            out.
        settings: the columns of the grid's other settings.

    Returns:
        The columns data, head, settings, trial, rule, seed and value. A metric without a rule has one
        row for each run, whose rule is "-".
    """
    require_validation_metric("metric", metric)
    column = f"val_{metric}"
    keys = [*_FIRST, *settings, TRIAL, "rule", "seed"]
    searched = runs[_numbers(runs).notna()] if TRIAL in runs else runs.iloc[:0]
    values = searched.reindex(columns=keys).copy()
    values[TRIAL] = _numbers(searched).astype(int) if len(searched) else values[TRIAL]
    values[VALUE] = searched[column] if column in searched else float("nan")
    if needs_rule(metric):
        unfair = [rule for rule, part in tuned_on.items() if part == "test"]
        return values[~values["rule"].isin(unfair)].reset_index(drop=True)
    values["rule"] = NO_RULE
    return values.drop_duplicates(keys).reset_index(drop=True)


def trial_means(values: pd.DataFrame) -> pd.DataFrame:
    """Return the mean of the finite values of each trial and rule over its seeds.

    Returns:
        The columns of `values` without seed, with n_seeds (the number of values in the mean), in the
        order of the trials.
    """
    keys = [column for column in values.columns if column not in ("seed", VALUE)]
    grouped = _finite(values).groupby(keys, sort=False, dropna=False)
    means = grouped.agg(value=(VALUE, "mean"), n_seeds=(VALUE, "count")).reset_index()
    return means.sort_values(TRIAL, kind="stable").reset_index(drop=True)


def choose(values: pd.DataFrame, metric: str) -> list[Chosen]:
    """Choose the trial and rule with the best mean value for each data set, head and settings.

    Trials are compared on the same seeds: the largest set of seeds for which a trial has finite values.
    Of sets of equal size, it is the one that most trials have, then that of the lowest trial. A trial
    without a finite value for one of these seeds cannot be chosen. Of values that are equal up to
    rounding, that of the lower trial is chosen.

    Args:
        values: as `validation_values` returns them.
        metric: of the values, for its direction.

    Raises:
        ConfigError: the columns are not those of `validation_values`.
    """
    keys = [*_FIRST, *_settings(values)]
    choices = []
    for key, group in values.groupby(keys, sort=False, dropna=False):
        texts = {name: str(value) for name, value in zip(keys, key, strict=True)}
        choices.append(_best(group, metric, Chosen(texts.pop("data"), texts.pop("head"), texts)))
    return choices


def choose_and_confirm(values: pd.DataFrame, metric: str, seeds: Collection[int]) -> list[Chosen]:
    """Choose trials by the seeds of the search, then the rule of each by all seeds of its trial.

    Only chosen trials have further seeds.

    Args:
        values, metric: as `choose` takes them.
        seeds: those of every trial; all seeds where there are none.
    """
    is_searched = values["seed"].isin(seeds) if len(seeds) else values["seed"].notna()
    choices = choose(values[is_searched], metric)
    return choices if is_searched.all() else [_confirmed(values, metric, each) for each in choices]


def _confirmed(values: pd.DataFrame, metric: str, choice: Chosen) -> Chosen:
    """Return the choice with the rules and values of all seeds of its trial, if it has further ones."""
    of_trial = chosen_runs(values, [choice])
    if of_trial["seed"].nunique() <= choice.n_seeds:
        return choice
    (again,) = choose(of_trial, metric)
    return dataclasses.replace(again, n_trials=choice.n_trials, failed=choice.failed)


def chosen_runs(
    runs: pd.DataFrame, choices: Sequence[Chosen], by_rule: bool = False
) -> pd.DataFrame:
    """Return the rows of the runs of chosen trials, with all their rules and values.

    Args:
        runs: as `collect` returns them.
        choices: of the search.
        by_rule: whether each rule has the trial that is best with it, where one is.
    """
    if TRIAL not in runs:
        return runs.iloc[:0]
    numbers = _numbers(runs)
    is_chosen = pd.Series(False, index=runs.index)
    for choice in choices:
        matches = (runs["data"] == choice.data) & (runs["head"] == choice.head)
        for key, value in choice.settings.items():
            matches &= runs[key].map(str) == value  # A missing value has a text, as in `choose`.
        best = choice.by_rule if by_rule else {}
        trials = [
            best[rule].trial if rule in best else choice.trial for rule in runs["rule"].astype(str)
        ]
        is_chosen |= matches & (numbers == pd.Series(trials, index=runs.index, dtype=float))
    return runs[is_chosen]


def _best(values: pd.DataFrame, metric: str, choice: Chosen) -> Chosen:
    """Return the choice with the best trial of each rule, and the best of these."""
    sign = 1 if higher_is_better(metric) else -1
    seeds = _seeds_of_trials(values)
    common = _common(seeds)
    complete = [pair for pair, of_pair in seeds.items() if common and common <= of_pair]
    rows = _finite(values).set_index([TRIAL, "rule"])[["seed", VALUE]]
    rows = rows[rows.index.isin(complete) & rows["seed"].isin(common)]
    means = rows.groupby(level=[0, 1], sort=False)[VALUE].mean()
    by_rule: dict[str, RuleChoice] = {}
    for rule in dict.fromkeys(rule for _, rule in complete):
        of_rule = {trial: means[trial, rule] for trial, each in complete if each == rule}
        trial = _first_best({trial: sign * of_rule[trial] for trial in sorted(of_rule)})
        by_rule[str(rule)] = RuleChoice(int(trial), float(of_rule[trial]), len(common))
    trials = {int(trial) for trial, _ in complete}
    result = dataclasses.replace(
        choice,
        n_trials=len(trials),
        by_rule=by_rule,
        failed=_reasons(values[~values[TRIAL].isin(trials)], common or frozenset(values["seed"])),
    )
    allowed = choosable(list(by_rule), metric)
    ordered = sorted(by_rule.items(), key=lambda item: item[1].trial)
    comparable = {rule: best for rule, best in ordered if rule in allowed}
    if not comparable:
        return result
    rule = _first_best({rule: sign * best.value for rule, best in comparable.items()})
    return dataclasses.replace(result, rule=rule, **vars(comparable[rule]))


def _first_best(values: Mapping[Any, float]) -> Any:
    """Return the first key whose value is the largest, up to rounding."""
    largest = max(values.values())
    return next(
        key
        for key, value in values.items()
        if math.isclose(value, largest, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
    )


def _seeds_of_trials(values: pd.DataFrame) -> dict[tuple[Any, Any], frozenset[Any]]:
    """Return the seeds with finite values of each trial and rule, in the order of the trials."""
    finite = _finite(values).dropna(subset=[VALUE]).sort_values(TRIAL, kind="stable")
    seeds: dict[tuple[Any, Any], set[Any]] = {}
    for trial, rule, seed in zip(finite[TRIAL], finite["rule"], finite["seed"], strict=True):
        seeds.setdefault((trial, rule), set()).add(seed)
    return {pair: frozenset(of_pair) for pair, of_pair in seeds.items()}


def _common(seeds: Mapping[tuple[Any, Any], frozenset[Any]]) -> frozenset[Any]:
    """Return the seeds on which trials are compared; empty if no trial has any."""
    trials: dict[frozenset[Any], set[Any]] = {}
    for (trial, _), of_pair in seeds.items():
        trials.setdefault(of_pair, set()).add(trial)
    return max(trials, key=lambda each: (len(each), len(trials[each])), default=frozenset())


def _reasons(values: pd.DataFrame, seeds: Collection[Any]) -> dict[int, str]:
    """Return the reason for each trial in the rows that lacks a finite value for one of the seeds."""
    reasons = {}
    for trial, rows in values.groupby(TRIAL):
        infinite = set(rows["seed"][np.isinf(rows[VALUE].astype(float))])
        missing = set(seeds) - set(_finite(rows).dropna(subset=[VALUE])["seed"]) - infinite
        parts = [
            f"{what} for {'seed' if len(of) == 1 else 'seeds'} {', '.join(map(str, sorted(of)))}"
            for what, of in (("an infinite value", infinite), ("no value", missing))
            if of
        ]
        reasons[int(trial)] = " and ".join(parts) or "no rule has a value for each seed"
    return reasons


def _finite(values: pd.DataFrame) -> pd.DataFrame:
    """Return the table with NaN for infinite values."""
    numbers = values[VALUE].astype(float)
    return values.assign(**{VALUE: numbers.where(np.isfinite(numbers))})


def choosable(rules: Sequence[str], metric: str) -> list[str]:
    """Return the rules whose values on the validation rows can be compared."""
    others = [rule for rule in rules if rule not in BY_LABEL]
    return list(rules) if metric == PER_LABEL_METRIC or not others else others


def _settings(values: pd.DataFrame) -> list[str]:
    """Return the columns of settings; refuse columns that are neither keys nor the value."""
    columns = list(values.columns)
    settings = columns[len(_FIRST) : -len(_LAST)]
    is_known = columns[: len(_FIRST)] == _FIRST and columns[-len(_LAST) :] == _LAST
    others = [c for c in settings if "." not in c and c not in _GROUPS]
    if not is_known or others:
        raise ConfigError(
            f"A choice by validation rows needs the columns of validation_values, and not"
            f" {', '.join(others or columns)}: pass the table that it returns."
        )
    return settings


_GROUPS = ("backbone", "optimizer", "experiment", "decisions", "device", "threads")


def _numbers(runs: pd.DataFrame) -> pd.Series:
    """Return the numbers of the trials; NaN for runs of no search."""
    return pd.to_numeric(runs[TRIAL], errors="coerce")
