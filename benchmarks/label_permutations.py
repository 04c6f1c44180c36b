"""How often a comparison claims a winner on labels that are shuffled over the rows.

python -m benchmarks.label_permutations                 200 shuffles
python -m benchmarks.label_permutations --shuffles 40   fewer

Each shuffle's result is a row of results/benchmarks/label_permutations.csv and is not computed again:
the same command goes on where it was stopped. A shuffle takes about 4 seconds of a core.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measuring import RESULTS, append_rows, stored_rows, write
from mlc.comparing.answer import Answer, find_answer
from mlc.config.registry import BACKBONES, HEADS, OPTIMIZERS, SOURCES
from mlc.config.schema import Config
from mlc.reporting.collect import collect
from mlc.reporting.tables import Table
from mlc.runs.folder import RunFacts
from mlc.runs.recording import Run, train_runs
from mlc.training.grouping import cohorts

STORED = RESULTS / "label_permutations.csv"
HEADS_TRIED = ("sigmoid", "pairwise", "label_powerset", "zlpr", "softmax_uniform")
RULES = ["fixed", "global", "auto", "mode", "expected_jaccard", "seen"]
METRIC = "jaccard_samples"
N_ROWS, N_FEATURES, N_LABELS, N_SPLITS = 240, 8, 4, 3
RATES = (0.003, 0.01)
PARTS = ("one part", "redrawn by each split")
# The largest share of shuffles that may claim a winner.
MOST = 0.08


def judged(seed: int, parts: str) -> dict[str, object]:
    """Return the row of a shuffle: the chosen head, its lead over sigmoid, and whether it is claimed.

    Args:
        seed: of the data and of the shuffle.
        parts: of PARTS, the test rows of the splits.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = answer_on_shuffled(seed, parts != PARTS[0], Path(folder))
    lead = answer.differences.get(answer.chosen.head)
    ahead = [gap.is_clear and gap.mean > 0 for gap in answer.differences.values()]
    return {
        "test_rows": parts, "seed": seed, "chosen": answer.chosen.head,
        "lead": 0.0 if lead is None else round(lead.mean, 5),
        "half_width": 0.0 if lead is None else round(lead.half_width, 5),
        "claims_a_winner": int(answer.leads), "any_head_ahead": int(any(ahead)),
    }  # fmt: skip


def answer_on_shuffled(seed: int, redrawn: bool, folder: Path) -> Answer:
    """Train a comparison on shuffled labels in a folder, and return its answer."""
    rng = np.random.default_rng(seed)
    path = folder / "shuffled.csv"
    _write_table(path, rng)
    runs = [
        _run(head, trial, split, redrawn, path, folder)
        for head in HEADS_TRIED
        for trial in range(len(RATES))
        for split in range(N_SPLITS)
    ]
    for indices in cohorts([run.config for run in runs], 64, 1):
        for outcome in train_runs([runs[index] for index in indices]):
            if isinstance(outcome, Exception):
                raise outcome
    return find_answer(collect(folder), folder, METRIC)


def _write_table(path: Path, rng: np.random.Generator) -> None:
    """Write features that say nothing about the labels, and labels that depend on each other."""
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
    config.trainer.max_epochs, config.trainer.followed = 6, []
    config.report.yardsticks = config.report.limits = False
    name = f"shuffled/{head}/trial={trial},seed={seed}"
    overrides = {"trial": str(trial), "optimizer.lr": str(RATES[trial])}
    facts = RunFacts(name, "shuffled", head, seed, overrides, METRIC, asdict(config))
    return Run(config, folder / name, facts)


def counts(rows: Sequence[Mapping[str, str]]) -> Table:
    """Count the shuffles that claim a winner, by the test rows of the splits."""
    lines = []
    for parts in PARTS:
        of_parts = [row for row in rows if row["test_rows"] == parts]
        if not of_parts:
            continue
        claims, ahead = (
            sum(int(row[key]) for row in of_parts) for key in ("claims_a_winner", "any_head_ahead")
        )
        others = [row for row in of_parts if row["chosen"] != "sigmoid"]
        width = np.median([float(row["half_width"]) for row in others]) if others else np.nan
        lines.append(
            [
                parts, str(len(of_parts)), f"{claims} ({claims / len(of_parts):.1%})",
                f"{ahead} ({ahead / len(of_parts):.1%})", str(len(others)), f"{width:.3f}",
            ]
        )  # fmt: skip
    header = [
        "test rows", "shuffles", "claim a winner", "any head ahead", "choose another head than sigmoid",
        "median half-width of its lead",
    ]  # fmt: skip
    return Table(header, lines)


def _complete(n_shuffles: int) -> None:
    """Append the rows of the shuffles that have none."""
    stored = {(row["test_rows"], int(row["seed"])) for row in stored_rows(STORED)}
    for seed in range(n_shuffles):
        for parts in PARTS:
            if (parts, seed) not in stored:
                append_rows(STORED, [judged(seed, parts)])
                print(parts, seed, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the rows that are missing, and write the table."""
    parser = argparse.ArgumentParser(
        description="Count winners that are claimed on shuffled labels."
    )
    parser.add_argument("--shuffles", type=int, default=200)
    n_shuffles = parser.parse_args(arguments).shuffles
    logging.disable(logging.WARNING)
    try:
        _complete(n_shuffles)
    finally:
        logging.disable(logging.NOTSET)
    text = (
        f"Comparisons of {len(HEADS_TRIED)} heads with {len(RATES)} rates on {N_SPLITS} splits of"
        f" {N_ROWS} rows with {N_LABELS} labels that are shuffled over the rows, so that no head can"
        f" be better; {METRIC}, the rules {', '.join(RULES)}. A winner is claimed where the chosen"
        " head's interval, corrected for the number of heads, lies above 0; any head is ahead where"
        f" one of the intervals does. At most {MOST:.0%} of the shuffles may claim one."
    )
    command = "python -m benchmarks.label_permutations"
    write(
        "label_permutations", "Winners on shuffled labels", command,
        [(text, counts(stored_rows(STORED)))],
    )  # fmt: skip


if __name__ == "__main__":
    main()
