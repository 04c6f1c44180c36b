"""The comparison of the linear backbone with logistic regression, on rows made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import linear, measuring
from benchmarks.measuring import stored_rows
from tests.benchmarks.toy import toy


def test_a_row_of_both_models_is_stored_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "load", lambda folder, name: toy())
    monkeypatch.setattr(linear, "STORED", tmp_path / "linear.csv")
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    for _ in range(2):
        linear.main(["--folder", str(tmp_path), "--data", "flags"])
    (row,) = stored_rows(linear.STORED)
    assert row["seeds"] == "2"
    assert abs(float(row["linear"]) - float(row["regression"])) < 0.03
    assert float(row["linear"]) > 0.6
    assert float(row["half_width"]) >= 0
    assert row["linear"] in (tmp_path / "linear.md").read_text(encoding="utf-8")
