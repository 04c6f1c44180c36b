"""The tables of a sweep's summary and the notes below them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlc.config.texts import markdown, readable
from mlc.evaluation.left_out import MOST_VALUES
from mlc.metrics.counts import CONVENTIONS
from mlc.metrics.names import COUNTED, SCORE_METRICS, metric_sign
from mlc.reporting.choice import Pairs, chosen_rows, chosen_settings, contestants
from mlc.reporting.collect import Results
from mlc.reporting.reading import draws_test_rows
from mlc.reporting.statistics import Interval, mean_interval

WIDTH = 80
FAIR = ("nothing", "validation")
YARDSTICKS = ("logistic_regression", "linear_svm")


@dataclass(frozen=True)
class Table:
    """A header and rows of text; the first `n_words` columns are left-aligned."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_words: int = 2

    def text(self) -> str:
        """Format for a terminal; a table that is too wide has its first column on separate lines."""
        if any(readable(cell) != cell for row in self.rows for cell in row):
            rows = [[readable(cell) for cell in row] for row in self.rows]
            return Table(self.header, rows, self.n_words).text()
        lines = self._lines()
        if max(map(len, lines)) > WIDTH and self.n_words == 2:
            first, second, *others = self.header
            rows = [[f"  {rule}", *cells] for _, rule, *cells in self.rows]
            header, *body = Table([f"{first}, {second}", *others], rows, 1)._lines()
            lines = [header]
            for index, ((head, *_), line) in enumerate(zip(self.rows, body, strict=True)):
                lines += [line] if index and head == self.rows[index - 1][0] else [head, line]
        return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])

    def _lines(self) -> list[str]:
        return ["  ".join(row).rstrip() for row in self._padded([self.header, *self.rows])]

    def markdown(self, *, by_strangers: bool = False) -> str:
        """Format as Markdown; `by_strangers` escapes the markup in names and cells."""
        if by_strangers:
            rows = [[markdown(cell) for cell in row] for row in self.rows]
            return Table([markdown(name) for name in self.header], rows, self.n_words).markdown()
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


def means_table(
    runs: pd.DataFrame, baselines: pd.DataFrame, metrics: Sequence[str], tuned_on: dict[str, str]
) -> Table:
    """Return a row per contestant and rule, then the baselines; > marks the best fair mean.

    The first metric's mean on the validation rows, where it is known, precedes the test values. If
    settings were swept, > marks there the setting that it chooses for a head and rule, and only chosen
    settings can be the best of a column.
    """
    means, best = best_means(runs, metrics, tuned_on)
    validation = validation_means(runs, metrics[0])
    n_runs = runs.groupby(["contestant", "rule"]).size()
    chosen = chosen_settings(runs, metrics[0]) or set()
    rows = [
        [
            contestant,
            marked(rule, tuned_on),
            str(n_runs[contestant, rule]),
            *_validation_cell((contestant, rule), validation, chosen),
            *(f"{'>' if best[m] == (contestant, rule) else ''}{intervals[m]}" for m in metrics),
        ]
        for (contestant, rule), intervals in means.items()
    ]
    for (baseline, rule), group in baselines.groupby(["contestant", "rule"], sort=False):
        name = "-" if rule == "constant" else marked(rule, tuned_on)
        values = [mean_of(group, metric) for metric in metrics]
        rows.append(
            [f"({baseline})", name, str(len(group)), *["-"] * bool(validation), *map(str, values)]
        )
    return Table(["head", "rule", "n", *["val"] * bool(validation), *metrics], rows)


def validation_means(runs: pd.DataFrame, metric: str) -> dict[tuple[str, str], float]:
    """Return the mean on the validation rows by contestant and rule; empty if none is known."""
    column = f"val_{metric}"
    if column not in runs or runs[column].isna().all():
        return {}
    means = runs.groupby(["contestant", "rule"], sort=False)[column].mean()
    return {(str(name), str(rule)): float(mean) for (name, rule), mean in means.items()}


def _validation_cell(
    pair: tuple[str, str], means: Mapping[tuple[str, str], float], chosen: Pairs
) -> list[str]:
    if not means:
        return []
    return ["-" if np.isnan(means[pair]) else f"{'>' * (pair in chosen)}{means[pair]:.3f}"]


def mean_of(rows: pd.DataFrame, metric: str) -> Interval:
    """Return the mean of a metric, which some or all of the rows may lack, with its interval."""
    return mean_interval(rows[metric].dropna() if metric in rows else [])


def best_means(
    runs: pd.DataFrame, metrics: Sequence[str], tuned_on: dict[str, str]
) -> tuple[dict[tuple[str, str], dict[str, Interval]], dict[str, tuple[str, str] | None]]:
    """Return the intervals of each contestant and rule by metric, and the best fair pair by metric.

    Of several settings of a head, only the setting chosen on the validation rows is fair. A metric of
    which more is neither better nor worse has no best pair.
    """
    means = {
        key: {metric: mean_of(group, metric) for metric in metrics}
        for key, group in runs.groupby(["contestant", "rule"], sort=False)
    }
    chosen = chosen_settings(runs, metrics[0])
    fair = [
        key for key in means if tuned_on.get(key[1]) in FAIR and (chosen is None or key in chosen)
    ]
    best: dict[str, tuple[str, str] | None] = {}
    for metric in metrics:
        sign = metric_sign(metric)
        value = {key: sign * means[key][metric].mean for key in fair if means[key][metric].n}
        best[metric] = max(value, key=value.__getitem__) if value and sign else None
    return means, best


def choices_table(runs: pd.DataFrame, metric: str, tuned_on: dict[str, str]) -> Table:
    """Return the setting chosen on the validation rows for each head and fair rule, with its means."""
    rows = []
    selected = chosen_rows(runs, chosen_settings(runs, metric))
    for (contestant, rule), group in selected.groupby(["contestant", "rule"], sort=False):
        if tuned_on.get(rule) in FAIR:
            values = [str(mean_interval(group[column])) for column in (f"val_{metric}", metric)]
            rows.append([contestant, rule, str(len(group)), *values])
    return Table(["head", "rule", "n", "validation", "test"], rows)


def regrets_table(runs: pd.DataFrame, metric: str, tuned_on: dict[str, str]) -> Table | None:
    """Return the regrets and their two parts; None if the true probabilities are unknown."""
    columns = [f"{part}_{metric}" for part in ("bayes", "unreachable", "avoidable", "regret")]
    if columns[0] not in runs or columns[-1] not in runs:
        return None
    rows = []
    for (contestant, rule), group in runs.groupby(["contestant", "rule"], sort=False):
        present = [group[c].dropna() if c in group else pd.Series(dtype=float) for c in columns]
        values = [f"{mean_interval(series)}" if len(series) else "-" for series in present]
        rows.append([contestant, marked(rule, tuned_on), str(len(group)), *values])
    return Table(["head", "rule", "n", "Bayes", "head", "training", "regret"], rows)


def foot(results: Results, metrics: Sequence[str] = (), *, swept: bool = False) -> list[str]:
    """Return the notes below the tables.

    Args:
        results: of the sweep.
        metrics: of the columns.
        swept: whether the first metric chooses between settings.
    """
    notes = []
    if results.monitors:
        notes.append(
            f"Weights: the epoch with the best validation {' or '.join(results.monitors)}, at its"
            " own best threshold. > marks the best mean of a column."
        )
    if metrics and validation_means(contestants(results), metrics[0]):
        note = f"val: mean {metrics[0]} on the validation rows."
        if swept:
            note += (
                " > there marks the setting that it chooses for a head and rule; only chosen settings"
                " can be the best of a test column."
            )
        notes.append(note)
    of_scores = [metric for metric in metrics if metric in (*SCORE_METRICS, *COUNTED)]
    if of_scores:
        notes.append(f"Of the scores, so equal for all rules of a run: {', '.join(of_scores)}.")
    for part in ("validation", "test"):
        rules = [
            marked(rule, results.tuned_on) for rule, on in results.tuned_on.items() if on == part
        ]
        if rules:
            notes.append(
                f"Tuned on the {part} rows: {', '.join(rules)}"
                + (", which is no fair contestant." if part == "test" else ".")
            )
    if contestants(results).groupby(["data", "contestant", "rule"]).size().max() == 1:
        notes.append("One seed: other seeds move every value; seed=0,1,2,3,4 gives intervals.")
        return [*notes, *_of_yardsticks(results), *CONVENTIONS[:1], *_left_out(results)]
    notes.append(_of_intervals(results))
    return [*notes, *_of_yardsticks(results), *CONVENTIONS, *_left_out(results)]


def _of_intervals(results: Results) -> str:
    drawn, same = "validation rows", "; the test rows are always the same"
    if any(draws_test_rows(status) for status in results.statuses.values()):
        drawn, same = "validation and test rows", ""
    return (
        f"Intervals are Student's t over seeds (initialisation, batches, {drawn}){same}. None is shown"
        " where all seeds have the same value. Values that are skewed over the seeds lie outside more"
        " often than 5% (docs/statistics.md)."
    )


def _of_yardsticks(results: Results) -> list[str]:
    """Return notes on the training of linear models, and on those that were not trained."""
    notes = []
    if results.baselines["head"].isin(YARDSTICKS).any():
        notes.append(
            f"({'), ('.join(YARDSTICKS)}): scikit-learn's LIBLINEAR, one-vs-rest, on the networks'"
            " features; the validation rows choose C, the threshold, and whether each row gets at"
            " least one label."
        )
    if results.left_out:
        notes.append(
            "Not trained, for the rows are images or tokens, or the values of the training rows times"
            f" the labels are more than {MOST_VALUES:,}: {', '.join(results.left_out)}."
        )
    return notes


def _left_out(results: Results) -> list[str]:
    """Return notes on the runs that the tables do not count."""
    notes = []
    if results.repeats:
        n = len(results.repeats)
        pairs = [
            f"{run} (as {same.of}"
            + (f"; values differ by up to {same.gap:.2g})" if same.gap else ")")
            for run, same in results.repeats.items()
        ]
        are = "1 run repeats another" if n == 1 else f"{n} runs are repeats of others"
        counts = "counts" if n == 1 else "count"
        notes.append(f"{are} (same data, settings and seed) and {counts} once: {', '.join(pairs)}")
    if results.failed:
        notes.append(f"{len(results.failed)} failed and are not counted:")
        notes += [f"{run}: {error}" for run, error in results.failed.items()]
    if results.unreadable:
        are = (
            "run cannot be read and is"
            if len(results.unreadable) == 1
            else "runs cannot be read and are"
        )
        notes.append(f"{len(results.unreadable)} {are} not counted:")
        notes += [f"{run}: {reason}" for run, reason in results.unreadable.items()]
    if results.unfinished:
        notes.append(
            f"{len(results.unfinished)} unfinished and not counted: {', '.join(results.unfinished)}"
        )
    if results.being_trained:
        notes.append(f"{len(results.being_trained)} being trained and not counted:")
        notes += [f"{run}: by {owner}" for run, owner in results.being_trained.items()]
    return notes


def marked(rule: str, tuned_on: dict[str, str]) -> str:
    """Return the name of a rule, with a star if the rule was tuned on the test rows."""
    return f"{rule}*" if tuned_on.get(rule) == "test" else rule
