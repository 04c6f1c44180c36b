"""Reading and checking the files of one run for a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from mlc.config.errors import MlcError, RunFolderError
from mlc.config.registry import METRICS as METRIC_NAMES
from mlc.config.texts import cause
from mlc.files.names import BASELINES, METRICS, RULES, STATUS
from mlc.runs.folder import read_stored
from mlc.runs.former import read_status_file

ORDER = ["run", "data", "head", "rule", "seed"]
# The prefix of a column by the part of the data on which its metric is computed; all parts after
# "val" need the true probabilities.
PARTS = ("val", "bayes", "limit", "truth", "unreachable", "avoidable", "regret")
PREFIX = {"test": "", **{part: f"{part}_" for part in PARTS}}
_STATES = ("running", "completed", "failed")
_TUNED_ON = ("nothing", "validation", "test")
_LARGEST_SEED = 2**63


@dataclass(frozen=True)
class StoredRun:
    """The content of a run's files.

    Attributes:
        status: the stored status.
        metrics: metrics of a finished run; None for an undefined value.
        rules: the fitted state of each rule, by name.
        baselines: metrics by baseline.
    """

    status: dict[str, Any]
    metrics: dict[str, float | None] = field(default_factory=dict)
    rules: dict[str, dict[str, Any]] = field(default_factory=dict)
    baselines: dict[str, dict[str, float | None]] = field(default_factory=dict)


def read_run(folder: Path, metrics: Sequence[str] = ()) -> StoredRun:
    """Read the run in a folder.

    Args:
        folder: of the run.
        metrics: test metrics; those of label sets must be known for each rule of a finished run.

    Raises:
        RunFolderError: the files are not those of a run.
    """
    try:
        return _read_run(folder, metrics)
    except MlcError:
        raise
    # Libraries raise many kinds of errors on damaged files; the other runs are still reported.
    except Exception as error:
        raise RunFolderError(
            f"{folder} does not hold what a run writes ({type(error).__name__}: {error}): delete it,"
            " and train the run again."
        ) from error


def _read_run(folder: Path, metrics: Sequence[str]) -> StoredRun:
    status = _status(folder / STATUS)
    if status["state"] != "completed":
        return StoredRun(status)
    path = folder / RULES
    rules = read_stored(path)
    _require(bool(rules), path, "it holds no rule")
    for rule, fitted in rules.items():
        is_known = isinstance(fitted, dict) and fitted.get("tuned_on") in _TUNED_ON
        _require(is_known, path, f"{rule!r} does not say what it was tuned on")
    path = folder / METRICS
    run_metrics = read_stored(path)
    taken = {*ORDER, *status["overrides"]}
    _check_metrics(path, run_metrics, taken, rules)
    # A metric of scores may be undefined, as precision_at_5 of four labels.
    metrics = [metric for metric in metrics if metric in METRIC_NAMES]
    for rule in rules:
        for metric in metrics:
            key = f"test/{rule}/{metric}"
            _require(run_metrics.get(key) is not None, path, f"it has no {key!r}")
    path = folder / BASELINES
    baselines = read_stored(path)
    for name, values in baselines.items():
        _require(isinstance(values, dict), path, f"{name!r} is not an object")
        _check_metrics(path, values, taken)
        for rule in rules_in(values):
            for metric in metrics:
                key = f"test/{rule}/{metric}"
                _require(values.get(key) is not None, path, f"{name!r} has no {key!r}")
    return StoredRun(status, run_metrics, rules, baselines)


@lru_cache(2**16)
def parsed_key(key: str) -> tuple[str, tuple[str, ...], str]:
    """Return the part of the data, the rule if there is one, and the column of a metric's key."""
    part, *rule, metric = key.split("/") if "/" in key else ("", key)
    return part, tuple(rule), PREFIX.get(part, "") + metric


def rules_in(metrics: dict[str, Any]) -> list[str]:
    """Return the rules in the keys of metrics, in order."""
    keys = map(parsed_key, metrics)
    return list(
        dict.fromkeys(rule[0] for part, rule, _ in keys if len(rule) == 1 and part in PREFIX)
    )


def _encodable(value: Any) -> Any:
    """Return a value of JSON with escapes for what is not text: names of files may not be in UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(part) for key, part in value.items()}
    return [_encodable(part) for part in value] if isinstance(value, list) else value


def _status(path: Path) -> dict[str, Any]:
    try:
        status: dict[str, Any] = _encodable(read_status_file(path))
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"{path} cannot be read ({cause(error)}): delete the run's folder."
        ) from error
    state = status.get("state")
    _require(isinstance(state, str) and state in _STATES, path, f"its state is {state!r}")
    kinds: dict[str, Any] = {"overrides": dict}
    if state == "failed":
        kinds["error"] = str
    if state == "completed":
        kinds |= {"data": str, "head": str, "seed": int, "monitor": str}
    for key, kind in kinds.items():
        value = status.get(key)
        fits = isinstance(value, kind) and not isinstance(value, bool)
        _require(fits, path, f"its {key!r} is {'missing' if value is None else 'of another type'}")
    for key, value in status["overrides"].items():
        fits = isinstance(value, str) and key not in ORDER
        _require(fits, path, f"its override {key!r} is not text or has a reserved name")
    for key in ("config", "identity"):
        fits = status.get(key) is None or isinstance(status[key], dict)
        _require(fits, path, f"its {key!r} is of another type")
    decisions = (status.get("config") or {}).get("decisions", [])
    _require(isinstance(decisions, list), path, "its decision rules are no list")
    data = (status.get("identity") or {}).get("data")
    _require(data is None or isinstance(data, str), path, "its fingerprint of the data is not text")
    seed = status.get("seed", 0)
    fits = state != "completed" or abs(seed) < _LARGEST_SEED
    _require(fits, path, "its seed has more than 63 bits")
    return status


def _check_metrics(
    path: Path, metrics: dict[str, Any], taken: set[str], rules: dict[str, Any] | None = None
) -> None:
    for key, value in metrics.items():
        part, rule, column = parsed_key(key)
        if part not in PREFIX:
            continue
        # A report reads a hundred metrics of each run: texts of faults are made for faults alone.
        fits = value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
        if not (fits and abs(value or 0) < 1e300):
            raise _refusal(path, f"{key!r} is not a number")
        if len(rule) > 1 or column in taken:
            raise _refusal(path, f"{key!r} is not a metric")
        if rules is not None and rule and rule[0] not in rules:
            raise _refusal(path, f"{key!r} has an unknown rule")


def _require(fits: bool, path: Path, fault: str) -> None:
    if not fits:
        raise _refusal(path, fault)


def _refusal(path: Path, fault: str) -> RunFolderError:
    return RunFolderError(
        f"{path} is not what a run writes, {fault}: delete the run's folder, and train it again."
    )


def draws_test_rows(status: Mapping[str, Any]) -> bool:
    """Whether each seed draws its own test rows, because no test part is published."""
    return ((status.get("config") or {}).get("data") or {}).get("split_seed", 0) is None
