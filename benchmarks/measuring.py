"""What the benchmarks share: interleaved timing, and tables that name the machine."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

import mlc
from mlc.files.writing import write_text
from mlc.launching.workers import n_cores
from mlc.reporting.tables import Table
from mlc.runs.provenance import processor

RESULTS = Path(__file__).parent.parent / "results" / "benchmarks"


def machine() -> str:
    """The hardware and versions, in a line."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return (
        f"{processor()}, {n_cores()} cores{gpu}; Python {platform.python_version()},"
        f" torch {torch.__version__}, mlc {mlc.__version__}"
    )


def interleaved(
    contestants: Mapping[str, Callable[[], float | None]], repeats: int
) -> dict[str, list[float]]:
    """Seconds of each contestant, one after another and round after round.

    A contestant may return the seconds itself, where only a part of it is to count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            started = time.perf_counter()
            told = run()
            seconds[name].append(time.perf_counter() - started if told is None else told)
            print(f"{name}: {seconds[name][-1]:.2f} s", flush=True)
    return seconds


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """Round by round, how many times as long the first took."""
    return [a / b for a, b in zip(slow, fast, strict=True)]


def write(name: str, title: str, command: str, sections: Sequence[tuple[str, Table]]) -> None:
    """results/benchmarks/NAME.md, printed as well."""
    parts = [f"# {title}", f"`{command}`", f"Measured on {machine()}."]
    for text, table in sections:
        parts += [text, table.markdown()]
        print(f"\n{text}\n{table.text()}")
    write_text(RESULTS / f"{name}.md", "\n\n".join(parts) + "\n")
