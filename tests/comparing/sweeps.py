"""Searches' folders as their runs write them, without any training."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlc.metrics.final import decision_metrics

METRIC = "jaccard_samples"


def targets_of(n_rows: int, n_labels: int = 3) -> NDArray[np.bool_]:
    """Label sets of the rows, each row the same in every split."""
    return np.random.default_rng(0).random((n_rows, n_labels)) < 0.4


def with_errors(
    targets: NDArray[np.bool_], share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Label sets in which this share of the pairs is wrong."""
    return targets ^ (rng.random(targets.shape) < share)


def write_run(
    folder: Path,
    head: str,
    seed: int,
    decisions: Mapping[str, NDArray[np.bool_]],
    targets: NDArray[np.bool_],
    rows: NDArray[np.int64],
    validation: Mapping[str, float],
    trial: int = 0,
    **settings: str,
) -> None:
    """Write what an answer reads of a finished run.

    Args:
        folder: of the search.
        head: its name.
        seed: of the run.
        decisions: on the test rows, by rule.
        targets: of the test rows.
        rows: their numbers in the data set.
        validation: the metric on validation rows, by rule.
        trial: the number of the configuration.
        settings: other overrides of the run.
    """
    name = f"toy/{head}/seed={seed},trial={trial}"
    name += "".join(f",{key}={value}" for key, value in settings.items())
    run = folder / name
    run.mkdir(parents=True)
    metrics: dict[str, float | int] = {"train/seconds": 1.5, "parameters": 9}
    for rule, decided in decisions.items():
        for metric, value in decision_metrics(decided, targets).items():
            metrics |= {f"test/{rule}/{metric}": value, f"val/{rule}/{metric}": validation[rule]}
    overrides = {"trial": str(trial), **settings}
    status = {
        "state": "completed", "run": name, "data": "toy", "head": head, "seed": seed,
        "overrides": overrides, "monitor": METRIC, "config": {"trial": trial, **settings},
        "identity": None,
    }  # fmt: skip
    tuned_on = {rule: "validation" if rule == "global" else "nothing" for rule in decisions}
    files = {
        "status.json": status,
        "metrics.json": metrics,
        "rules.json": {rule: {"tuned_on": part} for rule, part in tuned_on.items()},
        "baselines.json": {"most_frequent_set": {f"test/constant/{METRIC}": 0.2}},
    }
    for file, content in files.items():
        (run / file).write_text(json.dumps(content))
    stored = {f"decisions_{rule}": decided for rule, decided in decisions.items()}
    np.savez(run / "predictions.npz", scores=targets.astype(float), targets=targets, **stored)
    others = np.arange(3 * len(rows)) + rows.max() + 1
    np.savez(run / "split.npz", train=others, val=others[:5], test=rows)


def write_search(
    folder: Path,
    errors: Mapping[str, float],
    validation: Mapping[str, float | Sequence[float]],
    n_rows: int = 300,
    n_seeds: int = 3,
    redrawn: bool = False,
) -> None:
    """Write a search in which each head errs so often on test rows and has such validation values.

    Args:
        folder: of the search.
        errors: the share of wrong pairs on the test rows, by head.
        validation: the metric on validation rows, by head, for all seeds or each.
        n_rows: test rows of a split.
        n_seeds: the number of splits.
        redrawn: whether each seed tests on rows of its own.
    """
    rng = np.random.default_rng(1)
    every = targets_of(4 * n_rows)
    for seed in range(n_seeds):
        rows = np.sort(rng.choice(len(every), n_rows, replace=False)) if redrawn else None
        rows = np.arange(n_rows) if rows is None else rows
        for head, share in errors.items():
            value = validation[head]
            own = value if isinstance(value, float) else value[seed]
            write_run(
                folder,
                head,
                seed,
                {"global": with_errors(every[rows], share, rng)},
                every[rows],
                rows,
                {"global": own},
            )
