"""Metrics without a block of samples, against leaving the samples out."""

from __future__ import annotations

import math

import pytest
import torch

from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.jackknife import N_BLOCKS, standard_error, values_left_out


@pytest.mark.parametrize("n_rows", [2, 7, 45])
@pytest.mark.parametrize("name", COUNT_METRICS)
def test_values_are_those_of_the_samples_that_are_left(name: str, n_rows: int) -> None:
    draw = torch.Generator().manual_seed(n_rows)
    decided = torch.rand(2, n_rows, 3, generator=draw) < 0.3
    targets = torch.rand(2, n_rows, 3, generator=draw) < 0.3
    metric = COUNT_METRICS[name]
    found = values_left_out(metric, decided, targets)
    n_blocks = min(N_BLOCKS, n_rows)
    assert found.shape == (2, n_blocks)
    order = torch.randperm(n_rows, generator=torch.Generator().manual_seed(1)).tolist()
    for block in range(n_blocks):
        rest = [row for row in range(n_rows) if row not in order[block::n_blocks]]
        expected = metric(decided[:, rest], targets[:, rest])
        torch.testing.assert_close(found[:, block], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("name", COUNT_METRICS)
def test_values_of_known_pairs_are_those_of_the_samples_that_have_some(name: str) -> None:
    draw = torch.Generator().manual_seed(5)
    decided = torch.rand(2, 70, 3, generator=draw) < 0.3
    targets = torch.rand(2, 70, 3, generator=draw) < 0.3
    known = torch.rand(2, 70, 3, generator=draw) < 0.4
    metric = COUNT_METRICS[name]
    found = values_left_out(metric, decided, targets, known)
    assert found.shape == (2, N_BLOCKS)
    for run in range(2):
        rows = known[run].any(dim=1)
        tables = [part[run][rows] for part in (decided, targets, known)]
        order = torch.randperm(len(tables[0]), generator=torch.Generator().manual_seed(1)).tolist()
        for block in range(N_BLOCKS):
            rest = [row for row in range(len(order)) if row not in order[block::N_BLOCKS]]
            expected = metric(*(table[rest] for table in tables))
            torch.testing.assert_close(found[run, block], expected, atol=1e-12, rtol=0)


def test_the_error_of_a_mean_is_that_of_its_formula() -> None:
    draw = torch.Generator().manual_seed(0)
    decided = torch.rand(N_BLOCKS, 4, generator=draw) < 0.5
    targets = torch.rand(N_BLOCKS, 4, generator=draw) < 0.5
    metric = COUNT_METRICS["jaccard_samples"]
    own = metric.per_group(decided, targets)
    error = float(standard_error(values_left_out(metric, decided, targets)))
    assert error == pytest.approx(float(own.std()) / math.sqrt(N_BLOCKS), rel=1e-10)
