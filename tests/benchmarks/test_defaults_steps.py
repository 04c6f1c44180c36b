"""The search of epochs, batches and schedules: resumable, blind to test rows, its patience exact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import defaults_steps
from benchmarks.defaults_steps import PATIENCE, PLANS, Plan, Steps, epochs_until
from benchmarks.networks import training_of
from mlc.backbones.base import BACKBONES
from mlc.config.schema import Config, TrainerOptions
from mlc.heads.base import HEADS
from mlc.training.stacked import OPTIMIZERS
from tests.benchmarks.resuming import rows_measured_once
from tests.benchmarks.toy import toy

SMALL = {
    "default": Plan(0.05, 64, (Steps(0.003), Steps(0.01, "constant"))),
    "small batches": Plan(0.1, 32, (Steps(0.003),)),
}


def test_a_search_goes_on_and_test_rows_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(defaults_steps, "PLANS", SMALL)
    results = []
    for name, other_test_labels in (("one", False), ("other", True)):
        stored = tmp_path / f"{name}.csv"
        monkeypatch.setattr(defaults_steps, "STORED", stored)
        monkeypatch.setattr(defaults_steps, "load", lambda *_, other=other_test_labels: toy(other))
        arguments = ["--folder", ".", "--data", "flags", "--heads", "sigmoid", "pick_one"]
        results.append(rows_measured_once(defaults_steps.main, arguments, stored, capsys))
    assert results[0] == results[1]
    # Two seeds, two heads; 60 epochs are the default of few rows.
    assert [(row["plan"], row["epochs"]) for row in results[0]] == [
        *[("default", "3")] * 8, *[("small batches", "6")] * 4,
    ]  # fmt: skip


@pytest.mark.parametrize("patience", PATIENCE)
def test_the_patience_of_a_curve_is_that_of_the_loop(patience: int) -> None:
    dataset, splits = toy()
    config = Config(
        backbone=BACKBONES.options("mlp", widths=[8], dropout=0.0, normalization="none"),
        head=HEADS.options("sigmoid"),
        optimizer=OPTIMIZERS.options("adamw", lr=0.05, schedule="constant"),
        trainer=TrainerOptions(max_epochs=60, followed=[]),
    )
    curves = {}
    for value in (None, patience):
        run = replace(config, trainer=replace(config.trainer, patience=value))
        training, _ = training_of([run], dataset, splits[:1])
        metric = [float(epoch.values["val/jaccard_samples"]) for epoch in training]
        curves[value] = torch.tensor(metric, dtype=torch.float64), int(training.best_epoch[0])
    curve, _ = curves[None]
    stopped, best_epoch = curves[patience]
    assert len(stopped) < len(curve) == 60
    assert epochs_until(curve, patience) == len(stopped)
    assert best_epoch == 1 + int(np.argmax(stopped.numpy()))
    values = defaults_steps.monitored(curve)
    assert values[f"patience_{patience}"] == f"{stopped.max():.4f}"


def test_the_search_is_around_the_defaults() -> None:
    """A default that is not that of `mlc.training.defaults` would be compared with nothing."""
    from mlc.training.defaults import TABLE

    plan = PLANS["default"]
    for row in TABLE["mlp"]:
        assert Steps(row["optimizer.lr"], row["optimizer.schedule"]) in plan.runs
        assert row["trainer.batch_size"] == plan.batch_size
        assert row["backbone.normalization"] == plan.normalization
    assert plan.epochs == 1
