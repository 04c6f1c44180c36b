"""Standard errors of metrics by leaving blocks of samples out."""

from __future__ import annotations

import torch
from torch import Tensor

from mlc.metrics.counts import CountMetric

N_BLOCKS = 20


def values_left_out(metric: CountMetric, decisions: Tensor, targets: Tensor) -> Tensor:
    """The metric of all samples but those of a block, for each block: two (..., N, K) to (..., B).

    The samples are dealt into at most N_BLOCKS blocks at random, always in the same way; N is at least
    2.
    """
    n_rows = targets.shape[-2]
    n_blocks = min(N_BLOCKS, n_rows)
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(n_rows, generator=generator).to(decisions.device)
    blocks = [order[block::n_blocks] for block in range(n_blocks)]
    if metric.average == "samples":
        own = metric.per_group(decisions, targets)
        parts = torch.stack([own[..., rows].sum(dim=-1) for rows in blocks], dim=-1)
        sizes = torch.tensor([len(rows) for rows in blocks], device=decisions.device)
        return (own.sum(dim=-1, keepdim=True) - parts) / (n_rows - sizes)
    counts = [metric.counts(decisions[..., rows, :], targets[..., rows, :]) for rows in blocks]
    true, predicted, actual = (torch.stack(own) for own in list(zip(*counts, strict=True))[:3])
    size = torch.tensor([own[3] for own in counts], dtype=true.dtype, device=decisions.device)
    rest = [own.sum(dim=0) - own for own in (true, predicted, actual)]
    rest_size = (size.sum() - size).view(-1, *[1] * (true.ndim - 1))
    return metric.formula(*rest, rest_size).mean(dim=-1).movedim(0, -1)


def standard_error(left_out: Tensor) -> Tensor:
    """The jackknife's standard error of a value, or of a difference: (..., B) to (...).

    Efron and Stein 1981, "The jackknife estimate of variance".
    """
    n_blocks = left_out.shape[-1]
    return (left_out.var(dim=-1, correction=0) * (n_blocks - 1)).sqrt()
