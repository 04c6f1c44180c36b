"""The options of L-BFGS, and a function with a known minimum."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

from mlc.config.errors import ConfigError
from mlc.training.stacked import OPTIMIZERS


def test_a_quadratic_is_minimised() -> None:
    target = torch.arange(6, dtype=torch.float64).view(1, 2, 3)
    scale = 10.0**target
    parameter = Parameter(torch.ones_like(target))
    optimizer = OPTIMIZERS["lbfgs"]([parameter], [OPTIMIZERS.options("lbfgs", tolerance=1e-9)])

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = (scale * (parameter - target).square()).sum()
        value.backward()
        return value

    optimizer.minimise(loss)
    torch.testing.assert_close(parameter.detach(), target, rtol=1e-6, atol=1e-6)
    assert optimizer.learning_rates.tolist() == [1]


def test_the_compiler_of_torch_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """That takes three seconds in each process."""
    wrapped = torch.optim.Optimizer.add_param_group.__wrapped__  # type: ignore[attr-defined]
    monkeypatch.delattr(wrapped, "__dynamo_disable", raising=False)
    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    test_a_quadratic_is_minimised()


def test_several_runs_and_no_penalty_are_refused() -> None:
    options = [OPTIMIZERS.options("lbfgs")] * 2
    with pytest.raises(ConfigError, match="optimizer=lbfgs trains one run at a time, and 2 runs"):
        OPTIMIZERS["lbfgs"]([Parameter(torch.zeros(2, 1))], options)
    with pytest.raises(ConfigError, match="C is empty: give at least one positive number"):
        OPTIMIZERS.options("lbfgs", C=[])
    with pytest.raises(ConfigError, match=r"C=\[1.0, 0.0\] is out of range"):
        OPTIMIZERS.options("lbfgs", C=[1, 0])
