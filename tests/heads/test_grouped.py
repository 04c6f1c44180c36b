"""Groups against a loop, for samples with none, one or several labels of a group."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch

from mlc.config.errors import ConfigError
from mlc.heads.plain import build_head

GROUPS = [[0, 2], [3, 1]]


@pytest.mark.parametrize("none", [True, False])
def test_the_loss_is_a_cross_entropy_for_each_group_and_free_label(none: bool) -> None:
    head = build_head("grouped", n_features=2, n_labels=5, groups=GROUPS, none=none)
    targets = torch.tensor(list(product([0, 1], repeat=5)))
    torch.manual_seed(0)
    outputs = torch.randn(32, 5, dtype=torch.float64)
    for z, y, loss in zip(
        outputs.tolist(), targets.tolist(), head.loss(outputs, targets).tolist(), strict=True
    ):
        expected = math.log(1 + math.exp(z[4])) - y[4] * z[4]
        for group in GROUPS:
            logits = [z[k] for k in group] + [0.0] * none
            true = [index for index, k in enumerate(group) if y[k]] or [2] * none
            total = math.log(sum(map(math.exp, logits)))
            # Nothing where a group has no positive and none is no class.
            expected += sum(total - logits[index] for index in true) / max(1, len(true))
        assert loss == pytest.approx(expected, rel=1e-12)


def test_a_group_of_one_label_is_refused_without_none() -> None:
    shape = {"n_features": 2, "n_labels": 3}
    with pytest.raises(ConfigError, match="a group of one label, which would always score 1"):
        build_head("grouped", **shape, groups=[[0, 1], [2]], none=False)
    head = build_head("grouped", **shape, groups=[[0, 1], [2]])
    assert float(head.scores(torch.zeros(1, 3))[0, 2].detach()) == pytest.approx(0.5)
