"""Is a softmax over 2^K label sets feasible in memory and time?"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.harness import Experiment, Finding, Measurements, Report, Row, Trial
from experiments.harness.plots import headline, legend, panels
from experiments.powerset_feasibility.layer import BATCH, WIDTH
from mlc.config.memory import readable
from mlc.reporting.tables import Table
from mlc.tracking.palette import head_style

HEADS = ("sigmoid", "powerset", "label_powerset", "pairwise", "bernoulli_mixture")
_LABELS = {"quick": (2, 6, 10, 14), "full": tuple(range(2, 21, 2))}


class Layers(Measurements):
    """Time and memory of each output layer: 256 features, Adam, batch 64, one process each."""

    name = "layers"
    columns = (
        "outputs", "parameters", "predicted_bytes", "measured_bytes", "milliseconds",
        "times_sigmoid", "times_low", "times_high", "error",
    )  # fmt: skip
    alone = True

    def trials(self, budget: str) -> list[Trial]:
        """Return all heads with all numbers of labels."""
        return [{"head": head, "n_labels": k} for k in _LABELS[budget] for head in HEADS]

    def measured(self, trial: Trial) -> list[Row]:
        """Run the process and return its measurements."""
        command = [sys.executable, "-m", "experiments.powerset_feasibility.layer"]
        command += [str(trial["head"]), str(trial["n_labels"])]
        process = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
        return [dict(json.loads(process.stdout.splitlines()[-1]))]


GIGABYTES = (16, 24, 80)
_MOST_LABELS_TRIED = 40


class PowersetFeasibility(Experiment):
    """The experiment on the cost of a softmax over all label sets."""

    name = "powerset_feasibility"
    studies = (Layers(),)

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report cost by number of labels, and the largest K that fits into memory."""
        rows = frames["layers"]
        report = Report()
        report.tables["layers"] = (
            "The output layer alone: 256 features, Adam, batch 64, one thread; in brackets the middle"
            " half of the ratios",
            Table(["head", "K", *_HEADER], [_cells(row) for _, row in rows.iterrows()], 1),
        )
        ends = {head: [largest(head, size * 1e9) for size in GIGABYTES] for head in FORMULAS}
        report.tables["ends"] = (
            f"The largest K that fits, by formula (tried up to {_MOST_LABELS_TRIED})",
            Table(
                ["head", *(f"{size} GB" for size in GIGABYTES)],
                [[head, *map(str, sizes)] for head, sizes in ends.items()],
                1,
            ),
        )
        report.figures["cost"] = _figure(rows)
        powerset = rows[rows["head"] == "powerset"].set_index("n_labels")
        observed = rows[rows["head"] == "label_powerset"].set_index("n_labels")
        large = powerset[powerset.index >= 12]
        error = (large["measured_bytes"] / large["predicted_bytes"]).max()
        most = int(powerset.index.max())
        doubling = (powerset["milliseconds"][most] / powerset["milliseconds"][14]) ** (
            1 / max(1, most - 14)
        )
        small = powerset["times_sigmoid"][powerset.index <= 8].max()
        report.numbers = {
            "k14": f"{powerset['times_sigmoid'][14]:.0f}",
            "small": f"{small:.1f}",
            "most": str(most),
            "most_seconds": f"{powerset['milliseconds'][most] / 1000:.2f}",
            "most_bytes": readable(powerset["measured_bytes"][most]),
            "observed": f"{observed['times_sigmoid'].max():.1f}",
            "doubling": f"{doubling:.2f}",
            "memory_error": f"{error:.2f}",
            **{
                f"end_{size}": str(end)
                for size, end in zip(GIGABYTES, ends["powerset"], strict=True)
            },
        }
        report.findings = [
            Finding(
                "up to K = 8 a step of the powerset takes at most 3 times a sigmoid's",
                f"{small:.1f} times",
                bool(small <= 3),
            ),
            Finding(
                "at K = 14 it takes at least 50 times as long",
                f"{powerset['times_sigmoid'][14]:.0f} times"
                f" ({powerset['times_low'][14]:.0f} to {powerset['times_high'][14]:.0f})",
                bool(powerset["times_sigmoid"][14] >= 50),
            ),
            Finding(
                "from there on every label doubles the time, within a fifth",
                f"{doubling:.2f} times for each label up to K = {most}",
                bool(most > 14 and abs(doubling - 2) < 0.4),
            ),
            Finding(
                "from K = 12 on the formula tells the memory within a factor of 1.5",
                f"measured at most {error:.2f} times as much",
                bool(error < 1.5),
            ),
            Finding(
                "16 GB end at K = 21, 24 GB at 22, 80 GB at 23",
                ", ".join(
                    f"{s} GB at {e}" for s, e in zip(GIGABYTES, ends["powerset"], strict=True)
                ),
                ends["powerset"] == [21, 22, 23],
            ),
            Finding(
                "a softmax over the observed label sets takes at most 3 times a sigmoid's step at any K",
                f"{observed['times_sigmoid'].max():.1f} times",
                bool(observed["times_sigmoid"].max() <= 3),
            ),
        ]
        return report


_HEADER = ("outputs", "weights", "predicted", "measured", "ms a step", "times sigmoid")
# Weights, and numbers stored per sample, by number of labels; label_powerset for 2,000 different
# training rows.
FORMULAS: dict[str, Callable[[int], tuple[int, int]]] = {
    "sigmoid": lambda k: ((WIDTH + 1) * k, k),
    "powerset": lambda k: ((WIDTH + 1) * 2**k, 2**k),
    "label_powerset": lambda k: ((WIDTH + 1) * min(2**k, 2000), min(2**k, 2000)),
    "bernoulli_mixture": lambda k: ((WIDTH + 1) * 8 * (k + 1), 8 * (k + 1)),
}


def largest(head: str, n_bytes: float) -> int:
    """Return the largest K whose training needs at most `n_bytes`."""
    fitting = 0
    for n_labels in range(1, _MOST_LABELS_TRIED + 1):
        weights, held = FORMULAS[head](n_labels)
        if 16 * (weights + BATCH * held) <= n_bytes:
            fitting = n_labels
    return fitting


def _cells(row: pd.Series) -> list[str]:
    times = f"{row['times_sigmoid']:.1f} ({row['times_low']:.1f} to {row['times_high']:.1f})"
    return [
        row["head"],
        str(row["n_labels"]),
        f"{row['outputs']:,.0f}",
        f"{row['parameters']:,.0f}",
        readable(row["predicted_bytes"]),
        readable(row["measured_bytes"]),
        f"{row['milliseconds']:.2f}",
        times,
    ]


def _figure(rows: pd.DataFrame) -> Figure:
    figure, (time, memory) = panels(2, width=4.4, height=3.2)
    for head in HEADS:
        group = rows[rows["head"] == head]
        style = head_style(head)
        points: dict[str, Any] = {"marker": style.marker, "markersize": 4}
        time.plot(
            group["n_labels"], group["times_sigmoid"], label=head, linewidth=1.3 * style.width,
            **style.line, **points,
        )  # fmt: skip
        memory.plot(
            group["n_labels"], group["measured_bytes"] / 1e9, linestyle="none", color=style.colour,
            **points,
        )  # fmt: skip
        memory.plot(group["n_labels"], group["predicted_bytes"] / 1e9, **style.line, linewidth=1)
    for size in GIGABYTES:
        memory.axhline(size, color="0.4", linewidth=0.7)
        # The lines of the two smaller sizes are close to each other.
        place = "top" if size == min(GIGABYTES) else "bottom"
        memory.annotate(f"{size} GB", (2, size), fontsize=8, va=place)
    time.set(yscale="log", ylabel="step time, times sigmoid's", xlabel="labels (K)")
    memory.set(
        yscale="log", ylabel="memory in GB, line by formula", xlabel="labels (K)",
        ylim=(1e-3, 300),
    )  # fmt: skip
    for panel in (time, memory):
        panel.set_xticks(sorted(rows["n_labels"].unique()))
    legend(figure, time, len(HEADS))
    headline(figure, "Up to how many labels is a class for each label set affordable?")
    return figure


EXPERIMENT = PowersetFeasibility()
