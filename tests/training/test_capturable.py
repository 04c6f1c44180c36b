"""What a CUDA device would refuse or wait for, found on a device that poses as one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from torch import Tensor

from mlc.backbones.base import BACKBONES
from mlc.training.stacked import OPTIMIZERS as STACKED
from mlc.training.steps import GraphStep
from tests.posed import DEVICE, posing
from tests.training.small import CPU, cases, named, plain_step, train

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
    monkeypatch.setattr("mlc.training.steps._WARM_UP", 1)


def require_captured(**parts: Any) -> None:
    """A captured training is the plain one, and waits for nothing."""
    plain = plain_step(CPU, **parts)
    # A step before the capture, and two of which each is a replay.
    expected = train(plain, plain, (0, 8, 16, 24), 1)
    with posing() as device:
        posed = plain_step(DEVICE, **parts)
        found = train(GraphStep(posed, device.capture), posed, (0, 8, 16, 24), 1)
    require_equal(found, expected, 1e-9)


@pytest.mark.parametrize(("head", "options", "n_labels"), cases(3, 6, 20, 70), ids=named)
def test_every_heads_step_can_be_captured(
    head: str, options: dict[str, Any], n_labels: int
) -> None:
    simplest = {"backbone": "linear", "optimizer": "sgd"}
    require_captured(head=head, options=options, n_labels=n_labels, **simplest)


@pytest.mark.parametrize(("backbone", "network"), CAPTURED_BACKBONES, ids=named)
def test_every_backbones_step_can_be_captured(backbone: str, network: dict[str, Any]) -> None:
    require_captured(backbone=backbone, network=network)


@pytest.mark.parametrize(("optimizer", "settings"), OPTIMIZERS, ids=named)
def test_every_optimisers_step_can_be_captured(optimizer: str, settings: dict[str, Any]) -> None:
    require_captured(optimizer=optimizer, settings=settings)


def test_every_backbone_and_optimiser_is_tried() -> None:
    assert {name for name, _ in CAPTURED_BACKBONES} | set(NOT_CAPTURED) == set(BACKBONES)
    assert {name for name, _ in OPTIMIZERS} == set(STACKED)
