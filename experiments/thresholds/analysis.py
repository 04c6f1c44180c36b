"""The choice of thresholds: rules by number of validation rows and by frequency of the label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from experiments.harness import Experiment, Finding, Report, Row, Trainings, Trial
from experiments.harness.plots import headline, legend, panels
from experiments.harness.report import listed
from experiments.league.claims import clear, count_clear
from mlc.decisions.base import build_decision
from mlc.heads.prediction import Prediction
from mlc.metrics.counts import COUNT_METRICS
from mlc.reporting.statistics import Interval, mean_interval
from mlc.reporting.tables import Table
from mlc.runs.recorder import RunResult
from mlc.tracking.palette import series_style

# Settings beside the defaults, and seeds at the full budget.
DATA: dict[str, tuple[dict[str, Any], int]] = {
    "flags": ({}, 10),
    "emotions": ({}, 10),
    "birds": ({}, 10),
    "scene": ({}, 10),
    "yeast": ({}, 10),
    "enron": ({}, 5),
    "cal500": ({}, 5),
    "corel5k": ({}, 3),
    "bibtex": ({}, 3),
    "tmc2007-500": ({"trainer.batch_size": 256, "trainer.max_epochs": 10}, 3),
    "imdb": ({"trainer.batch_size": 512, "trainer.max_epochs": 5}, 3),
}
QUICK, QUICK_SEEDS = ("flags", "emotions", "scene"), 3
VALIDATION_ROWS = (25, 50, 100, 200, 400, 1600, 6400)
_DRAWS = 5  # subsets of the validation rows of each size
RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "fixed": ("fixed", {}),
    "global": ("global", {}),
    "global f1_macro": ("global", {"metric": "f1_macro"}),
    "per_label": ("per_label", {}),
    "per_label, no fallback": ("per_label", {"fallback": 0.0}),
    "top_k": ("top_k", {}),
    "cardinality": ("cardinality", {}),
    "expected_jaccard": ("expected_jaccard", {}),
    "expected_f1": ("expected_f1", {}),
}
METRICS = ("jaccard_samples", "f1_micro", "f1_macro", "subset_accuracy", "hamming_loss")
# Upper ends of the ranges of label frequencies.
FREQUENCIES = (0.01, 0.03, 0.1, 0.3, 1.0)
BY_FREQUENCY = tuple(f"f1_below_{end:g}" for end in FREQUENCIES)


class Runs(Trainings):
    """A training per data set and seed; each rule is tuned on subsets of its validation rows."""

    experiment = "thresholds"
    max_runs = 10
    columns = ("rule", "val_rows", *METRICS, *BY_FREQUENCY, "error")

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets and seeds."""
        return [
            {"data": name, **settings, "head": "sigmoid", "seed": seed}
            for name, (settings, n_seeds) in DATA.items()
            if budget == "full" or name in QUICK
            for seed in range(n_seeds if budget == "full" else QUICK_SEEDS)
        ]

    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        """Return means over the subsets of each size; all validation rows are one subset."""
        evaluation, rows = result.evaluation, []
        scores = {part: torch.as_tensor(values) for part, values in evaluation.scores.items()}
        targets = {part: torch.as_tensor(values) for part, values in evaluation.targets.items()}
        frequency = evaluation.targets["test"].mean(axis=0)
        n_val = len(targets["val"])
        rng = np.random.default_rng([int(trial["seed"]), 7])
        for size in [n for n in VALIDATION_ROWS if n < n_val] + [n_val]:
            subsets = [rng.permutation(n_val)[:size] for _ in range(_DRAWS if size < n_val else 1)]
            for label, (name, options) in RULES.items():
                judged = []
                for subset in subsets:
                    rule = build_decision(name, **options)
                    rule.fit(Prediction(scores["val"][subset]), targets["val"][subset])
                    decided = rule.decide(Prediction.of_marginals(scores["test"]))
                    judged.append(judge(decided, targets["test"], frequency))
                means = {key: float(np.mean([f[key] for f in judged])) for key in judged[0]}
                rows.append({"rule": label, "val_rows": size, **means})
        return rows


def judge(
    decided: torch.Tensor, targets: torch.Tensor, frequency: NDArray[np.floating]
) -> dict[str, float]:
    """Compute the metrics, and the mean F1 of the labels in each range of frequencies."""
    values = {name: float(COUNT_METRICS[name](decided, targets)) for name in METRICS}
    f1 = COUNT_METRICS["f1_macro"].per_group(decided, targets).numpy()
    low = 0.0
    for name, high in zip(BY_FREQUENCY, FREQUENCIES, strict=True):
        in_range = (frequency > low) & (frequency <= high)
        if in_range.any():
            values[name] = float(f1[in_range].mean())
        low = high
    return values


class Thresholds(Experiment):
    """The experiment on thresholds."""

    name = "thresholds"
    studies = (Runs(),)

    def report(self, frames: Mapping[str, pd.DataFrame]) -> Report:
        """Report rules by data set, number of validation rows, and frequency of the label."""
        rows = frames["runs"]
        largest = rows.groupby(["data", "seed"])["val_rows"].transform("max")
        full = rows[rows["val_rows"] == largest]
        report = Report()
        for metric in ("jaccard_samples", "f1_macro"):
            report.tables[metric] = (
                f"Test {metric} with all validation rows (30% of the training part)",
                _rules_table(full, metric),
            )
        report.tables["validation"] = (
            "Test jaccard_samples less that of expected_jaccard, which needs no validation rows, by the"
            " number of these: mean over the data sets that have more (their number in brackets)",
            _validation_table(rows),
        )
        report.tables["frequency"] = (
            "Mean test F1 of the labels of a range of frequencies, all validation rows: mean over the"
            " data sets that have such labels",
            _frequency_table(full),
        )
        report.figures["validation"] = _figure(rows)
        self._find(report, rows, full)
        return report

    def _find(self, report: Report, rows: pd.DataFrame, full: pd.DataFrame) -> None:
        jaccard, f1 = (
            full.pivot_table(index="data", columns="rule", values=metric, sort=False)
            for metric in ("jaccard_samples", "f1_macro")
        )
        small = rows[rows["val_rows"] == VALIDATION_ROWS[1]]
        few = small.pivot_table(index="data", columns="rule", values="jaccard_samples")
        rare = [data for data in jaccard.index if data in RARE]
        expected = jaccard["expected_jaccard"] - jaccard["global"]
        by_seed = _less(full, "jaccard_samples", "expected_jaccard", "global")
        at_half = _less(full, "jaccard_samples", "fixed", "global")
        macro = f1.drop(columns="fixed").idxmax(axis=1)
        by_threshold = f1[_BY_THRESHOLD].idxmax(axis=1)
        fallback = jaccard["per_label"] - jaccard["per_label, no fallback"]
        cost = few["per_label"] - few["global"]
        worst = jaccard.idxmin(axis=1)
        report.numbers = {
            "expected": listed(by_seed),
            "expected_clear": clear(by_seed),
            "expected_wins": f"{(expected > 0).sum()} of {len(expected)}",
            "macro": ", ".join(f"{data} {rule}" for data, rule in macro.items()),
            "per_label_wins": f"{(by_threshold == 'per_label').sum()} of {len(by_threshold)}",
            "per_label_wins_by_rows": _wins_by_rows(rows, VALIDATION_ROWS),
            "per_label_clear": _clear_by_rows(rows, VALIDATION_ROWS),
            "per_label_clear_few": _clear_by_rows(rows, (100, 200, 400)),
            "per_label_clear_all": clear_counts(full),
            "cost": f"{cost.mean():+.3f}",
            "fallback": _listed(fallback[rare]) if rare else "no such data",
            "fixed": listed(at_half),
            "fixed_clear": f"{sum(gain.is_below for gain in at_half.values())} of {len(at_half)}",
            "fixed_worst": f"{worst.isin(['fixed', 'top_k']).sum()} of {len(worst)}",
            "best": ", ".join(f"{data} {rule}" for data, rule in jaccard.idxmax(axis=1).items()),
        }
        report.findings = [
            Finding(
                "expected_jaccard, without any tuning, is at least as good as the best global threshold"
                " by jaccard_samples on most data sets",
                f"better on {report.numbers['expected_wins']}: {report.numbers['expected']}",
                bool((expected >= 0).mean() > 0.5),
            ),
            Finding(
                "thresholds by label are the best thresholds for f1_macro on most data sets",
                f"on {report.numbers['per_label_wins']}",
                bool((by_threshold == "per_label").mean() > 0.5),
            ),
            Finding(
                "with 50 validation rows they cost more than 0.005 of jaccard_samples against global",
                f"{cost.mean():+.3f} on average",
                bool(cost.mean() < -0.005),
            ),
            Finding(
                "where labels are rare, the fallback keeps thresholds by label from losing"
                " jaccard_samples",
                report.numbers["fallback"],
                bool((fallback[rare] >= 0).all()) if rare else None,
            ),
            Finding(
                "0.5, or the same number of labels for all, is the worst rule by jaccard_samples on"
                " most data sets",
                f"on {report.numbers['fixed_worst']}",
                bool(worst.isin(["fixed", "top_k"]).mean() > 0.5),
            ),
        ]


_BY_THRESHOLD = ["global", "global f1_macro", "per_label"]


def _wins_by_rows(rows: pd.DataFrame, sizes: Sequence[int]) -> str:
    """Count the data sets on which per_label has the best f1_macro, by validation rows."""
    texts = []
    for size in sizes:
        subset = rows[rows["val_rows"] == size]
        means = subset.pivot_table(index="data", columns="rule", values="f1_macro")
        if len(means):
            wins = means[_BY_THRESHOLD].idxmax(axis=1) == "per_label"
            texts.append(f"{size:,} rows {wins.sum()} of {len(wins)}")
    return ", ".join(texts) or "not measured"


def _less(full: pd.DataFrame, metric: str, rule: str, other: str) -> dict[str, Interval]:
    """Return the differences of two rules by data set, paired by network."""
    values = full.pivot_table(index=["data", "seed"], columns="rule", values=metric, sort=False)
    by_data = (values[rule] - values[other]).groupby("data", sort=False)
    return {str(data): mean_interval(group) for data, group in by_data}


def clear_counts(rows: pd.DataFrame) -> str:
    """Count the data sets on which per_label is ahead of, or behind, one threshold by f1_macro.

    Only differences whose interval over seeds excludes 0 are counted.
    """
    gains = list(_less(rows, "f1_macro", "per_label", "global f1_macro").values())
    ahead, behind = count_clear(gains)
    return f"ahead on {ahead} of {len(gains)}, behind on {behind}"


def _clear_by_rows(rows: pd.DataFrame, sizes: Sequence[int]) -> str:
    by_size = {size: rows[rows["val_rows"] == size] for size in sizes}
    texts = [
        f"{size:,} rows {clear_counts(group)}" for size, group in by_size.items() if len(group)
    ]
    return "; ".join(texts) or "not measured"


# Data sets with more than a third of the labels rarer than 3%.
RARE = ("birds", "enron", "cal500", "corel5k", "bibtex")
_TUNED = ("global", "per_label")
SHOWN = ("fixed", "global", "per_label", "top_k", "cardinality", "expected_jaccard")


def _listed(differences: pd.Series) -> str:
    return ", ".join(f"{data} {value:+.3f}" for data, value in differences.items())


def _rules_table(full: pd.DataFrame, metric: str) -> Table:
    data_sets = list(dict.fromkeys(full["data"]))
    means = full.pivot_table(index="rule", columns="data", values=metric, sort=False)
    lines = []
    for rule in RULES:
        cells = []
        for data in data_sets:
            group = full[(full["data"] == data) & (full["rule"] == rule)][metric]
            mark = ">" if means[data].idxmax() == rule else ""
            cells.append(f"{mark}{mean_interval(group)}")
        lines.append([rule, *cells])
    return Table(["rule", *data_sets], lines, 1)


def _validation_table(rows: pd.DataFrame) -> Table:
    subset = rows[rows["val_rows"].isin(VALIDATION_ROWS)]
    sizes = [n for n in VALIDATION_ROWS if (subset["val_rows"] == n).any()]
    by_rule = subset.pivot_table(
        index=["data", "val_rows"], columns="rule", values="jaccard_samples", sort=False
    )
    difference = by_rule.sub(by_rule["expected_jaccard"], axis=0)
    counts = {n: len(difference.xs(n, level="val_rows")) for n in sizes}
    lines = [
        [rule, *(f"{difference.xs(n, level='val_rows')[rule].mean():+.3f}" for n in sizes)]
        for rule in RULES
    ]
    return Table(["rule", *(f"{n:,} ({counts[n]})" for n in sizes)], lines, 1)


def _frequency_table(full: pd.DataFrame) -> Table:
    means = full.groupby(["data", "rule"])[list(BY_FREQUENCY)].mean()
    average, counts = means.groupby("rule").mean(), means.groupby("rule").count().iloc[0]
    lines = [
        [rule, *(f"{average.loc[rule, c]:.3f}" if counts[c] else "-" for c in BY_FREQUENCY)]
        for rule in RULES
    ]
    low, header = 0.0, []
    for column, high in zip(BY_FREQUENCY, FREQUENCIES, strict=True):
        header.append(f"{low:.0%} to {high:.0%} ({counts[column]})")
        low = high
    return Table(["rule", *header], lines, 1)


def _figure(rows: pd.DataFrame) -> Figure:
    data_sets = list(dict.fromkeys(rows["data"]))
    figure, axes = panels(len(data_sets), 4, 2.1, 1.75)
    for panel, data in zip(axes, data_sets, strict=True):
        subset = rows[(rows["data"] == data) & rows["val_rows"].isin(VALIDATION_ROWS)]
        for index, rule in enumerate(SHOWN):
            means = subset[subset["rule"] == rule].groupby("val_rows")["jaccard_samples"].mean()
            # The intervals are in the table.
            style = series_style(index)
            panel.plot(
                means.index, means, **style.line, label=rule, marker=style.marker, markersize=3,
                linewidth=2.2 if rule in _TUNED else 1.1,
            )  # fmt: skip
        panel.set_xscale("log")
        sizes = sorted(subset["val_rows"].unique())
        shown = sizes[:: 1 + len(sizes) // 5]
        panel.set_xticks(shown, [str(n) for n in shown])
        panel.tick_params(labelsize="small")
        panel.minorticks_off()
        panel.set_title(data, fontsize="medium")
    figure.supylabel("test Jaccard, higher is better", fontsize="small")
    axes[-1].set_xlabel("validation rows")
    legend(figure, axes[0], 6)
    headline(figure, "How many validation rows does a threshold need? Thick: tuned on them")
    return figure


EXPERIMENT = Thresholds()
