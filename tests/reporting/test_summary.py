"""The metrics that a report takes: all that the runs store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlc.config.errors import ConfigError
from mlc.report import main
from mlc.reporting.summary import write_summary
from tests.reporting.test_tables import METRICS, write_run


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "f1_macr",
            "There is no metric named 'f1_macr': did you mean f1_macro? choose among f1_macro",
        ),
        ("average_precision", "did you mean average_precision_macro?"),
        ("nonsense", "There is no metric named 'nonsense': choose among f1_macro, "),
        ("precision_at_1", "holds no metric named 'precision_at_1': choose among hamming_loss,"),
    ],
)
def test_a_wrong_name_is_one_sentence_with_the_near_names(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, "yeast/sigmoid/seed=0")
    with pytest.raises(SystemExit) as ended:
        main([str(tmp_path), "--metrics", name])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"yeast"}


def test_metrics_of_scores_have_columns_and_the_runs_without_one_a_dash(tmp_path: Path) -> None:
    for seed in (0, 1):
        write_run(tmp_path, f"yeast/sigmoid/seed={seed}")
        write_run(tmp_path, f"yeast/powerset/seed={seed}")
    path = tmp_path / "yeast/powerset/seed=1/metrics.json"
    more = {"test/precision_at_1": 0.25, "test/ranking_loss": 0.125, "val/ranking_loss": 0.5}
    path.write_text(json.dumps(json.loads(path.read_text()) | more))
    _, text = write_summary(tmp_path, ["ranking_loss", "precision_at_1", "lrap"], "sigmoid")
    rows = [line.split() for line in text.splitlines() if " global " in line]
    assert ["powerset", "global", "2", "0.500", ">0.125", ">0.250", ">0.700"] in rows
    assert ["sigmoid", "global", "2", "-", "-", "-", "0.700"] in rows
    assert "equal for all rules of a run: ranking_loss, precision_at_1, lrap." in " ".join(
        text.split()
    )


def test_a_metric_that_no_run_has_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path, "yeast/sigmoid/seed=0")
    with pytest.raises(ConfigError, match="holds no metric named 'precision_at_5'"):
        write_summary(tmp_path, [*METRICS, "precision_at_5"], "sigmoid")
