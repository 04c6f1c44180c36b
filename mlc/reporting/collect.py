"""Finished runs, read from their folders into tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mlc.config.errors import RunFolderError
from mlc.evaluation.left_out import LEFT_OUT
from mlc.files.names import STATUS
from mlc.reporting.reading import ORDER, PARTS, PREFIX, StoredRun, read_run, rules_in
from mlc.reporting.settings import data_key, run_key, setting, varying
from mlc.runs.leases import holders
from mlc.runs.provenance import NOT_IDENTITY, differences


@dataclass(frozen=True)
class Results:
    """What a folder of runs holds.

    Attributes:
        runs: a row per run and rule: ORDER, the overrides, a column per test metric, "val_" before
            the validation ones. A setting that any run overrides has its value in every run.
        baselines: the same for the baselines, a row per data set and its settings, baseline, rule
            and seed.
        overrides: the columns of `runs` that are overrides.
        varying: those of them that the runs differ in, failed and unfinished ones too.
        tuned_on: the part of the data that each rule was tuned on.
        monitors: the validation metrics that chose the epochs.
        failed: why runs failed, by their name.
        unfinished: runs that have begun and not ended.
        unreadable: what is wrong with the files of runs that cannot be read, by their name.
        being_trained: runs that other processes train now, and by which, by their name.
        folders: of the finished runs that count, by name.
        statuses: of the finished runs that count, by name.
        repeats: finished runs with the data, settings and seed of one that counts, by name.
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
    """A finished run that does not count.

    Attributes:
        of: the run that counts in its place, the first of them by name.
        gap: the largest difference of any of their metrics; runs on other devices or with other
            versions may not come to the same numbers.
    """

    of: str
    gap: float


def collect(folder: Path, metrics: Sequence[str] = ()) -> Results:
    """All runs under the folder; only those that say they are completed are counted.

    Runs with the same data, settings and seed count once, wherever they lie and however their
    settings were stated. A run whose files are damaged is named with the reason, and not counted.

    Args:
        folder: that holds the runs, at any depth.
        metrics: what each rule of a finished run must have on the test rows.

    Raises:
        RunFolderError: there is no such folder, or no run.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is not a folder: name one that holds runs.")
    # Before the statuses: a run that ends meanwhile counts as ended.
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
    overrides = list(dict.fromkeys(key for own in statuses.values() for key in own["overrides"]))
    rows, baselines, tuned_on = _rows_of_runs(counted, overrides)
    of_data = [key for key in overrides if key.startswith("data.")]
    return Results(
        runs=_frame(rows, overrides),
        baselines=_frame(baselines, of_data),
        overrides=overrides,
        varying=varying(statuses, overrides),
        tuned_on=tuned_on,
        monitors=list(dict.fromkeys(run.status["monitor"] for run in counted.values())),
        failed={n: own["error"] for n, own in others.items() if own["state"] == "failed"},
        unfinished=[name for name, own in others.items() if own["state"] == "running"],
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
    """The runs, and the reasons for which others cannot be read."""
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
            own, other = run.metrics, finished[counted].metrics
            gaps = [
                abs(value - before)
                for key, value in own.items()
                if key.split("/")[0] in PREFIX
                and value is not None
                and (before := other.get(key)) is not None
            ]
            repeats[name] = Repeat(counted, max((gap for gap in gaps if gap > 0), default=0.0))
    return repeats


def _rows_of_runs(
    runs: Mapping[str, StoredRun], overrides: Sequence[str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str]]:
    """The runs' rows, the baselines' rows, and what each rule was tuned on."""
    rows: list[dict[str, Any]] = []
    baselines: list[dict[str, Any]] = []
    tuned_on: dict[str, str] = {}
    seen = set()
    for name, run in runs.items():
        facts = {"run": name, **{key: run.status[key] for key in ("data", "head", "seed")}}
        settings = {key: setting(run.status, key) for key in overrides}
        tuned_on.update({rule: fitted["tuned_on"] for rule, fitted in run.rules.items()})
        rows += _rows({**facts, **settings}, run.metrics, run.rules)
        of_data = {key: value for key, value in settings.items() if key.startswith("data.")}
        for baseline, metrics in run.baselines.items():
            for row in _rows({**facts, "head": baseline, **of_data}, metrics, rules_in(metrics)):
                # Heads share the baselines of their data.
                key = (data_key(run.status), baseline, row["rule"])
                baselines += [] if key in seen else [row]
                seen.add(key)
    return rows, baselines, tuned_on


def _left_out(runs: Mapping[str, StoredRun]) -> list[str]:
    found = {
        f"{name} on {run.status['data']}": None
        for run in runs.values()
        for name, values in run.baselines.items()
        if LEFT_OUT in values
    }
    return list(found)


def check_comparable(results: Results) -> None:
    """Refuse to average runs that differ in more than their seed.

    Raises:
        RunFolderError: two runs of one row differ in a setting, the data or this package's version.
    """
    check_statuses(results.statuses)


def check_statuses(statuses: Mapping[str, Mapping[str, Any]]) -> None:
    """The same by the finished runs' statuses alone, which are given by name."""
    first: dict[str, str] = {}
    data: dict[str, str] = {}
    overrides = dict.fromkeys(key for status in statuses.values() for key in status["overrides"])
    of_data = [key for key in overrides if key.startswith("data.")]
    for name, status in statuses.items():
        identity = status.get("identity") or {}
        # Settings such as data.n_train make other data of the same name.
        stated = [setting(status, key) for key in of_data]
        other = data.setdefault(repr((status["data"], stated)), name)
        before = statuses[other].get("identity") or {}
        _require_same(other, name, "data", before.get("data"), identity.get("data"))
        settings = [setting(status, key) for key in overrides]
        row = repr((status["data"], status["head"], settings))
        other = first.setdefault(row, name)
        before = statuses[other].get("identity") or {}
        versions = [str(own.get("code", "")).split(" ")[0] for own in (before, identity)]
        _require_same(other, name, "version of mlc", *versions)
        configs = statuses[other].get("config") or {}, status.get("config") or {}
        for key, one, now in differences(*configs, (*NOT_IDENTITY, "seed")):
            _require_same(other, name, key, one, now)


def _require_same(one: str, other: str, what: str, value: Any, now: Any) -> None:
    if value != now:
        raise RunFolderError(
            f"{one} and {other} cannot be averaged, their {what} differs ({_short(value)} and"
            f" {_short(now)}): keep them in different folders."
        )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 20 else f"{text[:12]}..."


def _rows(
    facts: dict[str, Any], metrics: Mapping[str, float | None], rules: Iterable[str]
) -> list[dict[str, Any]]:
    """A row for each rule, with its own metrics and those that no rule has a part in."""
    shared: dict[str, float | None] = {}
    own = {rule: dict[str, float | None]() for rule in rules}
    for key, value in metrics.items():
        part, *rest = key.split("/")
        if part not in PREFIX:
            continue
        *rule, metric = rest
        column = PREFIX[part] + metric
        if rule:
            own[rule[0]][column] = value
        else:
            shared[column] = value
    return [{**facts, "rule": rule, **own[rule], **shared} for rule in own]


def _frame(rows: Sequence[dict[str, Any]], overrides: Sequence[str]) -> pd.DataFrame:
    first = [*ORDER, *overrides]
    frame = pd.DataFrame(list(rows), columns=None if rows else first)
    metrics = [column for column in frame.columns if column not in first]
    ordered = sorted(metrics, key=lambda column: [column.startswith(f"{part}_") for part in PARTS])
    return frame[first + ordered]
