"""Sweeps on several devices: each in processes of its own, on devices that stand in for CUDA's."""

from __future__ import annotations

import os
import pickle
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch

from mlc.config.errors import ConfigError
from mlc.launching import fused, workers
from mlc.launching.overrides import fitted
from mlc.runs import cohort
from mlc.runs.recording import Run
from mlc.train import main
from mlc.training import assembly
from mlc.training.assembly import cuda_devices
from tests.conftest import Command, Outcome

QUICK = ("trainer.max_epochs=2", "backbone.widths=[8]", "data=arff", "report.figures=false")


@pytest.fixture
def two_devices(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[], dict[str, str]]:
    """Two devices whose processes train on the CPU; return the device of each process so far."""
    used = tmp_path / "used"
    used.mkdir()
    monkeypatch.setattr(assembly, "n_cuda_devices", lambda: 2)
    monkeypatch.setattr(cohort, "device_of", lambda _: torch.device("cpu"))
    monkeypatch.setattr(workers, "start_method", lambda: "fork")
    monkeypatch.setattr(
        workers, "use_device", lambda device: (used / str(os.getpid())).write_text(str(device))
    )
    return lambda: {path.name: path.read_text() for path in used.iterdir()}


@pytest.fixture
def sweep(command: Command, write_arff: Callable[..., Path]) -> Callable[..., Outcome]:
    def start(*arguments: str) -> Outcome:
        path = write_arff()
        return command(
            main, "-m", *QUICK, f"data.path={path}", "report.yardsticks=false", *arguments
        )

    return start


def test_each_device_trains_cohorts_with_the_numbers_of_the_cpu(
    two_devices: Callable[[], dict[str, str]], sweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    swept = "head=sigmoid,powerset", "seed=0,1", "hydra.launcher.max_runs=1"
    tables = []
    for device in ("cuda", "cpu"):
        ended = sweep(*swept, f"device={device}", f"hydra.sweep.dir={device}")
        assert ended.status == 0, ended.error
        table = pd.read_csv(tmp_path / device / "results.csv")
        tables.append(table.drop(columns=["train/seconds", "run"], errors="ignore"))
    # A process for each cohort.
    assert sorted(set(two_devices().values())) == ["0", "1"]
    assert len(two_devices()) == 4
    pd.testing.assert_frame_equal(*tables)


def test_several_processes_share_the_named_device(
    two_devices: Callable[[], dict[str, str]], sweep: Callable[..., Outcome]
) -> None:
    ended = sweep(
        "head=sigmoid,powerset", "hydra.launcher.per_device=2", "device=cuda:1", "hydra.sweep.dir=s"
    )
    assert ended.status == 0, ended.error
    assert list(two_devices().values()) == ["1", "1"]


def test_one_device_needs_no_further_process(
    two_devices: Callable[[], dict[str, str]], sweep: Callable[..., Outcome]
) -> None:
    assert sweep("head=sigmoid,powerset", "device=cuda:1", "hydra.sweep.dir=s").status == 0
    assert two_devices() == {}


def runs_on(*devices: str) -> list[list[Any]]:
    return [[SimpleNamespace(config=SimpleNamespace(device=device))] for device in devices]


def test_a_cohort_waits_for_a_device_that_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "n_cuda_devices", lambda: 2)
    waiting = list(enumerate(runs_on("cuda:0", "cuda:0", "cuda:0,1", "cpu")))
    order = [workers._next(waiting, device) for device in (1, 1, 1, 0, 0, 0)]
    assert [None if each is None else each[0] for each in order] == [2, 3, None, 0, 1, None]


def test_the_longest_cohort_is_first_and_all_devices_share_the_cut(
    monkeypatch: pytest.MonkeyPatch, sweep: Callable[..., Outcome]
) -> None:
    monkeypatch.setattr(assembly, "n_cuda_devices", lambda: 2)
    started: list[tuple[list[int], list[int]]] = []

    def look(cohorts: Sequence[Sequence[Run]], devices: Sequence[int], ended: Any) -> None:
        started.append(([len(runs) for runs in cohorts], list(devices)))
        pickle.loads(pickle.dumps([run.config for runs in cohorts for run in runs]))
        for number, runs in enumerate(cohorts):
            for index, _ in enumerate(runs):
                ended(number, index, ConfigError("not trained"))

    monkeypatch.setattr(fused, "train_on_devices", look)
    sweep("seed=range(9)", "device=cuda:0,1", "hydra.launcher.per_device=2", "hydra.sweep.dir=s")
    ((sizes, devices),) = started
    assert devices == [0, 1, 0, 1]
    assert len(sizes) > 1
    assert sum(sizes) == 9
    assert sizes == sorted(sizes, reverse=True)


def test_names_of_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "n_cuda_devices", lambda: 3)
    assert [cuda_devices(name) for name in ("auto", "cuda", "cuda:2,0", "cpu")] == [
        [0, 1, 2], [0, 1, 2], [0, 2], [],
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=re.escape("device=cuda:0,3 names the device 3")):
        cuda_devices("cuda:0,3")
    monkeypatch.setattr(assembly, "n_cuda_devices", lambda: 0)
    with pytest.raises(ConfigError, match="device=cuda:1, but torch finds no CUDA device"):
        cuda_devices("cuda:1")
    assert cuda_devices("auto") == []


def test_the_commas_of_devices_separate_no_values_of_a_sweep() -> None:
    assert fitted("device=cuda:0,2", is_sweep=True) == "device='cuda:0,2'"
    assert fitted("device=cpu,cuda", is_sweep=True) == "device=cpu,cuda"


def test_options_of_submitit_need_no_plus() -> None:
    argument = "hydra.launcher.parameters.timeout_min=5"
    assert fitted(argument, is_sweep=True) == f"++{argument}"
    assert fitted(f"+{argument}", is_sweep=True) == f"+{argument}"
