"""The page of reliability belongs to stored results, and its age is that of the code they were for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.torture import freshness
from tests.torture.__main__ import try_area
from tests.torture.areas import AREAS, Bench
from tests.torture.page import PAGE, page


def test_comments_and_docstrings_do_not_count(tmp_path: Path) -> None:
    code = tmp_path / "a.py"
    code.write_text(
        '"""Doc."""\n# said\ndef f(x):\n    """Doc\n    more."""\n    return "# x"\n', "utf-8"
    )
    bare = freshness.bare(code)
    assert bare == 'deff(x):return"#x"'
    code.write_text("def f(x):  # said\n\n    return '# x'\n".replace("'", '"'), "utf-8")
    assert freshness.bare(code) == bare
    code.write_text("def f(x):\n    return x\n", "utf-8")
    assert freshness.bare(code) != bare


def test_changed_code_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("mlc/files/a.py", "mlc/runs/b.py"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x = 1\n", "utf-8")
    monkeypatch.setattr(freshness, "REPOSITORY", tmp_path)
    code = freshness.fingerprints(["mlc/files", "mlc/runs/b.py"])
    results = {"folders": {"code": code}, "kills": {"code": {"mlc/files": code["mlc/files"]}}}
    assert "is as new as the code" in freshness.sentence(results)
    (tmp_path / "mlc/runs/b.py").write_text("x = 2\n", "utf-8")
    said = freshness.sentence(results)
    assert "1 of 2 areas (folders): mlc/runs/b.py changed since" in said
    assert "has no stored results" in freshness.sentence({})


def test_every_area_names_code_that_exists() -> None:
    for area in AREAS.values():
        for part in area.code:
            assert (freshness.REPOSITORY / part).exists(), part


def test_an_area_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    path = tmp_path / "folders.json"
    with Bench(tmp_path, 0.002) as bench:
        assert try_area("folders", bench, path) == []
        whole = json.loads(path.read_text("utf-8"))
        assert [row["cells"][1] for row in whole["rows"].values()] == ["4", "3", "1", "2"]
        first, *others = whole["rows"]
        for row in others:
            del whole["rows"][row]
        whole["rows"][first]["cells"][1] = "kept"
        path.write_text(json.dumps(whole), "utf-8")
        assert try_area("folders", bench, path) == []
        resumed = json.loads(path.read_text("utf-8"))
        assert [row["cells"][1] for row in resumed["rows"].values()] == ["kept", "3", "1", "2"]
        # Results for other code are none.
        resumed["code"]["mlc/files"] = "0"
        path.write_text(json.dumps(resumed), "utf-8")
        assert try_area("folders", bench, path) == []
    assert json.loads(path.read_text("utf-8"))["rows"][first]["cells"][1] == "4"
    assert "| a run's folder " in page({"folders": json.loads(path.read_text("utf-8"))})


def test_the_page_is_that_of_the_stored_results() -> None:
    results = freshness.stored()
    if not results:
        pytest.skip("no full run is stored")
    assert PAGE.read_text(encoding="utf-8") == page(results)
