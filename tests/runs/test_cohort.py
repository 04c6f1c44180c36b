"""Cohorts on data that leave a head little to learn from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from mlc.backbones.base import BACKBONES
from mlc.config.errors import TrainingError
from mlc.config.schema import Config, TrainerOptions
from mlc.data.base import SOURCES, DataOptions, Dataset
from mlc.heads.base import HEADS
from mlc.runs.cohort import train_cohort
from mlc.runs.recorder import Recorder, RunResult
from mlc.training.stacked import OPTIMIZERS


class Results(Recorder):
    """Keeps the result of each run of a cohort in memory."""

    def __init__(self) -> None:
        self.results: dict[int, RunResult] = {}

    def record(self, index: int, result: RunResult) -> str:
        """Keep the result."""
        self.results[index] = result
        return "kept"


def one_sided(options: Any) -> Dataset:
    """Label 0 is in no training row, label 1 in all of them, label 2 in no row; 3 and 4 are ordinary."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 3)).astype(np.float32)
    targets = np.hstack([np.zeros((60, 3)), features[:, :2]]) > 0
    targets[:40, 1], targets[40:, 0] = True, features[40:, 2] > 0
    parts = {"train": np.arange(40), "val": np.arange(40, 50), "test": np.arange(50, 60)}
    numeric = np.ones(3, dtype=bool)
    return Dataset("one-sided", features, targets, tuple("xyz"), tuple("abcde"), numeric, parts)


@pytest.mark.parametrize("head", HEADS)
def test_every_head_trains_where_labels_are_never_or_always_there(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SOURCES["digits"], "load", one_sided)
    more = {"grouped": {"groups": [[0, 3]]}}.get(head, {})
    config = Config(
        data=SOURCES.options("digits", absent_labels=DataOptions().absent_labels),
        backbone=BACKBONES.options("mlp", widths=[4]),
        head=HEADS.options(head, **more),
        optimizer=OPTIMIZERS.options("adam", lr=0.1),
        trainer=TrainerOptions(max_epochs=1, batch_size=8),
        decisions=["global", "per_label", "fixed", "cardinality", "mode", "expected_jaccard"],
        device="cpu",
    )
    recorder = Results()
    (outcome,) = train_cohort([config], recorder)
    assert not isinstance(outcome, Exception), outcome
    result = recorder.results[0]
    for name, value in result.model.named_parameters():
        assert value.isfinite().all(), name
    for scores in result.evaluation.scores.values():
        assert np.isfinite(scores).all()


def far_test_rows(options: Any) -> Dataset:
    data = one_sided(options)
    data.features[50:] *= 1e5
    return data


def test_a_run_that_fails_late_is_left_out_of_the_evaluation(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """In the second epoch; the weights of the first are too large for the test rows alone."""
    monkeypatch.setattr(SOURCES["digits"], "load", far_test_rows)
    configs = [
        Config(
            data=SOURCES.options("digits", absent_labels=DataOptions().absent_labels),
            backbone=BACKBONES.options("mlp", widths=[4], dropout=0.0, normalization="none"),
            head=HEADS.options("sigmoid"),
            optimizer=OPTIMIZERS.options("adamw", lr=lr, weight_decay=0.01, schedule="constant"),
            trainer=TrainerOptions(max_epochs=3, batch_size=40),
            decisions=["global"],
            device="cpu",
        )
        for lr in (0.01, 1e18)
    ]
    kept, failed = train_cohort(configs, Results())
    assert isinstance(kept, float)
    assert isinstance(failed, TrainingError)
    assert "epoch 2" in str(failed)
    assert "training each half again" not in caplog.text


def test_linear_algebra_has_the_threads_of_the_run_while_it_is_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Torch's limit of threads leaves those of NumPy and SciPy as they are."""

    def threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    class Threads(Results):
        def record(self, index: int, result: RunResult) -> str:
            self.seen = threads()
            return super().record(index, result)

    monkeypatch.setattr(SOURCES["digits"], "load", one_sided)
    config = Config(
        data=SOURCES.options("digits", absent_labels="keep"),
        backbone=BACKBONES.options("mlp", widths=[4]),
        head=HEADS.options("sigmoid"),
        optimizer=OPTIMIZERS.options("adam", lr=0.1),
        trainer=TrainerOptions(max_epochs=1, batch_size=8),
        decisions=["global"],
        device="cpu",
        threads=1,
    )
    recorder = Threads()
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        train_cohort([config], recorder)
        assert threads() == before
    assert recorder.seen == {1}
