"""Differences of the table of `make compare` between numerical libraries' paths.

python -m benchmarks.reproducibility

A processor chooses the instructions of ATen, MKL and oneDNN, and with them the order of sums. Each
variant runs the main job in a process of its own with another choice; --machine NAME adds the choice of
the present machine to those of another one. The means and the tolerances of
`conf/expected/compare.csv` come from their rows.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

from benchmarks.measuring import RESULTS, append_rows, stored_rows, write
from mlc.files.writing import write_text
from mlc.reporting.tables import Table

ROWS = RESULTS / "reproducibility.csv"
EXPECTED = RESULTS.parent.parent / "conf" / "expected" / "compare.csv"
METRICS = ("jaccard_samples", "f1_macro", "subset_accuracy")
KEY = ["data", "head", "rule", "metric"]
LEVEL = 0.99
LEAST = 0.001  # what one of 1,000 test rows changes in a mean that no variant changes
# Environment variables and overrides of each variant.
VARIANTS: dict[str, tuple[Mapping[str, str], Sequence[str]]] = {
    "as the machine chooses": ({}, ()),
    "ATen without vectors": ({"ATEN_CPU_CAPABILITY": "default"}, ()),
    "ATen, MKL and oneDNN with AVX2": (
        {
            "ATEN_CPU_CAPABILITY": "avx2",
            "MKL_ENABLE_INSTRUCTIONS": "AVX2",
            "ONEDNN_MAX_CPU_ISA": "AVX2",
        },
        (),
    ),
    "MKL for any processor": ({"MKL_CBWR": "COMPATIBLE"}, ()),
    "MKL with SSE4.2, oneDNN with SSE4.1": (
        {"MKL_ENABLE_INSTRUCTIONS": "SSE4_2", "ONEDNN_MAX_CPU_ISA": "SSE41"},
        (),
    ),
    "one run after another": ({}, ("hydra/launcher=basic",)),
    "one after another, AVX2": (
        {"ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
        ("hydra/launcher=basic",),
    ),
}


def measure(variant: str) -> list[dict[str, object]]:
    """Run the main job as a variant; return a row for each head, rule, seed and metric.

    A name that is no variant is that of the present machine, which chooses by itself.
    """
    environment, overrides = VARIANTS.get(variant, ({}, ()))
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [
                *(sys.executable, "-m", "mlc.train", "-m", "experiment=compare", *overrides),
                *("report.figures=false", "report.yardsticks=false", "report.expected=null"),
                f"hydra.sweep.dir={folder}/sweep",
            ],
            env=os.environ | environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        table = pd.read_csv(Path(folder, "sweep", "results.csv"))
    long = table.melt(["data", "head", "rule", "seed"], METRICS, "metric")
    return [{"variant": variant, **row} for row in long.to_dict("records")]


def tolerances(means: np.ndarray) -> np.ndarray:
    """Return half the prediction interval of each mean of one more variant.

    Student's t, at LEVEL for all means together (Bonferroni), and at least LEAST.

    Args:
        means: (variants, means).
    """
    n_variants, n_means = means.shape
    quantile = t.ppf(1 - (1 - LEVEL) / 2 / n_means, n_variants - 1)
    return np.maximum(quantile * means.std(0, ddof=1) * np.sqrt(1 + 1 / n_variants), LEAST)


def expected(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the mean and tolerance of each head, rule and metric over the variants."""
    means = rows.groupby([*KEY, "variant"])["value"].mean().unstack("variant")
    table = means.mean(axis=1).rename("mean").reset_index()
    table["tolerance"] = tolerances(means.to_numpy().T)
    table["seeds"] = " ".join(map(str, sorted(rows["seed"].unique())))
    return table[[*KEY, "seeds", "mean", "tolerance"]]


def report() -> None:
    """Write the page and the expected table from the stored rows."""
    rows = pd.read_csv(ROWS)
    table = expected(rows)
    EXPECTED.parent.mkdir(exist_ok=True)
    write_text(EXPECTED, table.round(6).to_csv(index=False, lineterminator="\n"))
    means = rows.groupby(["head", "rule", "metric", "variant"])["value"].mean().unstack("variant")
    spread = (means.max(axis=1) - means.min(axis=1)).rename("of means")
    single = rows.groupby(["head", "rule", "metric", "seed"])["value"].agg(np.ptp)
    worst = single.groupby(["head", "rule", "metric"]).max().rename("of one run")
    seeds = rows.groupby(["head", "rule", "metric", "variant"])["value"].std()
    seeds = seeds.groupby(["head", "rule", "metric"]).mean().rename("deviation over seeds")
    tolerance = table.set_index(["head", "rule", "metric"])["tolerance"]
    joined = pd.concat([spread, worst, seeds, tolerance], axis=1).reset_index()
    cells = [
        [*row[:3], *(f"{value:.4f}" for value in row[3:])] for row in joined.itertuples(index=False)
    ]
    write(
        "reproducibility",
        "The same table on other processors",
        "python -m benchmarks.reproducibility",
        [
            (
                f"Largest differences between {means.shape[1]} variants ({', '.join(means.columns)}),"
                " with the same seeds, of test metrics and of their means over 5 seeds; the standard"
                " deviation over seeds; the tolerance of a mean (prediction interval of one more"
                f" variant, {LEVEL:.0%} for all means together).",
                Table(
                    ["head", "rule", "metric", *joined.columns[3:]],
                    cells,
                    3,
                ),
            )
        ],
    )


def main() -> None:
    """Run the variants that have no rows yet, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reproducibility")
    parser.add_argument("--machine", default="", help="measure this machine alone, under this name")
    machine = parser.parse_args().machine
    done = {row["variant"] for row in stored_rows(ROWS)}
    for variant in [machine] if machine else VARIANTS:
        if variant not in done:
            print(variant, flush=True)
            append_rows(ROWS, measure(variant))
    report()


if __name__ == "__main__":
    main()
