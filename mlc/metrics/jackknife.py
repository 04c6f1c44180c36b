"""Jackknife standard errors of metrics, over blocks of samples."""

from __future__ import annotations

import torch
from torch import Tensor

from mlc.metrics.counts import CountMetric

N_BLOCKS = 20


def values_left_out(metric: CountMetric, decisions: Tensor, targets: Tensor) -> Tensor:
    """Return the metric without each block of samples: two (..., N, K) to (..., B).

    A fixed random permutation divides the samples into at most N_BLOCKS blocks; N is at least 2.
    """
    n_rows = targets.shape[-2]
    n_blocks = min(N_BLOCKS, n_rows)
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(n_rows, generator=generator).to(decisions.device)
    blocks = [order[block::n_blocks] for block in range(n_blocks)]
    if metric.average == "samples":
        values = metric.per_group(decisions, targets)
        parts = torch.stack([values[..., rows].sum(dim=-1) for rows in blocks], dim=-1)
        sizes = torch.tensor([len(rows) for rows in blocks], device=decisions.device)
        return (values.sum(dim=-1, keepdim=True) - parts) / (n_rows - sizes)
    counts = [metric.counts(decisions[..., rows, :], targets[..., rows, :]) for rows in blocks]
    true, predicted, actual = map(torch.stack, list(zip(*counts, strict=True))[:3])
    size = torch.tensor([block[3] for block in counts], dtype=true.dtype, device=decisions.device)
    rest = [count.sum(dim=0) - count for count in (true, predicted, actual)]
    rest_size = (size.sum() - size).view(-1, *[1] * (true.ndim - 1))
    return metric.formula(*rest, rest_size).mean(dim=-1).movedim(0, -1)


def standard_error(left_out: Tensor) -> Tensor:
    """Return the jackknife standard error of a value or a difference: (..., B) to (...).

    Efron and Stein 1981, "The jackknife estimate of variance".
    """
    n_blocks = left_out.shape[-1]
    return (left_out.var(dim=-1, correction=0) * (n_blocks - 1)).sqrt()
