"""What a run leaves in its folder, and when it counts as finished."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from mlc.data import Split
from mlc.errors import MlcError, RunFolderError
from mlc.evaluation import Evaluation
from mlc.identity import Identity
from mlc.storage import write_atomically, write_json
from mlc.tracking import HISTORY
from mlc.training import CHECKPOINT

STATUS = "status.json"
METRICS = "metrics.json"
RULES = "rules.json"
BASELINES = "baselines.json"
PREDICTIONS = "predictions.npz"
SPLIT = "split.npz"
PREPROCESSING = "preprocessing.npz"
# The monitored metric in the best epoch, among a run's metrics.
BEST_VALUE = "train/best_value"
# What a run that did not come to its end may have left; the last are files not yet in their place.
_LEFTOVERS = (
    METRICS, RULES, BASELINES, PREDICTIONS, SPLIT, PREPROCESSING, HISTORY, CHECKPOINT,
    "events.out.tfevents.*", ".*.*",
)  # fmt: skip


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
    """

    run: str
    data: str
    head: str
    seed: int
    overrides: dict[str, str] = field(default_factory=dict)
    monitor: str = "jaccard_samples"
    config: dict[str, Any] = field(default_factory=dict)
    place: int = 0


def claim(folder: Path, facts: RunFacts, identity: Identity) -> None:
    """Mark the folder as that of a run that has begun, and clear away what an earlier try left.

    Raises:
        RunFolderError: a finished run lies there already, or one that is being trained.
    """
    status = read_status(folder)
    if status is not None and status["state"] == "completed":
        raise RunFolderError(
            f"{folder} already holds a finished run: keep it with resume=true, name another folder"
            " with hydra.run.dir or hydra.sweep.dir, or delete this one."
        )
    if status is not None and _is_alive(status.get("process")):
        raise RunFolderError(
            f"{folder} is being trained by process {status['process']['id']} on this machine: wait"
            " for it, or stop it."
        )
    for pattern in _LEFTOVERS:
        for left in folder.glob(pattern):
            if left.is_file():
                left.unlink()
    _write_status(folder, "running", facts, identity, process=_this_process())


def is_finished(folder: Path) -> bool:
    """Whether the folder holds a finished run."""
    status = read_status(folder)
    return status is not None and status["state"] == "completed"


def read_status(folder: Path) -> dict[str, Any] | None:
    """What the run's status says, or None where there is none that can be read."""
    try:
        status = json.loads((folder / STATUS).read_text())
    except (OSError, ValueError):
        return None
    return status if isinstance(status, dict) and "state" in status else None


def read_stored(path: Path) -> dict[str, Any]:
    """A JSON object that a finished run wrote.

    Raises:
        RunFolderError: there is none.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"{path} of a finished run cannot be read ({error}): delete the run's folder."
        ) from error
    if not isinstance(content, dict):
        raise RunFolderError(f"{path} does not hold what a run writes: delete the run's folder.")
    return content


def complete(
    folder: Path,
    facts: RunFacts,
    identity: Identity,
    evaluation: Evaluation,
    split: Split,
    training: dict[str, float],
) -> None:
    """Write the results, and the status last, so that a report never counts half of them."""
    write_json(folder / METRICS, {**training, **evaluation.metrics})
    write_json(folder / RULES, evaluation.fitted)
    write_json(folder / BASELINES, evaluation.baselines)
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

    So does one that another process is training.
    """
    status = read_status(folder)
    if status is not None and (status["state"] == "completed" or _is_alive(status.get("process"))):
        return
    reason = str(error) if isinstance(error, MlcError) else f"{type(error).__name__}: {error}"
    _write_status(folder, "failed", facts, identity, error=reason)


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


def _this_process() -> dict[str, str | float]:
    own = psutil.Process()
    return {"host": socket.gethostname(), "id": own.pid, "started": own.create_time()}


def _is_alive(process: Any) -> bool:
    """Whether another process that a status names runs on this machine."""
    if not isinstance(process, dict) or process.get("host") != socket.gethostname():
        return False
    number = process.get("id")
    if not isinstance(number, int) or number == os.getpid():
        return False
    try:
        found = psutil.Process(number)
        alive = found.status() != psutil.STATUS_ZOMBIE
        return bool(alive and found.create_time() == process.get("started"))
    except (psutil.Error, ValueError, OverflowError):
        return False
