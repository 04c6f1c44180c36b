"""Each optimiser step for step against its namesake in torch.optim, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import Parameter

from mlc.config.errors import ConfigError
from mlc.training.schedules import SCHEDULES
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
@pytest.mark.parametrize(("name", "options"), CASES)
def test_ten_steps_of_some_runs_are_those_of_torch(
    name: str, options: dict[str, Any], rates: list[float]
) -> None:
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
