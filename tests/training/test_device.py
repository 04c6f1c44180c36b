"""Training, validation and decisions on a device that poses as CUDA: as on the CPU, nothing mixed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlc.decisions.base import DECISIONS
from mlc.evaluation.predictor import Predictor
from mlc.heads.base import HEADS, JointHead
from mlc.training.captured import GraphStep, step_for
from mlc.training.checkpoint import load_run, save_run
from tests.posed import DEVICE, posing
from tests.training.small import (
    CPU,
    N_ROWS,
    N_TRAIN,
    cases,
    dataset,
    judged,
    model_and_data,
    named,
    plain_step,
    rules,
    scalings,
    train,
    training,
)
from tests.training.test_capturable import CAPTURED_BACKBONES, NOT_CAPTURED, require_equal

JOINT = [name for name in HEADS if issubclass(HEADS[name], JointHead)]
# Scores that are marginals, shares, and only an order.
SCORES = [("sigmoid", 3), ("sigmoid", 6), ("sigmoid", 20), ("sigmoid", 70), ("pick_one", 6),
          ("two_way", 6)]  # fmt: skip


@pytest.mark.parametrize(
    ("head", "n_labels"),
    [*((head, k) for head, own, k in cases(3, 6, 20, 70) if head in JOINT and not own), *SCORES],
)
def test_every_rule_decides_on_the_device(head: str, n_labels: int) -> None:
    by_joint = [n for n, rule in DECISIONS.items() if "joint" in rule.needs]
    names = by_joint if head in JOINT else list(DECISIONS)
    # Enough for `auto` to try every candidate, which takes its time.
    rows = torch.arange(
        N_TRAIN, N_ROWS if (head, n_labels) == ("pick_one", 6) else N_TRAIN + 6
    ).expand(3, -1)
    model, data = model_and_data(CPU, head, n_labels=n_labels, backbone="linear")
    ((outputs, targets, _),) = model.outputs(data, rows)
    expected = {
        name: rule.fit(prediction := model.head.predict(outputs), targets).decide(prediction)
        for name, rule in rules(model.head, names).items()
    }
    with posing():
        model, data = model_and_data(DEVICE, head, n_labels=n_labels, backbone="linear")
        ((outputs, targets, _),) = model.outputs(data, rows.to(DEVICE))
        for name, rule in rules(model.head, names).items():
            prediction = model.head.predict(outputs)
            decided = rule.fit(prediction, targets).decide(prediction)
            assert torch.equal(decided.cpu(), expected[name]), name


@pytest.mark.parametrize("backbone", [*NOT_CAPTURED, "sparse mlp", "sparse linear"])
def test_what_is_not_captured_trains_as_on_the_cpu(backbone: str) -> None:
    parts = NOT_CAPTURED.get(backbone, {"sparse": True})
    parts = {"backbone": backbone.split()[-1], **parts}
    plain = plain_step(CPU, **parts)
    expected = train(plain, plain, n_epochs=1)
    with posing():
        posed = plain_step(DEVICE, **parts)
        require_equal(train(posed, posed, n_epochs=1), expected, 1e-9)
    plain.data.device = torch.device("cuda")
    assert step_for(plain, graphs=True) is plain


@pytest.mark.parametrize(("backbone", "network"), CAPTURED_BACKBONES, ids=named)
def test_what_can_be_captured_is(backbone: str, network: dict[str, Any]) -> None:
    plain = plain_step(CPU, backbone=backbone, network=network)
    plain.data.device = torch.device("cuda")
    assert isinstance(step_for(plain, graphs=True), GraphStep)
    assert step_for(plain, graphs=False) is plain


@pytest.mark.parametrize(
    "parts",
    [{"head": "powerset", "n_labels": 3}, {"head": "pick_one", **NOT_CAPTURED["embedding_bag"]}],
    ids=["dense", "sparse"],
)
def test_a_run_is_trained_judged_stored_and_used_as_on_the_cpu(
    parts: dict[str, Any], tmp_path: Path
) -> None:
    if "sparse" in parts:
        parts = {"backbone": "embedding_bag", **parts}
    names = ("global", "expected_f1", "mode")
    on_cpu = training(CPU, **parts)
    expected = [epoch.values for epoch in on_cpu]
    with posing() as device:
        posed = training(DEVICE, **parts)
        device.waits.clear()
        values = list(posed)
        # Once each epoch for runs that failed and once for runs that go on, beside rows and rates.
        assert device.waits.count("aten._local_scalar_dense.default") <= len(values)
        assert device.waits.count("aten.nonzero.default") <= len(values)
        for own, other in zip(values, expected, strict=True):
            require_equal({n: value.cpu() for n, value in own.values.items()}, other, 1e-9)
        for own, other in zip(judged(posed, names), judged(on_cpu, names), strict=True):
            assert own.metrics == pytest.approx(other.metrics, abs=1e-9)
        features = dataset(posed.model.head.n_labels, "sparse" in parts).features
        found = [predicted(own, features) for own in (posed, on_cpu)]
        assert (found[0] == found[1]).all()
        save_run(posed.model, 1, tmp_path)
    alone, _ = model_and_data(CPU, n_runs=1, dtype=torch.float64, **parts)
    load_run(alone, tmp_path)
    for name, value in alone.state_dict().items():
        np.testing.assert_allclose(value[0], on_cpu.model.state_dict()[name][1], 1e-9, 1e-9)


def predicted(found: Any, features: Any) -> np.ndarray:
    """An ensemble's label sets, by the mean of its runs' probabilities."""
    model, is_joint = found.model, isinstance(found.model.head, JointHead)
    (rule,) = rules(model.head, ["mode" if is_joint else "global"]).values()
    n_labels = model.head.n_labels
    own = scalings(n_labels, not found.data.fixed_shapes, 3)
    predictor = Predictor(model, own, rule, [str(k) for k in range(n_labels)])
    held_out = np.tile(np.arange(N_ROWS) >= N_TRAIN, (3, 1))
    predictor.fit_rule(features, dataset(n_labels).targets, held_out)
    return predictor.predict(features)
