"""The choice of each head's trial by validation rows.

`choose` takes a table that has one value for each run and rule and no column for any other, so that
test rows cannot take part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from mlc.config.errors import ConfigError
from mlc.search.metrics import higher_is_better, needs_rule, require_validation_metric

TRIAL, VALUE = "trial", "value"
# The columns of validation values, with the grid's other settings between head and trial.
_FIRST, _LAST = ["data", "head"], [TRIAL, "rule", "seed", VALUE]
# The rule of values that depend on none.
NO_RULE = "-"
# A threshold for each label is tuned on the rows of the choice, so that its values there are too good to
# be compared with those of other rules; only for the metric that it tunes is its gain larger.
_PER_LABEL, _ITS_METRIC = "per_label", "f1_macro"


@dataclass(frozen=True)
class RuleChoice:
    """The best trial of a head with one rule.

    Attributes:
        trial: its number.
        value: its mean value of the metric on the validation rows.
        n_seeds: the number of runs in the mean.
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
        trial: the number of the chosen trial; null if no run has a value.
        rule: the rule of the best value; "-" if the metric depends on none.
        value: the mean value of the metric on the validation rows, over the seeds.
        n_seeds: the number of runs in the mean.
        n_trials: the number of trials that could be chosen.
        overrides: the values drawn for the chosen trial, as overrides; none for trial 0.
        edges: "low" or "high" by key, for values at an edge of their space.
        by_rule: the best trial of each rule.
        failed: what became of the trials that have fewer runs than others, by number.
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
    """Return the mean value of each trial and rule over its seeds, and the number of runs.

    Returns:
        The columns of `values` without seed, with n_seeds, in the order of the trials.
    """
    keys = [column for column in values.columns if column not in ("seed", VALUE)]
    grouped = values.groupby(keys, sort=False, dropna=False)[VALUE]
    means = grouped.agg(value="mean", n_seeds="count").reset_index()
    return means.sort_values(TRIAL, kind="stable").reset_index(drop=True)


def choose(values: pd.DataFrame, metric: str) -> list[Chosen]:
    """Choose the trial and rule with the best mean value for each data set, head and settings.

    Only trials with the largest number of runs of their head can be chosen: one with failed runs would
    be judged by the seeds that succeeded. Of equal values, the lower trial is chosen.

    Args:
        values: as `validation_values` returns them.
        metric: of the values, for its direction.

    Raises:
        ConfigError: there is another column than those of `validation_values`.
    """
    settings = _settings(values)
    means = trial_means(values)
    keys = [*_FIRST, *settings]
    chosen = []
    for key, group in means.groupby(keys, sort=False, dropna=False):
        named = {name: str(value) for name, value in zip(keys, key, strict=True)}
        data, head = named.pop("data"), named.pop("head")
        chosen.append(_best(group, metric, Chosen(data, head, named)))
    order = list(dict.fromkeys(values[keys].astype(str).itertuples(index=False, name=None)))
    return sorted(chosen, key=lambda c: order.index((c.data, c.head, *c.settings.values())))


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
    kept = pd.Series(False, index=runs.index)
    for choice in choices:
        is_own = (runs["data"] == choice.data) & (runs["head"] == choice.head)
        for key, value in choice.settings.items():
            is_own &= runs[key].astype(str) == value
        best = choice.by_rule if by_rule else {}
        trials = [
            best[rule].trial if rule in best else choice.trial for rule in runs["rule"].astype(str)
        ]
        kept |= is_own & (numbers == pd.Series(trials, index=runs.index, dtype=float))
    return runs[kept]


def _best(group: pd.DataFrame, metric: str, choice: Chosen) -> Chosen:
    """Return the choice with the best trial of each rule, and the best of these."""
    sign = 1 if higher_is_better(metric) else -1
    n_runs = group["n_seeds"].max()
    complete = group[(group["n_seeds"] == n_runs) & group[VALUE].notna()]
    by_rule = {}
    for rule, of_rule in complete.groupby("rule", sort=False):
        row = of_rule.loc[(sign * of_rule[VALUE]).idxmax()]
        by_rule[str(rule)] = RuleChoice(int(row[TRIAL]), float(row[VALUE]), int(row["n_seeds"]))
    fair = {rule: by_rule[rule] for rule in choosable(list(by_rule), metric)}
    n_trials = int(complete[TRIAL].nunique())
    facts = {**vars(choice), "n_trials": n_trials, "by_rule": by_rule}
    if fair:
        rule = max(fair, key=lambda name: (sign * fair[name].value, -fair[name].trial))
        best = fair[rule]
        facts |= {"rule": rule, "trial": best.trial, "value": best.value, "n_seeds": best.n_seeds}
    return Chosen(**facts)


def choosable(rules: Sequence[str], metric: str) -> list[str]:
    """Return the rules whose values on the validation rows can be compared."""
    others = [rule for rule in rules if rule != _PER_LABEL]
    return list(rules) if metric == _ITS_METRIC or not others else others


def _settings(values: pd.DataFrame) -> list[str]:
    """Return the columns of settings; refuse columns that are neither keys nor the value."""
    columns = list(values.columns)
    settings = columns[len(_FIRST) : -len(_LAST)]
    is_known = columns[: len(_FIRST)] == _FIRST and columns[-len(_LAST) :] == _LAST
    others = [c for c in settings if "." not in c and c not in _GROUPS]
    if not is_known or others:
        raise ConfigError(
            f"A choice by validation rows takes the columns of validation_values, and not"
            f" {', '.join(others or columns)}: pass the table that it returns."
        )
    return settings


_GROUPS = ("backbone", "optimizer", "experiment", "decisions", "device", "threads")


def _numbers(runs: pd.DataFrame) -> pd.Series:
    """Return the numbers of the trials; NaN for runs of no search."""
    return pd.to_numeric(runs[TRIAL], errors="coerce")
