"""Tables of the finished runs under a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mlc.config.errors import RunFolderError
from mlc.evaluation.left_out import LEFT_OUT
from mlc.files.names import STATUS
from mlc.reporting.reading import ORDER, PARTS, PREFIX, StoredRun, parsed_key, read_run, rules_in
from mlc.reporting.settings import data_key, run_key, settings, varying
from mlc.runs.leases import holders
from mlc.runs.provenance import NOT_IDENTITY, differences


@dataclass(frozen=True)
class Results:
    """The runs under a folder.

    Attributes:
        runs: a row per run and rule: the columns ORDER, the overrides, and a column per test metric;
            validation metrics have the prefix "val_". A setting that any run overrides has a value
            in every row.
        baselines: a row per data set with its settings, baseline, rule and seed; columns as in
            `runs`.
        overrides: the columns of `runs` that are overrides.
        varying: the overrides in which runs differ, failed and unfinished runs included.
        tuned_on: the part of the data on which each rule was tuned.
        monitors: the validation metrics that chose the epochs.
        failed: the errors of failed runs, by name of the run.
        unfinished: names of the runs that have started and not ended.
        unreadable: what is wrong with the files of unreadable runs, by name of the run.
        being_trained: the processes that are training runs now, by name of the run.
        folders: folders of the counted runs, by name.
        statuses: statuses of the counted runs, by name.
        repeats: finished runs that repeat the data, settings and seed of a counted run, by name.
        left_out: linear models that were too large to be trained, as "NAME on DATA".
    """

    runs: pd.DataFrame
    baselines: pd.DataFrame
    overrides: list[str]
    varying: list[str]
    tuned_on: dict[str, str]
    monitors: list[str]
    failed: dict[str, str]
    unfinished: list[str]
    unreadable: dict[str, str]
    being_trained: dict[str, str]
    folders: dict[str, Path]
    statuses: dict[str, dict[str, Any]]
    repeats: dict[str, Repeat]
    left_out: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Repeat:
    """A finished run that is not counted, because another run has the same data, settings and seed.

    Attributes:
        of: the run that is counted: the first by name.
        gap: the largest difference between the two runs in any metric. Other devices or versions of
            libraries can give other numbers.
    """

    of: str
    gap: float


def collect(folder: Path, metrics: Sequence[str] = ()) -> Results:
    """Collect all runs under a folder. Only completed runs are counted.

    Runs with the same data, settings and seed are counted once, whichever folder they are in and
    however their settings were given. A run with damaged files is listed with the reason, and not
    counted.

    Args:
        folder: contains the runs, at any depth.
        metrics: test metrics; those of label sets must be known for each rule of a finished run.

    Raises:
        RunFolderError: the folder does not exist or has no run.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is not a folder: name one that holds runs.")
    # Before reading the statuses: a run that ends in between counts as ended.
    being_trained = {_name(run, folder): owner for run, owner in holders(folder).items()}
    folders = {_name(path.parent, folder): path.parent for path in sorted(folder.rglob(STATUS))}
    runs, unreadable = _read(folders, metrics)
    finished = {name: run for name, run in runs.items() if run.status["state"] == "completed"}
    being_trained = {n: owner for n, owner in being_trained.items() if n not in finished}
    unreadable = {n: reason for n, reason in unreadable.items() if n not in being_trained}
    if not folders and not being_trained:
        raise RunFolderError(f"There is no run under {folder}: name a folder that holds some.")
    others = {n: run.status for n, run in runs.items() if n not in {*finished, *being_trained}}
    repeats = _repeats(finished)
    counted = {name: run for name, run in finished.items() if name not in repeats}
    statuses = {name: run.status for name, run in runs.items()}
    overrides = list(
        dict.fromkeys(key for status in statuses.values() for key in status["overrides"])
    )
    rows, baselines, tuned_on = _rows_of_runs(counted, overrides)
    of_data = [key for key in overrides if key.startswith("data.")]
    return Results(
        runs=_frame(rows, overrides),
        baselines=_frame(baselines, of_data),
        overrides=overrides,
        varying=varying(statuses, overrides),
        tuned_on=tuned_on,
        monitors=list(dict.fromkeys(run.status["monitor"] for run in counted.values())),
        failed={n: other["error"] for n, other in others.items() if other["state"] == "failed"},
        unfinished=[name for name, other in others.items() if other["state"] == "running"],
        unreadable=unreadable,
        being_trained=being_trained,
        folders={name: folders[name] for name in counted},
        statuses={name: run.status for name, run in counted.items()},
        repeats=repeats,
        left_out=_left_out(counted),
    )


def _read(
    folders: Mapping[str, Path], metrics: Sequence[str]
) -> tuple[dict[str, StoredRun], dict[str, str]]:
    """Return the readable runs, and why the others cannot be read."""
    runs, unreadable = {}, {}
    for name, folder in folders.items():
        try:
            runs[name] = read_run(folder, metrics)
        except RunFolderError as error:
            unreadable[name] = str(error)
    return runs, unreadable


def _name(run: Path, folder: Path) -> str:
    return run.relative_to(folder).as_posix() if run != folder else run.name


def _repeats(finished: Mapping[str, StoredRun]) -> dict[str, Repeat]:
    first: dict[Any, str] = {}
    repeats = {}
    for name, run in finished.items():
        counted = first.setdefault(run_key(run.status), name)
        if counted != name:
            metrics, other = run.metrics, finished[counted].metrics
            gaps = [
                abs(value - before)
                for key, value in metrics.items()
                if key.split("/")[0] in PREFIX
                and value is not None
                and (before := other.get(key)) is not None
            ]
            repeats[name] = Repeat(counted, max((gap for gap in gaps if gap > 0), default=0.0))
    return repeats


def _rows_of_runs(
    runs: Mapping[str, StoredRun], overrides: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str]]:
    """Return the rows of the runs, the rows of the baselines, and what each rule was tuned on."""
    rows: list[dict[str, Any]] = []
    baselines: list[dict[str, Any]] = []
    tuned_on: dict[str, str] = {}
    seen = set()
    for name, run in runs.items():
        facts = {"run": name, **{key: run.status[key] for key in ("data", "head", "seed")}}
        set_to = settings(run.status, overrides)
        tuned_on.update({rule: fitted["tuned_on"] for rule, fitted in run.rules.items()})
        rows += _rows({**facts, **set_to}, run.metrics, run.rules)
        of_data = {key: value for key, value in set_to.items() if key.startswith("data.")}
        key_of_data = data_key(run.status)
        for baseline, metrics in run.baselines.items():
            for row in _rows({**facts, "head": baseline, **of_data}, metrics, rules_in(metrics)):
                # Heads on the same data share its baselines.
                key = (key_of_data, baseline, row["rule"])
                baselines += [] if key in seen else [row]
                seen.add(key)
    return rows, baselines, tuned_on


def _left_out(runs: Mapping[str, StoredRun]) -> list[str]:
    """Return the baselines that were too large to be trained, as "NAME on DATA"."""
    names = {
        f"{name} on {run.status['data']}": None
        for run in runs.values()
        for name, values in run.baselines.items()
        if LEFT_OUT in values
    }
    return list(names)


def check_comparable(statuses: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to average finished runs that differ in more than their seed; statuses by name.

    Raises:
        RunFolderError: two runs of one row differ in a setting, the data or the version of mlc.
    """
    first: dict[str, str] = {}
    data: dict[str, str] = {}
    overrides = dict.fromkeys(key for status in statuses.values() for key in status["overrides"])
    of_data = [key for key in overrides if key.startswith("data.")]
    for name, status in statuses.items():
        identity = status.get("identity") or {}
        # Settings such as data.n_train give different data under the same name.
        set_to = settings(status, overrides)
        data_settings = [set_to[key] for key in of_data]
        other = data.setdefault(repr((status["data"], data_settings)), name)
        before = statuses[other].get("identity") or {}
        _require_same(other, name, "data", before.get("data"), identity.get("data"))
        row = repr((status["data"], status["head"], list(set_to.values())))
        other = first.setdefault(row, name)
        before = statuses[other].get("identity") or {}
        versions = [str(each.get("code", "")).split(" ")[0] for each in (before, identity)]
        _require_same(other, name, "version of mlc", *versions)
        one, now = statuses[other].get("config") or {}, status.get("config") or {}
        # Most runs differ in their seed alone, which is quick to see.
        if {**one, "seed": None} != {**now, "seed": None}:
            for key, *values in differences(one, now, (*NOT_IDENTITY, "seed")):
                _require_same(other, name, key, *values)


def _require_same(one: str, other: str, what: str, value: Any, now: Any) -> None:
    if value != now:
        raise RunFolderError(
            f"{one} and {other} cannot be averaged, their {what} differs ({_short(value)} and"
            f" {_short(now)}): move them to different folders."
        )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:12]}..."


def _rows(
    facts: dict[str, Any], metrics: Mapping[str, float | None], rules: Iterable[str]
) -> list[dict[str, Any]]:
    """Return a row per rule: the metrics of the rule, and the metrics that depend on no rule."""
    shared: dict[str, float | None] = {}
    by_rule = {rule: dict[str, float | None]() for rule in rules}
    for key, value in metrics.items():
        part, rule, column = parsed_key(key)
        if part not in PREFIX:
            continue
        if rule:
            by_rule[rule[0]][column] = value
        else:
            shared[column] = value
    return [{**facts, "rule": rule, **values, **shared} for rule, values in by_rule.items()]


def _frame(rows: Sequence[dict[str, Any]], overrides: Sequence[str]) -> pd.DataFrame:
    first = [*ORDER, *overrides]
    frame = pd.DataFrame(list(rows), columns=None if rows else first)
    metrics = [column for column in frame.columns if column not in first]
    ordered = sorted(metrics, key=lambda column: [column.startswith(f"{part}_") for part in PARTS])
    return frame[first + ordered]
