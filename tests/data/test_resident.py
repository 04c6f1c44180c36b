from __future__ import annotations

import numpy as np
import pytest
import torch

from mlc.data.preprocessing import Scaling
from mlc.data.resident import ResidentData


def data_of(n_runs: int, n_rows: int = 10) -> ResidentData:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(n_rows, 3)).astype(np.float32)
    features[2, 1] = np.nan
    scalings = [
        Scaling(*rng.uniform(0.5, 2, size=(2, 3)).astype(np.float32)) for _ in range(n_runs)
    ]
    targets = rng.random((n_rows, 2)) < 0.5
    known = rng.random((n_rows, 2)) < 0.5
    return ResidentData(features, targets, scalings, torch.device("cpu"), known=known)


@pytest.mark.parametrize("n_runs", [1, 2])
def test_announced_batches_are_those_that_are_not_announced(n_runs: int) -> None:
    data = data_of(n_runs)
    order = torch.stack([torch.randperm(10) for _ in range(n_runs)])
    batches = order.split(4, dim=1)
    expected = [data.batch(index) for index in batches]
    data.prefetch(batches)
    for index, alone in zip(batches, expected, strict=True):
        announced = data.batch(index)
        for name in ("features", "targets", "known"):
            assert torch.equal(getattr(announced, name), getattr(alone, name)), name


def test_an_announced_batch_that_is_changed_is_gathered_again() -> None:
    data = data_of(1)
    batches = torch.arange(10).unsqueeze(0).split(5, dim=1)
    data.prefetch(batches)
    changed = data.batch(batches[0]).features
    assert isinstance(changed, torch.Tensor)
    expected = changed.clone()
    changed.zero_()
    again = data.batch(batches[0]).features
    assert isinstance(again, torch.Tensor)
    assert torch.equal(again, expected)
    assert torch.equal(data.batch(batches[1]).features, data.batch(batches[1].clone()).features)


def test_batches_are_gathered_at_once_only_for_one_run_of_few_numbers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gathered: list[int] = []
    plain = ResidentData._gathered
    monkeypatch.setattr(
        ResidentData,
        "_gathered",
        lambda self, index: gathered.append(index.shape[1]) or plain(self, index),
    )
    for n_runs, expected in ((1, [10]), (2, [5, 5])):
        gathered.clear()
        data, order = data_of(n_runs), torch.arange(10).expand(n_runs, -1)
        batches = order.split(5, dim=1)
        data.prefetch(batches)
        for index in batches:
            data.batch(index)
        assert gathered == expected
    monkeypatch.setattr("mlc.data.resident._GATHERED_AT_ONCE", 29)
    gathered.clear()
    data = data_of(1)
    data.prefetch(batches := torch.arange(10).unsqueeze(0).split(5, dim=1))
    assert not gathered
    assert data.batch(batches[0]).features.shape == (1, 5, 3)
