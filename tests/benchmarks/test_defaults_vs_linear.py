"""The table of default networks and linear models, on rows made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import defaults_vs_linear as table
from benchmarks import measuring
from benchmarks.measuring import stored_rows
from mlc.evaluation.linear_models import YARDSTICKS
from mlc.training import defaults
from tests.benchmarks.toy import toy


def test_each_model_has_a_row_and_the_best_head_is_chosen_without_test_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "CANDIDATES", ("sigmoid", "label_powerset"))
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    monkeypatch.setattr(defaults, "EPOCHS", ((1000, 8),))
    for kind in YARDSTICKS:
        monkeypatch.setattr(kind, "strengths", (0.03, 0.3))
    found = []
    for number, is_other in enumerate((False, True)):
        loaded = toy(is_other)
        monkeypatch.setattr(table, "load", lambda folder, name, loaded=loaded: loaded)
        monkeypatch.setattr(table, "STORED", tmp_path / f"{number}.csv")
        table.main(["--folder", str(tmp_path), "--data", "flags"])
        found.append({row["model"]: row for row in stored_rows(table.STORED)})
    first, other = found
    assert list(first) == [
        "sigmoid", "best head", table.LINEAR, "logistic_regression", "linear_svm",
    ]  # fmt: skip
    assert first["best head"]["head"] == other["best head"]["head"]
    for name in ("sigmoid", "best head", table.LINEAR):
        assert first[name]["validation"] == other[name]["validation"]
        expected = float(first[name][table.METRIC]) - float(first["linear_svm"][table.METRIC])
        assert float(first[name]["linear_svm_difference"]) == pytest.approx(expected, abs=2e-4)
    page = (tmp_path / "defaults_vs_linear.md").read_text(encoding="utf-8")
    assert other["sigmoid"][table.METRIC] in page
    # The other models of a measured data set are not trained again.
    text = table.STORED.read_text(encoding="utf-8").splitlines(keepends=True)
    table.STORED.write_text("".join(row for row in text if table.LINEAR not in row), "utf-8")
    monkeypatch.setattr(table, "CANDIDATES", ())
    table.main(["--folder", str(tmp_path), "--data", "flags"])
    again = {row["model"]: row for row in stored_rows(table.STORED)}
    assert list(again) == [name for name in first if name != table.LINEAR] + [table.LINEAR]
    assert {**again[table.LINEAR], "seconds": ""} == {**other[table.LINEAR], "seconds": ""}


def test_the_best_default_is_that_of_validation_rows() -> None:
    network, hinge = (
        {"model": name, "validation": validation, table.METRIC: test}
        for name, validation, test in ((table.BEST, "0.51", "0.6"), (table.LINEAR, "0.52", "0.5"))
    )
    assert table.best_default({table.BEST: network, table.LINEAR: hinge}) is hinge
    assert table.best_default({table.BEST: network}) is network


@pytest.mark.parametrize(("difference", "marked"), [("-0.031", True), ("-0.029", False)])
def test_a_network_that_is_behind_by_more_than_its_interval_is_marked(
    difference: str, marked: bool
) -> None:
    row = {"linear_svm_difference": difference, "linear_svm_half_width": "0.03"}
    assert table._cell(row, "linear_svm").endswith("!") == marked
