"""The provenance of a result: command, seeds, versions, machine, dates."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import mlc
from mlc.files.writing import write_json

_FILE = "provenance.json"


def environment(machine: str) -> dict[str, str]:
    """Return the versions and the machine of measurements in this process."""
    return {
        "mlc": mlc.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": np.__version__,
        "scikit-learn": version("scikit-learn"),
        "machine": machine,
    }


def record(
    folder: Path, budget: str, facts: dict[str, str], n_measured: int = 0, seconds: float = 0
) -> None:
    """Record a session of measurements, today and in this environment.

    Sessions of equal budget, date and environment are one entry with summed numbers.
    """
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    session = {"budget": budget, "date": today, **facts}
    entries = sessions(folder)
    same = next((entry for entry in entries if session.items() <= entry.items()), None)
    if same is None:
        same = {**session, "measured": 0, "seconds": 0}
        entries.append(same)
    same["measured"] += n_measured
    same["seconds"] += round(seconds)
    write_json(folder / _FILE, {"sessions": entries, "matplotlib": version("matplotlib")})


def sessions(folder: Path) -> list[dict[str, Any]]:
    """Return all recorded sessions."""
    return list(_read(folder).get("sessions", []))


def drawn_with(folder: Path) -> str | None:
    """Return the version of matplotlib that drew the figures."""
    number = _read(folder).get("matplotlib")
    return None if number is None else str(number)


def foot(
    name: str,
    folder: Path,
    coverage: Mapping[str, tuple[int, int]],
    frames: Mapping[str, pd.DataFrame],
) -> str:
    """Return the footnote of every table and figure.

    `coverage` holds the numbers of finished and planned trials of each budget.
    """
    recorded = sessions(folder)
    complete = [budget for budget, (done, planned) in coverage.items() if done == planned]
    parts = [f"`make reproduce EXPERIMENT={name} BUDGET={complete[-1] if complete else 'quick'}`"]
    parts += [
        f"{budget} budget: {done} of {planned} trials"
        for budget, (done, planned) in coverage.items()
    ]
    seeds = sorted(
        {
            int(seed)
            for frame in frames.values()
            for key in ("seed", "data.seed")
            if key in frame
            for seed in frame[key].dropna()
        }
    )
    parts.append(
        f"seeds {_ranges(seeds)}" if seeds else "no random numbers that a seed would change"
    )
    for key in ("torch", "numpy", "scikit-learn", "mlc", "python", "machine"):
        values = dict.fromkeys(str(session[key]) for session in recorded)
        prefix = "" if key == "machine" else f"{key} "
        parts.append(prefix + " and ".join(values))
    dates = sorted({session["date"] for session in recorded})
    parts.append(
        dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}" if dates else "no date"
    )
    return "; ".join(part for part in parts if part) + "."


def _ranges(seeds: Sequence[int]) -> str:
    if len(seeds) > 2 and seeds == list(range(seeds[0], seeds[-1] + 1)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def _read(folder: Path) -> dict[str, Any]:
    path = folder / _FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
