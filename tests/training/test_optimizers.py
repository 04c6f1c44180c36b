"""Each optimiser step for step against its namesake in torch.optim, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import Parameter

from mlc.config.errors import ConfigError
from mlc.training import optimizers
from mlc.training.schedules import SCHEDULES, warmed_up
from mlc.training.stacked import OPTIMIZERS

REFERENCES: dict[str, type[torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "adadelta": torch.optim.Adadelta,
    "rmsprop": torch.optim.RMSprop,
}
CASES = [
    *((name, {}) for name in REFERENCES),
    *((name, {"weight_decay": 0.1}) for name in REFERENCES),
    ("sgd", {"momentum": 0.0}),
    ("sgd", {"momentum": 0.8, "nesterov": True, "weight_decay": 0.05}),
    ("rmsprop", {"momentum": 0.7}),
    ("adam", {"betas": [0.5, 0.9], "eps": 1e-3}),
    ("adadelta", {"rho": 0.5}),
]


def gradient(run: int, step: int) -> torch.Tensor:
    draw = torch.Generator().manual_seed(100 * run + step)
    return torch.randn(3, 2, generator=draw, dtype=torch.float64)


# L-BFGS takes no steps on batches: test_full_batch.py.
@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if OPTIMIZERS[name].stacked])
def test_every_optimiser_updates_a_run_as_if_alone(name: str) -> None:
    start = torch.randn(3, 2, 4, dtype=torch.float64)
    rates = (1e-3, 1e-2, 0.1)
    runs = [OPTIMIZERS.options(name, lr=lr, weight_decay=lr) for lr in rates]
    together, alone = Parameter(start.clone()), Parameter(start[1:2].clone())
    stacked, single = OPTIMIZERS[name]([together], runs), OPTIMIZERS[name]([alone], runs[1:2])
    for step in range(5):
        together.grad = start * (step + 1)
        alone.grad = together.grad[1:2].clone()
        stacked.step(step / 5)
        single.step(step / 5)
    torch.testing.assert_close(together[1:2], alone, rtol=1e-13, atol=1e-13)
    assert (together != start).all()


@pytest.mark.parametrize(
    "rates", [[1e-3, 1e-2, 0.3], [1e-2] * 3, [1e-3] * 3 + [0.3] * 5], ids=["own", "same", "two"]
)
@pytest.mark.parametrize("least_weights", [0, optimizers._LEAST_WEIGHTS], ids=["large", "small"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_ten_steps_of_some_runs_are_those_of_torch(
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    options: dict[str, Any],
    rates: list[float],
    least_weights: int,
) -> None:
    monkeypatch.setattr(optimizers, "_LEAST_WEIGHTS", least_weights)
    n_runs = len(rates)
    start = torch.randn(
        n_runs, 3, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    stacked = Parameter(start.clone())
    optimizer = OPTIMIZERS[name](
        [stacked], [OPTIMIZERS.options(name, lr=lr, **options) for lr in rates]
    )
    defaults = {
        k: v for k, v in vars(OPTIMIZERS.options(name)).items() if k not in ("name", "schedule")
    }
    singles = [Parameter(run.clone()) for run in start]
    references = [
        REFERENCES[name]([single], **{**defaults, **options, "lr": lr})
        for single, lr in zip(singles, rates, strict=True)
    ]
    for step in range(10):
        stacked.grad = torch.stack([gradient(run, step) for run in range(n_runs)])
        optimizer.step()
        for run, (single, reference) in enumerate(zip(singles, references, strict=True)):
            single.grad = gradient(run, step)
            reference.step()
        torch.testing.assert_close(
            stacked.detach(), torch.stack([s.detach() for s in singles]), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_starts_at_one_and_scales_the_rate(schedule: str) -> None:
    parameter = Parameter(torch.zeros(2, 1, 1))
    options = [
        OPTIMIZERS.options("sgd", lr=lr, momentum=0.0, schedule=schedule) for lr in (1.0, 2.0)
    ]
    optimizer = OPTIMIZERS["sgd"]([parameter], options)
    assert SCHEDULES[schedule](0.0) == 1
    for progress in (0.0, 0.5, 0.9):
        before = parameter.detach().clone()
        parameter.grad = torch.ones_like(parameter)
        optimizer.step(progress)
        factor = SCHEDULES[schedule](progress)
        torch.testing.assert_close(
            (before - parameter).detach().flatten(), torch.tensor([factor, 2 * factor])
        )
        torch.testing.assert_close(optimizer.learning_rates, torch.tensor([factor, 2 * factor]))


def test_schedules_are_those_of_torch() -> None:
    parameter = Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    for step in range(10):
        assert SCHEDULES["cosine"](step / 10) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        cosine.step()
    assert SCHEDULES["linear"](0.25) == 0.75


def test_options_that_cannot_differ_between_runs_are_refused() -> None:
    options = [OPTIMIZERS.options("adam", eps=eps) for eps in (1e-8, 1e-3)]
    with pytest.raises(ConfigError, match=r"optimizer.eps must be the same"):
        OPTIMIZERS["adam"]([Parameter(torch.zeros(2, 1, 1))], options)


def test_a_warm_up_is_that_of_transformers() -> None:
    transformers = pytest.importorskip("transformers", reason="the reference of the schedules")
    for name, reference in (
        ("cosine", transformers.get_cosine_schedule_with_warmup),
        ("linear", transformers.get_linear_schedule_with_warmup),
    ):
        optimizer = torch.optim.SGD([Parameter(torch.zeros(1))], lr=1.0)
        expected = reference(optimizer, num_warmup_steps=5, num_training_steps=20)
        rates = []
        for _ in range(20):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            expected.step()
        factor = warmed_up(SCHEDULES[name], 0.25)
        assert [factor(step / 20) for step in range(20)] == pytest.approx(rates)
    assert warmed_up(SCHEDULES["linear"], 0.0) is SCHEDULES["linear"]


@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.parametrize("n_runs", [1, 5])
def test_a_factor_scales_the_rate_of_some_parameters(name: str, n_runs: int) -> None:
    parameters = [Parameter(torch.ones(n_runs, 3, dtype=torch.float64)) for _ in range(2)]
    options = OPTIMIZERS.options(name, lr=0.1, weight_decay=0.1)
    stacked = OPTIMIZERS[name](parameters, [options] * n_runs)
    stacked.scale_rates(parameters[1:], 0.01)
    expected = [Parameter(torch.ones(3, dtype=torch.float64)) for _ in range(2)]
    groups = [{"params": [expected[0]]}, {"params": [expected[1]], "lr": 0.001}]
    if name == "adamw":
        torch_optimizer: Any = torch.optim.AdamW(groups, lr=0.1, weight_decay=0.1)
    else:
        torch_optimizer = torch.optim.SGD(groups, lr=0.1, weight_decay=0.1, momentum=0.9)
    for step in range(4):
        for parameter, other in zip(parameters, expected, strict=True):
            other.grad = torch.tensor([1.0, -2.0, step], dtype=torch.float64)
            parameter.grad = other.grad.expand(n_runs, 3).clone()
        stacked.step()
        torch_optimizer.step()
    for parameter, other in zip(parameters, expected, strict=True):
        torch.testing.assert_close(parameter.detach(), other.detach().expand(n_runs, 3))


@pytest.mark.parametrize("sparse", [False, True])
def test_a_gradient_is_clipped_run_by_run_as_by_torch(sparse: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    parameters = [Parameter(torch.zeros(3, 4, 2, dtype=torch.float64)) for _ in range(2)]
    scales = torch.tensor([0.01, 1.0, 100.0], dtype=torch.float64).view(3, 1, 1)
    gradients = [
        scales * torch.randn(3, 4, 2, generator=generator, dtype=torch.float64) for _ in range(2)
    ]
    stacked = OPTIMIZERS["sgd"](parameters, [OPTIMIZERS.options("sgd")] * 3)
    parameters[0].grad = gradients[0].clone()
    parameters[1].grad = gradients[1].to_sparse(2) if sparse else gradients[1].clone()
    stacked.clip(1.5)
    for run in range(3):
        alone = [Parameter(torch.zeros(4, 2, dtype=torch.float64)) for _ in range(2)]
        for parameter, gradient in zip(alone, gradients, strict=True):
            parameter.grad = gradient[run].clone()
        torch.nn.utils.clip_grad_norm_(alone, 1.5)
        for parameter, other in zip(parameters, alone, strict=True):
            assert parameter.grad is not None
            dense = parameter.grad.to_dense() if parameter.grad.is_sparse else parameter.grad
            torch.testing.assert_close(dense[run], other.grad)


@pytest.mark.parametrize("rates", [[0.1], [0.1] * 4 + [0.2] * 4], ids=["one run", "two rates"])
@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_weights_with_gaps_between_them_are_those_of_torch(name: str, rates: list[float]) -> None:
    n_runs = len(rates)
    memory = torch.zeros(6, 2 * n_runs, dtype=torch.float64)
    weights = Parameter(memory[::2, ::2].t())
    stacked = OPTIMIZERS[name]([weights], [OPTIMIZERS.options(name, lr=lr) for lr in rates])
    singles = [Parameter(torch.zeros(3, dtype=torch.float64)) for _ in rates]
    decay = 0.01 if name == "adamw" else 0.0
    groups = [{"params": [single], "lr": lr} for single, lr in zip(singles, rates, strict=True)]
    reference = torch.optim.AdamW(groups, weight_decay=decay)
    for step in range(3):
        weights.grad = torch.stack([gradient(run, step)[:, 0] for run in range(n_runs)])
        for single, own in zip(singles, weights.grad.clone(), strict=True):
            single.grad = own
        stacked.step()
        reference.step()
    torch.testing.assert_close(weights.detach(), torch.stack([s.detach() for s in singles]))
    assert not memory[1::2].any()
    assert not memory[:, 1::2].any()


@pytest.mark.parametrize("least_weights", [0, optimizers._LEAST_WEIGHTS], ids=["large", "small"])
@pytest.mark.parametrize("name", REFERENCES)
def test_a_parameter_without_a_gradient_in_some_steps_is_that_of_torch(
    monkeypatch: pytest.MonkeyPatch, name: str, least_weights: int
) -> None:
    monkeypatch.setattr(optimizers, "_LEAST_WEIGHTS", least_weights)
    rates = [0.01, 0.02]
    weights = [Parameter(torch.ones(2, 3, 2, dtype=torch.float64)) for _ in range(3)]
    defaults = vars(OPTIMIZERS.options(name))
    options = {k: v for k, v in defaults.items() if k not in ("name", "schedule", "lr")}
    stacked = OPTIMIZERS[name](weights, [OPTIMIZERS.options(name, lr=lr) for lr in rates])
    singles = [[Parameter(torch.ones(3, 2, dtype=torch.float64)) for _ in weights] for _ in rates]
    references = [
        REFERENCES[name](own, lr=lr, **options) for own, lr in zip(singles, rates, strict=True)
    ]
    missed = {1: (0, 1, 4), 2: (2, 3)}
    for step in range(7):
        for place, parameter in enumerate(weights):
            has_none = step in missed.get(place, ())
            own = torch.stack([gradient(run + 10 * place, step) for run in range(2)])
            parameter.grad = None if has_none else own
            for run in range(2):
                singles[run][place].grad = None if has_none else own[run].clone()
        stacked.step()
        for reference in references:
            reference.step()
    for place, parameter in enumerate(weights):
        expected = torch.stack([own[place].detach() for own in singles])
        torch.testing.assert_close(parameter.detach(), expected, rtol=1e-12, atol=1e-12)


def test_a_sparse_gradient_without_the_runs_axis_is_clipped() -> None:
    found = []
    for sparse in (True, False):
        table = torch.nn.Embedding(5, 3, sparse=sparse)
        torch.nn.init.ones_(table.weight)
        stacked = OPTIMIZERS["sgd"](
            [table.weight], [OPTIMIZERS.options("sgd", momentum=0.0)], {table.weight}
        )
        (table(torch.tensor([1, 1, 4])) * torch.arange(3)).sum().backward()
        stacked.clip(0.5)
        stacked.step()
        found.append(table.weight.detach())
    torch.testing.assert_close(*found)
