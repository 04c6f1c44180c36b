"""The page of a folder of runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.files.names import ANSWER
from mlc.report import main
from mlc.reporting.collect import collect
from mlc.reporting.page import render
from mlc.reporting.summary import write_summary
from tests.reporting.test_answered import SHOWN
from tests.reporting.test_tables import METRICS, write_run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two heads with two seeds and one label; the second seed has a metric that the first lacks."""
    targets = np.array([[True], [True], [False], [False]])
    decided = np.array([[True], [False], [False], [False]])
    for seed in (0, 1):
        for head, jaccard in (("sigmoid", 0.5), ("powerset", 0.54 + 0.02 * seed)):
            run = tmp_path / f"yeast/{head}/seed={seed}"
            write_run(tmp_path, f"yeast/{head}/seed={seed}", jaccard=jaccard)
            stored = {f"decisions_{rule}": decided for rule in ("global", "oracle")}
            np.savez(run / "predictions.npz", scores=targets * 0.5, targets=targets, **stored)
    metrics = json.loads((run / "metrics.json").read_text()) | {"test/roc_auc_macro": 0.75}
    (run / "metrics.json").write_text(json.dumps(metrics))
    return tmp_path


def text_of(page: str) -> str:
    body = page.split("<body>")[1].split("<script>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", body.replace("<wbr>", "")).split())


def test_a_metric_that_one_run_lacks_is_an_empty_cell(runs: Path) -> None:
    results, summary = write_summary(runs, METRICS, "sigmoid")
    column = results.runs.query("head == 'powerset'").set_index(["run", "rule"])["roc_auc_macro"]
    assert column.isna().tolist() == [True, True, False, False]
    assert "0.75" in (runs / "results.csv").read_text()
    assert "sigmoid" in summary
    assert "<html" in render(results, runs, METRICS)


def test_both_conventions_stand_under_every_table(runs: Path) -> None:
    _, summary = write_summary(runs, METRICS, "sigmoid")
    printed = " ".join(summary.split())
    assert "Labels without a positive count 0 in the macro averages of F1" in printed
    assert "roc_auc_macro over the roc_auc_labels labels" in printed


def test_the_page_of_a_sweep_begins_with_the_best_head_and_its_difference(runs: Path) -> None:
    text = text_of(render(collect(runs), runs, METRICS))
    first = (
        "powerset with the rule global has the best jaccard_samples on the validation rows, 0.550"
    )
    assert text.index(first) < text.index("Test jaccard_samples minus that of sigmoid, global")
    # 0.04 and 0.06 in pairs: 0.05 with 12.706 * 0.01 on either side.
    assert "It differs from sigmoid with global by +0.050 [-0.077, +0.177] there." in text
    assert text.index("[-0.077, +0.177] there") < text.index("yeast: jaccard_samples, hamming_loss")


def test_validation_stands_beside_test_for_each_metric(runs: Path) -> None:
    page = render(collect(runs), runs, ["jaccard_samples", "lrap"])
    names = re.findall(r'data-column="\d"><button>(\w+)</button>', page)
    assert names[:7] == ["head", "rule", "n", "validation", "test", "validation", "test"]
    rows = re.findall(r"<td>global</td>(.*?)</tr>", page.replace("&gt;", ">"))
    cells = re.findall(r">([^<]+)</td>", rows[0])
    assert cells == ["0.550", ">0.550 ±0.127", "0.800", ">0.700", "2"]


def test_the_best_rule_of_each_head_is_first_and_the_others_are_folded(runs: Path) -> None:
    page = render(collect(runs), runs, METRICS)
    top, folded = page.split("All 6 pairs of a head and a rule")
    assert top.count("<td>global</td>") == 2
    assert "oracle*" not in top
    assert folded.count("<td>oracle*</td>") == 2
    assert folded.count("(prior)") == 2


def test_the_answer_of_a_comparison_is_first(runs: Path) -> None:
    differences = {"powerset": {"mean": 0.05, "half_width": 0.02}}
    rule = [{"rule": "global"}]
    content: dict[str, Any] = {
        "shown": SHOWN, "metric": "jaccard_samples", "margin": 0.02, "reference": "sigmoid",
        "heads": {"powerset": rule, "sigmoid": rule}, "chosen": {"head": "powerset"},
        "differences": differences,
    }  # fmt: skip
    (runs / ANSWER).write_text(json.dumps(content))
    page = render(collect(runs), runs, METRICS)
    text = text_of(page)
    assert text.index("Use &lt;b&gt;it&lt;/b&gt;.") < text.index("+0.050 [+0.030, +0.070]")
    assert "has the best jaccard_samples" not in text
    assert "equal within 0.02" in text
    assert 'class="dot filled"' in page
    assert "import torch" in page


def test_runs_without_predictions_are_reported_without_charts(runs: Path) -> None:
    for path in runs.rglob("predictions.npz"):
        path.unlink()
    text = text_of(render(collect(runs), runs, METRICS))
    assert "No curves against the threshold" in text
    assert "No values by label" in text
    assert "yeast/sigmoid/seed=0 is in no chart: " in text
    assert "powerset with the rule global has the best" in text


def test_runs_without_validation_values_are_reported(runs: Path) -> None:
    for path in runs.rglob("metrics.json"):
        metrics = json.loads(path.read_text())
        kept = {key: value for key, value in metrics.items() if not key.startswith("val/")}
        path.write_text(json.dumps(kept))
    text = text_of(render(collect(runs), runs, METRICS))
    assert "has the best" not in text
    assert "Test jaccard_samples minus that of sigmoid, global" in text


@pytest.mark.parametrize("metric", ["lrap", "cardinality_predicted", "hamming_loss"])
def test_any_stored_metric_may_be_first(metric: str, runs: Path) -> None:
    for path in runs.rglob("metrics.json"):
        more = {f"{p}/{r}/cardinality_predicted": 1.5 for p in ("val", "test") for r in ("global",)}
        path.write_text(json.dumps(json.loads(path.read_text()) | more))
    main([str(runs), "--metrics", metric, "--html"])
    assert (runs / f"{metric}.png").exists()
    assert metric in text_of((runs / "report.html").read_text(encoding="utf-8"))


def test_the_page_takes_nothing_from_elsewhere(runs: Path) -> None:
    page = render(collect(runs), runs, METRICS).replace("http-equiv", "")
    assert not re.search(r"https?:|//\w|<link|src=(?!\"data:)|@import|url\(", page)
