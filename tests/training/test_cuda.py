"""A CUDA device and its captured steps against the CPU."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlc.data import sample_rows
from mlc.evaluation.predictor import Predictor
from mlc.training.augmentation import Augmentation
from mlc.training.captured import CudaCapture, GraphStep, step_for
from mlc.training.checkpoint import load_run, save_run
from mlc.training.compiled import CompiledStep
from mlc.training.loop import Training
from tests.training import test_full_batch as full_batch
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
from tests.training.test_capturable import (
    CAPTURED_BACKBONES,
    NOT_CAPTURED,
    OPTIMIZERS,
    require_equal,
)

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device"),
]
CUDA = torch.device("cuda")
# Those on the device, by the joint, and some on the CPU, by scores that come from the device.
RULES = ("global", "cardinality", "mode", "expected_jaccard", "expected_f1")
EVERY_HEAD = pytest.mark.parametrize(("head", "options", "n_labels"), cases(6, 20), ids=named)


def require_captured(**parts: Any) -> None:
    """A captured training on CUDA is the plain one there, and that on the CPU."""
    plain, captured, on_cpu = (plain_step(device, **parts) for device in (CUDA, CUDA, CPU))
    expected = train(plain, plain, n_epochs=4)
    found = train(GraphStep(captured, CudaCapture()), captured, n_epochs=4)
    require_equal(found, expected, 1e-8)
    require_equal(expected, train(on_cpu, on_cpu, n_epochs=4), 1e-7)


@pytest.mark.parametrize(("head", "options", "n_labels"), cases(3, 6, 20, 70), ids=named)
def test_every_heads_captured_training_is_the_plain_one(
    head: str, options: dict[str, Any], n_labels: int
) -> None:
    require_captured(head=head, options=options, n_labels=n_labels)


@EVERY_HEAD
def test_every_heads_compiled_training_is_the_plain_one(
    head: str, options: dict[str, Any], n_labels: int
) -> None:
    plain, compiled = (
        plain_step(
            CUDA, head=head, options=options, n_labels=n_labels, network={"dropout": 0.3, "widths": [8]}
        )
        for _ in range(2)
    )  # fmt: skip
    expected = train(plain, plain, n_epochs=4)
    step = GraphStep(compiled, CudaCapture(), partial(CompiledStep, compiled))
    require_equal(train(step, compiled, n_epochs=4), expected, 1e-6)


@pytest.mark.parametrize(("backbone", "network"), CAPTURED_BACKBONES, ids=named)
def test_every_backbones_captured_training_is_the_plain_one(
    backbone: str, network: dict[str, Any]
) -> None:
    require_captured(backbone=backbone, network=network)


@pytest.mark.parametrize(("optimizer", "settings"), OPTIMIZERS, ids=named)
def test_every_optimisers_captured_training_is_the_plain_one(
    optimizer: str, settings: dict[str, Any]
) -> None:
    require_captured(optimizer=optimizer, settings=settings)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adagrad"])
@pytest.mark.parametrize("backbone", NOT_CAPTURED)
def test_other_backbones_take_the_plain_step(backbone: str, optimizer: str) -> None:
    parts = {"backbone": backbone, "optimizer": optimizer, **NOT_CAPTURED[backbone]}
    on_cuda, on_cpu = plain_step(CUDA, **parts), plain_step(CPU, **parts)
    assert step_for(on_cuda, graphs=True) is on_cuda
    require_equal(train(on_cuda, on_cuda), train(on_cpu, on_cpu), 1e-7)


@pytest.mark.parametrize("backbone", ["linear", "mlp"])
def test_sparse_rows_are_trained_as_on_the_cpu(backbone: str) -> None:
    on_cuda, on_cpu = (plain_step(d, backbone=backbone, sparse=True) for d in (CUDA, CPU))
    require_equal(train(on_cuda, on_cuda), train(on_cpu, on_cpu), 1e-7)


@pytest.mark.parametrize("rows", [full_batch.DENSE, full_batch.SPARSE], ids=["dense", "sparse"])
@pytest.mark.parametrize("head", ["sigmoid", "pick_one", "label_powerset", "pairwise"])
def test_lbfgs_finds_the_minimum_of_the_cpu(rows: np.ndarray, head: str) -> None:
    on_cuda, on_cpu = (
        full_batch.training(rows, [0.1, 1.0], head, device=device) for device in ("cuda", "cpu")
    )
    for own, other in zip(on_cuda, on_cpu, strict=True):
        np.testing.assert_allclose(own.values["loss/val"].cpu(), other.values["loss/val"], 1e-6)
    for own, other in zip(full_batch.fitted(on_cuda), full_batch.fitted(on_cpu), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-4)


def trained(device: torch.device, **parts: Any) -> tuple[Training, list[dict[str, Any]]]:
    found = training(device, **parts)
    values = [
        {name: value.cpu().numpy() for name, value in epoch.values.items()} for epoch in found
    ]
    return found, values


@EVERY_HEAD
def test_a_training_is_validated_judged_and_stored_as_on_the_cpu(
    head: str, options: dict[str, Any], n_labels: int, tmp_path: Path
) -> None:
    parts: dict[str, Any] = {"head": head, "options": options, "n_labels": n_labels}
    on_cuda, values = trained(CUDA, **parts)
    on_cpu, expected = trained(CPU, **parts)
    for own, other in zip(values, expected, strict=True):
        for name in other:
            np.testing.assert_allclose(own[name], other[name], 1e-6, 1e-6, err_msg=name)
    # From here on with the same weights, so that no tie is broken by the last digit of a weight.
    on_cuda.model.load_state_dict(on_cpu.model.state_dict())
    for own, other in zip(judged(on_cuda, RULES), judged(on_cpu, RULES), strict=True):
        np.testing.assert_allclose(own.scores["test"], other.scores["test"], 1e-9, 1e-9)
        for name, decided in other.decisions["test"].items():
            different = (own.decisions["test"][name] != decided).any(axis=1)
            assert different.mean() <= 0.1, name
    save_run(on_cuda.model, 1, tmp_path)
    alone, _ = model_and_data(CPU, n_runs=1, **parts)
    load_run(alone, tmp_path)
    for name, value in alone.state_dict().items():
        assert torch.equal(value[0], on_cpu.model.state_dict()[name][1]), name


@EVERY_HEAD
def test_an_ensemble_predicts_as_on_the_cpu(
    head: str, options: dict[str, Any], n_labels: int
) -> None:
    features = dataset(n_labels).features
    found: dict[str, list[np.ndarray]] = {}
    for device in (CPU, CUDA):
        model, _ = model_and_data(device, head, options, n_labels)
        for name, rule in rules(model.head, RULES).items():
            names = [str(k) for k in range(n_labels)]
            predictor = Predictor(model, scalings(n_labels, False, 3), rule, names)
            held_out = np.tile(np.arange(N_ROWS) >= N_TRAIN, (3, 1))
            predictor.fit_rule(features, dataset(n_labels).targets, held_out)
            found.setdefault(name, []).append(predictor.predict(features))
    for name, (on_cpu, on_cuda) in found.items():
        assert (on_cpu != on_cuda).any(axis=1).mean() <= 0.1, name


@EVERY_HEAD
def test_bfloat16_stays_finite(head: str, options: dict[str, Any], n_labels: int) -> None:
    found, values = trained(
        CUDA, precision="bfloat16", head=head, options=options, n_labels=n_labels
    )
    assert not found.failures
    for epoch in values:
        for name, value in epoch.items():
            assert np.isfinite(value).all(), name


@pytest.mark.parametrize("on_device", [True, False])
def test_images_are_gathered_and_changed_as_on_the_cpu(
    on_device: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not on_device:
        monkeypatch.setattr(sample_rows, "ON_DEVICE", 0.0)
    pixels = np.random.default_rng(0).integers(256, size=(64, 3 * 36), dtype=np.uint8)
    found = {}
    for device in (CPU, CUDA):
        rows = sample_rows.SampleRows(pixels, device, torch.float32)
        own = Augmentation(
            ["hflip", "vflip", "rotate90", "crop"], (3, 6, 6), 0, device, rows._dtype
        )
        own.begin_epoch(64)
        index = torch.randperm(64, generator=torch.Generator().manual_seed(0))[None].to(device)
        batches = index.split(10, dim=1)
        rows.prefetch(batches)
        found[device.type] = torch.cat([own(rows[batch]) for batch in batches], dim=1).cpu()
    torch.testing.assert_close(found["cuda"], found["cpu"], rtol=0, atol=1e-5)
