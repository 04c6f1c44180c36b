"""Packed files that would not fit into memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlc.config.errors import DataError
from mlc.data import load_data
from mlc.data.files import unpacked_bytes


@pytest.mark.parametrize(("ending", "pack"), [("gz", gzip), ("bz2", bz2), ("xz", lzma)])
def test_zeros_that_would_fill_the_memory_are_refused(
    ending: str, pack: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"toy.csv.{ending}"
    path.write_bytes(pack.compress(bytes(3 * 10**6)))  # type: ignore[attr-defined]
    assert unpacked_bytes(path) == bytes(3 * 10**6)
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=10**6))
    with pytest.raises(DataError, match=r"its unpacked content would take 0\.003 GB"):
        unpacked_bytes(path)


@pytest.mark.parametrize(
    ("source", "name"), [("table", "new/t.csv"), ("arff", "new/toy"), ("images", "new/photos")]
)
def test_a_missing_file_is_named_as_given_and_under_the_root(
    source: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    options = {"path": name} | ({} if source == "arff" else {"labels": ["a"]})
    monkeypatch.setenv("MLC_DATA", str(tmp_path / "data"))
    with pytest.raises(DataError) as refused:
        load_data(source, **options)  # type: ignore[arg-type]
    said = f"({name} is looked for in the working folder, then under $MLC_DATA): correct"
    assert said in str(refused.value)
    assert str(tmp_path / "data" / name) in str(refused.value)
    # A path that no variable completes is named once.
    with pytest.raises(DataError, match="There is no") as refused:
        load_data(source, **{**options, "path": str(tmp_path / name)})  # type: ignore[arg-type]
    assert "looked for" not in str(refused.value)
