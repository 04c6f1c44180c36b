"""Jackknife standard errors of metrics, over blocks of samples."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mlc.metrics.counts import CountMetric

N_BLOCKS = 20


def values_left_out(
    metric: CountMetric, decisions: Tensor, targets: Tensor, known: Tensor | None = None
) -> Tensor:
    """Return the metric without each block of samples: (..., N, K) each to (..., B).

    A fixed random permutation divides the samples into at most N_BLOCKS blocks; N is at least 2. With
    `known`, bool, the known pairs alone count, and each run's samples with known pairs are divided into
    N_BLOCKS; without a block that holds all of them the metric is as with it.
    """
    if known is not None:
        return _known_left_out(metric, decisions, targets, known)
    n_rows = targets.shape[-2]
    n_blocks = min(N_BLOCKS, n_rows)
    order = _order(n_rows).to(decisions.device)
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


def _known_left_out(
    metric: CountMetric, decisions: Tensor, targets: Tensor, known: Tensor
) -> Tensor:
    everything = metric(decisions, targets, known)
    block = by_run(known.any(dim=-1), lambda n: _order(n).argsort() % N_BLOCKS).unsqueeze(-1)
    values = []
    for index in range(N_BLOCKS):
        rest = known & (block != index)
        some = rest.any(dim=-1).any(dim=-1)
        values.append(metric(decisions, targets, rest).where(some, everything))
    return torch.stack(values, dim=-1)


def _order(n_rows: int) -> Tensor:
    return torch.randperm(n_rows, generator=torch.Generator().manual_seed(1))


def by_run(chosen: Tensor, numbers: Callable[[int], Tensor]) -> Tensor:
    """Return the numbers of each run's chosen rows, as if there were no others; 0 for these: (..., N).

    Args:
        chosen: (..., N), bool.
        numbers: gives the number of each of n rows: (n,), int64.
    """
    table = torch.zeros_like(chosen, dtype=torch.long)
    of_runs = table.view(-1, chosen.shape[-1])
    for of_run, rows in zip(of_runs, chosen.reshape(of_runs.shape), strict=True):
        of_run[rows] = numbers(int(rows.sum())).to(table.device)
    return table


def standard_error(left_out: Tensor) -> Tensor:
    """Return the jackknife standard error of a value or a difference: (..., B) to (...).

    Efron and Stein 1981, "The jackknife estimate of variance".
    """
    n_blocks = left_out.shape[-1]
    return (left_out.var(dim=-1, correction=0) * (n_blocks - 1)).sqrt()
