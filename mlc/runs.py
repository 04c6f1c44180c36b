"""What a run leaves in its folder, and when it counts as finished."""

from __future__ import annotations

import dataclasses
import json
import platform
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import mlc
from mlc.data import Split
from mlc.errors import MlcError, RunFolderError
from mlc.evaluation import Evaluation
from mlc.storage import write_atomically, write_json

STATUS = "status.json"
METRICS = "metrics.json"
RULES = "rules.json"
BASELINES = "baselines.json"
PREDICTIONS = "predictions.npz"
SPLIT = "split.npz"


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
        hyperparameters: dotted keys and values, for TensorBoard's HParams tab.
    """

    run: str
    data: str
    head: str
    seed: int
    overrides: dict[str, str] = field(default_factory=dict)
    monitor: str = "jaccard_samples"
    hyperparameters: dict[str, str | float | bool] = field(default_factory=dict)


def claim(folder: Path, facts: RunFacts) -> None:
    """Mark the folder as that of a run that has begun.

    Raises:
        RunFolderError: a finished run lies there already.
    """
    if is_finished(folder):
        raise RunFolderError(
            f"{folder} already holds a finished run: name another folder with hydra.run.dir or"
            " hydra.sweep.dir, or delete this one."
        )
    _write_status(folder, "running", facts)


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


def complete(
    folder: Path, facts: RunFacts, evaluation: Evaluation, split: Split, training: dict[str, float]
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
    _write_status(folder, "completed", facts)


def fail(folder: Path, facts: RunFacts, error: BaseException) -> None:
    """Note why the run could not be finished; a finished one in the folder stays as it is."""
    if is_finished(folder):
        return
    reason = str(error) if isinstance(error, MlcError) else f"{type(error).__name__}: {error}"
    _write_status(folder, "failed", facts, error=reason)


def _write_status(folder: Path, state: str, facts: RunFacts, **more: Any) -> None:
    content = {
        "state": state,
        **more,
        **dataclasses.asdict(facts),
        "versions": {
            "mlc": mlc.__version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
        },
    }
    write_json(folder / STATUS, content)
