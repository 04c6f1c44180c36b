"""What a CUDA device would refuse or wait for, found on a device that poses as one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlc.backbones.base import BACKBONES
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.sweep import SortedScores
from mlc.training.captured import GraphStep
from mlc.training.stacked import OPTIMIZERS as STACKED
from mlc.training.steps import PlainStep
from tests.posed import DEVICE, posing
from tests.training.small import CPU, N_TRAIN, cases, named, plain_step, train

CAPTURED_BACKBONES: list[tuple[str, dict[str, Any]]] = [
    ("mlp", {"normalization": "batch", "widths": [8, 8]}),
    ("mlp", {"normalization": "layer", "activation": "gelu"}),
    ("mlp", {"separate": True}),
    ("linear", {}),
]
# Sparse rows, and a module that may do anything: these take the plain step.
NOT_CAPTURED: dict[str, dict[str, Any]] = {
    "embedding_bag": {"sparse": True, "network": {"width": 5}},
    # A module's own dropout draws on its device.
    "cnn": {"network": {"channels": [4], "dropout": 0.0}},
}
VALIDATION = torch.arange(N_TRAIN, N_TRAIN + 8).expand(3, -1)
OPTIMIZERS: list[tuple[str, dict[str, Any]]] = [
    ("sgd", {"nesterov": True, "weight_decay": 0.1}),
    ("sgd", {"momentum": 0.0}),
    ("adam", {"weight_decay": 0.1}),
    ("adamw", {}),
    ("adagrad", {}),
    ("adadelta", {}),
    ("rmsprop", {"momentum": 0.5}),
]


def require_equal(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, tolerance, tolerance, err_msg=name)


@pytest.fixture(autouse=True)
def one_step_before_the_capture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlc.training.captured._WARM_UP", 1)


def require_captured(validated: bool = True, **parts: Any) -> None:
    """A captured training and a validation are the plain ones, and wait for nothing.

    Args:
        validated: whether the validation may not wait.
        parts: of the cohort.
    """
    plain = plain_step(CPU, **parts)
    # A step before the capture, and two of which each is a replay.
    expected = train(plain, plain, (0, 8, 16, 24), 1) | validation(plain, VALIDATION)
    with posing() as device:
        posed = plain_step(DEVICE, **parts)
        found = train(GraphStep(posed, device.capture), posed, (0, 8, 16, 24), 1)
        rows = VALIDATION.to(DEVICE)
        with device.never_waited_for() if validated else contextlib.nullcontext():
            values = validation(posed, rows)
        found |= {name: value.cpu() for name, value in values.items()}
    require_equal(found, expected, 1e-9)


@torch.no_grad()
def validation(step: PlainStep, rows: Tensor) -> dict[str, Tensor]:
    """What is computed of validation rows at the end of an epoch."""
    model, data = step.model, step.data
    ((outputs, targets, _),) = model.outputs(data, rows)
    uniforms = torch.full_like(targets[..., 0], 0.4)
    scores = model.head.scores(outputs)
    return {"val/loss": model.head.loss(outputs, targets, uniforms), "val/scores": scores}


@pytest.mark.parametrize("head", ["sigmoid", "pick_one"])
def test_the_last_batch_of_an_epoch_is_captured_too(head: str) -> None:
    plain = plain_step(CPU, head=head)
    expected = train(plain, plain)
    with posing() as device:
        posed, captures = plain_step(DEVICE, head=head), []

        def capture(work: Callable[[], None]) -> Callable[[], None]:
            captures.append(work)
            return device.capture(work)

        found = train(GraphStep(posed, capture), posed)
    require_equal(found, expected, 1e-9)
    assert len(captures) == 2


def waits_for_each_label(head: str, n_labels: int) -> bool:
    """Beam search widens its lists where a set needs it, and asks once for each label."""
    return head == "chain" and n_labels > 16


@pytest.mark.parametrize(("head", "options", "n_labels"), cases(3, 6, 20, 70), ids=named)
def test_every_heads_step_can_be_captured(
    head: str, options: dict[str, Any], n_labels: int
) -> None:
    parts = {"head": head, "options": options, "n_labels": n_labels}
    waits = waits_for_each_label(head, n_labels)
    require_captured(not waits, backbone="linear", optimizer="sgd", **parts)


@pytest.mark.parametrize(("backbone", "network"), CAPTURED_BACKBONES, ids=named)
def test_every_backbones_step_can_be_captured(backbone: str, network: dict[str, Any]) -> None:
    require_captured(backbone=backbone, network=network)


@pytest.mark.parametrize(("optimizer", "settings"), OPTIMIZERS, ids=named)
def test_every_optimisers_step_can_be_captured(optimizer: str, settings: dict[str, Any]) -> None:
    require_captured(optimizer=optimizer, settings=settings)


def test_every_backbone_and_optimiser_is_tried() -> None:
    # A pretrained network needs files; tests/backbones/test_pretrained.py trains one.
    tried = {name for name, _ in CAPTURED_BACKBONES} | {*NOT_CAPTURED, "pretrained"}
    assert tried == set(BACKBONES)
    assert {name for name, _ in OPTIMIZERS} == {*STACKED} - {"lbfgs"}


def test_the_metrics_that_are_followed_wait_for_nothing() -> None:
    draw = torch.Generator().manual_seed(0)
    scores = torch.rand(3, 20, 5, generator=draw, dtype=torch.float64)
    targets = torch.rand(3, 20, 5, generator=draw) < scores
    with posing() as device:
        posed = scores.to(DEVICE), targets.to(DEVICE)
        with device.never_waited_for():
            ranked = SortedScores(*posed)
            found = {name: ranked.best(metric)[1] for name, metric in COUNT_METRICS.items()}
        ordinary = SortedScores(scores, targets)
        for name, metric in COUNT_METRICS.items():
            assert torch.equal(found[name].cpu(), ordinary.best(metric)[1]), name
