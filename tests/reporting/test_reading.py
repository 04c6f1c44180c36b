"""A run whose files are damaged is named with its reason, and the others are reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlc.report import main
from mlc.reporting.collect import collect
from tests.reporting.test_tables import write_run

GOOD, BAD = "yeast/sigmoid/seed=0", "yeast/sigmoid/seed=1"


def of(file: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    def spoil(run: Path) -> None:
        path = run / file
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    return spoil


def raw(file: str, content: bytes) -> Callable[[Path], None]:
    return lambda run: (run / file).write_bytes(content) and None


def a_folder(run: Path) -> None:
    (run / "status.json").unlink()
    (run / "status.json").mkdir()


def missing(run: Path) -> None:
    (run / "rules.json").unlink()


def without(key: str) -> Callable[[Any], Any]:
    return lambda content: {name: own for name, own in content.items() if name != key}


FORMS: dict[str, Callable[[Path], None]] = {
    **{f"no {key}": of("status.json", without(key))
       for key in ("state", "data", "head", "seed", "overrides", "monitor")},
    **{f"{key} of another type": of("status.json", lambda own, key=key: own | {key: [{}]})
       for key in ("state", "data", "head", "seed", "overrides", "monitor", "config", "identity")},
    "unhashable fingerprint": of("status.json", lambda own: own | {"identity": {"data": []}}),
    "a huge seed": of("status.json", lambda own: own | {"seed": 10**100}),
    "an override named run": of("status.json", lambda own: own | {"overrides": {"run": "1"}}),
    "a folder": a_folder,
    "no rules": missing,
    **{f"{file} {name}": raw(file, content)
       for file in ("status.json", "metrics.json", "rules.json", "baselines.json")
       for name, content in {
           "empty": b"", "binary": bytes(range(256)), "a list": b"[]", "cut": b'{"state": "comp',
           "deep": b'{"a": ' * 50_000, "a long number": b'{"a": ' + b"9" * 5000 + b"}",
           "infinite": b'{"test/global/x": Infinity}', "overflow": b'{"test/global/x": 1e999}',
           "twice": b'{"a": 1, "a": 2}', "text": b'{"test/global/jaccard_samples": "x"}',
       }.items()},
    "a metric named head": of("metrics.json", lambda own: own | {"test/head": 0.5}),
    "of no rule": of("metrics.json", lambda own: own | {"test/nobody/f1_macro": 0.5}),
    "huge": of("metrics.json", lambda own: own | {"test/global/f1_macro": 10**400}),
    "rules of text": raw("rules.json", b'{"global": "x"}'),
    "tuned on a list": raw("rules.json", b'{"global": {"tuned_on": []}}'),
}  # fmt: skip


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
