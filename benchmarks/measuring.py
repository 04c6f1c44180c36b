"""Common functions of the benchmarks: interleaved timing, and tables that name the machine."""

from __future__ import annotations

import argparse
import csv
import os
import platform
import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import torch

import mlc
from mlc.files.writing import write_text
from mlc.launching.workers import n_cores
from mlc.reporting.tables import Table
from mlc.runs.provenance import processor

RESULTS = Path(__file__).parent.parent / "results" / "benchmarks"


def machine() -> str:
    """Return the hardware and versions as one line."""
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"
    return (
        f"{processor()}, {n_cores()} cores{gpu}; Python {platform.python_version()},"
        f" torch {torch.__version__}, mlc {mlc.__version__}"
    )


def environment() -> dict[str, str]:
    """Return the variables of a measured process, which keeps bytecode as Python does by default."""
    return {name: v for name, v in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def interleaved(
    contestants: Mapping[str, Callable[[], float | None]], repeats: int
) -> dict[str, list[float]]:
    """Measure the seconds of each contestant, in turns and `repeats` times.

    A contestant may return its seconds itself, to measure only a part of the call.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(repeats):
        for name, run in contestants.items():
            started = time.perf_counter()
            result = run()
            seconds[name].append(time.perf_counter() - started if result is None else result)
            print(f"{name}: {seconds[name][-1]:.2f} s", flush=True)
    return seconds


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Format median and range."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """Return the ratios slow / fast, round by round."""
    return [a / b for a, b in zip(slow, fast, strict=True)]


def data_parser(description: str | None, names: Collection[str]) -> argparse.ArgumentParser:
    """Return the parser of a benchmark on real data: their folder, and which of the named sets."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--data", nargs="+", choices=list(names), default=list(names))
    return parser


def stored_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV that is written piece by piece; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def append_rows(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Append rows to a CSV, which gets their names as its header if it is new."""
    is_new = not path.is_file()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerows(rows)


def write(name: str, title: str, command: str, sections: Sequence[tuple[str, Table]]) -> None:
    """Print the tables and write them to results/benchmarks/NAME.md."""
    parts = [f"# {title}", f"`{command}`", f"Measured on {machine()}."]
    for text, table in sections:
        parts += [text, table.markdown()]
        print(f"\n{text}\n{table.text()}")
    write_text(RESULTS / f"{name}.md", "\n\n".join(parts) + "\n")
