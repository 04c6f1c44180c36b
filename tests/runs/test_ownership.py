"""Which files mlc may write, replace or delete."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlc.config.errors import RunFolderError
from mlc.files.writing import write_json
from mlc.runs import ownership
from mlc.runs.folder import FILES, RunFacts, claim, fail, holds
from mlc.runs.ownership import (
    MARKS,
    check_report_files,
    check_run_folder,
    path_part,
    remove_leftovers,
)
from mlc.runs.provenance import Identity

FACTS = RunFacts(run="toy/sigmoid/seed=0", data="toy", head="sigmoid", seed=0)
IDENTITY = Identity(data="", code="", versions={}, device="cpu")
OURS = {"state": "running", "run": "a/b/seed=0", "data": "a", "head": "b", "seed": 0}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    "content",
    [
        {".env.local": "SECRET"},
        {"train.log": "another program's"},
        {"status.json": '{"state": "completed"}'},
        {"status.json": ""},
        {"status.json": "", "metrics.json": "theirs"},
        {"status.json": "", ".lease": "", "notes.txt": "theirs"},
        {"status.json": "", ".lease": "", ".hydra/notes": "theirs"},
        {"status.json": "{}", ".lease": "", "metrics.json": "theirs"},
        {".lease": "", "metrics.json": "theirs"},
        {".hydra/config.yaml": "db: mysql", "train.log": ""},
        {".hydra/hydra.yaml": "hydra:\n  job: {name: theirs}", ".hydra/config.yaml": ""},
        {".hydra/notes": ""},
        {".status.json.abcdefgh": ""},
        {"events.out.tfevents.1234567890.host.1.0": ""},
    ],
)
def test_a_folder_with_other_files_than_a_runs_is_refused_and_unchanged(
    content: dict[str, str], tmp_path: Path
) -> None:
    for name, text in content.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    with pytest.raises(RunFolderError, match="no run of mlc"):
        check_run_folder(tmp_path, FILES)
    with pytest.raises(RunFolderError, match="no run of mlc"):
        claim(tmp_path, FACTS, IDENTITY)
    fail(tmp_path, FACTS, OSError("a worker was killed"))
    assert names(tmp_path) == {name.split("/")[0] for name in content}
    assert {name: (tmp_path / name).read_text() for name in content} == content


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"status.json": json.dumps(OURS), "notes.txt": "theirs", ".env.local": "SECRET"},
        {".hydra/hydra.yaml": "hydra:\n  sweep:\n    subdir: ${mlc.run_path:}", "train.log": "x"},
        {".hydra/config.yaml": "data:\nbackbone:\nhead:\noptimizer:\ntrainer:\n"},
        {".hydra/config.yaml": "", "train.log": "", ".lease": "{}"},
        {".status.json.abcd_123.mlc-part": "{"},
    ],
)
def test_a_runs_folder_may_be_used_again(content: dict[str, str], tmp_path: Path) -> None:
    for name, text in content.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    check_run_folder(tmp_path, FILES)
    claim(tmp_path, FACTS, IDENTITY)
    remaining = {name for name in content if "mlc-part" not in name} - {"status.json"}
    assert {name: (tmp_path / name).read_text() for name in remaining} == {
        n: content[n] for n in remaining
    }
    assert ".status.json.abcd_123.mlc-part" not in names(tmp_path)


@pytest.mark.parametrize("status", ["", "\0" * 500])
def test_a_run_whose_status_a_power_cut_has_emptied_may_be_trained_again(
    status: str, tmp_path: Path
) -> None:
    """A running run's status is written, but not waited for."""
    events = "events.out.tfevents.1234567890.123456.host.1"
    leftovers = {"metrics.json", "checkpoint.safetensors", ".split.npz.abcd_123.mlc-part", events}
    for name in leftovers | {".lease"}:
        (tmp_path / name).write_text("")
    (tmp_path / "status.json").write_text(status)
    (tmp_path / "train.log").write_text("a line")
    (tmp_path / ".hydra").mkdir()
    for name, text in {"config": status, "hydra": status, "overrides": "- seed=0"}.items():
        (tmp_path / ".hydra" / f"{name}.yaml").write_text(text)
    check_run_folder(tmp_path, FILES)
    claim(tmp_path, FACTS, IDENTITY)
    assert names(tmp_path) == {"status.json", ".lease", "train.log", ".hydra"}
    assert json.loads((tmp_path / "status.json").read_text())["state"] == "running"


@pytest.mark.parametrize("kind", ["link", "hard link", "folder"])
@pytest.mark.parametrize("name", ["train.log", ".hydra/config.yaml", "metrics.json", "status.json"])
def test_links_in_a_runs_folder_are_not_followed(name: str, kind: str, tmp_path: Path) -> None:
    theirs, run = tmp_path / "theirs", tmp_path / "run"
    theirs.write_text(json.dumps(OURS))
    (run / ".hydra").mkdir(parents=True)
    write_json(run / "status.json", OURS)
    path = run / name
    path.unlink(missing_ok=True)
    {"link": path.symlink_to, "hard link": path.hardlink_to}.get(kind, lambda _: path.mkdir())(
        theirs
    )
    if kind == "hard link" and name.endswith(".json"):
        # These are replaced, which leaves the other name alone.
        claim(run, FACTS, IDENTITY)
    else:
        with pytest.raises(RunFolderError):
            check_run_folder(run, FILES)
        with pytest.raises(RunFolderError):
            claim(run, FACTS, IDENTITY)
        assert os.path.lexists(path)
    assert json.loads(theirs.read_text()) == OURS


def test_a_sweeps_folder_may_be_a_link_but_no_folder_below_it(tmp_path: Path) -> None:
    (tmp_path / "disk" / "yeast").mkdir(parents=True)
    (tmp_path / "sweep").symlink_to(tmp_path / "disk")
    root = tmp_path / "sweep"
    check_run_folder(root / "yeast" / "sigmoid" / "seed=0", FILES, root)
    (tmp_path / "disk" / "scene").symlink_to(tmp_path / "disk" / "yeast")
    with pytest.raises(RunFolderError, match="scene is a symbolic link where a folder"):
        check_run_folder(root / "scene" / "sigmoid" / "seed=0", FILES, root)
    (tmp_path / "disk" / "emotions").write_text("a file")
    with pytest.raises(RunFolderError, match="emotions is a regular file where a folder"):
        check_run_folder(root / "emotions" / "sigmoid" / "seed=0", FILES, root)


def test_leftovers_are_files_with_a_runs_names_and_their_temporaries(tmp_path: Path) -> None:
    ours = {"metrics.json", ".metrics.json.abcd1234.mlc-part", ".status.json.abcd1234.mlc-part"}
    ours |= {"events.out.tfevents.1234567890.a-host.12.0"}
    theirs = {".env.local", ".metrics.json.abcdefgh", ".thesis.abcd1234.mlc-part", "status.json"}
    theirs |= {"events.out.tfevents.notes", "metrics.json.bak", "metrics.json.tmp"}
    for name in ours | theirs:
        (tmp_path / name).write_text("")
    (tmp_path / "rules.json").symlink_to(tmp_path / "status.json")
    (tmp_path / "split.npz").mkdir()
    remove_leftovers(tmp_path, FILES)
    assert names(tmp_path) == theirs | {"rules.json", "split.npz"}


@pytest.mark.parametrize("name", ["results.csv", "summary.md", "recall_micro.png", "report.html"])
def test_a_report_replaces_only_reports(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    check_report_files(tmp_path, [name])
    path.write_bytes(MARKS[path.suffix] + b" and more")
    check_report_files(tmp_path, [name])
    path.write_bytes(b"theirs")
    with pytest.raises(RunFolderError, match=f"{name} is not a file that mlc has written"):
        check_report_files(tmp_path, [name])
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunFolderError, match=f"{name} is a symbolic link"):
        check_report_files(tmp_path, [name])


def test_parts_of_paths_stay_in_their_folder() -> None:
    for name in ("", ".", "..", "...", "../..", "/etc", "a/b", "a\\b", "CON", "nul.txt", "x" * 300):
        part = path_part(name)
        assert part not in ("", ".", "..")
        assert not part.startswith(".")
        assert not part.endswith(".")
        assert not set(part) & set('/\\<>:"|?*')
        assert len(part) <= 150
    assert path_part("CON") != "CON"
    assert path_part("summary.md", ["summary.md"]) != "summary.md"
    assert path_part("yeast-2.1,k=3+") == "yeast-2.1,k=3+"
    # File systems count bytes; names that differ only at their ends stay apart.
    long = [path_part("漢" * 200 + end) for end in "ab"]
    assert len(set(long)) == 2
    assert all(len(part.encode()) <= 150 for part in long)


def test_an_equal_option_in_another_notation_is_the_same_run(tmp_path: Path) -> None:
    config = {"head": {"name": "b", "gamma": 2.0}, "data": {"labels": ["x", "y"]}}
    finished = {**OURS, "state": "completed", "data": "a", "overrides": {}, "config": config}
    write_json(tmp_path / "status.json", finished)
    same = {"head": {"name": "b", "gamma": 2.0}, "data": {"labels": ("x", "y")}}
    other = {**same, "head": {"name": "b", "gamma": 3.0}}
    for overrides in ({"head.gamma": "2"}, {"head.gamma": "2.0"}):
        facts = RunFacts("a/b/seed=0", "a", "b", 0, overrides, config=same)
        assert holds(tmp_path, facts)
    changed = RunFacts("a/b/seed=0", "a", "b", 0, {"head.gamma": "3"}, config=other)
    assert not holds(tmp_path, changed)


def test_two_names_with_one_folder_are_different_runs(tmp_path: Path) -> None:
    assert path_part("a b") == path_part("a_b")
    finished = {**OURS, "state": "completed", "data": "a b", "overrides": {}}
    write_json(tmp_path / "status.json", finished)
    facts = RunFacts(run="a_b/b/seed=0", data="a_b", head="b", seed=0)
    assert not holds(tmp_path, facts)
    assert holds(tmp_path, RunFacts(run="a_b/b/seed=0", data="a b", head="b", seed=0))
    with pytest.raises(RunFolderError, match="finished run of data 'a b', and not 'a_b'"):
        claim(tmp_path, facts, IDENTITY)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (ownership.MULTIRUN, f"hydra:\n  _target_: mlc.{ownership.CALLBACK}\n"),
        (ownership.JOURNAL, '{"op_code": 0, "study_name": "mlc"}\n'),
    ],
)
def test_a_launch_that_begins_at_the_same_time_may_be_writing_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    path = tmp_path / name
    path.write_text("")
    written = iter([text[:6], text])
    monkeypatch.setattr(ownership.time, "sleep", lambda seconds: path.write_text(next(written)))
    ownership.check_report_files(tmp_path, [name])
    path.write_text("mine: true\n")
    waited: list[float] = []
    monkeypatch.setattr(ownership.time, "sleep", waited.append)
    with pytest.raises(RunFolderError, match=f"{name} is not a file that mlc has written"):
        ownership.check_report_files(tmp_path, [name])
    assert sum(waited) == pytest.approx(0.5)
    assert path.read_text() == "mine: true\n"
