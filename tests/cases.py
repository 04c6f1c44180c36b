"""Cases that tests of heads, rules and metrics share: every edge a label matrix has."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mlc.decisions.base import DecisionRule, build_decision


def options_for(rule: str, n_labels: int) -> dict[str, Any]:
    """The options without which a rule cannot be built."""
    if rule != "groups":
        return {}
    return {"groups": [[0, 1]]} if n_labels > 1 else {"groups": [[0]], "none": True}


def rule_for(name: str, n_labels: int, **options: Any) -> DecisionRule:
    """Build a rule for K labels."""
    return build_decision(name, **options_for(name, n_labels), **options)


def label_matrices() -> dict[str, Tensor]:
    """Targets (N, K) by what is special about them."""
    draw = torch.Generator().manual_seed(1)
    return {
        "ordinary": torch.rand(7, 4, generator=draw) < 0.4,
        "no label": torch.zeros(5, 3, dtype=torch.bool),
        "all labels": torch.ones(5, 3, dtype=torch.bool),
        "one label": torch.rand(6, 1, generator=draw) < 0.5,
        "one sample": torch.tensor([[True, False, True]]),
        "a label without a positive": torch.tensor(
            [[True, False, False], [False, False, True], [False, False, False]]
        ),
    }


def tied_scores(n_samples: int, n_labels: int, seed: int = 0) -> Tensor:
    """Scores (N, K) with many equal ones."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randint(0, 5, (n_samples, n_labels), generator=draw).double() / 4
