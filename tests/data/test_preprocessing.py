"""Scaling and resident batches, dense and sparse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix

from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData

RNG = np.random.default_rng(0)
CPU = torch.device("cpu")


def dataset(features: np.ndarray | csr_matrix, numeric: list[bool]) -> Dataset:
    n, d = features.shape
    targets = RNG.random((n, 3)) < 0.5
    names = tuple(map(str, range(d)))
    return Dataset("made", features, targets, names, ("a", "b", "c"), np.array(numeric))


def test_numeric_columns_are_standardised_on_the_training_rows_alone() -> None:
    features = RNG.normal(5, 3, (20, 2)).astype(np.float32)
    data, train = dataset(features, [True, True]), np.arange(10)
    batch = ResidentData(data.features, data.targets, [fit_scaling(data, train)], CPU).batch(
        torch.arange(20)[None]
    )
    scaled = batch.features[0].numpy()
    assert_allclose(scaled[:10].mean(axis=0), 0, atol=1e-6)
    assert_allclose(scaled[:10].std(axis=0), 1, atol=1e-6)
    features[10:] += 100
    assert_array_equal(
        fit_scaling(data, train).shift, fit_scaling(dataset(features, [True, True]), train).shift
    )


def test_binary_and_nominal_columns_stay() -> None:
    features = np.array([[0, 1, 7, 2], [1, 0, 7, 4], [1, 1, 7, 6]], dtype=np.float32)
    scaling = fit_scaling(dataset(features, [True, False, False, False]), np.arange(3))
    assert_array_equal(scaling.scale, [1, 1, 1, 1])
    assert_array_equal(scaling.shift, [0, 0, 0, 0])


@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_columns_constant_in_training_are_0_whatever_new_rows_hold(
    form: Callable[[np.ndarray], Any],
) -> None:
    gap = np.nan
    full = np.array([[7, 0, 1, gap, 1], [7, 0, 1, gap, 2], [7, 0, 1, gap, 4], [9e9, 5, 3, 8, 8]])
    # A sparse column is constant where it has no entry, since it is not shifted.
    full[:3, [0, 2]] = 0 if form is csr_matrix else full[:3, [0, 2]]
    data, train = dataset(form(full.astype(np.float32)), [True] * 5), np.arange(3)
    scaling = fit_scaling(data, train)
    assert_array_equal(scaling.used, True)
    assert_array_equal(scaling.constant, [True] * 4 + [False])
    batch = ResidentData(data.features, data.targets, [scaling], CPU).batch(torch.arange(4)[None])
    assert_array_equal(batch.features[0, :, :4].numpy(), 0)
    (alone,) = (
        ResidentData(data.features[3:], data.targets[3:], [scaling], CPU)
        .batch(torch.zeros((1, 1), dtype=torch.int64))
        .features
    )
    assert_array_equal(alone[:, :4].numpy(), 0)
    assert_array_equal(alone, batch.features[0, 3:])
    applied = scaling.apply(data.features)
    assert_allclose(applied if form is np.asarray else applied.toarray(), batch.features[0], 1e-6)


def test_missing_values_become_the_mean() -> None:
    features = np.array([[1, 1], [3, 0], [np.nan, np.nan]], dtype=np.float32)
    data = dataset(features, [True, False])
    batch = ResidentData(data.features, data.targets, [fit_scaling(data, np.arange(3))], CPU).batch(
        torch.arange(3)[None]
    )
    assert_array_equal(batch.features[0].numpy(), [[-1, 1], [1, 0], [0, 0]])


def test_sparse_batches_are_those_of_the_dense_matrix() -> None:
    full = np.where(RNG.random((30, 7)) < 0.2, RNG.normal(size=(30, 7)), 0).astype(np.float32)
    full[4] = 0
    rows = np.arange(20)
    packed = dataset(csr_matrix(full), [True] * 7)
    scaling = fit_scaling(packed, rows)
    assert_allclose(scaling.scale, 1 / abs(full[:20]).max(axis=0), rtol=1e-6)
    index = torch.randint(30, (2, 11))
    batch = ResidentData(
        packed.features, packed.targets, [scaling, scaling], CPU, torch.float64
    ).batch(index)
    assert_allclose(batch.features.numpy(), full[index.numpy()] * scaling.scale, rtol=1e-6)
    assert_array_equal(batch.targets.numpy(), packed.targets[index.numpy()])


def test_sparse_columns_of_any_unit_are_scaled_and_missing_ones_are_0() -> None:
    full = np.array([[1, 0, 4e-7, np.nan], [0, 2, -8e-7, np.nan], [0, 1, 4e-7, 5]], np.float32)
    scaling = fit_scaling(dataset(csr_matrix(full), [True] * 4), np.arange(2))
    assert_allclose(scaling.scale, [1, 0.5, 1 / 8e-7, 0], rtol=1e-6)
    assert_allclose(scaling.apply(csr_matrix(full)).toarray()[2], [0, 0.5, 0.5, 0], rtol=1e-6)


@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_a_column_whose_scale_would_be_infinite_stays(
    form: Callable[[np.ndarray], Any],
) -> None:
    full = np.array([[1, 1e-42], [2, 2e-42], [3, 4e-42]], np.float32)
    scaling = fit_scaling(dataset(form(full), [True, True]), np.arange(3))
    assert scaling.scale[1] == 1
    assert np.isfinite(scaling.scale).all()


def test_sparse_columns_are_divided_by_their_greatest_magnitude() -> None:
    features = RNG.normal(5, 3, (20, 2)).astype(np.float32)
    scaling = fit_scaling(dataset(csr_matrix(features), [True, True]), np.arange(20))
    assert not scaling.shift.any()
    assert_allclose(scaling.scale, 1 / np.abs(features).max(axis=0))


def test_sparse_binary_data_are_left_alone() -> None:
    data = dataset(csr_matrix(np.eye(4, dtype=np.float32)), [True] * 4)
    assert_array_equal(fit_scaling(data, np.arange(4)).scale, np.ones(4))


def test_each_run_has_its_own_scaling() -> None:
    features = RNG.normal(size=(20, 2)).astype(np.float32)
    data = dataset(features, [True, True])
    scalings = [fit_scaling(data, np.arange(10)), fit_scaling(data, np.arange(10, 20))]
    index = torch.arange(20).expand(2, -1)
    together = ResidentData(data.features, data.targets, scalings, CPU).batch(index).features
    for run in range(2):
        alone = (
            ResidentData(data.features, data.targets, [scalings[run]], CPU)
            .batch(index[:1])
            .features
        )
        torch.testing.assert_close(together[run], alone[0])
