"""What a run leaves in its folder, and when it counts as finished."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlc.config.errors import BeingTrainedError, MlcError, RunFolderError
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
from mlc.files.writing import write_atomically, write_json
from mlc.runs import ownership
from mlc.runs.leases import holding
from mlc.runs.leases.owner import this_process
from mlc.runs.provenance import Identity, differences

if TYPE_CHECKING:
    from mlc.data.card import Card
    from mlc.data.splits import Split
    from mlc.evaluation.judging import Evaluation

# The monitored metric in the best epoch, among a run's metrics.
BEST_VALUE = "train/best_value"
# What a run writes into its folder beside its status, log, config and TensorBoard events.
FILES = (
    METRICS, RULES, BASELINES, PREDICTIONS, SPLIT, PREPROCESSING, CARD, HISTORY, CHECKPOINT,
)  # fmt: skip


_KINDS = {str: "text", int: "integer", dict: "object"}
# What the status of a finished run holds, by type, for those who read it.
_FIELDS = {
    "data": str, "head": str, "seed": int, "overrides": dict, "monitor": str,
    "config": dict, "config.data": dict, "config.data.source": str,
    "identity": dict, "identity.data": str, "identity.code": str, "identity.versions": dict,
}  # fmt: skip


@dataclass(frozen=True)
class RunFacts:
    """Which run it is: what tables group and name it by.

    Attributes:
        run: its path in the sweep, as in "yeast/powerset/seed=3".
        data: the data set's name.
        head: the head's name.
        seed: the run's seed.
        overrides: what was set beside these, by its key.
        monitor: the validation metric that chose the epoch.
        config: every setting, nested.
        place: of the run in its sweep as it was written.
        parts: the modules of its parts that are not in `mlc`, by kind and name.
    """

    run: str
    data: str
    head: str
    seed: int
    overrides: dict[str, str] = field(default_factory=dict)
    monitor: str = "jaccard_samples"
    config: dict[str, Any] = field(default_factory=dict)
    place: int = 0
    parts: dict[str, dict[str, str]] = field(default_factory=dict)


def claim(folder: Path, facts: RunFacts, identity: Identity) -> None:
    """Mark the folder as that of a run that has begun, and clear away what an earlier try left.

    The caller has the folder's lease.

    Raises:
        RunFolderError: a finished run lies there already, or the folder is not a run's.
    """
    ownership.check_run_folder(folder, FILES, is_claim=True)
    status = read_status(folder)
    if status is not None and status["state"] == "completed":
        raise already_finished(folder, _another(status, facts))
    if folder.is_dir():
        ownership.remove_leftovers(folder, FILES)
    _write_status(folder, "running", facts, identity, process=_named_process())


def holds(folder: Path, facts: RunFacts) -> bool:
    """Whether the folder holds this very run, finished.

    Names that differ may give one folder, such as "a b" and "a_b".
    """
    status = read_status(folder)
    return status is not None and status["state"] == "completed" and not _another(status, facts)


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a finished run."""
    status = read_status(folder)
    return status is not None and status["state"] == "completed"


def read_status(folder: Path) -> dict[str, Any] | None:
    """What the run's status says, or None where there is none that can be read."""
    try:
        status = read_object(folder / STATUS)
    except (OSError, ValueError):
        return None
    return status if "state" in status else None


def read_finished(folder: Path) -> dict[str, Any] | None:
    """The status of the finished run in the folder, or None where there is none.

    Raises:
        RunFolderError: it lacks something that a finished run states, or states it in another type.
    """
    status = read_status(folder)
    if status is None or status["state"] != "completed":
        return None
    for key, kind in _FIELDS.items():
        value: Any = status
        for part in key.split("."):
            value = value.get(part)
        if not isinstance(value, kind) or isinstance(value, bool):
            found = "is missing" if value is None else f"is no {_KINDS[kind]}"
            raise RunFolderError(
                f"{folder / STATUS} is not that of a finished run, its {key!r} {found}: delete the"
                " run's folder, and train it again."
            )
    return status


def best_value(folder: Path) -> float:
    """The monitored metric of the finished run in the folder, in its best epoch.

    Raises:
        RunFolderError: the run does not hold one.
    """
    value = read_stored(folder / METRICS).get(BEST_VALUE)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise RunFolderError(
            f"{folder / METRICS} of a finished run has {BEST_VALUE}={value!r}, which is no number:"
            " delete the run's folder."
        )
    return float(value)


def read_stored(path: Path) -> dict[str, Any]:
    """A JSON object that a finished run wrote.

    Raises:
        RunFolderError: there is none.
    """
    try:
        return read_object(path)
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"{path} of a finished run cannot be read ({error}): delete the run's folder."
        ) from error


def complete(
    folder: Path,
    facts: RunFacts,
    identity: Identity,
    evaluation: Evaluation,
    split: Split,
    card: Card,
    training: dict[str, float],
) -> None:
    """Write the results, and the status last, so that a report never counts half of them."""
    write_json(folder / METRICS, {**training, **evaluation.metrics})
    write_json(folder / RULES, evaluation.fitted)
    write_json(folder / BASELINES, evaluation.baselines)
    write_json(folder / CARD, card.as_json())
    with write_atomically(folder / SPLIT) as file:
        np.savez_compressed(file, allow_pickle=False, **split.parts())
    with write_atomically(folder / PREDICTIONS) as file:
        np.savez_compressed(
            file,
            allow_pickle=False,
            scores=evaluation.scores["test"],
            targets=evaluation.targets["test"],
            **{f"decisions_{rule}": d for rule, d in evaluation.decisions["test"].items()},
        )
    _write_status(folder, "completed", facts, identity)


def fail(
    folder: Path, facts: RunFacts, error: BaseException, identity: Identity | None = None
) -> None:
    """Note why the run could not be finished; a finished one in the folder stays as it is.

    So does one that another process is training, and a folder that is not a run's.
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


def _another(status: dict[str, Any], facts: RunFacts) -> str | None:
    """What tells the status's run from this one, None where nothing does."""
    for key in ("data", "head", "seed", "overrides"):
        if key == "overrides" and _same_config(status, facts):
            continue
        if status.get(key) != getattr(facts, key):
            return f"{key} {status.get(key)!r}, and not {getattr(facts, key)!r}"
    return None


def _same_config(status: dict[str, Any], facts: RunFacts) -> bool:
    """Whether both settle the same, however stated: a default may be, and a number in two forms."""
    before = status.get("config")
    if not isinstance(before, dict) or not before:
        return False
    # As stored: JSON has lists alone.
    return not any(differences(before, json.loads(json.dumps(facts.config))))


def already_finished(folder: Path, difference: str | None = None) -> RunFolderError:
    """For a folder whose run is finished; `difference` says what tells that from the one asked for."""
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
        **dataclasses.asdict(facts),
        "identity": None if identity is None else dataclasses.asdict(identity),
    }
    write_json(folder / STATUS, content)


def _named_process() -> dict[str, str | int]:
    """For whoever reads the status; it is the lease that counts."""
    own = this_process()
    return {"host": own.host, "id": own.process}
