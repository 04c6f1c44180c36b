"""The share that each test row has in a metric, so that any metric has intervals over rows."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from mlc.metrics.counts import COUNT_METRICS


def row_values(
    metric: str, decisions: NDArray[np.bool_], targets: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Values of the rows whose mean is the metric: (N, K) and (N, K) to (N,).

    For a mean over samples they are the samples' values. For a ratio of counts, as in micro and macro
    averages, they are its linearisation: the metric plus each row's influence on it (the infinitesimal
    jackknife, Efron 1982, "The jackknife, the bootstrap and other resampling plans", chapter 6), so
    that the variance of their mean is that of the metric, up to terms of higher order in 1 / N.
    """
    rule = COUNT_METRICS[metric]
    predicted, actual = (torch.as_tensor(pairs).double() for pairs in (decisions, targets))
    if rule.average == "samples":
        return rule.per_group(predicted, actual).numpy()
    n_rows, n_labels = predicted.shape
    weights = torch.ones(n_rows, 1, dtype=torch.float64, requires_grad=True)
    counts = [weights * pairs for pairs in (predicted * actual, predicted, actual)]
    axis = (0, 1) if rule.average == "micro" else 0
    n_pairs = n_rows * (n_labels if rule.average == "micro" else 1)
    value = rule.formula(*(own.sum(dim=axis) for own in counts), n_pairs).mean()
    if not value.requires_grad:
        return np.full(n_rows, float(value))
    (gradient,) = torch.autograd.grad(value, weights)
    influence = n_rows * gradient.squeeze(1).numpy()
    shares: NDArray[np.float64] = float(value.detach()) + influence - influence.mean()
    return shares
