"""A sweep's summary, from its results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import pandas as pd

from mlc.metrics import COUNT_METRICS
from mlc.metrics.final import CONVENTIONS
from mlc.reporting.collect import Results
from mlc.reporting.statistics import (
    Interval,
    PairedDifference,
    holm,
    mean_interval,
    paired_difference,
)

WIDTH = 80
FAIR = ("nothing", "validation")


@dataclass(frozen=True)
class Table:
    """A header and rows of text; the first columns up to `n_words` are set flush left."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_words: int = 2

    def text(self) -> str:
        """For a terminal; where it would be too wide, the first column's words stand on own lines."""
        lines = self._lines()
        if max(map(len, lines)) > WIDTH and self.n_words == 2:
            first, second, *others = self.header
            rows = [[f"  {rule}", *cells] for _, rule, *cells in self.rows]
            header, *below = Table([f"{first}, {second}", *others], rows, 1)._lines()
            lines = [header]
            for place, ((head, *_), line) in enumerate(zip(self.rows, below, strict=True)):
                lines += [line] if place and head == self.rows[place - 1][0] else [head, line]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])

    def _lines(self) -> list[str]:
        return ["  ".join(row).rstrip() for row in self._padded([self.header, *self.rows])]

    def markdown(self) -> str:
        """For a file."""
        dashes = ["---" if j < self.n_words else "---:" for j in range(len(self.header))]
        rows = self._padded([self.header, dashes, *self.rows])
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def _padded(self, rows: Sequence[Sequence[str]]) -> list[list[str]]:
        widths = [max(len(row[j]) for row in rows) for j in range(len(self.header))]
        return [
            [
                cell.ljust(width) if j < self.n_words else cell.rjust(width)
                for j, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            for row in rows
        ]


def contestants(results: Results) -> pd.DataFrame:
    """The runs with a column `contestant`: the head, and the overrides that differ among the runs."""
    runs = results.runs.copy()
    varying = [key for key in results.overrides if runs[key].nunique(dropna=False) > 1]

    def name(row: pd.Series) -> str:
        stated = [f"{key}={row[key]}" for key in varying if pd.notna(row[key])]
        return " ".join([row["head"], *stated])

    runs["contestant"] = runs.apply(name, axis=1) if len(runs) else []
    return runs


def summarise(
    results: Results, metrics: Sequence[str], reference: str, *, markdown: bool = False
) -> str:
    """The whole summary: for each data set a table and the paired differences, then the foot."""
    parts = []
    runs = contestants(results)
    for data in dict.fromkeys(runs["data"]):
        here = runs[runs["data"] == data]
        baselines = results.baselines[results.baselines["data"] == data]
        table = means_table(here, baselines, metrics, results.tuned_on)
        n_seeds = here["seed"].nunique()
        heading = f"{data}, test rows: mean of {n_seeds} seed{'s' * (n_seeds > 1)}"
        heading += ", ± half the 95% interval" if n_seeds > 1 else ""
        parts += [f"## {heading}" if markdown else heading]
        parts += [table.markdown() if markdown else table.text()]
        regrets = regrets_table(here, metrics[0], results.tuned_on)
        if regrets is not None:
            caption = (
                f"{metrics[0]} in expectation under the known p(y | x): what is missing to the Bayes"
                " value, because of the head, and because of data and optimisation"
            )
            parts += [f"### {caption}" if markdown else fill(caption, WIDTH)]
            parts += [regrets.markdown() if markdown else regrets.text()]
        differences = differences_table(here, metrics[0], reference, results.tuned_on)
        if differences is not None:
            caption = (
                f"{metrics[0]} less that of {reference}, same seeds in pairs (p: t-test, Holm)"
            )
            parts += [f"### {caption}" if markdown else caption]
            parts += [differences.markdown() if markdown else differences.text()]
    notes = foot(results)
    parts += ["\n".join(f"- {note}" for note in notes) if markdown else _wrapped(notes)]
    return "\n\n".join(parts) + "\n"


def means_table(
    runs: pd.DataFrame, baselines: pd.DataFrame, metrics: Sequence[str], tuned_on: dict[str, str]
) -> Table:
    """A row per contestant and rule, then the baselines; the best fair mean is marked with >."""
    means, best = best_means(runs, metrics, tuned_on)
    rows = [
        [
            contestant,
            marked(rule, tuned_on),
            str(next(iter(own.values())).n),
            *(f"{'>' if best[m] == (contestant, rule) else ''}{own[m]}" for m in metrics),
        ]
        for (contestant, rule), own in means.items()
    ]
    for (baseline, rule), group in baselines.groupby(["head", "rule"], sort=False):
        name = "-" if rule == "constant" else marked(rule, tuned_on)
        values = [mean_interval(group[metric]) for metric in metrics]
        rows.append([f"({baseline})", name, str(values[0].n), *map(str, values)])
    return Table(["head", "rule", "n", *metrics], rows)


def best_means(
    runs: pd.DataFrame, metrics: Sequence[str], tuned_on: dict[str, str]
) -> tuple[dict[tuple[str, str], dict[str, Interval]], dict[str, tuple[str, str] | None]]:
    """Each contestant and rule's intervals by metric; and by metric which of the fair has the best."""
    means = {
        key: {metric: mean_interval(group[metric]) for metric in metrics}
        for key, group in runs.groupby(["contestant", "rule"], sort=False)
    }
    fair = [key for key in means if tuned_on.get(key[1]) in FAIR]
    best = {}
    for metric in metrics:
        value = {key: means[key][metric].mean for key in fair}
        choose = max if COUNT_METRICS[metric].higher_is_better else min
        best[metric] = choose(value, key=value.__getitem__) if value else None
    return means, best


def regrets_table(runs: pd.DataFrame, metric: str, tuned_on: dict[str, str]) -> Table | None:
    """Bayes value less what was reached, and its two parts; None where no truth is known."""
    columns = [f"{part}_{metric}" for part in ("bayes", "unreachable", "avoidable", "regret")]
    if columns[0] not in runs or columns[-1] not in runs:
        return None
    rows = []
    for (contestant, rule), group in runs.groupby(["contestant", "rule"], sort=False):
        present = [group[c].dropna() if c in group else pd.Series(dtype=float) for c in columns]
        values = [f"{mean_interval(own)}" if len(own) else "-" for own in present]
        rows.append([contestant, marked(rule, tuned_on), str(len(group)), *values])
    return Table(["head", "rule", "n", "Bayes", "head", "training", "regret"], rows)


def differences_table(
    runs: pd.DataFrame, metric: str, reference: str, tuned_on: dict[str, str]
) -> Table | None:
    """Each contestant less the reference under each fair rule; None where there is nothing to pair."""
    by_seed = runs.pivot_table(index="seed", columns=["contestant", "rule"], values=metric)
    names = list(dict.fromkeys(runs["contestant"]))
    if reference not in names or len(by_seed) < 2:
        return None
    found: list[tuple[str, str, PairedDifference]] = []
    for rule in dict.fromkeys(runs["rule"]):
        if tuned_on.get(rule) not in FAIR or (reference, rule) not in by_seed:
            continue
        for name in names:
            if name != reference and (name, rule) in by_seed:
                pair = by_seed[[(name, rule), (reference, rule)]].dropna().to_numpy()
                if len(pair) > 1:
                    found.append((name, rule, paired_difference(pair[:, 0], pair[:, 1])))
    if not found:
        return None
    adjusted = holm([difference.p_value for _, _, difference in found])
    rows = [
        [
            name,
            rule,
            str(difference.interval.n),
            difference.interval.signed(),
            "-" if np.isnan(p) else f"{p:.3f}" if p >= 0.001 else "<0.001",
        ]
        for (name, rule, difference), p in zip(found, adjusted, strict=True)
    ]
    return Table(["head", "rule", "n", "difference", "p"], rows)


def foot(results: Results) -> list[str]:
    """What a reader must know to read the table."""
    notes = []
    if results.monitors:
        notes.append(
            f"Weights: the epoch with the best validation {' or '.join(results.monitors)}, at its"
            " own best threshold. > marks the best mean of a column."
        )
    for part in ("validation", "test"):
        rules = [
            marked(rule, results.tuned_on) for rule, on in results.tuned_on.items() if on == part
        ]
        if rules:
            notes.append(
                f"Tuned on the {part} rows: {', '.join(rules)}"
                + (", which is no fair contestant." if part == "test" else ".")
            )
    notes.append(
        "Intervals are Student's t over seeds (initialisation, batches, validation rows); the test"
        " rows are always the same."
    )
    notes += CONVENTIONS
    if results.failed:
        notes.append(f"{len(results.failed)} failed and are not counted:")
        notes += [f"{run}: {error}" for run, error in results.failed.items()]
    if results.unfinished:
        notes.append(
            f"{len(results.unfinished)} unfinished and not counted: {', '.join(results.unfinished)}"
        )
    if results.being_trained:
        notes.append(f"{len(results.being_trained)} being trained and not counted:")
        notes += [f"{run}: by {owner}" for run, owner in results.being_trained.items()]
    return notes


def marked(rule: str, tuned_on: dict[str, str]) -> str:
    """The rule's name, with a star if it saw the test rows."""
    return f"{rule}*" if tuned_on.get(rule) == "test" else rule


def _wrapped(notes: Sequence[str]) -> str:
    return "\n".join(fill(note, WIDTH, subsequent_indent="  ") for note in notes)
