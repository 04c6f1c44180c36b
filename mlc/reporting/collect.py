"""Tables of the finished runs under a folder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from mlc.config.errors import RunFolderError
from mlc.config.sharing import Shared
from mlc.evaluation.left_out import LEFT_OUT
from mlc.files.names import STATUS
from mlc.reporting.columns import Columns
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

    def with_metrics(self, metrics: Sequence[str]) -> Results:
        """Return the results with the columns of these metrics alone, of all parts of the data."""
        endings = tuple(f"_{metric}" for metric in metrics)

        def narrow(frame: pd.DataFrame) -> pd.DataFrame:
            facts = [*ORDER, *self.overrides]
            return frame[
                [c for c in frame if c in facts or c in metrics or str(c).endswith(endings)]
            ]

        return replace(self, runs=narrow(self.runs), baselines=narrow(self.baselines))


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
    if not folders and not being_trained:
        raise RunFolderError(f"There is no run under {folder}: name a folder that holds some.")
    read = _Read(folders, metrics)
    being_trained = {n: owner for n, owner in being_trained.items() if n not in read.finished}
    others = {
        name: status
        for name, status in read.statuses.items()
        if name not in read.finished and name not in being_trained
    }
    overrides = list(
        dict.fromkeys(key for status in read.statuses.values() for key in status["overrides"])
    )
    counted = {name: read.statuses[name] for name in read.finished if name not in read.repeats}
    set_to = {name: settings(status, overrides) for name, status in counted.items()}
    of_data = [key for key in overrides if key.startswith("data.")]
    return Results(
        runs=_frame(read.rows, counted, set_to, overrides),
        baselines=_frame(read.baselines, counted, set_to, of_data),
        overrides=overrides,
        varying=varying(read.statuses, overrides),
        tuned_on=read.tuned_on,
        monitors=list(dict.fromkeys(status["monitor"] for status in counted.values())),
        failed={n: other["error"] for n, other in others.items() if other["state"] == "failed"},
        unfinished=[name for name, other in others.items() if other["state"] == "running"],
        unreadable={n: why for n, why in read.unreadable.items() if n not in being_trained},
        being_trained=being_trained,
        folders={name: folders[name] for name in counted},
        statuses=counted,
        repeats=read.repeats,
        left_out=list(read.left_out),
    )


class _Read:
    """The content of runs, read one after another: metrics of thousands as read would fill gigabytes.

    Attributes:
        statuses: of the readable runs, by name.
        unreadable: why the others cannot be read.
        finished: the names of the completed runs.
        repeats: the completed runs that repeat one before.
        rows: a row of metrics for each rule of a counted run, by run, head and rule.
        baselines: the same of the baselines of each data set.
        tuned_on: the part of the data on which each rule was tuned.
        left_out: the baselines that were too large to be trained, as "NAME on DATA".
    """

    def __init__(self, folders: Mapping[str, Path], metrics: Sequence[str]) -> None:
        self.statuses: dict[str, dict[str, Any]] = {}
        self._shared = Shared()
        self.unreadable: dict[str, str] = {}
        self.finished: dict[str, None] = {}
        self.repeats: dict[str, Repeat] = {}
        self.rows, self.baselines = Columns(), Columns()
        self.tuned_on: dict[str, str] = {}
        self.left_out: dict[str, None] = {}
        self._first: dict[bytes, str] = {}
        self._row_of: dict[tuple[str, str], int] = {}
        self._with_baselines: set[tuple[bytes, str, str]] = set()
        for name, folder in folders.items():
            try:
                run = read_run(folder, metrics)
            except RunFolderError as error:
                self.unreadable[name] = str(error)
                continue
            self.statuses[name] = self._shared.with_parts(run.status)
            if run.status["state"] != "completed":
                continue
            self.finished[name] = None
            counted = self._first.setdefault(run_key(run.status), name)
            if counted == name:
                self._count(name, run)
            else:
                self.repeats[name] = Repeat(counted, self._gap(counted, run))

    def _count(self, name: str, run: StoredRun) -> None:
        """Add the rows of a run, and those of the baselines that none before has."""
        self.tuned_on |= {rule: fitted["tuned_on"] for rule, fitted in run.rules.items()}
        for rule, values in _by_rule(run.metrics, run.rules):
            self._row_of[name, rule] = len(self.rows.keys)
            self.rows.add((name, run.status["head"], rule), values)
        key = data_key(run.status)
        for baseline, metrics in run.baselines.items():
            if LEFT_OUT in metrics:
                self.left_out[f"{baseline} on {run.status['data']}"] = None
            for rule, values in _by_rule(metrics, rules_in(metrics)):
                # Heads on the same data share its baselines.
                if (key, baseline, rule) not in self._with_baselines:
                    self._with_baselines.add((key, baseline, rule))
                    self.baselines.add((name, baseline, rule), values)

    def _gap(self, counted: str, run: StoredRun) -> float:
        """Return the largest difference of a run to a counted one in any metric that both have."""
        gaps = [
            abs(value - self.rows.value(self._row_of[counted, rule], name))
            for rule, values in _by_rule(run.metrics, run.rules)
            if (counted, rule) in self._row_of
            for name, value in values.items()
            if value is not None
        ]
        # A gap to a missing value is NaN, which is not above 0.
        return max((gap for gap in gaps if gap > 0), default=0.0)


def _name(run: Path, folder: Path) -> str:
    return run.relative_to(folder).as_posix() if run != folder else run.name


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


def _by_rule(
    metrics: Mapping[str, float | None], rules: Iterable[str]
) -> list[tuple[str, dict[str, float | None]]]:
    """Return each rule with its metrics by column, and those that depend on no rule."""
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
    return [(rule, {**values, **shared}) for rule, values in by_rule.items()]


def _frame(
    rows: Columns,
    statuses: Mapping[str, Mapping[str, Any]],
    set_to: Mapping[str, Mapping[str, str | None]],
    overrides: Sequence[str],
) -> pd.DataFrame:
    """Return rows with the columns ORDER, the overrides, and the metrics in the order of their parts."""
    values = rows.columns
    runs, heads, rules = zip(*rows.keys, strict=True) if rows.keys else ((), (), ())
    facts: dict[str, Any] = {
        "run": runs,
        "data": [statuses[run]["data"] for run in runs],
        "head": heads,
        "rule": rules,
        "seed": [statuses[run]["seed"] for run in runs],
        **{key: [set_to[run][key] for run in runs] for key in overrides},
    }
    metrics = sorted(values, key=lambda name: [name.startswith(f"{part}_") for part in PARTS])
    # Metrics of thousands of runs are not copied.
    frame = pd.DataFrame({**facts, **{name: values[name] for name in metrics}}, copy=False)
    # Columns without a value would be of numbers.
    return frame if len(frame) else frame.astype(object)
