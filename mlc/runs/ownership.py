"""Which files are ours: what may be written, replaced or deleted in a folder that a user names.

A run's folder is ours if it holds a status that a run wrote. A folder that is missing or empty may
become one, and so may one that holds nothing but what a launch leaves that was stopped before its
first status. Any other folder is refused before anything is written.

In a run's folder, files of a run's names alone are written and deleted, and temporaries of these
names; all else stays. A report may be written into any folder, beside anything, and replaces only
files that bear the mark of one. Links below the folder that the user named are never followed, nor
are files appended to that have another name (a hard link).
"""

from __future__ import annotations

import hashlib
import json
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from mlc.config.errors import RunFolderError
from mlc.files.names import STATUS
from mlc.files.writing import kind_of, temporary_of

HYDRA_FOLDER = ".hydra"
HYDRA_FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")
MULTIRUN = "multirun.yaml"
# Stands in each config of Hydra's that a launch of ours leaves.
CALLBACK = "sweep.SweepCallback"
# What each kind of report file begins with, within its first bytes.
MARKS = {
    ".csv": b"run,data,head,rule,seed",
    ".md": b"<!-- mlc-report -->",
    ".png": b"tEXtSoftware\0mlc",
    ".html": b'<meta name="generator" content="mlc">',
}
_WITHIN = 512
_IN_STATUS = {"state", "run", "data", "head", "seed"}
# TensorBoard's own form begins with the seconds.
_EVENTS = re.compile(r"events\.out\.tfevents\.\d{10,}\..+", re.DOTALL)
_LEASE = re.compile(r"\.lease(-[0-9a-f]{32})?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST_PART = 150
# Folders that a launch of this process, or of the one that forked it, may use.
_begun: set[Path] = set()
_OTHER_FOLDER = "name another folder with hydra.run.dir or hydra.sweep.dir"


def path_part(name: str, taken: Collection[str] = ()) -> str:
    """The name as one part of a path, on any file system.

    What cannot stand there becomes "_"; so does a dot at either end, so that no name leaves the
    folder or is hidden. Names over 150 bytes end in a hash of the whole. Names in `taken` and those
    that Windows reserves get a "_" before them.
    """
    part = re.sub(r"[^\w.,=+-]", "_", name) or "_"
    part = re.sub(r"^\.|\.$", "_", part)
    if _RESERVED.fullmatch(part) or part in taken:
        part = f"_{part}"
    encoded = part.encode()
    if len(encoded) > _LONGEST_PART:
        start = encoded[: _LONGEST_PART - 13].decode(errors="ignore")
        part = f"{start}~{hashlib.sha256(encoded).hexdigest()[:12]}"
    return part


def check_run_folder(
    folder: Path,
    names: Iterable[str],
    root: Path | None = None,
    subdir: str | None = HYDRA_FOLDER,
    log: str = "train.log",
    is_claim: bool = False,
) -> None:
    """Refuse a folder that a run must not use.

    Args:
        folder: of the run.
        names: of the files that a run writes, beside its log.
        root: the sweep's folder, which may be a link itself; what lies between must not be.
        subdir: where Hydra stores the config, None for nowhere.
        log: the log's name.
        is_claim: whether the launch may have begun to write there, having asked before.

    Raises:
        RunFolderError: it holds something and no run of ours, or a link or the like lies where the
            run would write.
    """
    if not is_claim:
        _begun.discard(folder.absolute())
    if root is not None and folder.is_relative_to(root):
        for part in reversed([folder, *folder.parents]):
            if part != root and part.is_relative_to(root):
                _require_folder(part)
    if not folder.exists():
        _begun.add(folder.absolute())
        return
    if not folder.is_dir():
        raise RunFolderError(f"{_line(folder)} is not a folder: {_OTHER_FOLDER}.")
    # A launch that has asked before may itself have written what lies there by now.
    if not _holds_status(folder) and not (is_claim and folder.absolute() in _begun):
        _require_begun(folder)
    for name in names:
        _require_file(folder / name)
    in_place = {log, "train.log"}
    if subdir is not None:
        _require_folder(folder / subdir)
        in_place |= {f"{subdir}/{name}" for name in HYDRA_FILES}
    for name in sorted(in_place):
        _require_file(folder / name, single=True)
    _begun.add(folder.absolute())


def check_report_files(folder: Path, names: Iterable[str]) -> None:
    """Refuse to replace a file that no report, or launch, of ours has written.

    Raises:
        RunFolderError: one of the names is taken by another file, a link or the like.
    """
    for name in names:
        path = folder / name
        if not _require_file(path, single=name == MULTIRUN):
            continue
        if name == MULTIRUN:
            ours = CALLBACK.encode() in path.read_bytes()
        else:
            with path.open("rb") as file:
                ours = MARKS[path.suffix] in file.read(_WITHIN)
        if not ours:
            raise RunFolderError(
                f"{_line(path)} is not a file that mlc has written, and would be overwritten: move it,"
                f" or {_OTHER_FOLDER}."
            )


def remove_leftovers(folder: Path, names: Collection[str]) -> None:
    """Delete regular files of these names, temporaries of them and of the status, and event files."""
    for path in list(folder.iterdir()):
        ours = path.name in names or temporary_of(path.name) in {*names, STATUS}
        if ours and stat.S_ISREG(path.lstat().st_mode):
            path.unlink()
    for path in list(event_files(folder)):
        path.unlink()


def event_files(folder: Path) -> Iterator[Path]:
    """TensorBoard's event files in the folder, by the exact form of their name."""
    for path in folder.iterdir():
        if _EVENTS.fullmatch(path.name) and stat.S_ISREG(path.lstat().st_mode):
            yield path


def _holds_status(folder: Path) -> bool:
    """Whether a run's status lies there, as a file of its own."""
    path = folder / STATUS
    if path.is_symlink() or not path.is_file():
        return False
    try:
        status = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(status, dict) and status.keys() >= _IN_STATUS


def _require_begun(folder: Path) -> None:
    """Refuse anything but what a launch leaves that was stopped before the first status.

    That is Hydra's files and the log, which must be empty where no config beside them is one of ours.
    """
    paths = sorted(folder.iterdir())
    is_ours = any(_is_launch(path) for path in paths)
    for path in paths:
        begun = temporary_of(path.name) == STATUS or _LEASE.fullmatch(path.name) is not None
        begun = begun or (path.suffix == ".log" and (is_ours or _is_empty(path)))
        if not (begun or _is_launch(path) or _is_begun_launch(path)):
            raise RunFolderError(
                f"{_line(folder)} holds {_line(path.name)} and no run of mlc, so a run there could cost"
                f" files: empty it, or {_OTHER_FOLDER}."
            )


def _is_launch(stored: Path) -> bool:
    """Whether Hydra has stored the config of a launch of ours there, and nothing else lies there."""
    if not stored.is_dir() or any(path.name not in HYDRA_FILES for path in stored.iterdir()):
        return False
    hydra, config = (_text(stored / name) for name in ("hydra.yaml", "config.yaml"))
    if hydra:
        return "mlc.run_path" in hydra or CALLBACK in hydra
    return all(f"\n{key}:" in f"\n{config}" for key in ("backbone", "head", "optimizer", "trainer"))


def _is_begun_launch(stored: Path) -> bool:
    """Whether Hydra was stopped before it had stored any of the config."""
    if stored.name != HYDRA_FOLDER or not stored.is_dir():
        return False
    return all(path.name in HYDRA_FILES and _is_empty(path) for path in stored.iterdir())


def _line(path: Path | str) -> str:
    """The path on one line."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _is_empty(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode) and path.stat().st_size == 0


def _require_folder(path: Path) -> None:
    """Refuse anything there but a folder, a link to one included."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        raise RunFolderError(
            f"{_line(path)} is {kind_of(mode)} where a folder is to be, and is not followed: move it, or"
            f" {_OTHER_FOLDER}."
        )


def _require_file(path: Path, single: bool = False) -> bool:
    """Whether a regular file lies there; anything else there is refused."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(found.st_mode):
        raise RunFolderError(
            f"{_line(path)} is {kind_of(found.st_mode)} where a file is to be written, and is not"
            f" followed or replaced: move it, or {_OTHER_FOLDER}."
        )
    if single and found.st_nlink > 1:
        raise RunFolderError(
            f"{_line(path)} has another name (a hard link), which would change with it: replace it by"
            f" a copy, or {_OTHER_FOLDER}."
        )
    return True
