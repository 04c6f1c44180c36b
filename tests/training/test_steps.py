"""A captured step is the plain step."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.config.schema import TrainerOptions
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.heads.base import HEADS, KnownLabels
from mlc.training.captured import CudaCapture, GraphStep, step_for
from mlc.training.loop import Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS
from mlc.training.steps import PlainStep
from tests.training import small

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(40, 4)).astype(np.float32)
DATA = Dataset(
    "made", FEATURES, FEATURES[:, :3] > 0.3, tuple("wxyz"), tuple("abc"), np.ones(4, dtype=bool)
)
SEEDS = [0, 1, 2]
# The last batch of the epoch is shorter.
BATCHES = (0, 8, 16, 24, 32, 36)


def plain_step(head: str, device: torch.device, weights: torch.Tensor | None = None) -> PlainStep:
    options = BACKBONES.options("mlp", widths=[8], dropout=0.2, normalization="batch")
    backbone = BACKBONES["mlp"](4, [options] * 3, SEEDS)
    known = KnownLabels(torch.as_tensor(DATA.targets), torch.arange(40).expand(3, -1))
    output = HEADS[head](8, 3, HEADS.options(head), SEEDS, known)
    model = Model(backbone, output).to(device).double()
    data = ResidentData(
        DATA.features, DATA.targets, [fit_scaling(DATA, np.arange(40))] * 3, device, torch.float64
    )
    rates = [OPTIMIZERS.options("adamw", lr=lr, schedule="cosine") for lr in (0.01, 0.02, 0.1)]
    optimizer = OPTIMIZERS["adamw"](list(model.parameters()), rates)
    return PlainStep(model, data, optimizer, weights=weights)


def train(step: PlainStep | GraphStep, plain: PlainStep) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    device = plain.data.device
    plain.model.train()
    for epoch in range(3):
        rows = torch.stack([torch.randperm(36, generator=draw) for _ in SEEDS]).to(device)
        uniforms = torch.rand(3, 36, generator=draw, dtype=torch.float64).to(device)
        plain.optimizer.plan([(epoch + start / 36) / 3 for start in BATCHES[:-1]])
        for number, (start, end) in enumerate(pairwise(BATCHES)):
            plain.optimizer.advance(number)
            step(rows[:, start:end], uniforms[:, start:end])
    return [parameter.detach().cpu() for parameter in plain.model.parameters()] + [
        plain.total.cpu()
    ]


class Replayed:
    """A capture that, as CUDA's, does nothing until it is replayed."""

    def __init__(self) -> None:
        self.captures = self.replays = 0

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        self.captures += 1

        def replay() -> None:
            self.replays += 1
            work()

        return replay


@pytest.mark.parametrize("head", HEADS)
def test_a_replayed_training_is_the_plain_training(head: str) -> None:
    plain, other = (plain_step(head, torch.device("cpu")) for _ in range(2))
    capture = Replayed()
    expected, got = train(plain, plain), train(GraphStep(other, capture), other)
    for a, b in zip(expected, got, strict=True):
        assert torch.equal(a, b)
    # Of 15 steps, three are of the shorter batch and three come before the capture.
    assert (capture.captures, capture.replays) == (1, 9)


def test_a_cpu_takes_the_plain_step() -> None:
    plain = plain_step("sigmoid", torch.device("cpu"))
    assert step_for(plain, graphs=True) is plain


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("head", HEADS)
def test_a_captured_training_is_the_plain_training(head: str) -> None:
    plain, other = (plain_step(head, torch.device("cuda")) for _ in range(2))
    expected, got = train(plain, plain), train(GraphStep(other, CudaCapture()), other)
    for a, b in zip(expected, got, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def test_a_step_skips_the_comparison_of_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It imports sympy, which takes as long as a short training."""

    def compared(*arguments: object, **named: object) -> None:
        raise AssertionError("shapes are compared")

    step = plain_step("sigmoid", torch.device("cpu"))
    monkeypatch.setattr("torch.autograd._make_grads", compared)
    step._add_gradients(torch.arange(8).expand(3, -1), None, 1.0)
    assert all(parameter.grad is not None for parameter in step.model.parameters())


@pytest.mark.parametrize("head", ["sigmoid", "pick_one"])
def test_a_batch_in_parts_is_the_batch(head: str) -> None:
    network = {"dropout": 0.0}
    whole, parts = (
        small.plain_step(torch.device("cpu"), head=head, network=network) for _ in range(2)
    )
    parts.n_parts = 3
    expected, found = small.train(whole, whole), small.train(parts, parts)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_a_step_clips_the_gradient_of_the_batch() -> None:
    cpu = torch.device("cpu")
    free, clipped = (
        small.plain_step(cpu, "sgd", {"momentum": 0.0}, network={"dropout": 0.0}) for _ in range(2)
    )
    clipped.clip_norm = 1e-3
    before = {name: value.clone() for name, value in free.model.state_dict().items()}
    for step in (free, clipped):
        step.optimizer.plan([0.0])
        step.optimizer.advance(0)
        step(torch.arange(16).expand(3, -1), None)
    moved = [
        sum(float((value[run] - before[name][run]).square().sum()) for name, value in state.items())
        for run, state in ((1, free.model.state_dict()), (1, clipped.model.state_dict()))
    ]
    # The rate of the second run is 0.02.
    assert moved[1] ** 0.5 == pytest.approx(0.02 * 1e-3, rel=1e-3)
    assert moved[0] > 100 * moved[1]


@pytest.mark.parametrize(
    ("optimizer", "values", "message"),
    [
        ("lbfgs", {"warmup": 0.1}, r"lbfgs takes no steps on batches: leave out trainer\.warmup"),
        (
            "lbfgs",
            {"compile": True},
            r"lbfgs takes no steps on batches: leave out trainer\.compile",
        ),
        ("lbfgs", {"clip_norm": 1.0, "accumulation": 2}, r"clip_norm, trainer\.accumulation"),
        ("adamw", {"accumulation": 2}, "compares the samples of a batch"),
    ],
)
def test_settings_that_need_steps_or_independent_samples(
    optimizer: str, values: dict[str, Any], message: str
) -> None:
    comparing = next(name for name in HEADS if HEADS[name].compares_samples)
    head = "sigmoid" if optimizer == "lbfgs" else comparing
    network = {"dropout": 0.0}
    model, data = small.model_and_data(torch.device("cpu"), head, network=network, n_runs=1)
    steps = OPTIMIZERS[optimizer](list(model.parameters()), [OPTIMIZERS.options(optimizer)])
    with pytest.raises(ConfigError, match=message):
        Training(model, data, small.splits(1), steps, [TrainerOptions(5, 8, **values)], [0])


def test_a_weighted_row_counts_as_often_as_its_weight() -> None:
    """The gradient against a loop over rows."""
    weights = torch.as_tensor(np.random.default_rng(1).integers(0, 4, 40)).double()
    step = plain_step("sigmoid", torch.device("cpu"), weights)
    step.model.eval()
    rows = torch.stack([torch.randperm(40)[:8] for _ in SEEDS])
    step.begin_epoch(8)
    step._add_gradients(rows, None, 1.0)
    gradients = [parameter.grad.clone() for parameter in step.model.parameters()]
    total = step.total.clone()
    step.model.zero_grad()
    expected = torch.zeros(3, dtype=torch.float64)
    for run, of_run in enumerate(rows):
        for row in of_run:
            batch = step.data.batch(row.expand(3, 1))
            loss = step.model.head.loss(step.model(batch.features), batch.targets)[run, 0]
            weighted = loss * weights[row]
            (weighted / 8).backward()
            expected[run] += weighted.detach()
    torch.testing.assert_close(total, expected)
    for gradient, parameter in zip(gradients, step.model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)
