"""Everything a folder of finished runs is summed up in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mlc.errors import RunFolderError
from mlc.ownership import MARKS, check_report_files
from mlc.reporting.collect import Results, check_comparable, collect
from mlc.reporting.figures import draw_means
from mlc.reporting.tables import summarise
from mlc.storage import write_atomically, write_text

RESULTS, BASELINE_RESULTS, SUMMARY = "results.csv", "baselines.csv", "summary.md"


def report_files(metrics: Sequence[str]) -> tuple[str, ...]:
    """The names of the files that a summary is written to."""
    return RESULTS, BASELINE_RESULTS, SUMMARY, f"{metrics[0]}.png"


def write_summary(folder: Path, metrics: Sequence[str], reference: str) -> tuple[Results, str]:
    """Write results.csv, baselines.csv, summary.md and METRIC.png; return the summary for a terminal.

    Raises:
        RunFolderError: there is no run that could be counted, a file lies there that no summary of
            ours is, or the folder cannot be written to.
    """
    check_report_files(folder, report_files(metrics))
    results = collect(folder)
    check_comparable(results)
    if not results.folders:
        reasons = "; ".join(f"{run}: {error}" for run, error in results.failed.items())
        raise RunFolderError(
            f"No run under {folder} has finished"
            + (f" ({reasons})." if reasons else ": wait for one, or start them again.")
        )
    try:
        write_text(folder / RESULTS, results.runs.to_csv(index=False))
        write_text(folder / BASELINE_RESULTS, results.baselines.to_csv(index=False))
        summary = summarise(results, metrics, reference, markdown=True)
        write_text(folder / SUMMARY, f"{MARKS['.md'].decode()}\n{summary}")
        with write_atomically(folder / f"{metrics[0]}.png") as file:
            file.write(draw_means(results, metrics[0]))
    except OSError as error:
        raise RunFolderError(
            f"The summary cannot be written to {folder} ({error.strerror}): make it writable."
        ) from error
    return results, summarise(results, metrics, reference)
