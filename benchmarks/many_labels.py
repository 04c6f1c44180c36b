"""Seconds and memory of whole runs with 1,000 to 30,000 labels, each in a process of its own.

Made-up rows of EURLex-4K's shape, as a LIBSVM file: 15,000 rows, 5,000 sparse features, 5 labels a row.

    python -m benchmarks.many_labels
    python -m benchmarks.many_labels --make FILE --labels 3956     # only writes a file
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.drawing import logarithmic
from benchmarks.measuring import RESULTS, append_rows, environment, stored_rows, write
from mlc.files.writing import write_atomically
from mlc.reporting.tables import Table
from mlc.tracking.palette import head_style

N_ROWS, N_FEATURES = 15_000, 5_000
PER_ROW, PER_LABEL, NOISE = 5, 12, 20
LABELS = (1_000, 4_000, 10_000, 30_000)
HEADS = ("sigmoid", "pick_one", "ova_n", "negative_sampling")
METRICS = ("precision_at_1", "ndcg_at_5", "psndcg_at_5")
EPOCHS = 1
CSV = RESULTS / "many_labels.csv"


def write_libsvm(path: Path, n_labels: int, n_rows: int = N_ROWS, seed: int = 0) -> None:
    """Write rows whose features are the words of their labels, and noise.

    Label k is drawn with a probability proportional to 1 / (k + 10), 1 to 9 labels a row. Each label has
    12 features with weights; a row has half of those of each of its labels, and 20 others at random.
    """
    draw = np.random.default_rng(seed)
    words = draw.integers(N_FEATURES, size=(n_labels, PER_LABEL))
    weights = draw.uniform(0.2, 1, size=(n_labels, PER_LABEL))
    share = 1 / (np.arange(n_labels) + 10)
    bounds = np.cumsum(share / share.sum())
    with path.open("w", encoding="ascii") as file:
        file.write(f"{n_rows} {N_FEATURES} {n_labels}\n")
        for _ in range(n_rows):
            count = draw.integers(1, 2 * PER_ROW)
            labels = np.unique(np.searchsorted(bounds, draw.random(count)).clip(max=n_labels - 1))
            row = np.zeros(N_FEATURES)
            row[draw.integers(N_FEATURES, size=NOISE)] = draw.uniform(0.2, 1, size=NOISE)
            shown = draw.random((len(labels), PER_LABEL)) < 0.5
            row[words[labels][shown]] += weights[labels][shown]
            pairs = " ".join(f"{column}:{row[column]:.3f}" for column in np.flatnonzero(row))
            file.write(f"{','.join(map(str, labels))} {pairs}\n")


def measure(path: Path, head: str, folder: Path) -> dict[str, float]:
    """Train, evaluate and store one run in a new process; return its costs and test metrics.

    The seconds are of the processor (one thread), so that other work on the machine counts little.
    """
    command = [
        sys.executable, "-m", "mlc.train", "data=libsvm", f"data.path={path}", f"head={head}",
        f"trainer.max_epochs={EPOCHS}", "report.yardsticks=false", "report.figures=false",
        "device=cpu", f"hydra.run.dir={folder}",
    ]  # fmt: skip
    started = time.perf_counter()
    process = subprocess.Popen(command, env={**environment(), "OMP_NUM_THREADS": "1"})
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed.")
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return {
        "seconds": usage.ru_utime + usage.ru_stime,
        "wall": time.perf_counter() - started,
        "gigabytes": usage.ru_maxrss / 1e6,
        **{name: metrics[f"test/{name}"] for name in METRICS},
    }


def draw_growth(rows: Sequence[dict[str, str]]) -> None:
    """Draw seconds and memory against the number of labels."""
    figure = Figure(figsize=(8, 3.2), layout="constrained", dpi=120)
    for axes, key, label in zip(
        figure.subplots(1, 2),
        ("seconds", "gigabytes"),
        ("processor seconds of a run", "peak memory (GB)"),
        strict=True,
    ):
        for head in HEADS:
            of_head = [row for row in rows if row["head"] == head]
            x = [int(row["labels"]) for row in of_head]
            style = head_style(head)
            axes.plot(
                x, [float(row[key]) for row in of_head], marker=style.marker, label=head,
                linewidth=1.3 * style.width, **style.line,
            )  # fmt: skip
        logarithmic(axes, LABELS, "labels (K)", label)
    axes.axhline(8, color="0.4", linewidth=0.8, linestyle="--")
    axes.annotate("8 GB", (LABELS[0], 8), (0, -10), textcoords="offset points", fontsize=8)
    axes.legend(frameon=False, fontsize=8)
    figure.suptitle("What does a run cost, by the number of labels?", fontweight="bold")
    with write_atomically(RESULTS / "many_labels.png") as file:
        figure.savefig(file, format="png")


def report() -> None:
    """Write the table and the figure of the measurements so far."""
    rows = sorted(stored_rows(CSV), key=lambda row: (HEADS.index(row["head"]), int(row["labels"])))
    draw_growth(rows)
    header = ["head", "labels", "seconds", "GB", *METRICS]
    cells = [
        [row["head"], f"{int(row['labels']):,}", f"{float(row['seconds']):.0f}",
         f"{float(row['gigabytes']):.1f}", *(f"{float(row[name]):.3f}" for name in METRICS)]
        for row in rows
    ]  # fmt: skip
    text = (
        "![Seconds and memory by the number of labels](many_labels.png)\n\n"
        f"`mlc-train data=libsvm` with {N_ROWS:,} rows, {N_FEATURES:,} sparse features and 5 labels a"
        f" row: reading, splitting, {EPOCHS} epoch of the default network (128 hidden units) with"
        " validation, three rules, all metrics, and storing. Processor seconds of one thread and peak"
        " memory of the process, one measurement each. The test metrics are of one epoch, after"
        " which ova_n has hardly learned anything: they are no comparison of heads."
    )
    command = "python -m benchmarks.many_labels"
    write("many_labels", "Runs with many labels", command, [(text, Table(header, cells, 1))])


def main() -> None:
    """Measure what is not yet in the CSV, then write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--make", type=Path, help="only write a file")
    parser.add_argument("--labels", type=int, nargs="+", default=LABELS)
    parser.add_argument("--heads", nargs="+", default=HEADS)
    options = parser.parse_args()
    if options.make is not None:
        write_libsvm(options.make, options.labels[0])
        return
    done = {(row["head"], int(row["labels"])) for row in stored_rows(CSV)}
    with tempfile.TemporaryDirectory() as scratch:
        for n_labels in options.labels:
            path = Path(scratch) / f"{n_labels}.txt"
            for head in options.heads:
                if (head, n_labels) not in done:
                    if not path.is_file():
                        write_libsvm(path, n_labels)
                    values = measure(path, head, Path(scratch) / f"{head}-{n_labels}")
                    append_rows(CSV, [{"head": head, "labels": n_labels, **values}])
                    print(head, n_labels, values, flush=True)
    report()


if __name__ == "__main__":
    main()
