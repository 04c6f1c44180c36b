"""Archives of arrays hold what NumPy's hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.files.archives import write_arrays

ARRAYS: dict[str, Any] = {
    "scores": np.random.default_rng(0).random((50, 7), dtype=np.float32),
    "targets": np.eye(7, dtype=bool),
    "transposed": np.arange(12.0).reshape(3, 4).T,
    "none": np.empty((0, 3), dtype=np.int64),
    "names": np.array(["ä", "a/b", ""]),
    "of one": np.array(3),
}


def test_numpy_reads_the_same_arrays_as_from_its_own_archive(tmp_path: Path) -> None:
    write_arrays(tmp_path / "ours.npz", ARRAYS)
    np.savez_compressed(tmp_path / "numpys.npz", **ARRAYS)
    with np.load(tmp_path / "ours.npz") as ours, np.load(tmp_path / "numpys.npz") as numpys:
        assert ours.files == numpys.files
        for name in numpys.files:
            assert ours[name].dtype == numpys[name].dtype
            np.testing.assert_array_equal(ours[name], numpys[name])


def test_objects_are_refused_and_the_former_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    write_arrays(path, {"first": np.ones(2)})
    with pytest.raises(ValueError, match="Object arrays cannot be saved"):
        write_arrays(path, {"second": np.array([None, {}])})
    assert [each.name for each in tmp_path.iterdir()] == ["arrays.npz"]
    with np.load(path) as stored:
        assert stored.files == ["first"]
