"""The search of settings for texts: resumable, and blind to test rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import text_defaults


def write(folder: Path, labels: list[str]) -> Path:
    """Texts that tell their label; `labels` are those of the test part."""
    own = folder / "reuters21578"
    own.mkdir(parents=True)
    known = ["a", "b"] * 20
    for part, found in (("train", known), ("test", labels)):
        rows = [
            {"title": f"word {label}{label}", "text": f"more {n % 3}x", "labels": [label]}
            for n, label in enumerate(found)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (own / f"modapte90_{part}.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_a_search_goes_on_and_test_rows_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(text_defaults, "GRIDS", {"reuters21578": (1,)})
    found = []
    for name, labels in (("one", ["a", "b"] * 4), ("other", ["b", "a"] * 4)):
        folder = write(tmp_path / name, labels)
        monkeypatch.setattr(text_defaults, "STORED", folder / "stored.csv")
        arguments = ["--folder", str(folder), "--data", "reuters21578"]
        text_defaults.main(arguments)
        capsys.readouterr()
        rows = text_defaults.stored()
        text_defaults.main(arguments)
        assert capsys.readouterr().out == ""
        assert text_defaults.stored() == rows
        found.append([{**row, "seconds": ""} for row in rows])
    assert len(found[0]) == len(text_defaults.settings("reuters21578"))
    assert found[0] == found[1]
