"""The table of default networks and linear models, on rows made up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import defaults_vs_linear as table
from benchmarks import measuring
from mlc.data.base import Dataset
from mlc.data.splits import Split
from mlc.training import defaults


def test_each_model_has_a_row_and_the_best_head_is_chosen_without_test_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(160, 4)).astype(np.float32)
    targets = features[:, :3] + 0.5 * rng.normal(size=(160, 3)) > 0.3
    rows = np.arange(160)
    splits = [Split(rows[seed : 60 + seed], rows[70:100], rows[100:]) for seed in (0, 5)]
    monkeypatch.setattr(table, "CANDIDATES", ("sigmoid", "label_powerset"))
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    monkeypatch.setattr(defaults, "EPOCHS", ((1000, 8),))
    found = []
    for number, labels in enumerate((targets, np.vstack([targets[:100], ~targets[100:]]))):
        data = Dataset("flags", features, labels, tuple("wxyz"), tuple("abc"), np.ones(4, bool))
        monkeypatch.setattr(table, "load", lambda folder, name, data=data: (data, splits))
        monkeypatch.setattr(table, "STORED", tmp_path / f"{number}.csv")
        table.main(["--folder", str(tmp_path), "--data", "flags"])
        found.append({row["model"]: row for row in table.stored()})
    first, other = found
    assert list(first) == ["sigmoid", "best head", "logistic_regression", "linear_svm"]
    assert first["best head"]["head"] == other["best head"]["head"]
    for name in ("sigmoid", "best head"):
        assert first[name]["validation"] == other[name]["validation"]
        expected = float(first[name][table.METRIC]) - float(first["linear_svm"][table.METRIC])
        assert float(first[name]["linear_svm_difference"]) == pytest.approx(expected, abs=2e-4)
    page = (tmp_path / "defaults_vs_linear.md").read_text(encoding="utf-8")
    assert other["sigmoid"][table.METRIC] in page


@pytest.mark.parametrize(("difference", "marked"), [("-0.031", True), ("-0.029", False)])
def test_a_network_that_is_behind_by_more_than_its_interval_is_marked(
    difference: str, marked: bool
) -> None:
    row = {"linear_svm_difference": difference, "linear_svm_half_width": "0.03"}
    assert table._cell(row, "linear_svm").endswith("!") == marked
