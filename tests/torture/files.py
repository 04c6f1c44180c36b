"""Folders full of a user's files, links and pipes: whatever is done there, none of them changes."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest.mock import patch

from mlc.config.errors import RunFolderError
from mlc.files.names import STATUS
from mlc.files.writing import open_to_append, write_json, write_output, write_text
from mlc.runs.folder import FILES, RunFacts, claim, fail
from mlc.runs.ownership import (
    HYDRA_FILES,
    MARKS,
    MULTIRUN,
    check_report_files,
    check_run_folder,
    event_files,
    path_part,
)
from mlc.runs.provenance import Identity
from tests.torture.inputs import Reader

FACTS = RunFacts(run="toy/sigmoid/seed=0", data="toy", head="sigmoid", seed=0)
IDENTITY = Identity(data="0" * 64, code="0", versions={}, device="cpu")
REPORTS = ("results.csv", "baselines.csv", "summary.md", "jaccard_samples.png")
# What people keep: several look like temporaries, or like files of ours.
THEIRS = (
    ".env.local", ".gitlab-ci.yml", ".pre-commit-config.yaml", ".git", "t.csv", "notes.log", "data",
    ".status.json.bak", ".status.json.abcdefgh", ".notes.abcd1234.mlc-part", "thesis.tex.mlc-part",
    "events.out.tfevents.notes", "report.html", "train.log", ".hydra", ".lease.txt", "é ü.txt", "a\nb",
)  # fmt: skip
_LETTERS = "ab/.. \\~*?\"'<>|:\0\n\té漢\U0001f40d%$&.,=+-_"

Snapshot = dict[str, tuple[object, ...]]


def snapshot(folder: Path) -> Snapshot:
    """What lies in the folder: kind, mode and content by path; links are not followed."""
    found: Snapshot = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place) / name
            mode = path.lstat().st_mode
            content: object = None
            if stat.S_ISREG(mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            elif stat.S_ISLNK(mode):
                content = path.readlink()
            found[str(path)] = (mode, content)
    return found


def require_unchanged(before: Snapshot, folder: Path) -> None:
    """Every entry of the snapshot is still as it was."""
    after = snapshot(folder)
    for path, entry in before.items():
        assert path in after, f"{path} was deleted"
        assert after[path] == entry, f"{path} was changed"


def require_nothing_new(before: Snapshot, home: Path, but: Path | None = None) -> None:
    """Nothing was added behind links; `but` is a folder to which one may lead."""
    added = {Path(path) for path in snapshot(home) if path not in before}
    assert all(but is not None and path.is_relative_to(but) for path in added), (
        "a link was followed"
    )


def put(draw: random.Random, path: Path, home: Path, kinds: str) -> None:
    """A user's entry: a (f)ile, a (d)irectory with a file, a (l)ink, a (h)ard link or a (p)ipe."""
    if os.path.lexists(path):
        return
    kind, target = draw.choice(kinds), home / draw.choice(("diary", "shelf", "missing"))
    if kind == "f":
        path.write_bytes(draw.choice((b"", b"theirs", b'{"state": "completed"}', b"a,b\n1,2\n")))
    elif kind == "d":
        path.mkdir()
        (path / draw.choice(("theirs.txt", *HYDRA_FILES))).write_text("hydra: {run: {dir: theirs}}")
    elif kind == "l":
        path.symlink_to(target)
    elif kind == "h":
        path.hardlink_to(home / "diary")
    else:
        os.mkfifo(path)


def in_a_home(case: Callable[[random.Random, Path, Path], None]) -> Callable[..., None]:
    """The case with a folder of its own, beside one that links may lead to."""

    def run(draw: random.Random, folder: Path) -> None:
        own = Path(tempfile.mkdtemp(dir=folder))
        try:
            home, here = own / "home", own / "here"
            (home / "shelf").mkdir(parents=True)
            here.mkdir()
            (home / "diary").write_text("dear diary")
            (home / "shelf" / "book").write_text("once")
            try:
                # Waiting for the disk is nine tenths of the time, and no part of what is tried.
                with patch("os.fsync"):
                    case(draw, home, here)
            except OSError as error:
                if not error.strerror or not error.filename:
                    raise
                # A command line tells it in a sentence, with this file and this reason.
                raise RunFolderError(f"{error.filename}: {error.strerror}.") from error
        finally:
            shutil.rmtree(own)

    run.__doc__ = case.__doc__
    return run


def _use(run: Path) -> None:
    """All that a run does to its folder."""
    with open_to_append(run / "train.log") as log:
        log.write("begins\n")
    (run / ".hydra").mkdir(exist_ok=True)
    (run / ".hydra" / "config.yaml").write_text("head: {}\n")
    claim(run, FACTS, IDENTITY)
    (run / "events.out.tfevents.1234567890.host.1.0").write_bytes(b"")
    for name in FILES:
        write_json(run / name, {})
    fail(run, FACTS, RunFolderError("stopped"))


def _use_allowed(run: Path) -> None:
    """Use a folder that the check has allowed; a refusal now comes after something is written."""
    try:
        _use(run)
    except (OSError, RunFolderError) as error:
        raise AssertionError(f"refused when it was written to: {error}") from error


def _begun(run: Path) -> None:
    """A folder with all that a run of ours leaves that was killed."""
    check_run_folder(run, FILES)
    _use(run)
    (run / ".metrics.json.abcd1234.mlc-part").write_text("{")


@in_a_home
def run_case(draw: random.Random, home: Path, here: Path) -> None:
    """A run in a folder that may be its own, and holds a user's entries."""
    ours = draw.random() < 0.5
    left: set[Path] = set()
    if ours:
        _begun(here)
        left = {path for path in here.rglob("*") if path.is_file()} | {here / ".hydra"}
    for _ in range(draw.randint(0, 2)):
        put(draw, here / draw.choice(THEIRS), home, "fdlhp")
    if draw.random() < 0.6:
        names = (STATUS, *FILES, "train.log", *[".hydra"] * 3, ".hydra/config.yaml")
        path = here / draw.choice(names)
        if path in left and draw.random() < 0.8:
            gone = {p for p in left if p.is_relative_to(path)}
            left -= gone
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        if path.parent.is_dir():
            # A plain file of such a name in a run's folder is the run's.
            put(
                draw,
                path,
                home,
                ("lllhp" if path.name == ".hydra" else "dlhp") if ours else "fdlhp",
            )
            if ours and path.name in FILES and path.is_file() and not path.is_symlink():
                left.add(path)  # Replaced, while the file's other name keeps its content.
    before = {name: e for name, e in snapshot(here.parent).items() if Path(name) not in left}
    before.pop(str(here))
    is_empty = not any(here.iterdir())
    try:
        check_run_folder(here, FILES)
    except RunFolderError:
        # Nothing at all is written, whoever asks.
        for ask in (lambda: claim(here, FACTS, IDENTITY), lambda: fail(here, FACTS, OSError())):
            try:
                ask()
            except RunFolderError:
                continue
        require_unchanged(before, here.parent)
        raise
    # Hydra may have been stopped when it had made its folder and an empty log.
    begun = all(p.name == ".hydra" or p.suffix == ".log" for p in here.iterdir())
    assert ours or is_empty or begun
    _use_allowed(here)
    require_unchanged(_less_own(before, here), here.parent)
    require_nothing_new(before, home)
    assert not list(here.glob(".*.mlc-part")) or ".notes.abcd1234.mlc-part" in str(before)
    assert len(list(event_files(here))) == 1, "events of the earlier try are left"


def _less_own(before: Snapshot, here: Path) -> Snapshot:
    """Without empty files that a stopped launch may have left, which a run may go on with."""
    may_grow = {str(here / "train.log"), *(str(here / ".hydra" / name) for name in HYDRA_FILES)}
    empty = hashlib.sha256(b"").hexdigest()
    return {n: e for n, e in before.items() if not (n in may_grow and e[1] == empty)}


@in_a_home
def sweep_case(draw: random.Random, home: Path, here: Path) -> None:
    """A sweep's root, with a report, its logs and one run's folder, among a user's entries."""
    root = here / "sweep"
    if draw.random() < 0.3:
        (home / "disk").mkdir()
        root.symlink_to(home / "disk")  # as the user wants it
    else:
        root.mkdir()
    ours: set[Path] = set()
    if draw.random() < 0.5:
        ours = set(_write_reports(root))
    for _ in range(draw.randint(0, 2)):
        put(draw, root / draw.choice(THEIRS), home, "fdlhp")
    name = path_part(_name(draw), (MULTIRUN, *REPORTS))
    taken = (MULTIRUN, *REPORTS, name, f"{name}/sigmoid", f"{name}/sigmoid/seed=0")
    for entry in draw.sample(taken, draw.choice((0, 0, 1, 2))):
        path = root / entry
        if path not in ours:
            path.parent.mkdir(parents=True, exist_ok=True)
            put(draw, path, home, "fdlhp")
    before = {
        n: e for n, e in snapshot(here.parent).items() if Path(n).resolve() not in _real(ours)
    }
    try:
        check_report_files(root, (MULTIRUN, *REPORTS))
        run = root / name / "sigmoid" / "seed=0"
        check_run_folder(run, FILES, root)
    except RunFolderError:
        require_unchanged(before, here.parent)
        raise
    run.mkdir(parents=True, exist_ok=True)
    _use_allowed(run)
    _write_reports(root)
    require_unchanged(before, here.parent)
    require_nothing_new(before, home, but=home / "disk")


def _real(paths: Iterable[Path]) -> set[Path]:
    return {path.resolve() for path in paths}


def _write_reports(root: Path) -> list[Path]:
    written = []
    for name in REPORTS:
        write_text(root / name, MARKS[Path(name).suffix].decode())
        written.append(root / name)
    (root / MULTIRUN).write_text(
        "hydra: {callbacks: {mlc: {_target_: mlc.launching.sweep.SweepCallback}}}"
    )
    return [*written, root / MULTIRUN]


@in_a_home
def output_case(draw: random.Random, home: Path, here: Path) -> None:
    """A file that the user names: what it leads to is written, and nothing else changes."""
    path = here / "out.csv"
    kind = draw.choice(("nothing", "file", "link", "links", "dangling", "folder", "open"))
    target = path
    if kind == "file":
        path.write_text("old")
        path.chmod(draw.choice((0o600, 0o644, 0o664)))
    elif kind in ("link", "links"):
        target = home / "diary"
        (here / "way").symlink_to(target)
        path.symlink_to("way" if kind == "links" else target)
    elif kind == "dangling":
        target = home / "missing"
        path.symlink_to(target)
    elif kind == "folder":
        path.mkdir()
    put(draw, here / draw.choice(THEIRS), home, "fdlp")
    before = snapshot(here.parent)
    before.pop(str(target), None)
    if kind == "open":
        target = home / "log"
        with target.open("w") as file:
            file.write("first\n")
            file.flush()
            write_output(Path(f"/dev/fd/{file.fileno()}"), "new")
            file.write("last\n")
        assert target.read_text() == "first\nnewlast\n"
    else:
        mode = target.stat().st_mode if target.is_file() else None
        write_output(path, "new")
        assert target.read_text() == "new"
        assert mode in (None, target.stat().st_mode), "another mode"
    require_unchanged(before, here.parent)


def name_case(draw: random.Random, folder: Path) -> None:
    """A path that is built from names lies in its folder, and can be made."""
    name = _name(draw)
    part = path_part(name, REPORTS)
    assert part not in ("", ".", "..", *REPORTS)
    assert "/" not in part
    assert "\\" not in part
    assert not part.startswith(".")
    assert len(os.fsencode(part)) <= 150
    assert (folder / part).resolve().parent == folder.resolve()
    made = folder / part
    made.mkdir(exist_ok=True)
    made.rmdir()


def _name(draw: random.Random) -> str:
    if draw.random() < 0.3:
        special = (
            "",
            ".",
            "..",
            "...",
            "CON",
            "nul.txt",
            "../../etc",
            "/",
            "~",
            *REPORTS,
            ".hydra",
        )
        return draw.choice(special)
    return "".join(draw.choices(_LETTERS, k=draw.choice((1, 2, 5, 60, 300))))


FOLDERS = {
    "a run's folder": Reader(run_case, 0.4, "/"),
    "a sweep's folder": Reader(sweep_case, 0.3, "/"),
    "an output that the user names": Reader(output_case, 0.1, "/"),
    "a path from names": Reader(name_case, 0.2, "/"),
}
