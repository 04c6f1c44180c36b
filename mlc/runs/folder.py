"""The files of a run's folder, and its status: running, completed or failed."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlc.config.errors import BeingTrainedError, MlcError, RunFolderError
from mlc.config.schema import AUTOMATIC
from mlc.config.texts import cause
from mlc.files.archives import write_arrays
from mlc.files.names import (
    BASELINES,
    CARD,
    CHECKPOINT,
    HISTORY,
    METRICS,
    PREDICTIONS,
    PREPROCESSING,
    RULES,
    SPLIT,
    STATUS,
)
from mlc.files.reading import read_object
from mlc.files.writing import write_json
from mlc.runs import ownership
from mlc.runs.former import read_status_file
from mlc.runs.leases import holding
from mlc.runs.leases.owner import this_process
from mlc.runs.provenance import Identity, differences

if TYPE_CHECKING:
    from mlc.data.card import Card
    from mlc.data.splits import Split
    from mlc.evaluation.judging import Evaluation

# The monitored metric in the best epoch, among a run's metrics.
BEST_VALUE = "train/best_value"
# The files of a run beside its status, log, config and TensorBoard events.
FILES = (
    METRICS, RULES, BASELINES, PREDICTIONS, SPLIT, PREPROCESSING, CARD, HISTORY, CHECKPOINT,
)  # fmt: skip


_KINDS = {str: "text", int: "an integer", dict: "an object"}
# Required keys of a finished run's status, with their types.
_FIELDS = {
    "data": str, "head": str, "seed": int, "overrides": dict, "monitor": str,
    "config": dict, "config.data": dict, "config.data.name": str,
    "identity": dict, "identity.data": str, "identity.code": str, "identity.versions": dict,
}  # fmt: skip


@dataclass(frozen=True)
class RunFacts:
    """The identification of a run: the values by which tables name and group runs.

    Attributes:
        run: the run's path in the sweep, as in "yeast/powerset/seed=3".
        data: the data set's name.
        head: the head's name.
        seed: the run's seed.
        overrides: all other options that were set, by key.
        monitor: the validation metric that chose the epoch.
        config: all options, nested.
        index: the run's index in its sweep.
        automatic: keys of the options whose values are defaults by the data.
        parts: the modules of the run's parts that are not in `mlc`, by kind and name.
    """

    run: str
    data: str
    head: str
    seed: int
    overrides: dict[str, str] = field(default_factory=dict)
    monitor: str = "jaccard_samples"
    config: dict[str, Any] = field(default_factory=dict)
    index: int = 0
    automatic: list[str] = field(default_factory=list)
    parts: dict[str, dict[str, str]] = field(default_factory=dict)


def claim(folder: Path, facts: RunFacts, identity: Identity) -> None:
    """Mark the folder as that of a running run, and delete the files of an earlier attempt.

    The caller must hold the folder's lease.

    Raises:
        RunFolderError: the folder holds a finished run, or files that no run has written.
    """
    ownership.check_run_folder(folder, FILES, is_claim=True)
    status = read_status(folder)
    if status is not None and status["state"] == "completed":
        raise already_finished(folder, _difference(status, facts))
    if folder.is_dir():
        ownership.remove_leftovers(folder, FILES)
    _write_status(folder, "running", facts, identity, process=_named_process())


def holds(folder: Path, facts: RunFacts) -> bool:
    """Whether the folder holds this run, finished.

    Different names can lead to the same folder, such as "a b" and "a_b".
    """
    status = read_status(folder)
    return status is not None and status["state"] == "completed" and not _difference(status, facts)


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a finished run."""
    status = read_status(folder)
    return status is not None and status["state"] == "completed"


def read_status(folder: Path) -> dict[str, Any] | None:
    """Return the run's status, or None if there is none that can be read."""
    try:
        status = read_status_file(folder / STATUS)
    except (OSError, ValueError):
        return None
    return status if "state" in status else None


def read_finished(folder: Path) -> dict[str, Any] | None:
    """Return the status of the finished run in the folder, or None if there is no finished run.

    Raises:
        RunFolderError: a key is missing, or has a value of another type.
    """
    status = read_status(folder)
    if status is None or status["state"] != "completed":
        return None
    for key, kind in _FIELDS.items():
        value: Any = status
        for part in key.split("."):
            value = value.get(part)
        if not isinstance(value, kind) or isinstance(value, bool):
            problem = "is missing" if value is None else f"is not {_KINDS[kind]}"
            raise RunFolderError(
                f"{folder / STATUS} is not that of a finished run, its {key!r} {problem}: delete the"
                " run's folder, and train it again."
            )
    return status


def best_value(folder: Path) -> float:
    """Return the monitored metric of the finished run in the folder, in its best epoch.

    Raises:
        RunFolderError: the value is missing, or is not a finite number.
    """
    value = read_stored(folder / METRICS).get(BEST_VALUE)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RunFolderError(
            f"{folder / METRICS} of a finished run has {BEST_VALUE}={value!r}, which is not a finite"
            " number: delete the run's folder."
        )
    return float(value)


def read_stored(path: Path) -> dict[str, Any]:
    """Read a JSON object that a finished run wrote.

    Raises:
        RunFolderError: the file is missing or damaged.
    """
    try:
        return read_object(path)
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"{path} of a finished run cannot be read ({cause(error)}): delete the run's folder."
        ) from error


def write_results(
    folder: Path, evaluation: Evaluation, split: Split, card: Card, training: dict[str, float]
) -> None:
    """Write the results of a run, which `complete` marks as complete."""
    write_json(folder / METRICS, {**training, **evaluation.metrics})
    write_json(folder / RULES, evaluation.fitted)
    write_json(folder / BASELINES, evaluation.baselines)
    write_json(folder / CARD, card.as_json())
    write_arrays(folder / SPLIT, split.parts())
    predictions: dict[str, Any] = {
        "scores": evaluation.scores["test"],
        "targets": evaluation.targets["test"],
        **({} if evaluation.known.get("test") is None else {"known": evaluation.known["test"]}),
        **{f"decisions_{rule}": d for rule, d in evaluation.decisions["test"].items()},
    }
    write_arrays(folder / PREDICTIONS, predictions)


def complete(folder: Path, facts: RunFacts, identity: Identity) -> None:
    """Mark a run as finished; its results must be on the disk, for no report reads a part of them."""
    _write_status(folder, "completed", facts, identity)


def fail(
    folder: Path, facts: RunFacts, error: BaseException, identity: Identity | None = None
) -> None:
    """Write the error into the status.

    The folder stays as it is if it holds a finished run, if another process trains the run, or if the
    folder is not a run's.
    """
    try:
        ownership.check_run_folder(folder, FILES, is_claim=True)
        with holding(folder):
            if not is_finished(folder):
                _write_status(folder, "failed", facts, identity, error=_reason(error))
    except (BeingTrainedError, RunFolderError):
        return


def _reason(error: BaseException) -> str:
    return str(error) if isinstance(error, MlcError) else f"{type(error).__name__}: {error}"


def _difference(status: dict[str, Any], facts: RunFacts) -> str | None:
    """Describe the first difference between the run of the status and this run, if there is one."""
    for key in ("data", "head", "seed", "overrides"):
        if key == "overrides" and _same_config(status, facts):
            continue
        if status.get(key) != getattr(facts, key):
            return f"{key} {status.get(key)!r}, and not {getattr(facts, key)!r}"
    return None


def _same_config(status: dict[str, Any], facts: RunFacts) -> bool:
    """Whether both configs are equal, though their overrides may differ: defaults need no override."""
    before = status.get("config")
    if not isinstance(before, dict) or not before:
        return False
    # As stored: JSON turns tuples into lists.
    now = json.loads(json.dumps(facts.config))
    return not any(differences(before, now, automatic=automatic_in(status)))


def automatic_in(status: Mapping[str, Any]) -> list[str]:
    """Return the keys of a run's options whose values may be defaults by the data.

    A status of an earlier version does not name them: then all but those that were set.
    """
    if "automatic" in status:
        return list(status["automatic"])
    return [key for key in AUTOMATIC if key not in (status.get("overrides") or {})]


def already_finished(folder: Path, difference: str | None = None) -> RunFolderError:
    """Error for a folder with a finished run; `difference` says how it differs from the wanted run."""
    keep = f" of {difference}" if difference else ": keep it with resume=true"
    return RunFolderError(
        f"{folder} already holds a finished run{keep}{':' if difference else ','} name another folder"
        " with hydra.run.dir, hydra.sweep.dir or hydra.sweep.subdir, or delete this one."
    )


def _write_status(
    folder: Path, state: str, facts: RunFacts, identity: Identity | None, **more: Any
) -> None:
    content = {
        "state": state,
        **more,
        **vars(facts),
        "identity": None if identity is None else dataclasses.asdict(identity),
    }
    # Without a status, the run is not finished either.
    write_json(folder / STATUS, content, waits=state != "running")


def _named_process() -> dict[str, str | int]:
    """Host and number of this process, for readers of the status; only the lease is binding."""
    process = this_process()
    return {"host": process.host, "id": process.process}
