"""The simulated coverage of a comparison's intervals."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import interval_coverage, measuring
from benchmarks.interval_coverage import (
    PAGE,
    REDRAWN,
    SHARED,
    STORED,
    cells,
    read,
    redrawn_table,
    shared_table,
    with_tables,
)
from benchmarks.measuring import stored_rows


def test_each_case_is_simulated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = [cell for cell in cells() if cell[-1] == 4 and cell[-2] == 3]
    monkeypatch.setattr(interval_coverage, "STORED", tmp_path / "interval_coverage.csv")
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    monkeypatch.setattr(interval_coverage, "cells", lambda: iter(some))
    monkeypatch.setattr(interval_coverage, "PAGE", tmp_path / "compare.md")
    monkeypatch.setattr(interval_coverage, "with_tables", lambda text, rows: text + str(len(rows)))
    monkeypatch.setattr(interval_coverage, "shared_table", redrawn_table)
    (tmp_path / "compare.md").write_text("rows: ")
    for _ in range(2):
        interval_coverage.main(["--worlds", "2"])
    rows = stored_rows(interval_coverage.STORED)
    assert [(row["test_rows"], row["spreads"]) for row in rows] == [
        (cell[0], cell[2]) for cell in some
    ]
    assert (tmp_path / "compare.md").read_text() == f"rows: {len(some)}{len(some)}"


def test_the_tables_hold_the_least_of_the_cases() -> None:
    rows = [
        {
            "test_rows": test_rows, "noise": noise, "spreads": spreads, "splits": str(splits),
            "heads": str(heads), "worlds": "9", "half_width": f"0.0{heads}",
            "all": str(0.99 - 0.01 * (noise == "seeds") - 0.1 * (heads == 20)), "worst_head": "0.97",
        }
        for test_rows, noise, spreads, splits, heads in cells()
    ]  # fmt: skip
    frame = read(rows)
    assert {SHARED, REDRAWN} == set(frame["test_rows"])
    first = shared_table(frame).rows[0]
    assert first[0] == "equal"
    assert list(first[1:3]) == ["0.88; up to 8 heads 0.98", "0.97"]
    assert list(redrawn_table(frame).rows[0]) == ["0", "3", "0.99", "0.97", "0.040, 0.080"]
    page = PAGE.read_text(encoding="utf-8")
    changed = with_tables(page, frame)
    assert "| equal | 0.88; up to 8 heads 0.98 | 0.97 |" in changed
    assert "| 0 | 3 | 0.99 | 0.97 | 0.040, 0.080 |" in changed
    assert with_tables(changed, frame) == changed
    assert len(changed.splitlines()) == len(page.splitlines())


def test_the_page_holds_the_tables_of_the_stored_rows() -> None:
    rows = stored_rows(STORED)
    if not rows:
        pytest.skip("python -m benchmarks.interval_coverage has not been run")
    page = PAGE.read_text(encoding="utf-8")
    assert with_tables(page, read(rows)) == page
