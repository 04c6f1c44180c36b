"""Columns and values of other files that are written otherwise than in training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlc.config.texts import composed
from mlc.data import load_data, load_features
from mlc.data.base import Dataset
from mlc.data.columns import encode_columns


def load(path: Path, **options: Any) -> Dataset:
    return load_data("table", path=str(path), **options)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def put(content: str, name: str = "toy.csv") -> Path:
        (tmp_path / name).write_text(content, encoding="utf-8")
        return tmp_path / name

    return put


def test_accents_of_a_test_file_are_those_of_the_training_file(write: Callable[..., Path]) -> None:
    one, two = "caf\u00e9", "cafe\u0301"
    test = write(f"at,tag\n{two},{two}\ntea,{one}\n", "test.csv")
    data = load(write(f"at,tag\n{one},{one}\ntea,tea\n"), labels=["tag"], test_path=str(test))
    assert data.features[2:].tolist() == [[1, 0], [0, 1]]
    assert data.targets[2:, 0].tolist() == [1, 1]
    assert not any("that the training has not" in note for note in data.notes)
    # Both forms in the training file are two values there, and so they are in the test file.
    train = write(f"at,tag\n{one},a\n{two},b\n")
    test = write(f"at,tag\n{two},b\n{one},a\n", "test.csv")
    data = load(train, labels=["tag"], test_path=str(test))
    assert data.features[2:].tolist() == data.features[1::-1].tolist()
    left_out = load(write(f"{two},more,tag\n2,1,a\n3,2,b\n"), labels=["tag"], ignore=[one])
    assert left_out.feature_names == ("more",)


def test_the_index_of_a_parquet_file_may_be_left_out(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"x": [1.5, 2, 4], "y": ["a", "b", "a"]}, pd.Index([5, 7, 8], name="key"))
    frame.to_parquet(tmp_path / "toy.parquet")
    data = load(tmp_path / "toy.parquet", labels=["y"], ignore=["key"])
    assert data.feature_names == ("x",)


def test_each_cell_is_looked_up_among_the_categories_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparing each cell with each category takes seconds for a file of many rows."""
    calls = 0

    def counted(value: object) -> str:
        nonlocal calls
        calls += 1
        return composed(value)

    monkeypatch.setattr("mlc.config.texts.composed", counted)
    monkeypatch.setattr("mlc.data.columns.composed", counted, raising=False)
    frame = pd.DataFrame({"kind": [f"k{k % 50}" for k in range(1000)]})
    values = encode_columns(frame, "file", [f"kind=k{k}" for k in range(50)]).values
    assert (values.argmax(axis=1) == np.arange(1000) % 50).all()
    assert (values.sum(axis=1) == 1).all()
    assert calls <= 1100


def test_truth_values_of_parquet_may_be_words_in_csv(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"paid": [True, False] * 9, "y": ["a", "b", "a"] * 6})
    frame.to_parquet(tmp_path / "toy.parquet")
    (tmp_path / "new.csv").write_text("paid,n\nTrue,1\nFALSE,2\n,3\n")
    options = {"path": str(tmp_path / "toy.parquet"), "labels": ["y"]}
    features = load_features(
        tmp_path / "new.csv", load(tmp_path / "toy.parquet", labels=["y"]), "table", **options
    )
    np.testing.assert_array_equal(features[:, 0], [1, 0, np.nan])
