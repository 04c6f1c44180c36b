"""Distributions of the number of true labels among independent ones."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad


def one_more(distribution: Tensor, p: Tensor) -> Tensor:
    """Add a Bernoulli variable of probability p, (N,), to a sum of this distribution, (N, K + 1)."""
    p = p.unsqueeze(-1)
    more = distribution * (1 - p)
    more[:, 1:] += distribution[:, :-1] * p
    return more


def sums_of_prefixes(marginals: Tensor) -> Tensor:
    """Distributions of the number among the first 0 to K labels: (N, K) to (N, K + 1, K + 1).

    The steps are those of `one_more`, in operations that ONNX has.
    """
    sums = [pad(torch.ones_like(marginals[:, :1]), (0, marginals.shape[1]))]
    for p in marginals.unsqueeze(-1).unbind(dim=1):
        sums.append(sums[-1] * (1 - p) + pad(sums[-1][:, :-1], (1, 0)) * p)
    return torch.stack(sums, dim=1)
