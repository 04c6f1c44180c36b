"""The comparison of the linear backbone with logistic regression, on rows made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import linear, measuring
from mlc.data.base import Dataset
from mlc.data.splits import Split


def test_a_row_of_both_models_is_stored_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(160, 4)).astype(np.float32)
    targets = features[:, :3] + 0.5 * rng.normal(size=(160, 3)) > 0.3
    data = Dataset("flags", features, targets, tuple("wxyz"), tuple("abc"), np.ones(4, dtype=bool))
    rows = np.arange(160)
    splits = [Split(rows[seed : 60 + seed], rows[70:100], rows[100:]) for seed in (0, 5)]
    monkeypatch.setattr(linear, "load", lambda folder, name: (data, splits))
    monkeypatch.setattr(linear, "STORED", tmp_path / "linear.csv")
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    for _ in range(2):
        linear.main(["--folder", str(tmp_path), "--data", "flags"])
    (row,) = linear.stored()
    assert row["seeds"] == "2"
    assert abs(float(row["linear"]) - float(row["regression"])) < 0.03
    assert float(row["linear"]) > 0.6
    assert float(row["half_width"]) >= 0
    assert row["linear"] in (tmp_path / "linear.md").read_text(encoding="utf-8")
