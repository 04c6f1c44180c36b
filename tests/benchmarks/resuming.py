"""Benchmarks whose rows are stored, and not measured again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.measuring import stored_rows


def rows_measured_once(
    main: Callable[[list[str]], None],
    arguments: list[str],
    stored: Path,
    capsys: pytest.CaptureFixture[str],
) -> list[dict[str, str]]:
    """Run a benchmark twice, the second time without effect; return its rows without seconds."""
    main(arguments)
    capsys.readouterr()
    rows = stored_rows(stored)
    main(arguments)
    assert capsys.readouterr().out == ""
    assert stored_rows(stored) == rows
    return [{**row, "seconds": ""} for row in rows]
