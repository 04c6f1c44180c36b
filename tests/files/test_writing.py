"""Files are replaced atomically, and only regular files are replaced."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path

import pytest

from mlc.files.writing import (
    LogFile,
    open_to_append,
    stored_together,
    temporary_of,
    write_atomically,
    write_output,
    write_text,
)

KINDS = {
    "link": lambda path: path.symlink_to(path.parent / "theirs"),
    "dangling link": lambda path: path.symlink_to(path.parent / "nowhere"),
    "folder": lambda path: path.mkdir(),
    "pipe": lambda path: os.mkfifo(path),
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_files_are_replaced_or_appended_to(kind: str, tmp_path: Path) -> None:
    path, theirs = tmp_path / "out", tmp_path / "theirs"
    theirs.write_text("theirs")
    KINDS[kind](path)
    before = path.lstat()
    for attempt in (lambda: write_text(path, "ours"), lambda: open_to_append(path).close()):
        with pytest.raises(OSError, match="it is a"):
            attempt()
    assert (path.lstat().st_ino, path.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert theirs.read_text() == "theirs"
    assert {entry.name for entry in tmp_path.iterdir()} == {"out", "theirs"}


def test_a_replaced_files_mode_and_owner_are_kept_but_not_its_other_names(
    tmp_path: Path,
) -> None:
    path, other = tmp_path / "out", tmp_path / "other"
    path.write_text("old")
    path.chmod(0o640)
    if os.getuid() == 0:
        os.chown(path, 1234, 4321)
    other.hardlink_to(path)
    before = path.stat()
    write_text(path, "new")
    after = path.stat()
    assert (path.read_text(), other.read_text()) == ("new", "old")
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    write_text(tmp_path / "first", "new")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "first").stat().st_mode) == 0o666 & ~mask


def test_a_protected_file_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(0o444)
    # What the system answers to anyone but root.
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(PermissionError):
        write_text(path, "new")
    assert path.read_text() == "old"


def test_temporaries_are_known_by_their_names(tmp_path: Path) -> None:
    for name in ("status.json", "é" * 120):
        with write_atomically(tmp_path / name) as file:
            file.write(b"begun")
            (beside,) = (path for path in tmp_path.iterdir() if path.name.startswith("."))
            became = temporary_of(beside.name)
            assert became is not None
            assert name.startswith(became)
    for name in (".env.local", ".gitlab-ci.yml", ".status.json.abcdefgh", "a.abcdefgh.mlc-part"):
        assert temporary_of(name) is None


def test_an_output_replaces_the_target_of_a_link(tmp_path: Path) -> None:
    target = tmp_path / "disk" / "labels.csv"
    target.parent.mkdir()
    (tmp_path / "way").symlink_to(target)
    (tmp_path / "out").symlink_to("way")
    for content in ("first", "second"):
        replaces = write_output(tmp_path / "out", content)
        assert replaces == (content == "second")
        assert target.read_text() == content
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "way").is_symlink()


def test_an_output_is_written_into_a_pipe(tmp_path: Path) -> None:
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    (tmp_path / "out").symlink_to(pipe)
    for path in (pipe, tmp_path / "out"):
        reader = threading.Thread(target=lambda: read.append(pipe.read_text()))
        reader.start()
        write_output(path, "row\n")
        reader.join(10)
    assert read == ["row\n", "row\n"]
    assert stat.S_ISFIFO(pipe.lstat().st_mode)


@pytest.mark.parametrize("form", ["/dev/fd/{}", "/proc/self/fd/{}"])
def test_an_output_into_an_open_file_starts_at_its_position(form: str, tmp_path: Path) -> None:
    if not Path(form).parent.is_dir():
        pytest.skip("the system has no such names")
    path = tmp_path / "out"
    with path.open("w") as file:
        file.write("before\n")
        file.flush()
        (tmp_path / "link").symlink_to(form.format(file.fileno()))
        write_output(Path(form.format(file.fileno())), "one\n")
        write_output(tmp_path / "link", "two\n")
        file.write("after\n")
    assert path.read_text() == "before\none\ntwo\nafter\n"
    assert (tmp_path / "link").is_symlink()


def test_no_log_is_written_into_a_file_with_another_name(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "train.log").hardlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match="hard link"):
        LogFile(tmp_path / "train.log")
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_files_reach_the_disk_together_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: stored.append(os.fstat(descriptor).st_ino))
    paths = [tmp_path / name for name in "abc"]
    with stored_together():
        for path in paths:
            write_text(path, path.name)
            assert path.read_text() == path.name
        with write_atomically(tmp_path / "d", waits=False) as file:
            file.write(b"d")
        assert not stored
    assert sorted(stored) == sorted(path.stat().st_ino for path in paths)
    write_text(tmp_path / "e", "e")
    assert stored[3:] == [(tmp_path / "e").stat().st_ino]


def test_a_file_that_the_disk_does_not_take_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def broken() -> None:
        write_text(tmp_path / "c", "c")
        raise ZeroDivisionError

    n_open = _n_open()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as raised, stored_together():
        write_text(tmp_path / "a", "a")
    assert raised.value.filename == str(tmp_path / "a")
    with pytest.raises(OSError, match="No space left") as raised:
        write_text(tmp_path / "b", "b")
    assert raised.value.filename == str(tmp_path / "b")
    assert not (tmp_path / "b").exists()
    # Nothing is waited for after an error, but all is closed.
    with pytest.raises(ZeroDivisionError), stored_together():
        broken()
    assert _n_open() == n_open


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_files_are_written_where_none_can_be_waited_for(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refused)
    write_text(tmp_path / "a", "a")
    with stored_together():
        write_text(tmp_path / "b", "b")
    assert [(tmp_path / name).read_text() for name in "ab"] == ["a", "b"]


def test_files_are_waited_for_at_once_where_no_more_may_be_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(descriptor: int) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    stored: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: stored.append(os.fstat(descriptor).st_ino))
    monkeypatch.setattr(os, "dup", too_many)
    with stored_together():
        write_text(tmp_path / "a", "a")
        assert stored == [(tmp_path / "a").stat().st_ino]
    assert len(stored) == 1


def _n_open() -> int:
    """The number of open descriptors, 0 where the system does not tell it."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.is_dir() else 0
