"""The device that poses refuses what a CUDA device refuses, and replays as a CUDA graph does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.posed import DEVICE, HostError, Posed, posing

WAITS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "bool": lambda x: bool((x > 0).any()),
    "int": lambda x: int(x.max()),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "nonzero": lambda x: (x > 1).nonzero(),
    "where": lambda x: torch.where(x > 1),
    "mask": lambda x: x[x > 1],
    "mask, in place": lambda x: x.clone().__setitem__(x > 1, 0),
    "masked_select": lambda x: x.masked_select(x > 1),
    "unique": lambda x: x.unique(),
    "unique rows": lambda x: x.unique(dim=0),
    "equal": lambda x: torch.equal(x, x),
    "list": lambda x: x[:, [2, 0]],
    "list, in place": lambda x: x.clone().__setitem__((slice(None), [2, 0]), 0),
    "tensor of a list": lambda x: torch.tensor([1.0, 2.0, 3.0], device=x.device),
    "to the device": lambda x: torch.arange(3).to(x.device),
    "repeat_interleave": lambda x: x.repeat_interleave(x.long()[0], dim=1),
    "bincount": lambda x: x.long().flatten().bincount(),
}
MIXES: dict[str, Callable[[Tensor], object]] = {
    "sum": lambda x: x + torch.ones(3),
    "product": lambda x: torch.ones(2, 2) @ x,
    "index": lambda x: x[:, torch.tensor([0, 1])],
    "cat": lambda x: torch.cat([x[0], torch.ones(1)]),
}


@pytest.fixture
def numbers() -> Tensor:
    return torch.arange(6.0).view(2, 3)


@pytest.mark.parametrize("name", WAITS)
def test_waiting_is_refused_where_it_is_not_allowed(name: str, numbers: Tensor) -> None:
    with posing() as device:
        posed = numbers.to(DEVICE)
        found = WAITS[name](posed)
        with pytest.raises(HostError, match="waits"), device.never_waited_for():
            WAITS[name](posed)
        assert device.waits
        # It has the values of the ordinary tensor all the same.
        for own, expected in zip(parts(found), parts(WAITS[name](numbers)), strict=True):
            assert torch.equal(own, expected)


def parts(found: object) -> list[Tensor]:
    values = found if isinstance(found, tuple) else () if found is None else (found,)
    return [value.held if isinstance(value, Posed) else torch.as_tensor(value) for value in values]


@pytest.mark.parametrize("name", MIXES)
def test_tensors_of_host_and_device_do_not_mix(name: str, numbers: Tensor) -> None:
    with posing(), pytest.raises(HostError, match="mixes"):
        MIXES[name](numbers.to(DEVICE))


def test_gradients_are_those_of_ordinary_tensors(numbers: Tensor) -> None:
    def loss(x: Tensor) -> Tensor:
        return (x[:, 1:] * 2).logsumexp(dim=-1).sum() + x.cumsum(dim=0).square().sum()

    ordinary = numbers.clone().requires_grad_()
    loss(ordinary).backward()
    with posing() as device:
        posed = numbers.to(DEVICE).requires_grad_()
        with device.never_waited_for():
            loss(posed).backward()
        assert posed.grad is not None
        assert torch.equal(posed.grad.cpu(), ordinary.grad)


def test_a_capture_does_nothing_and_a_replay_reads_memory_and_not_pythons_numbers() -> None:
    rate = {"of python": 1.0}
    with posing() as device:
        weight, step = torch.zeros(2).to(DEVICE), torch.ones(2).to(DEVICE)
        replay = device.capture(lambda: weight.add_(step * rate["of python"]).mul_(1))
        assert weight.cpu().tolist() == [0, 0]
        replay()
        step.fill_(10)
        rate["of python"] = 100.0
        replay()
        assert weight.cpu().tolist() == [11, 11]
