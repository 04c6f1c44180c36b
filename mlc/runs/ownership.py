"""Checks of the files that mlc may write, replace or delete in a folder that a user names.

A folder with a status that a run wrote is a run's folder. A folder may become one if it is missing or
empty, or if it holds only files of a launch that was stopped before its first status was written, or
was on the disk. Any other folder is refused before anything is written.

In a run's folder, mlc writes and deletes only files with a run's file names and temporaries of them.
A report may be written into any folder; it replaces only files that carry a report's mark. Links below
the folder that the user named are never followed, and no text is appended to a file that has another
name (a hard link).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import stat
import time
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from mlc.config.errors import RunFolderError
from mlc.files.names import STATUS
from mlc.files.writing import kind_of, temporary_of

HYDRA_FOLDER = ".hydra"
HYDRA_FILES = ("config.yaml", "hydra.yaml", "overrides.yaml")
MULTIRUN = "multirun.yaml"
JOURNAL = "optuna.journal"
# Part of each config that Hydra stores for a launch of mlc.
CALLBACK = "sweep.SweepCallback"
# A text within the first bytes of each report file, by its kind or its name.
MARKS = {
    ".csv": b"run,data,head,rule,seed",
    ".md": b"<!-- mlc-report -->",
    ".png": b"tEXtSoftware\0mlc",
    ".json": b'"generator": "mlc"',
    ".html": b'<meta name="generator" content="mlc">',
    "search.json": b'"written_by": "mlc-search"',
    "search.csv": b"data,head,rule,trial",
    "choice.yaml": b"# mlc-search",
    JOURNAL: b'"op_code"',
    MULTIRUN: CALLBACK.encode(),
}
# By Hydra and Optuna.
_WRITTEN_IN_PIECES = (MULTIRUN, JOURNAL)
_WITHIN = 512
# How often, and seconds apart, a file of a launch is read before it is taken for a stranger's.
_N_READS, _BETWEEN_READS = 6, 0.1
_STATUS_KEYS = {"state", "run", "data", "head", "seed"}
# TensorBoard's names go on with the time in seconds.
_EVENTS = re.compile(r"events\.out\.tfevents\.\d{10,}\..+", re.DOTALL)
_LEASE = re.compile(r"\.lease(-[0-9a-f]{32})?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LONGEST_PART = 150
# Folders that this process, or the process that forked it, has checked for a launch.
_checked: set[Path] = set()
_OTHER_FOLDER = "name another folder with hydra.run.dir or hydra.sweep.dir"


def path_part(name: str, taken: Collection[str] = ()) -> str:
    """Convert a name to one part of a path that is valid on every file system.

    Other characters become "_", and so does a dot at either end, so that no name leaves the folder or
    is hidden. Names over 150 bytes are cut and end in a hash of the name. Names in `taken` and names
    that Windows reserves get a "_" in front.
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
    names: Collection[str],
    root: Path | None = None,
    subdir: str | None = HYDRA_FOLDER,
    log: str = "train.log",
    is_claim: bool = False,
) -> None:
    """Refuse a folder that a run must not use.

    Args:
        folder: the run's folder.
        names: names of the files that a run writes beside its log.
        root: the sweep's folder. It may be a link itself; the folders between it and the run's may not.
        subdir: the subfolder in which Hydra stores the config, or None.
        log: the log's name.
        is_claim: whether the folder was checked before, so that the launch may have written to it.

    Raises:
        RunFolderError: the folder holds files but no run, or something other than a regular file is in
            the place of a file that the run writes.
    """
    if not is_claim:
        _checked.discard(folder.absolute())
    if root is not None and folder.is_relative_to(root):
        for part in reversed([folder, *folder.parents]):
            if part != root and part.is_relative_to(root):
                _require_folder(part)
    if not folder.exists():
        _checked.add(folder.absolute())
        return
    if not folder.is_dir():
        raise RunFolderError(f"{_line(folder)} is not a folder: {_OTHER_FOLDER}.")
    # After an earlier check, the files may be from this launch.
    if not _holds_status(folder) and not (is_claim and folder.absolute() in _checked):
        _require_interrupted(folder, names)
    for name in names:
        _require_file(folder / name)
    files = {log, "train.log"}
    if subdir is not None:
        _require_folder(folder / subdir)
        files |= {f"{subdir}/{name}" for name in HYDRA_FILES}
    for name in sorted(files):
        _require_file(folder / name, single=True)
    _checked.add(folder.absolute())


def _is_replaceable(path: Path) -> bool:
    """Whether mlc, Hydra or Optuna has written the file, or ends writing it within half a second."""
    mark = MARKS.get(path.name) or MARKS[path.suffix]
    n_bytes = -1 if path.name == MULTIRUN else _WITHIN
    # Some files are not written at once: a launch that begins at the same time may see a part of one.
    n_reads = _N_READS if path.name in _WRITTEN_IN_PIECES else 1
    for number in range(n_reads):
        if number:
            time.sleep(_BETWEEN_READS)
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            if mark in file.read(n_bytes):
                return True
    return False


def check_report_files(folder: Path, names: Iterable[str]) -> None:
    """Refuse to replace a file that no report or launch of mlc has written.

    Raises:
        RunFolderError: one of the names is that of another file, a link or a folder.
    """
    for name in names:
        path = folder / name
        if not _require_file(path, single=name == MULTIRUN):
            continue
        if not _is_replaceable(path):
            raise RunFolderError(
                f"{_line(path)} is not a file that mlc has written, and would be overwritten: move it,"
                f" or {_OTHER_FOLDER}."
            )


def remove_leftovers(folder: Path, names: Collection[str]) -> None:
    """Delete files with these names, temporaries of them and of the status, and event files."""
    for path in list(folder.iterdir()):
        is_leftover = path.name in names or temporary_of(path.name) in {*names, STATUS}
        if is_leftover and stat.S_ISREG(path.lstat().st_mode):
            path.unlink()
    for path in list(event_files(folder)):
        path.unlink()


def event_files(folder: Path) -> Iterator[Path]:
    """Yield TensorBoard's event files in the folder, by the form of their names."""
    for path in folder.iterdir():
        if _EVENTS.fullmatch(path.name) and stat.S_ISREG(path.lstat().st_mode):
            yield path


def _holds_status(folder: Path) -> bool:
    """Whether the folder holds a run's status, not by a link."""
    path = folder / STATUS
    if path.is_symlink() or not path.is_file():
        return False
    try:
        status = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(status, dict) and status.keys() >= _STATUS_KEYS


def _require_interrupted(folder: Path, names: Collection[str]) -> None:
    """Refuse a folder with other files than those of a launch that was stopped before its first status.

    These are Hydra's files and logs; without a config of mlc beside it, a log must be empty. A run does
    not wait until its first status is on the disk: after a power cut, it may be blank beside the lease
    and the files of the run, as may be any of Hydra's files.
    """
    paths = sorted(folder.iterdir())
    has_lease = any(_LEASE.fullmatch(path.name) for path in paths)
    ours = {*names, STATUS} if has_lease and _is_blank(folder / STATUS) else set()
    has_config = bool(ours) or any(_is_launch(path) for path in paths)
    for path in paths:
        is_expected = temporary_of(path.name) == STATUS or _LEASE.fullmatch(path.name) is not None
        is_expected = is_expected or (path.suffix == ".log" and (has_config or _is_empty(path)))
        is_expected = is_expected or path.name in ours or temporary_of(path.name) in ours
        if ours:
            is_expected = is_expected or _EVENTS.fullmatch(path.name) is not None
            is_expected = is_expected or _holds_only_hydras(path)
        if not (is_expected or _is_launch(path) or _is_interrupted_launch(path)):
            raise RunFolderError(
                f"{_line(folder)} holds {_line(path.name)} and no run of mlc, and a run could overwrite"
                f" files: empty it, or {_OTHER_FOLDER}."
            )


def _holds_only_hydras(stored: Path) -> bool:
    """Whether this is a folder without other files than Hydra's."""
    return stored.is_dir() and all(path.name in HYDRA_FILES for path in stored.iterdir())


def _is_launch(stored: Path) -> bool:
    """Whether this is a folder of configs that Hydra has stored for a launch of mlc."""
    if not _holds_only_hydras(stored):
        return False
    hydra, config = (_text(stored / name) for name in ("hydra.yaml", "config.yaml"))
    if hydra:
        return "mlc.run_path" in hydra or CALLBACK in hydra
    return all(f"\n{key}:" in f"\n{config}" for key in ("backbone", "head", "optimizer", "trainer"))


def _is_interrupted_launch(stored: Path) -> bool:
    """Whether Hydra was stopped before it stored any of the config."""
    if stored.name != HYDRA_FOLDER or not stored.is_dir():
        return False
    return all(path.name in HYDRA_FILES and _is_empty(path) for path in stored.iterdir())


def _line(path: Path | str) -> str:
    """Return the path in one line."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _is_empty(path: Path) -> bool:
    return stat.S_ISREG(path.lstat().st_mode) and path.stat().st_size == 0


def _is_blank(path: Path) -> bool:
    """Whether it is a file of which only the name, or the length, has reached the disk."""
    is_file = not path.is_symlink() and path.is_file()
    return is_file and not path.read_bytes().strip(b"\0")


def _require_folder(path: Path) -> None:
    """Refuse a path that exists and is not a folder, such as a link to a folder."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode):
        raise RunFolderError(
            f"{_line(path)} is {kind_of(mode)} where a folder is expected, and is not followed: move it,"
            f" or {_OTHER_FOLDER}."
        )


def _require_file(path: Path, single: bool = False) -> bool:
    """Return whether the path exists; refuse it if it is not a regular file."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    if not stat.S_ISREG(status.st_mode):
        raise RunFolderError(
            f"{_line(path)} is {kind_of(status.st_mode)} where a file is to be written, and is not"
            f" followed or replaced: move it, or {_OTHER_FOLDER}."
        )
    if single and status.st_nlink > 1:
        raise RunFolderError(
            f"{_line(path)} has another name (a hard link), which would change too: replace it by"
            f" a copy, or {_OTHER_FOLDER}."
        )
    return True
