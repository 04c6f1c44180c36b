"""Packed files that would not fit into memory."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlc.config.errors import DataError
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
