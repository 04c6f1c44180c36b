"""The choice of a search, computed from the runs in its folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import pandas as pd

from mlc.config.errors import RunFolderError
from mlc.config.texts import counted, markdown, readable
from mlc.files.names import HISTORY
from mlc.reporting.collect import Results
from mlc.reporting.reading import StoredRun, read_run
from mlc.reporting.settings import setting
from mlc.reporting.tables import WIDTH, Table
from mlc.runs.folder import is_finished, read_status
from mlc.search.choice import (
    TRIAL,
    Chosen,
    choose,
    choose_and_confirm,
    chosen_runs,
    trial_means,
    validation_values,
)
from mlc.search.draws import as_text
from mlc.search.files import CHOICE, Group, Record, read_record
from mlc.search.metrics import LOSS
from mlc.search.spaces import edge

_LOSS_COLUMN = f"val_{LOSS}"


@dataclass(frozen=True)
class Searched:
    """A search in a folder of runs.

    Attributes:
        record: the seed, sampler, metric and spaces of the search.
        choices: the chosen trial of each head, data set and setting.
        trials: a row for each trial and rule: the mean validation value, and the drawn options.
    """

    record: Record
    choices: list[Chosen]
    trials: pd.DataFrame

    def chosen(self, results: Results) -> Results:
        """Return the results of the chosen trials alone, without the drawn options in their names."""
        drawn = {TRIAL, *(key for group in self.record.groups for key in group.spaces)}
        runs = chosen_runs(results.runs, self.choices, by_rule=True)
        order = {rule: index for index, rule in enumerate(results.tuned_on)}
        # The trials of two rules may be different ones, and the rows are in the order of the trials.
        by_rule = runs.sort_values("rule", key=lambda rules: rules.map(order), kind="stable")
        return dataclasses.replace(
            results,
            runs=by_rule.sort_values(["data", "head"], kind="stable"),
            varying=[key for key in results.varying if key not in drawn],
        )

    def choice_of(self, group: Group) -> Chosen | None:
        """Return the choice of a group; None if none of its runs has finished."""
        for choice in self.choices:
            own = _group(self.record, choice)
            if own is not None and own.key == group.key:
                return choice
        return None

    def text(self, *, as_markdown: bool = False) -> str:
        """Return the table of the chosen trials, with the drawn options below each row."""
        caption = (
            f"Chosen by {self.record.metric} on the validation rows, of"
            f" {counted(self.record.n_trials, 'trial')} each; trial 0 is the defaults"
        )
        header = ["head", "rule", "trial", "n", "validation", "chosen options"]
        rows = [_row(choice, self.record) for choice in self.choices]
        if as_markdown:
            return f"## {markdown(caption)}\n\n" + Table(header, rows).markdown(by_strangers=True)
        table = Table(header[:-1], [row[:-1] for row in rows]).text().splitlines()
        lines = [fill(readable(caption), WIDTH), "", *table[:2]]
        for line, (*_, options) in zip(table[-len(rows) :], rows, strict=True):
            lines.append(line)
            lines += [_indented(options)] if options else []
        return "\n".join([*lines, *_left_out(self.choices)])


def searched(folder: Path, results: Results) -> Searched | None:
    """Return the search in a folder of runs; None if there is none.

    Raises:
        RunFolderError: the search's record is damaged.
    """
    record = read_record(folder)
    if record is None:
        return None
    settings = [key for key in record.grid if key in results.runs]
    runs = results.runs
    if record.metric == LOSS:
        losses = {name: best_loss(path) for name, path in results.folders.items()}
        runs = runs.assign(**{_LOSS_COLUMN: runs["run"].map(losses)})
    values = validation_values(runs, record.metric, results.tuned_on, settings)
    values = values[values[TRIAL] < record.n_trials].reset_index(drop=True)
    missing = _without_result(folder, results)
    chosen = choose_and_confirm(values, record.metric, record.seeds)
    choices = [_described(choice, record, results, missing) for choice in chosen]
    trials = trial_means(values)
    trials["chosen"] = [_is_chosen(row, choices) for row in trials.to_dict("records")]
    return Searched(record, choices, _with_options(trials, runs, record))


def trial_value(runs: Sequence[Path], metric: str) -> float | None:
    """Return the value of a trial from which a sampler learns: the value of its best rule.

    Args:
        runs: the folders of its runs, one for each seed.
        metric: of the validation rows.

    Returns:
        None if a run has not finished, or its value is undefined.
    """
    if not all(map(is_finished, runs)):
        return None
    rows = []
    tuned_on: dict[str, str] = {}
    for index, folder in enumerate(runs):
        run = read_run(folder)
        tuned_on |= {rule: fitted["tuned_on"] for rule, fitted in run.rules.items()}
        rows += [
            {
                "data": "", "head": "", TRIAL: 0, "rule": rule, "seed": index,
                f"val_{metric}": _stored(folder, run, rule, metric),
            }
            for rule in run.rules
        ]  # fmt: skip
    choices = choose(validation_values(pd.DataFrame(rows), metric, tuned_on), metric)
    return choices[0].value if choices and choices[0].n_seeds == len(runs) else None


def best_loss(folder: Path) -> float:
    """Return the validation loss of a finished run in the epoch whose weights were kept.

    Raises:
        RunFolderError: the run's history is damaged.
    """
    run = read_run(folder)
    path = folder / HISTORY
    try:
        history = pd.read_csv(path).set_index("epoch")["loss/val"]
        return float(history.loc[int(run.metrics["train/best_epoch"] or 0)])
    except (OSError, ValueError, KeyError) as error:
        raise RunFolderError(
            f"{path} is not what a run writes: delete the run's folder."
        ) from error


def _stored(folder: Path, run: StoredRun, rule: str, metric: str) -> float | None:
    if metric == LOSS:
        return best_loss(folder)
    return run.metrics.get(f"val/{rule}/{metric}", run.metrics.get(f"val/{metric}"))


def _without_result(folder: Path, results: Results) -> list[tuple[Mapping[str, Any], str]]:
    """Return the status of each run without a result, and the reason."""
    reasons = {
        **results.failed,
        **dict.fromkeys(results.unfinished, "unfinished"),
        **results.unreadable,
        **{name: f"being trained by {owner}" for name, owner in results.being_trained.items()},
    }
    statuses = ((read_status(folder / name), reason) for name, reason in reasons.items())
    return [(status, reason) for status, reason in statuses if status is not None]


def _described(
    choice: Chosen,
    record: Record,
    results: Results,
    missing: Sequence[tuple[Mapping[str, Any], str]],
) -> Chosen:
    """Add the drawn options, the edges and the failures to a choice."""
    failed = dict(choice.failed)
    for status, reason in missing:
        same = (status.get("data"), status.get("head")) == (choice.data, choice.head)
        same = same and all(setting(status, k) == v for k, v in choice.settings.items())
        trial = str((status.get("overrides") or {}).get(TRIAL))
        if same and trial.isdecimal() and int(trial) < record.n_trials:
            failed[int(trial)] = reason
    group = _group(record, choice)
    if group is None or choice.trial is None:
        return dataclasses.replace(choice, failed=failed)
    status = next(results.statuses[run] for run in _names(results.runs, choice))
    drawn = {key: status["overrides"].get(key) for key in group.spaces}
    values = {key: group.defaults[key] if drawn[key] is None else drawn[key] for key in drawn}
    edges = {key: edge(group.spaces[key], value) for key, value in values.items()}
    return dataclasses.replace(
        choice,
        failed=failed,
        overrides=[f"{key}={value}" for key, value in drawn.items() if value is not None],
        edges={key: side for key, side in edges.items() if side is not None},
    )


def _is_chosen(trial: Mapping[Any, Any], choices: Sequence[Chosen]) -> bool:
    key = (trial["data"], trial["head"], trial[TRIAL], trial["rule"])
    return any(
        key == (choice.data, choice.head, choice.trial, choice.rule)
        and all(str(trial[name]) == value for name, value in choice.settings.items())
        for choice in choices
    )


def _names(runs: pd.DataFrame, choice: Chosen) -> list[str]:
    return list(dict.fromkeys(chosen_runs(runs, [choice])["run"]))


def _group(record: Record, choice: Chosen) -> Group | None:
    """Return the group of a choice: the one that has the most of the choice's settings."""
    matching = [
        group
        for group in record.groups
        if (group.data, group.head) == (choice.data, choice.head)
        and group.settings.items() <= choice.settings.items()
    ]
    return max(matching, key=lambda group: len(group.settings), default=None)


def _with_options(trials: pd.DataFrame, runs: pd.DataFrame, record: Record) -> pd.DataFrame:
    """Return the trials with a column for each drawn option that any run has."""
    drawn = list(dict.fromkeys(key for group in record.groups for key in group.spaces))
    keys = [column for column in trials if column not in ("rule", "value", "n_seeds", "chosen")]
    drawn = [key for key in drawn if key in runs and key not in keys]
    options = runs[[*keys, *drawn]].copy()
    options[TRIAL] = pd.to_numeric(options[TRIAL], errors="coerce")
    return trials.merge(options.drop_duplicates(keys), on=keys, how="left")


def _left_out(choices: Sequence[Chosen]) -> list[str]:
    """Return a line for each head with trials that could not be chosen."""
    return [
        fill(
            readable(
                f"{choice.head}: trials {', '.join(map(str, sorted(choice.failed)))} lack a finite value"
                f" for a seed and take no part ({CHOICE} names the reasons)."
            ),
            WIDTH,
        )
        for choice in choices
        if choice.failed
    ]


def _row(choice: Chosen, record: Record) -> list[str]:
    name = " ".join([choice.head, *(f"{k}={v}" for k, v in choice.settings.items())])
    if len({group.data for group in record.groups}) > 1:
        name = f"{choice.data} {name}"
    if choice.trial is None or choice.value is None:
        return [name, "-", "none", "0", "-", ""]
    group = _group(record, choice)
    values = dict(override.split("=", 1) for override in choice.overrides)
    if group is not None and not values:
        values = {key: as_text(group.defaults[key]) for key in choice.edges}
    options = [
        f"{key}={value}" + (f" ({choice.edges[key]} edge)" if key in choice.edges else "")
        for key, value in values.items()
    ]
    value = f"{choice.value:.3f}"
    rule, trial = str(choice.rule), str(choice.trial)
    return [name, rule, trial, str(choice.n_seeds), value, ", ".join(options)]


def _indented(text: str) -> str:
    return fill(readable(text, 10 * WIDTH), WIDTH, initial_indent="  ", subsequent_indent="  ")
