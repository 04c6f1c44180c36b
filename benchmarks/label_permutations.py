"""How often a comparison claims a winner where there is nothing to find: labels shuffled over the rows.

python -m benchmarks.label_permutations          200 shuffles of flags' and emotions' kind of data
python -m benchmarks.label_permutations 40       fewer
"""

from __future__ import annotations

import logging
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from mlc.comparing.answer import find_answer
from mlc.config.registry import BACKBONES, HEADS, OPTIMIZERS, SOURCES
from mlc.config.schema import Config
from mlc.reporting.collect import collect
from mlc.runs.folder import RunFacts
from mlc.runs.recording import Run, train_runs
from mlc.training.grouping import cohorts

HEADS_TRIED = ("sigmoid", "pairwise", "label_powerset", "zlpr", "softmax_uniform")
RULES = ["fixed", "global", "auto", "mode", "expected_jaccard", "seen"]
METRIC = "jaccard_samples"
N_ROWS, N_FEATURES, N_LABELS, N_SPLITS = 400, 8, 5, 3
RATES = (0.003, 0.01)


def claims_a_winner(seed: int, redrawn: bool, folder: Path) -> bool:
    """Whether a comparison on shuffled labels says that its choice leads sigmoid beyond chance.

    Args:
        seed: of the data and of the shuffle.
        redrawn: whether each split tests on rows of its own.
        folder: for the data and the runs.
    """
    rng = np.random.default_rng(seed)
    path = folder / "shuffled.csv"
    _write_table(path, rng)
    runs = [
        _run(head, trial, split, redrawn, path, folder)
        for head in HEADS_TRIED
        for trial in range(len(RATES))
        for split in range(N_SPLITS)
    ]
    for places in cohorts([run.config for run in runs], 64, 1):
        for outcome in train_runs([runs[place] for place in places]):
            if isinstance(outcome, Exception):
                raise outcome
    return find_answer(collect(folder), folder, METRIC).leads


def _write_table(path: Path, rng: np.random.Generator) -> None:
    """Features that tell nothing of the labels, and labels that depend on each other."""
    strength = rng.normal(size=(N_ROWS, 1))
    noise = rng.normal(size=(N_ROWS, N_LABELS))
    labels = (strength + noise > rng.uniform(-0.5, 1.2, N_LABELS)).astype(int)
    features = strength + rng.normal(size=(N_ROWS, N_FEATURES))
    shuffled = labels[rng.permutation(N_ROWS)]
    columns = [f"x{k}" for k in range(N_FEATURES)] + [f"y{k}" for k in range(N_LABELS)]
    pd.DataFrame(np.hstack([features, shuffled]), columns=columns).to_csv(path, index=False)


def _run(head: str, trial: int, seed: int, redrawn: bool, path: Path, folder: Path) -> Run:
    names = [f"y{k}" for k in range(N_LABELS)]
    split_seed = None if redrawn else 0
    config = Config(
        SOURCES.options("table", path=str(path), labels=names, split_seed=split_seed),
        BACKBONES.options("mlp", widths=[32], dropout=0.2),
        HEADS.options(head),
        OPTIMIZERS.options("adamw", lr=RATES[trial]),
        decisions=RULES,
        seed=seed,
        trial=trial,
    )
    config.trainer.max_epochs, config.trainer.followed = 10, []
    config.report.yardsticks = config.report.limits = False
    name = f"shuffled/{head}/trial={trial},seed={seed}"
    overrides = {"trial": str(trial), "optimizer.lr": str(RATES[trial])}
    facts = RunFacts(name, "shuffled", head, seed, overrides, METRIC, asdict(config))
    return Run(config, folder / name, facts)


def main() -> None:
    """Count the claims, and print them as they come."""
    logging.disable(logging.WARNING)
    n_shuffles = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    for redrawn in (False, True):
        kind = "test rows of each split" if redrawn else "one test part"
        claims = 0
        for seed in range(n_shuffles):
            with tempfile.TemporaryDirectory() as folder:
                claims += claims_a_winner(seed, redrawn, Path(folder))
            print(f"{kind}: {claims} of {seed + 1} claim a winner", flush=True)


if __name__ == "__main__":
    main()
