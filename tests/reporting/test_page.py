"""The page of a folder of runs, and what stands under every table, where a value is not defined."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mlc.reporting.choice import contestants
from mlc.reporting.collect import collect
from mlc.reporting.page import _label_bars, render
from mlc.reporting.summary import write_summary
from tests.reporting.test_tables import METRICS, write_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two runs of one label; the second has a metric that the first has no value of."""
    targets = np.array([[True], [True], [False], [False]])
    decided = np.array([[True], [False], [False], [False]])
    for seed in (0, 1):
        write_run(tmp_path, f"yeast/sigmoid/seed={seed}")
        run = tmp_path / f"yeast/sigmoid/seed={seed}"
        stored = {f"decisions_{rule}": decided for rule in ("global", "oracle")}
        np.savez(run / "predictions.npz", scores=targets * 0.5, targets=targets, **stored)
    metrics = json.loads((run / "metrics.json").read_text()) | {"test/roc_auc_macro": 0.75}
    (run / "metrics.json").write_text(json.dumps(metrics))
    return tmp_path


def test_the_bar_of_the_only_label_is_its_own_f1(runs: Path) -> None:
    results = collect(runs)
    # One of two positives found, nothing else: F1 2/3; of the negatives it would be 0.8.
    bars = _label_bars(contestants(results), results)
    assert bars["rows"] == {"label 0 (50.0%)": {"sigmoid": pytest.approx(2 / 3)}}


def test_a_metric_that_one_run_lacks_is_an_empty_cell(runs: Path) -> None:
    results, summary = write_summary(runs, METRICS, "sigmoid")
    column = results.runs.set_index(["run", "rule"])["roc_auc_macro"]
    assert column.isna().tolist() == [True, True, False, False]
    assert "0.75" in (runs / "results.csv").read_text()
    assert "sigmoid" in summary
    assert "<html" in render(results, runs, METRICS)


def test_both_conventions_stand_under_every_table(runs: Path) -> None:
    _, summary = write_summary(runs, METRICS, "sigmoid")
    printed = " ".join(summary.split())
    assert "Labels without a positive count 0 in the macro averages of F1" in printed
    assert "roc_auc_macro over the roc_auc_labels labels" in printed
