"""Rows' shares in a metric: their mean is the metric, their variance that of a bootstrap."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mlc.comparing.row_values import row_values
from mlc.metrics.counts import COUNT_METRICS
from tests.cases import label_matrices


@pytest.mark.parametrize("metric", COUNT_METRICS)
@pytest.mark.parametrize("case", label_matrices())
def test_their_mean_is_the_metric(metric: str, case: str) -> None:
    targets = label_matrices()[case].numpy()
    decisions = np.random.default_rng(0).random(targets.shape) < 0.5
    expected = float(COUNT_METRICS[metric](torch.as_tensor(decisions), torch.as_tensor(targets)))
    values = row_values(metric, decisions, targets)
    assert values.shape == (len(targets),)
    assert values.mean() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", ["jaccard_samples", "f1_micro", "f1_macro", "hamming_loss"])
def test_the_spread_of_their_mean_is_that_of_a_bootstrap(metric: str) -> None:
    rng = np.random.default_rng(1)
    targets = rng.random((400, 5)) < np.linspace(0.1, 0.5, 5)
    decisions = targets ^ (rng.random(targets.shape) < 0.15)
    values = row_values(metric, decisions, targets)
    drawn = []
    for _ in range(300):
        rows = rng.integers(len(targets), size=len(targets))
        pair = torch.as_tensor(decisions[rows]), torch.as_tensor(targets[rows])
        drawn.append(float(COUNT_METRICS[metric](*pair)))
    assert values.std() / np.sqrt(len(values)) == pytest.approx(np.std(drawn), rel=0.12)


def test_of_samples_they_are_the_values_of_the_samples() -> None:
    targets = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 0]], dtype=bool)
    decisions = np.array([[1, 0, 0], [0, 0, 0], [1, 0, 0]], dtype=bool)
    assert row_values("jaccard_samples", decisions, targets).tolist() == [0.5, 1, 0]
