"""Columns whose differences 32 bits would round away keep them, from each reader to a prediction."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mlc import MultiLabelClassifier
from mlc.data.base import Dataset
from mlc.data.loading import load_data, load_features
from mlc.data.precision import floats, narrowed
from mlc.data.preprocessing import Scaling, fit_scaling, shifted
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.evaluation.yardsticks import network_features

CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
OFFSET = 1_764_000_000
# Within some minutes; the second column needs 32 bits alone.
PLAIN = np.stack([RNG.permutation(40) * 7.0, RNG.normal(size=40)], axis=1)
SECONDS = PLAIN + np.array([OFFSET, 0])
Y = np.stack([PLAIN[:, 0] > 140, PLAIN[:, 1] > 0], axis=1)


def as_csv(folder: Path, rows: slice, name: str) -> Path:
    frame = pd.DataFrame(SECONDS[rows], columns=["time", "x"])
    frame.assign(a=Y[rows, 0].astype(int), b=Y[rows, 1].astype(int)).to_csv(
        folder / name, index=False
    )
    return folder / name


def of_table(folder: Path) -> Dataset:
    first, second = (
        as_csv(folder, slice(30), "train.csv"),
        as_csv(folder, slice(30, 40), "test.csv"),
    )
    return load_data("table", path=str(first), test_path=str(second), labels=["a", "b"])


def of_arrays(folder: Path) -> Dataset:
    # Whole numbers, as int64.
    np.savez(folder / "data.npz", X=np.round(SECONDS * [1, 100]).astype(np.int64), y=Y.astype(int))
    return load_data("arrays", path=str(folder / "data.npz"))


def of_arff(folder: Path) -> Dataset:
    rows = [
        f"{x[0]:.0f},{x[1]:.6f},{a},{b}" for x, (a, b) in zip(SECONDS, Y.astype(int), strict=True)
    ]
    header = ["@relation 'x: -C -2'", "@attribute t numeric", "@attribute x numeric"]
    header += [f"@attribute {name} {{0,1}}" for name in "ab"]
    (folder / "data.arff").write_text("\n".join([*header, "@data", *rows]))
    return load_data("arff", path=str(folder / "data.arff"))


@pytest.mark.parametrize("read", [of_table, of_arrays, of_arff])
def test_each_reader_keeps_differences(read: Callable[[Path], Dataset], tmp_path: Path) -> None:
    data = read(tmp_path)
    assert_array_equal(np.asarray(data.features)[:, 0], SECONDS[:, 0])
    train = np.arange(20)
    scaling = fit_scaling(data, train)
    batch = ResidentData(data.features, data.targets, [scaling], CPU).batch(torch.arange(40)[None])
    scaled = batch.features[0].numpy()
    column = PLAIN[:, 0]
    expected = (column - column[train].mean()) / column[train].std()
    assert scaled.dtype == np.float32
    assert_allclose(scaled[:, 0], expected, atol=1e-6)
    parts = network_features(data, Split(train, train[:0], np.arange(20, 40)))
    assert_allclose(parts["test"], scaled[20:], atol=1e-6)


def test_a_single_row_of_another_file_keeps_them_too(tmp_path: Path) -> None:
    like = of_table(tmp_path)
    rows = load_features(as_csv(tmp_path, slice(3, 4), "one.csv"), like, "table", labels=["a", "b"])
    assert rows[0, 0] == SECONDS[3, 0]


def test_an_offset_does_not_change_a_prediction() -> None:
    """One at a time and together, dense and sparse."""
    settings = {"head": "sigmoid", "random_state": 0, "max_epochs": 20}
    plain, offset = (MultiLabelClassifier(**settings).fit(X, Y) for X in (PLAIN, SECONDS))
    scores = offset.predictor_.scores(SECONDS)
    assert_allclose(scores, plain.predictor_.scores(PLAIN), atol=1e-3)
    assert_allclose(offset.predictor_.scores(csr_matrix(SECONDS)), scores, atol=1e-6)
    assert_array_equal(offset.predict(SECONDS[:1]), offset.predict(SECONDS)[:1])


def column(values: NDArray[np.float64]) -> np.dtype:
    return narrowed(np.stack([PLAIN[:, 1], values], axis=1)).dtype


def test_columns_have_64_bits_only_where_they_need_them() -> None:
    seconds = SECONDS[:, 0]
    assert column(seconds) == np.float64
    gaps = np.where(np.arange(40) % 3, seconds, np.nan)
    assert column(gaps) == np.float64
    days = OFFSET + 86_400.0 * np.arange(40)
    assert column(days) == column(np.full(40, 0.1)) == column(np.full(40, np.nan)) == np.float32
    assert narrowed(np.zeros((0, 3))).dtype == np.float32


def test_a_zero_among_times_leaves_the_others_in_64_bits(tmp_path: Path) -> None:
    """In a test row it took the column away from training without a word."""
    times = SECONDS[:, 0].copy()
    times[[3, 37]] = 0
    assert column(times) == np.float64
    test_file = np.where(np.arange(40) < 20, SECONDS[:, 0], 0)
    assert column(test_file) == np.float64
    np.savez(tmp_path / "data.npz", X=np.stack([test_file, PLAIN[:, 1]], 1), y=Y.astype(int))
    scaling = fit_scaling(load_data("arrays", path=str(tmp_path / "data.npz")), np.arange(20))
    assert scaling.scale[0] == pytest.approx(1 / PLAIN[:20, 0].std())


def test_a_run_with_an_outlier_leaves_the_precision_of_the_others() -> None:
    fine = Scaling(np.array([OFFSET + 2.0]), np.array([1], np.float32))
    others = [Scaling(np.array([OFFSET * 0.9]), np.array([1e-8], np.float32))] * 3
    rows = OFFSET + np.arange(5.0)[:, None]
    scalings = [fine, *others, Scaling(np.array([np.nan]), np.array([1], np.float32))]
    centred, shifts = shifted(rows, scalings)
    assert_array_equal((centred - shifts[0]) * fine.scale, np.arange(-2.0, 3)[:, None])
    assert_allclose((centred - shifts[1]) * 1e-8, (rows - OFFSET * 0.9) * 1e-8, rtol=1e-6)


def test_chunks_of_columns_are_checked_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlc.data.precision._CHECKED_AT_ONCE", 50)
    assert narrowed(np.hstack([PLAIN, PLAIN, SECONDS])).dtype == np.float64
    assert narrowed(np.hstack([PLAIN, PLAIN])).dtype == np.float32


def test_integers_of_32_bits_become_float64() -> None:
    wide = [floats(np.zeros(1, dtype)).dtype for dtype in (np.int32, np.uint32, np.int64, float)]
    narrow = [floats(np.zeros(1, dtype)).dtype for dtype in (bool, np.uint8, np.int16, np.float16)]
    assert set(wide) == {np.dtype(np.float64)}
    assert set(narrow) == {np.dtype(np.float32)}


def test_other_columns_and_runs_keep_their_bits() -> None:
    """The shift in 64 bits is that of the columns that need it."""
    scalings = [
        Scaling(np.array([OFFSET + run, 0.3]), np.array([0.01, 2], np.float32)) for run in (0, 10)
    ]
    features, shifts = shifted(SECONDS, scalings)
    assert_array_equal(features[:, 1], PLAIN[:, 1].astype(np.float32))
    assert_array_equal(shifts, np.array([[-5, 0.3], [5, 0.3]], np.float32))
    assert_allclose(features[:, 0], PLAIN[:, 0] - 5)


def test_sparse_rows_are_not_shifted() -> None:
    scaling = Scaling(np.ones(2), np.ones(2, np.float32))
    with pytest.raises(ValueError, match="Sparse rows cannot be shifted"):
        scaling.apply(csr_matrix(PLAIN))
