"""backbone=embedding_bag beside the fasttext package, on the same texts: python -m benchmarks.fasttext

Needs pip install fasttext (fasttext-wheel where that, compiled on the machine, ends with a NaN), and
bibtex, tmc2007-500 and goemotions under $MLC_DATA; both get the words that a row has as its text. 1
hour, most of it for goemotions; --data chooses the data sets.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import fasttext
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from benchmarks.defaults import TEXTS
from benchmarks.defaults import load as load_texts
from benchmarks.measuring import spread, write
from mlc.backbones.base import BACKBONES
from mlc.config.schema import TrainerOptions
from mlc.data.base import SOURCES, Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split, hold_out
from mlc.heads.base import HEADS
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.top_scores import best_threshold
from mlc.reporting.statistics import mean_interval
from mlc.reporting.tables import Table
from mlc.training.loop import Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS

DATA, SEEDS, EPOCHS, WIDTH = ("bibtex", "tmc2007-500", "goemotions"), range(3), 25, 100
LOSSES = {"pick_one": "softmax", "sigmoid": "ova"}
FASTTEXT = "fasttext", 1
# Rates by optimizer and batch, of which the best on the validation rows is reported: as many for each.
RATES = {
    FASTTEXT: (0.05, 0.1, 0.3, 1.0),
    **{("adam", batch): (0.003, 0.01, 0.03, 0.1) for batch in (128, 512, 2048)},
    # Those of fasttext are for the sum over a row, and these for the mean over a batch.
    ("sgd", 512): (6.0, 12.0, 25.0, 100.0),
}
# Rows of an epoch of which the operations are timed.
PROFILED = 6400
PROFILED_KIND = "adam", 128
# What PyTorch's profiler calls the parts of a step, by the row of the table.
PARTS = {
    "means of vectors": "_Mean",
    "their gradients by word": "_MeanBackward",
}
JACCARD = COUNT_METRICS["jaccard_samples"]
Scores = NDArray[np.floating]
Kind = tuple[str, int]


def load(name: str) -> tuple[Dataset, list[str]]:
    """The data as counts of 0 and 1, and each row's words as a text."""
    if name in TEXTS:
        dataset, _ = load_texts(Path(os.environ["MLC_DATA"]), name)
    else:
        options = SOURCES.options("arff", path=f"{name}/{name}", absent_labels="keep")
        dataset = SOURCES["arff"].load(options)
    rows = csr_matrix(dataset.features > 0).astype(np.float32)
    words = [f"w{column}" for column in range(dataset.n_features)]
    texts = [" ".join(words[j] for j in row.indices) for row in rows]
    return Dataset(**{**vars(dataset), "features": rows}), texts


def by_fasttext(
    dataset: Dataset, texts: list[str], split: Split, loss: str, rate: float, seed: int
) -> tuple[float, Scores, Scores]:
    """CPU seconds of training; scores of the validation and the test rows."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        lines = []
        for row in split.train:
            labels = " ".join(f"__label__{k}" for k in np.flatnonzero(dataset.targets[row]))
            lines.append(f"{labels} {texts[row]}")
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        began = time.process_time()
        model = fasttext.train_supervised(
            str(path), loss=loss, lr=rate, dim=WIDTH, epoch=EPOCHS, minCount=1, thread=1,
            seed=seed, verbose=0,
        )  # fmt: skip
        seconds = time.process_time() - began
    scores = []
    for rows in (split.val, split.test):
        probabilities = np.zeros((len(rows), dataset.n_labels))
        for index, row in enumerate(rows):
            # The Python wrapper of predict fails with NumPy 2; this is the function that it calls.
            for probability, label in model.f.predict(f"{texts[row]}\n", -1, 0.0, "strict"):
                probabilities[index, int(label.removeprefix("__label__"))] = min(probability, 1.0)
        scores.append(probabilities)
    return seconds, *scores


def by_mlc(
    dataset: Dataset, split: Split, head: str, rate: float, kind: Kind, seeds: list[int]
) -> tuple[float, list[Scores], list[Scores]]:
    """Train all seeds as a cohort; return the CPU seconds and the scores of each seed."""
    training = prepare(dataset, split, head, rate, kind, seeds)
    began = time.process_time()
    for number in range(1, EPOCHS + 1):
        training.train_epoch(number)
    seconds = time.process_time() - began
    model, data = training.model, training.data
    scores = []
    for part in (split.val, split.test):
        rows = data.rows([part] * len(seeds))
        chunks = [model.head.scores(outputs) for outputs, *_ in model.outputs(data, rows)]
        scores.append(list(torch.cat(chunks, dim=1).numpy()))
    return seconds, scores[0], scores[1]


def prepare(
    dataset: Dataset, split: Split, head: str, rate: float, kind: Kind, seeds: list[int]
) -> Training:
    """Return the training of a cohort."""
    device = torch.device("cpu")
    scalings = [fit_scaling(dataset, split.train)] * len(seeds)
    options = BACKBONES.options("embedding_bag", width=WIDTH)
    backbone = BACKBONES["embedding_bag"](dataset.n_features, [options] * len(seeds), seeds)
    output_layer = HEADS[head](WIDTH, dataset.n_labels, HEADS.options(head), seeds)
    model = Model(backbone, output_layer)
    data = ResidentData(dataset.features, dataset.targets, scalings, device, bags=True)
    name, batch = kind
    # As fasttext's.
    momentum = {"momentum": 0.0} if name == "sgd" else {}
    rates = OPTIMIZERS.options(name, lr=rate, schedule="cosine", **momentum)
    optimizer = OPTIMIZERS[name](list(model.parameters()), [rates] * len(seeds))
    trainer = [TrainerOptions(max_epochs=EPOCHS, batch_size=batch)] * len(seeds)
    return Training(model, data, [split] * len(seeds), optimizer, trainer, seeds)


def shares(name: str, n_runs: int) -> tuple[str, ...]:
    """Return the shares of an epoch's time that the parts of a step take."""
    dataset, _ = load(name)
    train, val = hold_out(dataset, dataset.parts["train"], 0.2, 0)
    split = Split(train[:PROFILED], val, dataset.parts["test"])
    training = prepare(dataset, split, "sigmoid", 0.01, PROFILED_KIND, list(range(n_runs)))
    training.train_epoch(1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        training.train_epoch(2)
    events = {event.key: event for event in profile.key_averages()}
    total = sum(event.self_cpu_time_total for event in events.values())
    found = [events[key].cpu_time_total / total for key in PARTS.values()]
    return name, str(n_runs), *(f"{share:.0%}" for share in (*found, 1 - sum(found)))


def judge(val: Scores, test: Scores, dataset: Dataset, split: Split) -> dict[str, float]:
    """Return validation and test Jaccard at the validated threshold, and precision at 1."""
    of_val, of_test = (torch.as_tensor(dataset.targets[rows]) for rows in (split.val, split.test))
    threshold, value = best_threshold(JACCARD, torch.as_tensor(val), of_val)
    decided = torch.as_tensor(test).double() >= threshold
    first = dataset.targets[split.test][np.arange(len(test)), test.argmax(axis=1)]
    return {
        "val": float(value),
        "jaccard": float(JACCARD(decided, of_test)),
        "precision": float(first.mean()),
    }


def measure(name: str, head: str) -> list[tuple[str, ...]]:
    """Measure both packages in turns, each at its best rate."""
    dataset, texts = load(name)
    train, val = hold_out(dataset, dataset.parts["train"], 0.2, 0)
    split = Split(train, val, dataset.parts["test"])
    results: dict[Kind, dict[float, list[dict[str, float]]]] = {kind: {} for kind in RATES}
    for rate_fasttext, *rates in zip(*RATES.values(), strict=True):
        for seed in SEEDS:
            seconds, *scores = by_fasttext(dataset, texts, split, LOSSES[head], rate_fasttext, seed)
            judged = judge(scores[0], scores[1], dataset, split)
            results[FASTTEXT].setdefault(rate_fasttext, []).append({**judged, "seconds": seconds})
        for kind, rate in zip([kind for kind in RATES if kind != FASTTEXT], rates, strict=True):
            seconds, vals, tests = by_mlc(dataset, split, head, rate, kind, list(SEEDS))
            results[kind][rate] = [
                {**judge(a, b, dataset, split), "seconds": seconds / len(SEEDS)}
                for a, b in zip(vals, tests, strict=True)
            ]
    rows = []
    for kind, by_rate in results.items():
        best = max(by_rate, key=lambda rate: float(np.mean([one["val"] for one in by_rate[rate]])))
        values: dict[str, Any] = {
            key: [one[key] for one in by_rate[best]] for key in ("jaccard", "precision", "seconds")
        }
        of_mlc = f"mlc, head={head}, {kind[0]}, batches of {kind[1]}"
        model = f"fasttext, loss={LOSSES[head]}" if kind == FASTTEXT else of_mlc
        rows.append(
            (name, model, f"{best:g}", str(mean_interval(values["jaccard"])),
             str(mean_interval(values["precision"])), spread(values["seconds"]))
        )  # fmt: skip
        print(*rows[-1], flush=True)
    return rows


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    chosen = parser.parse_args().data
    torch.set_num_threads(1)
    header = ("data", "model", "rate", "jaccard_samples", "precision_at_1", "CPU seconds")
    rows = [row for name in chosen for head in LOSSES for row in measure(name, head)]
    text = (
        f"Word vectors of {WIDTH}, {EPOCHS} epochs, one thread, {len(SEEDS)} seeds; of"
        f" {len(RATES[FASTTEXT])} learning rates the best on the same validation rows, which also"
        " choose the one threshold. fasttext"
        " steps sample by sample (SGD, linear decay), mlc by batches (Adam or SGD, cosine)"
        " with the seeds side by side. Test values, mean ± half the 95% interval over seeds; CPU"
        " seconds of a training are medians (range), without reading and judging."
    )
    table = [shares(name, n_runs) for name in chosen for n_runs in (1, len(SEEDS))]
    parts = (
        f"Where the time of an epoch of {PROFILED:,} rows goes, head=sigmoid, Adam, batches of"
        f" {PROFILED_KIND[1]} and R runs side by side. The optimiser, in all else, updates only words"
        " of the batch."
    )
    write(
        "fasttext", "The fasttext package", "python -m benchmarks.fasttext",
        [(text, Table(header, rows)), (parts, Table(["data", "R", *PARTS, "all else"], table, 1))],
    )  # fmt: skip


if __name__ == "__main__":
    main()
