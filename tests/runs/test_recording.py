"""The recorder of runs that are stored in folders."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.backbones.base import BACKBONES
from mlc.config.errors import BeingTrainedError
from mlc.config.schema import Config, TrainerOptions
from mlc.config.sharing import Shared
from mlc.data.base import SOURCES, Dataset
from mlc.decisions.base import DECISIONS
from mlc.files.names import STATUS
from mlc.heads.base import HEADS
from mlc.runs import recording
from mlc.runs.folder import BASELINES, FILES, RunFacts, read_status, read_stored
from mlc.runs.recording import Run, train_runs
from mlc.training.stacked import OPTIMIZERS


def toy(options: Any) -> Dataset:
    features = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    numeric = np.ones(3, dtype=bool)
    parts = {"train": np.arange(40), "test": np.arange(40, 60)}
    targets = features[:, :2] > 0
    return Dataset("toy", features, targets, tuple("xyz"), ("a", "b"), numeric, parts)


def run(folder: Path, seed: int, lr: float) -> Run:
    config = Config(
        seed=seed,
        data=SOURCES.options("digits"),
        backbone=BACKBONES.options("mlp", widths=[4]),
        head=HEADS.options("sigmoid"),
        optimizer=OPTIMIZERS.options("adamw", lr=lr),
        decision={name: DECISIONS.options(name) for name in DECISIONS},
        trainer=TrainerOptions(max_epochs=1),
        device="cpu",
    )
    return Run(config, folder / f"{seed},{lr}", RunFacts(f"{seed},{lr}", "toy", "sigmoid", seed))


def test_linear_models_are_asked_for_once_per_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SOURCES["digits"], "load", toy)
    splits: list[bytes] = []

    def judge(dataset: Any, split: Any, *rest: Any) -> dict[str, dict[str, float]]:
        splits.append(split.val.tobytes())
        return {"linear_svm": {"test/global/f1_macro": float(len(splits))}}

    monkeypatch.setattr(recording, "judge_yardsticks", judge)
    runs = [run(tmp_path, seed, lr) for seed in (0, 1) for lr in (0.01, 0.1)]
    outcomes = train_runs(runs)
    assert all(isinstance(outcome, float) for outcome in outcomes), outcomes
    assert len(splits) == len(set(splits)) == 2
    stored = [read_stored(one.folder / BASELINES) for one in runs]
    values = [baselines["linear_svm"]["test/global/f1_macro"] for baselines in stored]
    assert values == [1, 1, 2, 2]


def test_a_run_is_held_until_the_last_line_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Lines are kept out of the log of a run that another process holds, be it only to look at it."""
    monkeypatch.setattr(SOURCES["digits"], "load", toy)
    monkeypatch.setattr(recording, "judge_yardsticks", lambda *_: {})
    fine, failing = run(tmp_path, 0, 0.01), run(tmp_path, 1, 1e30)
    said: dict[str, str] = {}

    class Lines(recording.FolderRecorder):
        def _release(self, index: int) -> None:
            said[self.name(index)] = caplog.messages[-1]
            super()._release(index)

    monkeypatch.setattr(recording, "FolderRecorder", Lines)
    with caplog.at_level("INFO"):
        train_runs([fine, failing])
    assert said.keys() == {"0,0.01", "1,1e+30"}
    assert "finished, test" in said["0,0.01"]
    assert "1,1e+30 failed" in said["1,1e+30"] or "loss is" in said["1,1e+30"]
    assert not list(tmp_path.rglob(".lease*"))


def test_a_run_is_finished_after_its_files_are_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that stops must not leave a finished run with empty files."""
    monkeypatch.setattr(SOURCES["digits"], "load", toy)
    monkeypatch.setattr(recording, "judge_yardsticks", lambda *_: {})
    one = run(tmp_path, 0, 0.01)
    stored: list[int] = []
    before: set[str] = set()

    def fsync(descriptor: int) -> None:
        is_finished = read_status(one.folder)["state"] == "completed"
        inodes = {path.stat().st_ino: path.name for path in one.folder.iterdir()}
        assert not is_finished
        stored.append(os.fstat(descriptor).st_ino)
        before.update(inodes[inode] for inode in stored if inode in inodes)

    monkeypatch.setattr(os, "fsync", fsync)
    assert isinstance(train_runs([one])[0], float)
    assert read_status(one.folder)["state"] == "completed"
    assert before >= set(FILES)
    assert stored[-1] == (one.folder / STATUS).stat().st_ino


def test_a_run_whose_folder_is_deleted_while_it_is_stored_is_not_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written after that makes the folder anew, without the files before."""
    monkeypatch.setattr(SOURCES["digits"], "load", toy)
    monkeypatch.setattr(recording, "judge_yardsticks", lambda *_: {})
    one, write = run(tmp_path, 0, 0.01), recording.write_results

    def deleted(folder: Path, *results: Any) -> None:
        shutil.rmtree(folder)
        write(folder, *results)

    monkeypatch.setattr(recording, "write_results", deleted)
    (outcome,) = train_runs([one])
    assert isinstance(outcome, BeingTrainedError)
    assert read_status(one.folder) is None


def test_a_part_that_changes_its_options_changes_those_of_no_other_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SOURCES["digits"], "load", toy)
    monkeypatch.setattr(recording, "judge_yardsticks", lambda *_: {})
    rule, found = DECISIONS["fixed"], list[float | None]()
    begin = rule.__init__

    def changing(self: Any, options: Any, *rest: Any) -> None:
        found.append(options.threshold)
        options.threshold = 0.25
        begin(self, options, *rest)

    monkeypatch.setattr(rule, "__init__", changing)
    shared = Shared()
    runs = [run(tmp_path, seed, 0.01) for seed in (0, 1)]
    runs = [replace(one, config=shared.with_parts(one.config)) for one in runs]
    assert runs[0].config.decision is runs[1].config.decision
    assert all(isinstance(outcome, float) for outcome in train_runs(runs))
    # The rule of each run, when it is built first.
    assert found[:2] == [None, None]
    assert runs[0].config.decision["fixed"].threshold is None
