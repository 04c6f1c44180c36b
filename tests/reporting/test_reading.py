"""A run whose files are damaged is named with its reason, and the others are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc.report import main
from mlc.reporting.collect import collect
from tests.reporting.test_tables import write_run
from tests.torture.run_folders import BAD, FORMS, GOOD


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_run_is_named_and_the_others_are_reported(form: str, tmp_path: Path) -> None:
    write_run(tmp_path, GOOD)
    write_run(tmp_path, BAD)
    FORMS[form](tmp_path / BAD)
    results = collect(tmp_path, ["jaccard_samples"])
    assert list(results.unreadable) == [BAD]
    reason = results.unreadable[BAD]
    assert "seed=1" in reason
    assert reason.endswith(".")
    assert "\n" not in reason
    assert len(reason) < 1000
    assert results.runs["run"].unique().tolist() == [GOOD]


def test_the_command_reports_the_others_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, GOOD)
    write_run(tmp_path, BAD)
    (tmp_path / BAD / "metrics.json").write_text("[]")
    main([str(tmp_path), "--metrics", "jaccard_samples", "--html"])
    said = " ".join(capsys.readouterr().out.split())
    assert "1 run cannot be read and is not counted: yeast/sigmoid/seed=1: " in said
    assert "is in no chart" in (tmp_path / "report.html").read_text(encoding="utf-8")
