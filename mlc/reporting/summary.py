"""The summary of the finished runs under a folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import pandas as pd

from mlc.config.errors import ConfigError, RunFolderError
from mlc.config.options import suggestion
from mlc.config.texts import LONGEST_NOTE, cell, counted, escaped, readable, shown
from mlc.config.texts import markdown as as_markdown
from mlc.files.writing import write_atomically, write_text
from mlc.metrics.names import stored_metrics
from mlc.reporting.choice import chosen_settings, contestants, named_baselines
from mlc.reporting.collect import Results, check_comparable, collect
from mlc.reporting.differences import differences_caption, differences_table
from mlc.reporting.figures import draw_means
from mlc.reporting.searching import Searched, searched
from mlc.reporting.tables import (
    WIDTH,
    Table,
    choices_table,
    foot,
    means_table,
    regrets_table,
)
from mlc.runs.ownership import MARKS, check_report_files
from mlc.search.files import FILES as SEARCH_FILES
from mlc.search.files import write_choices

RESULTS, BASELINE_RESULTS, SUMMARY = "results.csv", "baselines.csv", "summary.md"


def report_files(metrics: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the files of a summary."""
    return RESULTS, BASELINE_RESULTS, SUMMARY, f"{metrics[0]}.png"


def write_summary(
    folder: Path, metrics: Sequence[str], reference: str, figure: bool = True
) -> tuple[Results, str]:
    """Write results.csv, baselines.csv, summary.md and METRIC.png; return the summary for a terminal.

    Without `figure`, METRIC.png is drawn only if the folder has one, which would show older runs. Of a
    search, search.csv and choice.yaml are written too, and all but results.csv show the chosen
    trials alone.

    Raises:
        ConfigError: no finished run has one of the metrics.
        RunFolderError: no run has finished, a file of the same name that mlc did not write is in the
            folder, or the folder is not writable.
    """
    for metric in metrics:
        require_metric(metric, stored_metrics())
    check_report_files(folder, report_files(metrics))
    results = collect(folder, metrics)
    check_comparable(results.statuses)
    _require_finished(folder, results)
    require_stored(folder, results, metrics)
    search = searched(folder, results)
    try:
        _write_csv(folder / RESULTS, results.runs)
        _write_csv(folder / BASELINE_RESULTS, results.baselines)
        if search is not None:
            check_report_files(folder, SEARCH_FILES)
            write_choices(folder, search.record, search.trials, search.choices)
            results = search.chosen(results)
        # A copy of all columns, as a group of rows is, would fill memory with thousands of runs.
        narrow = results.with_metrics(metrics)
        summary = summarise(narrow, metrics, reference)
        markdown = _with_search(summary.markdown(), search, markdown=True)
        write_text(folder / SUMMARY, f"{MARKS['.md'].decode()}\n{markdown}")
        picture = folder / f"{metrics[0]}.png"
        if figure or picture.exists():
            with write_atomically(picture) as file:
                file.write(draw_means(narrow, metrics[0]))
    except OSError as error:
        raise RunFolderError(
            f"The summary cannot be written to {folder} ({error.strerror}): make it writable."
        ) from error
    return results, _with_search(summary.text(), search, markdown=False)


def _require_finished(folder: Path, results: Results) -> None:
    if not results.folders:
        reasons = "; ".join(
            f"{run}: {error}" for run, error in (results.failed | results.unreadable).items()
        )
        raise RunFolderError(
            f"No run under {folder} has finished"
            + (f" ({reasons})." if reasons else ": wait for one, or start them again.")
        )


def require_metric(metric: str, known: Sequence[str], folder: Path | None = None) -> None:
    """Raise ConfigError unless a metric is known, or stored in a folder; all known ones are listed."""
    if metric in known:
        return
    where = "There is" if folder is None else f"{folder} holds"
    raise ConfigError(
        f"{where} no metric named {shown(metric)}: {suggestion(metric, known)}choose among"
        f" {', '.join(known)}."
    )


def require_stored(folder: Path, results: Results, metrics: Sequence[str]) -> None:
    """Require that the finished runs in a folder have a test value of each metric.

    Raises:
        ConfigError: none has a value of one of them.
    """
    columns = results.runs.columns[results.runs.notna().any()]
    stored = [metric for metric in stored_metrics() if metric in columns]
    for metric in metrics:
        require_metric(metric, stored, folder)


def _with_search(summary: str, search: Searched | None, *, markdown: bool) -> str:
    """Return the summary, after the choice of the search if there is one."""
    return summary if search is None else f"{search.text(as_markdown=markdown)}\n\n{summary}"


@dataclass(frozen=True)
class Summary:
    """The tables of each data set, then the notes.

    Attributes:
        tables: each with its caption and the level of its heading in Markdown.
        notes: below them.
    """

    tables: Sequence[tuple[str, Table, int]]
    notes: Sequence[str]

    def markdown(self) -> str:
        """Format as Markdown."""
        parts = [
            part
            for caption, table, level in self.tables
            for part in (f"{'#' * level} {as_markdown(caption)}", table.markdown(by_strangers=True))
        ]
        notes = "\n".join(f"- {as_markdown(note, LONGEST_NOTE)}" for note in self.notes)
        return "\n\n".join([*parts, notes]) + "\n"

    def text(self) -> str:
        """Format for a terminal."""
        parts = [
            part
            for caption, table, _ in self.tables
            for part in (fill(readable(caption), WIDTH), table.text())
        ]
        notes = "\n".join(fill(escaped(note), WIDTH, subsequent_indent="  ") for note in self.notes)
        return "\n\n".join([*parts, notes]) + "\n"


def summarise(results: Results, metrics: Sequence[str], reference: str) -> Summary:
    """Return the summary of the runs."""
    tables: list[tuple[str, Table, int]] = []
    runs, baselines = contestants(results), named_baselines(results)
    first = metrics[0]
    for data in dict.fromkeys(runs["data"]):
        group = runs[runs["data"] == data]
        chosen = chosen_settings(group, first)
        n_seeds = group["seed"].nunique()
        heading = f"{data}, test rows: mean of {counted(n_seeds, 'seed')}"
        heading += ", ± half the 95% interval" if n_seeds > 1 else ""
        of_data = baselines[baselines["data"] == data]
        tables.append((heading, means_table(group, of_data, metrics, results.tuned_on), 2))
        if chosen is not None:
            caption = f"Each head's setting with the best mean {first} on the validation rows"
            tables.append((caption, choices_table(group, first, results.tuned_on), 3))
        regrets = regrets_table(group, first, results.tuned_on)
        if regrets is not None:
            caption = (
                f"{first} in expectation under the known p(y | x): what is missing to the Bayes"
                " value, because of the head, and because of data and optimisation"
            )
            tables.append((caption, regrets, 3))
        differences = differences_table(group, first, reference, results.tuned_on)
        if differences is not None:
            caption = differences_caption(differences, first, reference, swept=chosen is not None)
            tables.append((caption, differences, 3))
    return Summary(tables, foot(results, metrics, swept=is_swept(runs, first)))


def is_swept(runs: pd.DataFrame, metric: str) -> bool:
    """Return whether the validation rows choose between settings on any of the data sets."""
    groups = runs.groupby("data", sort=False)
    return any(chosen_settings(group, metric) is not None for _, group in groups)


def _write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write CSV in which no cell is a formula to a spreadsheet."""
    safe = frame.copy(deep=False)
    for column in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[column]):
            safe[column] = frame[column].map(cell)
    with write_atomically(path) as file:
        # As one text, the rows of thousands of runs would be in memory twice more.
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        safe.rename(columns=cell).to_csv(text, index=False)
        text.detach()
