"""The table of default networks and linear models, on rows made up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from benchmarks import defaults_vs_linear as table
from benchmarks import measuring
from benchmarks.measuring import RESULTS, stored_rows
from mlc.evaluation.linear_models import YARDSTICKS
from mlc.training import defaults
from tests.benchmarks.toy import toy
from tests.conftest import REPOSITORY


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


def test_the_defaults_page_says_what_the_rows_of_the_models_say() -> None:
    page = " ".join((REPOSITORY / "docs/defaults.md").read_text(encoding="utf-8").split())
    of_data: dict[str, dict[str, dict[str, str]]] = {}
    for row in stored_rows(RESULTS / "defaults_vs_linear.csv"):
        of_data.setdefault(row["data"], {})[row["model"]] = row
    shown = (table.METRIC, "precision_at_1", "f1_micro", "subset_accuracy")
    names = {"reuters21578": "Reuters-21578", "goemotions": "GoEmotions"}
    for data, title in names.items():
        network, hinge = of_data[data]["sigmoid"], of_data[data][table.LINEAR]
        for model, row in (("default network", network), ("`head=squared_hinge`", hinge)):
            cells = [f"{float(row[name]):.3f}" for name in shown]
            line = f"| {title} | {model} | {' | '.join(cells)} | {float(row['seconds']):.0f} |"
            assert line.replace("`head", "`backbone=linear head") in page
        assert all(float(hinge[name]) > float(network[name]) for name in shown)
    others = {data: models for data, models in of_data.items() if data not in names}
    assert len(others) == 11
    ahead = [data for data, models in others.items() if sign(models["sigmoid"]) > 0]
    assert f"on {', '.join(ahead[:-1])} and {ahead[-1]}, and behind it on none" in page
    assert all(sign(models["sigmoid"]) >= 0 for models in others.values())
    assert len(of_data) == 13
    hinges = {data: sign(models[table.LINEAR]) for data, models in of_data.items()}
    assert min(hinges.values()) == 0
    assert [data for data in hinges if hinges[data] > 0] == ["bibtex"]
    assert table.best_default(of_data["bibtex"])["model"] == table.LINEAR
    assert "no data set and ahead on bibtex" in page


def sign(row: Mapping[str, str]) -> int:
    """Whether a model is ahead of the SVM beyond the interval (1), behind it (-1), or neither."""
    difference, half = (float(row[f"linear_svm_{part}"]) for part in ("difference", "half_width"))
    return int(difference > half) - int(difference < -half)


@pytest.mark.parametrize(("difference", "marked"), [("-0.031", True), ("-0.029", False)])
def test_a_network_that_is_behind_by_more_than_its_interval_is_marked(
    difference: str, marked: bool
) -> None:
    row = {"linear_svm_difference": difference, "linear_svm_half_width": "0.03"}
    assert table._cell(row, "linear_svm").endswith("!") == marked
