"""docs/reliability.md from the stored results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlc.reporting.tables import Table
from tests.torture.areas import AREAS
from tests.torture.freshness import REPOSITORY

PAGE = REPOSITORY / "docs" / "reliability.md"
_HEAD = """\
# Reliability

What mlc guarantees, how each guarantee was tested, and what came of it, by `make torture FULL=1`. A
short form of each test is part of `make test`; `make torture` tries a tenth. `make check` names the
areas whose code has changed since, comments aside.
"""


def page(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page of the areas that are stored."""
    parts = [_HEAD.rstrip()]
    for name, area in AREAS.items():
        if name not in results:
            continue
        stored = results[name]
        rows = [tuple(stored["rows"][row]["cells"]) for row in area.rows if row in stored["rows"]]
        table = Table(area.header, rows, len(area.header)).markdown()
        minutes = sum(row["seconds"] for row in stored["rows"].values()) / 60
        when = (
            f"{_duration(minutes)} on {stored['date']}; {stored['machine']}; code"
            f" {', '.join(f'`{part}`' for part in area.code)}."
        )
        parts.append(f"## {area.title}\n\n{area.text}\n\n{table}\n\n{when}")
    return "\n\n".join(parts) + "\n"


def _duration(minutes: float) -> str:
    if minutes < 1:
        return "Less than a minute"
    return "1 minute" if round(minutes) == 1 else f"{minutes:.0f} minutes"
