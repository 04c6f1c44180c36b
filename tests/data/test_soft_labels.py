"""Labels that are numbers from 0 to 1 in ARFF, OpenML and tables of images."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.utils import Bunch

from mlc.config.errors import DataError
from mlc.data import openml
from mlc.data.base import Dataset
from mlc.data.label_arrays import probabilities
from mlc.data.loading import load_data
from mlc.data.missing_labels import SOFT_NOTE
from tests.images import clothes, write_image

SOFT = [[0.2, 1], [0, 0.5], [0.75, 0]]
MISSING = [[0.2, 1], [0, None], [0.75, 0]]


def write_arff(
    folder: Path, rows: list[list[Any]], kind: str = "numeric", sparse: bool = False
) -> str:
    """Two labels of this type before a feature."""
    lines = []
    for number, row in enumerate(rows):
        words = ["?" if value is None else str(value) for value in (*row, number)]
        pairs = ",".join(f"{j} {word}" for j, word in enumerate(words) if word != "0")
        lines.append(f"{{{pairs}}}" if sparse else ",".join(words))
    labels = f"@attribute a {kind}\n@attribute b {kind}\n"
    head = f"@relation 'toy: -C 2'\n{labels}@attribute x numeric\n@data\n"
    (folder / "toy.arff").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return str(folder / "toy")


def source(kind: str, rows: list[list[Any]], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write the labels in this form; return the name of the source and its options."""
    frame = pd.DataFrame(rows, columns=["a", "b"], dtype=float)
    if "arff" in kind:
        return "arff", {"path": write_arff(folder, rows, sparse="sparse" in kind)}
    if kind == "openml":
        of_x = frame.assign(x=[1.0, 2, 3])
        monkeypatch.setattr(openml, "_fetch", lambda *_: Bunch(frame=of_x, target_names=["a", "b"]))
        return "openml", {"title": "toy"}
    files = [f"{number}.png" for number in range(len(rows))]
    for number, name in enumerate(files):
        write_image(folder / name, number)
    frame.assign(file=files).to_csv(folder / "toy.csv", index=False)
    return "images", {"path": str(folder / "toy.csv"), "labels": ["a", "b"]}


@pytest.fixture(params=["arff", "sparse arff", "openml", "images"])
def load(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def load(rows: list[list[Any]], **options: Any) -> Dataset:
        name, given = source(request.param, rows, tmp_path, monkeypatch)
        return load_data(name, **given, **options)

    return load


def test_probabilities_are_targets_and_positive_from_a_half_on(load: Any) -> None:
    for _ in range(2):  # Perhaps from the cache.
        data = load(SOFT, soft_labels=True)
        np.testing.assert_array_equal(data.soft, np.array(SOFT, dtype=np.float32))
        assert data.soft.dtype == np.float32
        assert data.targets.tolist() == [[False, True], [False, True], [True, False]]
        assert data.known is None
        assert SOFT_NOTE in data.notes
    with pytest.raises(
        DataError, match=r"the label 'a' is '?0\.2'? in data row 1: labels must be 0 or 1"
    ):
        load(SOFT)


def test_hard_labels_stay_hard_where_nothing_is_stated(load: Any) -> None:
    hard = [[0, 1], [1, 0], [1, 1]]
    soft, plain = load(hard, soft_labels=True), load(hard)
    assert plain.soft is None
    assert soft.soft is not None
    np.testing.assert_array_equal(soft.targets, plain.targets)


def test_missing_probabilities_are_refused_masked_or_0(load: Any) -> None:
    with pytest.raises(DataError, match="the label 'b' is missing in data row 2: fill it"):
        load(MISSING, soft_labels=True)
    masked = load(MISSING, soft_labels=True, missing_labels="mask")
    assert masked.known.tolist() == [[True, True], [True, False], [True, True]]
    np.testing.assert_array_equal(masked.soft[1], [0, 0])
    assert load(MISSING, soft_labels=True, missing_labels="negative").known is None


@pytest.mark.parametrize("value", [1.5, -0.25])
def test_other_numbers_are_named(load: Any, value: float) -> None:
    wrong = (
        rf"the label 'b' is '?{value}'? in data row 3: with data.soft_labels=true labels must be"
    )
    with pytest.raises(DataError, match=wrong):
        load([*SOFT[:2], [0, value]], soft_labels=True)


def test_nominal_attributes_hold_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_arff(tmp_path, [[0, 1], [1, 0]], "{0,1}")
    assert load_data("arff", path=path).targets.tolist() == [[False, True], [True, False]]
    nominal = (
        r"the label 'a' is nominal, \{0, 1\}: with data.soft_labels=true labels must be numeric"
    )
    with pytest.raises(DataError, match=nominal):
        load_data("arff", path=path, soft_labels=True)
    frame = pd.DataFrame({"x": [1.0, 2], "a": pd.Categorical(["0", "1"])})
    monkeypatch.setattr(openml, "_fetch", lambda *_: Bunch(frame=frame, target_names=["a"]))
    with pytest.raises(DataError, match=nominal):
        load_data("openml", title="toy", soft_labels=True)


def test_the_files_of_a_published_split_have_them_both(tmp_path: Path) -> None:
    path = write_arff(tmp_path, SOFT)
    text = Path(f"{path}.arff").read_text(encoding="utf-8")
    (tmp_path / "both-train.arff").write_text(text, encoding="utf-8")
    (tmp_path / "both-test.arff").write_text(text.replace("0.75", "0.25"), encoding="utf-8")
    data = load_data("arff", path=str(tmp_path / "both"), soft_labels=True)
    assert data.soft is not None
    np.testing.assert_array_equal(data.soft[:, 0], np.array([0.2, 0, 0.75, 0.2, 0, 0.25], "f"))


def test_folders_that_name_labels_hold_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folders name labels and hold no probabilities"):
        load_data("images", path=str(clothes(tmp_path, 1)), soft_labels=True)


def test_images_that_are_left_out_take_their_probabilities_along(tmp_path: Path) -> None:
    write_image(tmp_path / "good.png", 1)
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "toy.csv").write_text("file,a\nbad.png,0.25\ngood.png,0.75\n", encoding="utf-8")
    path = str(tmp_path / "toy.csv")
    data = load_data("images", path=path, labels=["a"], soft_labels=True, broken="skip")
    np.testing.assert_array_equal(data.soft, [[0.75]])


def test_a_probability_that_overflows_is_refused_without_a_warning(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(DataError, match="row 1, column 2"):
            probabilities(tmp_path / "y.npy", np.array([[0.5, 1e300]]))


def test_probabilities_may_have_decimal_commas(tmp_path: Path) -> None:
    (tmp_path / "toy.csv").write_text("x;a;b\n1,5;0,25;1\n2;1;0\n")
    data = load_data("table", path=str(tmp_path / "toy.csv"), labels=["a", "b"], soft_labels=True)
    assert data.soft is not None
    assert data.soft.tolist() == [[0.25, 1], [1, 0]]
