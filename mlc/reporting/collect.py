"""Finished runs, read from their folders into tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from mlc.errors import RunFolderError
from mlc.identity import NOT_IDENTITY, differences
from mlc.leases import holders
from mlc.runs import BASELINES, METRICS, RULES, STATUS, read_status, read_stored

ORDER = ["run", "data", "head", "rule", "seed"]
# What a column's name begins with, by the part of the data that its metric is of; the last six where
# the truth is known.
_PARTS = ("val", "bayes", "limit", "truth", "unreachable", "avoidable", "regret")
PREFIX = {"test": "", **{part: f"{part}_" for part in _PARTS}}


@dataclass(frozen=True)
class Results:
    """What a folder of runs holds.

    Attributes:
        runs: a row per run and rule: ORDER, the overrides, a column per test metric, "val_" before
            the validation ones.
        baselines: the same for the baselines, a row per data set, baseline, rule and seed.
        overrides: the columns of `runs` that are overrides.
        tuned_on: the part of the data that each rule was tuned on.
        monitors: the validation metrics that chose the epochs.
        failed: why runs failed, by their name.
        unfinished: runs that have begun and not ended.
        being_trained: runs that other processes train now, and by which, by their name.
        folders: of the finished runs, by name.
        statuses: of the finished runs, by name.
    """

    runs: pd.DataFrame
    baselines: pd.DataFrame
    overrides: list[str]
    tuned_on: dict[str, str]
    monitors: list[str]
    failed: dict[str, str]
    unfinished: list[str]
    being_trained: dict[str, str]
    folders: dict[str, Path]
    statuses: dict[str, dict[str, Any]]


def collect(folder: Path) -> Results:
    """All runs under the folder; only those that say they are completed are counted.

    Raises:
        RunFolderError: there is no such folder, no run, or a finished run is damaged.
    """
    if not folder.is_dir():
        raise RunFolderError(f"{folder} is not a folder: name one that holds runs.")
    rows: list[dict[str, Any]] = []
    baselines: list[dict[str, Any]] = []
    overrides: dict[str, None] = {}
    tuned_on: dict[str, str] = {}
    monitors: dict[str, None] = {}
    failed: dict[str, str] = {}
    unfinished: list[str] = []
    being_trained = {_name(run, folder): owner for run, owner in holders(folder).items()}
    folders: dict[str, Path] = {}
    statuses: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.rglob(STATUS)):
        run = path.parent
        status = read_status(run)
        name = _name(run, folder)
        if name in being_trained and (status is None or status["state"] != "completed"):
            continue
        being_trained.pop(name, None)
        if status is None or status["state"] == "running":
            unfinished.append(name)
        elif status["state"] == "failed":
            failed[name] = status["error"]
        else:
            folders[name], statuses[name] = run, status
            facts = {"run": name, **{key: status[key] for key in ("data", "head", "seed")}}
            overrides.update(dict.fromkeys(status["overrides"]))
            monitors[status["monitor"]] = None
            rules = read_stored(run / RULES)
            tuned_on.update({rule: fitted["tuned_on"] for rule, fitted in rules.items()})
            rows += _rows({**facts, **status["overrides"]}, read_stored(run / METRICS), rules)
            for baseline, metrics in read_stored(run / BASELINES).items():
                baselines += _rows({**facts, "head": baseline}, metrics, _rules_in(metrics))
    if not any((folders, failed, unfinished, being_trained)):
        raise RunFolderError(f"There is no run under {folder}: name a folder that holds some.")
    return Results(
        runs=_frame(rows, list(overrides)),
        baselines=_frame(baselines, []).drop_duplicates(["data", "head", "rule", "seed"]),
        overrides=list(overrides),
        tuned_on=tuned_on,
        monitors=list(monitors),
        failed=failed,
        unfinished=unfinished,
        being_trained=being_trained,
        folders=folders,
        statuses=statuses,
    )


def _name(run: Path, folder: Path) -> str:
    return run.relative_to(folder).as_posix() if run != folder else run.name


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
    for name, status in statuses.items():
        identity = status.get("identity") or {}
        other = data.setdefault(status["data"], name)
        before = statuses[other].get("identity") or {}
        _require_same(other, name, "data", before.get("data"), identity.get("data"))
        row = repr((status["data"], status["head"], status["overrides"]))
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
    facts: dict[str, Any], metrics: dict[str, float], rules: Iterable[str]
) -> list[dict[str, Any]]:
    """A row for each rule, with its own metrics and those that no rule has a part in."""
    shared, own = {}, {rule: dict[str, float]() for rule in rules}
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


def _rules_in(metrics: dict[str, float]) -> list[str]:
    return list(dict.fromkeys(key.split("/")[1] for key in metrics if key.count("/") == 2))


def _frame(rows: Sequence[dict[str, Any]], overrides: Sequence[str]) -> pd.DataFrame:
    first = [*ORDER, *overrides]
    frame = pd.DataFrame(list(rows), columns=None if rows else first)
    metrics = [column for column in frame.columns if column not in first]
    ordered = sorted(metrics, key=lambda column: [column.startswith(f"{part}_") for part in _PARTS])
    return frame[first + ordered]
