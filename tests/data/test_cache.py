"""The cache serves what was parsed of the very bytes that are there, or nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import os
import pwd
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.config.errors import DataError
from mlc.data import arff, cache
from mlc.data.base import SOURCES, Dataset
from mlc.runs.provenance import fingerprint
from mlc.train import main
from tests.conftest import Command

Write = Callable[..., Path]
PACKERS: dict[str, Any] = {".gz": gzip, ".bz2": bz2}


def load(path: Path) -> Dataset:
    return SOURCES["arff"].load(SOURCES.options("arff", path=str(path)))


def entries() -> list[Path]:
    folder = Path(os.environ["XDG_CACHE_HOME"]) / "mlc"
    return sorted(folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def forms(write_arff: Write) -> dict[str, Path]:
    """Data sets of one file and of several, plain and packed."""
    for ending, packer in PACKERS.items():
        plain = write_arff("packed" + ending[1:]).with_suffix(".arff")
        plain.with_name(plain.name + ending).write_bytes(packer.compress(plain.read_bytes()))
        plain.unlink()
    write_arff("parts-train", n=40)
    write_arff("parts-test", n=20)
    write_arff("mulan").with_suffix(".xml").write_text(
        '<labels><label name="even"/><label name="large"/></labels>'
    )
    names = ("plain", "packedgz", "packedbz2", "parts", "mulan")
    return {name: write_arff("plain").with_name(name) for name in names}


def other(path: Path) -> bytes:
    """What the file would hold with another last row, or with its labels exchanged."""
    packer = PACKERS.get(path.suffix)
    content = path.read_bytes() if packer is None else packer.decompress(path.read_bytes())
    if path.suffix == ".xml":
        return content.replace(b"even", b"-").replace(b"large", b"even").replace(b"-", b"large")
    changed = content[: content.rstrip().rindex(b"\n") + 1] + b"1,1,5,5\n"
    return changed if packer is None else bytes(packer.compress(changed))


FORMS = [
    ("plain", "all"), ("packedgz", "all"), ("packedbz2", "all"), ("parts", "train"),
    ("parts", "test"), ("mulan", "all"), ("mulan", "xml"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "part"), FORMS)
@pytest.mark.parametrize("restored", [True, False])
def test_a_file_that_is_replaced_while_it_is_read_is_not_served_for_another(
    form: str, part: str, restored: bool, forms: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = arff.find_files(forms[form])[part]
    before, after = path.read_bytes(), other(path)
    expected = fingerprint(load(forms[form]))
    for entry in entries():
        entry.unlink()
    readers = {name: getattr(arff, name) for name in ("read_arff", "_xml_labels")}

    def replacing(name: str) -> Callable[..., Any]:
        def read(file: Path, *more: Any) -> Any:
            if file == path:
                path.write_bytes(after)
            found = readers[name](file, *more)
            if file == path and restored:
                path.write_bytes(before)
            return found

        return read

    with monkeypatch.context() as patch:
        for name in readers:
            patch.setattr(arff, name, replacing(name))
        changed = fingerprint(load(forms[form]))
    assert changed != expected
    path.write_bytes(before)
    assert fingerprint(load(forms[form])) == expected
    path.write_bytes(after)
    assert fingerprint(load(forms[form])) == changed


def entry_of(**arrays: Any) -> bytes:
    stored = io.BytesIO()
    np.savez(stored, **arrays)
    return stored.getvalue()


PICKLED = np.array([print], dtype=object)
DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "longer": lambda content: content + b"\0",
    "of another form": lambda content: entry_of(n_train=np.array(0)),
    "pickled": lambda content: entry_of(features=PICKLED, targets=PICKLED),
    "no archive": lambda content: b"\x93NUMPY" + b"\xff" * 90,
    **{
        f"a bit at {share:.0%}": lambda content, share=share: flipped(content, share)
        for share in np.linspace(0, 1, 21)
    },
}


def flipped(content: bytes, share: float) -> bytes:
    at = min(int(share * len(content)), len(content) - 1)
    return content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :]


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_entry_is_parsed_anew_with_one_warning(
    damage: str, write_arff: Write, caplog: pytest.LogCaptureFixture
) -> None:
    base = write_arff()
    expected = fingerprint(load(base))
    (entry,) = entries()
    whole = entry.read_bytes()
    entry.write_bytes(DAMAGED[damage](whole))
    assert fingerprint(load(base)) == expected
    (record,) = caplog.records
    assert f"{entry} cannot be used" in record.getMessage()
    assert entry.read_bytes() == whole
    assert fingerprint(load(base)) == expected
    assert len(caplog.records) == 1


@pytest.mark.parametrize("error", [zlib.error, NotImplementedError, MemoryError, KeyError])
def test_an_entry_that_numpy_cannot_read_is_parsed_anew(
    error: type[Exception],
    write_arff: Write,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Such as one in which another version of NumPy would read another thing."""
    base = write_arff()
    expected = fingerprint(load(base))

    def fail(*_: object, **__: object) -> None:
        raise error("cannot")

    monkeypatch.setattr(np, "load", fail)
    assert fingerprint(load(base)) == expected
    (record,) = caplog.records
    assert "cannot be used" in record.getMessage()


def test_an_entry_under_anothers_name_is_not_served(
    write_arff: Write, caplog: pytest.LogCaptureFixture
) -> None:
    load(write_arff("other", n=30))
    (wrong,) = entries()
    base = write_arff()
    expected = fingerprint(load(base))
    (entry,) = set(entries()) - {wrong}
    entry.write_bytes(wrong.read_bytes())
    assert fingerprint(load(base)) == expected
    assert len(caplog.records) == 1


@pytest.mark.parametrize("kind", ["folder", "link", "link to itself", "pipe"])
def test_what_is_no_file_in_an_entrys_place_is_left_alone(
    kind: str, write_arff: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    base = write_arff()
    expected = fingerprint(load(base))
    (entry,) = entries()
    (tmp_path / "mine").write_bytes(entry.read_bytes())
    entry.unlink()
    if kind == "folder":
        entry.mkdir()
    elif kind == "pipe":
        os.mkfifo(entry)
    else:
        entry.symlink_to(tmp_path / "mine" if kind == "link" else entry)
    (tmp_path / "mine").write_bytes(b"what the user keeps there")
    mode = entry.lstat().st_mode
    assert fingerprint(load(base)) == expected
    assert len(caplog.records) == 1
    assert entry.lstat().st_mode == mode
    assert (tmp_path / "mine").read_bytes() == b"what the user keeps there"


def test_code_that_is_edited_while_it_runs_leaves_no_entry_for_the_new_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Worlds are computed, so the code is what their entries are made from."""
    module = tmp_path / "world.py"
    monkeypatch.setattr("mlc.data.world.__file__", str(module))
    options = SOURCES.options("world", n_train=20, n_test=10, n_labels=3, cardinality=1)
    made, versions = [], set()
    for code in ("before", "after"):
        module.write_text(code)
        versions.add(cache.source_version(str(module)))
        SOURCES["world"].load(options)
        made.append(entries())
    assert made[0] == made[1] != []
    assert len(versions) == 2


def test_without_a_home_nothing_is_cached_and_one_warning_says_so(
    write_arff: Write, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    base = write_arff()
    expected = fingerprint(load(base))

    def no_entry(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    cache._warn_of_no_home.cache_clear()
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    for _ in range(2):
        assert fingerprint(load(base)) == expected
    (record,) = caplog.records
    assert record.getMessage().startswith("Nothing is cached, since no home folder is known")
    assert "set XDG_CACHE_HOME" in record.getMessage()


@pytest.mark.parametrize("name", ["toy.arff", "toy.csv", "toy.parquet"])
def test_a_file_that_may_not_be_read_is_said_to_be_so(
    name: str, write_arff: Write, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow")
    path = write_arff().with_name(name)
    if name != "toy.arff":
        path.write_text("x,y\n1,0\n0,1\n")
    refuse_reading(path, monkeypatch)
    source = "arff" if name == "toy.arff" else "table"
    labels = () if source == "arff" else ("data.labels=[y]",)
    ended = command(main, f"data={source}", f"data.path={path}", *labels, "hydra.run.dir=run")
    assert ended.status == 1
    (said,) = [line for line in ended.error.splitlines() if line.startswith("mlc-train: ")]
    assert f"{path} cannot be read" in said
    assert "Permission denied" in said
    assert "written" not in said


def refuse_reading(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the machine does without the permission, which tests that run as root always have."""
    real = io.open

    def refusing(file: Any, *more: Any, **options: Any) -> Any:
        if str(file) == str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return real(file, *more, **options)

    monkeypatch.setattr(io, "open", refusing)
    monkeypatch.setattr("builtins.open", refusing)


def test_a_folder_that_may_not_be_listed_is_said_to_be_so(
    write_arff: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_arff()

    def refused(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(DataError, match=r"cannot be read \(Permission denied\): make it readable"):
        load(base)


def test_no_log_of_a_sound_cache(write_arff: Write, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert fingerprint(load(write_arff())) == fingerprint(load(write_arff()))
    assert not caplog.records
    assert len(entries()) == 1
