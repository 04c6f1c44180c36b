"""Several processes in one folder: no run is trained twice, and none is left."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlc.launching import fused
from mlc.launching.workers import train_here
from mlc.report import main as report_main
from mlc.runs.leases import LEASE, renewing
from mlc.runs.leases.files import chain
from mlc.runs.leases.owner import Owner, this_process
from mlc.tracking.tensorboard import RunLog
from mlc.train import main
from tests.conftest import Command, Outcome
from tests.runs.leases.others import elsewhere, leave, running

Sweep = Callable[..., Outcome]
QUICK = ("trainer.max_epochs=1", "backbone.widths=[8]", "data=arff", "report.figures=false")


@pytest.fixture
def sweep(command: Command, write_arff: Callable[..., Path], tmp_path: Path) -> Sweep:
    where = [f"data.path={write_arff()}", f"hydra.sweep.dir={tmp_path / 's'}"]

    def start(*arguments: str) -> Outcome:
        return command(main, "-m", *QUICK, *where, "seed=0,1", *arguments)

    return start


@pytest.fixture
def other() -> Iterator[Owner]:
    """A process on this machine that lives as long as the test."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield running(process.pid)
        process.communicate(b"\n")


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Owners elsewhere are gone after 0.2 seconds."""
    monkeypatch.setattr(renewing, "BEAT", 0.02)
    monkeypatch.setattr(sys.modules["mlc.runs.leases.holding"], "STALE", 0.2)
    monkeypatch.setattr(sys.modules["mlc.runs.leases.holding"], "_POLL", 0.01)


def in_this_process(cohorts: Any, n_workers: int, ended: Any) -> None:
    train_here(cohorts, ended)


def status(folder: Path) -> Any:
    return json.loads((folder / "status.json").read_text())


@pytest.mark.parametrize(
    "launcher", ["fused", "fused here", "basic", pytest.param("joblib", marks=pytest.mark.slow)]
)
def test_a_run_that_another_process_trains_is_neither_failed_nor_finished(
    launcher: str,
    sweep: Sweep,
    other: Owner,
    command: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if launcher == "fused here":
        monkeypatch.setattr(fused, "train_in_workers", in_this_process)
    held = tmp_path / "s/toy/sigmoid/seed=1"
    lease = leave(held, other)
    ended = sweep(f"hydra/launcher={launcher.split()[0]}")
    said = ended.out + ended.error
    assert ended.status == 0, said
    assert "Error" not in said
    if launcher != "joblib":  # whose processes count, and write logs, for themselves
        assert f"toy/sigmoid/seed=1 is being trained by {other}" in said
        assert "2 of 2 runs ended, 1 being trained by other processes" in said
    assert f"1 being trained and not counted:\ntoy/sigmoid/seed=1: by {other}" in ended.out
    last = ended.out.splitlines()[-2]
    assert last.startswith(f"1 run is being trained by {other}; afterwards mlc-report /")
    assert set(pd.read_csv(tmp_path / "s/results.csv")["seed"]) == {0}
    if "fused" in launcher:
        assert [path.name for path in held.iterdir()] == [LEASE]
    told = command(report_main, "s")
    assert "1 being trained and not counted" in told.out
    lease.unlink()
    assert sweep("resume=true").status == 0
    assert set(pd.read_csv(tmp_path / "s/results.csv")["seed"]) == {0, 1}


def test_a_single_run_is_left_to_its_process(
    command: Command, write_arff: Callable[..., Path], other: Owner, tmp_path: Path
) -> None:
    leave(tmp_path / "run", other)
    ended = command(main, *QUICK, f"data.path={write_arff()}", "hydra.run.dir=run")
    assert ended.status == 0, ended.error
    assert f"1 run is being trained by {other}" in ended.out
    assert not (tmp_path / "run/metrics.json").exists()


@pytest.mark.parametrize("launcher", ["fused", "basic"])
def test_the_runs_of_a_machine_that_is_gone_are_trained(
    launcher: str, sweep: Sweep, soon: None, tmp_path: Path
) -> None:
    folder = tmp_path / "s/toy/sigmoid"
    for seed in (0, 1):
        leave(folder / f"seed={seed}", elsewhere())
    ended = sweep(f"hydra/launcher={launcher}", "resume=true")
    assert ended.status == 0, ended.error
    assert "a sign of life of process 4711 on node7" in ended.out + ended.error
    for seed in (0, 1):
        assert status(folder / f"seed={seed}")["state"] == "completed"
        assert not list((folder / f"seed={seed}").glob(f"{LEASE}*"))


def test_what_another_process_finishes_meanwhile_is_not_trained(
    sweep: Sweep, other: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sweep().status == 0
    folder = tmp_path / "s/toy/sigmoid/seed=1"
    finished = tmp_path / "finished"
    folder.rename(finished)
    leave(folder, other)

    def finish(folders: list[Path]) -> list[Path]:
        assert folders == [folder] or not folders
        if folders:
            shutil.rmtree(folder)
            finished.rename(folder)
        return folders

    monkeypatch.setattr(fused, "wait_for_free", finish)
    before = (finished / "metrics.json").stat().st_mtime_ns
    ended = sweep("resume=true")
    assert ended.status == 0, ended.error
    assert "toy/sigmoid/seed=1 was finished before" in ended.out
    assert (folder / "metrics.json").stat().st_mtime_ns == before
    assert len(list(folder.glob("events*"))) == 1


def test_a_process_that_lost_a_run_leaves_it_as_it_is(
    sweep: Sweep, other: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one that was suspended while another process took the run over."""
    folder = tmp_path / "s/toy/sigmoid/seed=1"
    write = RunLog.epoch

    def take_over(log: RunLog, epoch: Any) -> None:
        write(log, epoch)
        if log._folder == folder:
            leave(folder, other, chain(folder)[-1].follower)
            (folder / "status.json").write_text('{"state": "running", "own": "the other\'s"}')

    monkeypatch.setattr(RunLog, "epoch", take_over)
    ended = sweep("hydra.launcher.n_workers=1")
    assert (ended.status, ended.error) == (0, "")
    assert f"toy/sigmoid/seed=1 is being trained by {other}" in ended.out
    assert status(folder) == {"state": "running", "own": "the other's"}
    kept = {path.name for path in folder.iterdir() if not path.name.startswith(LEASE)}
    assert kept <= {"status.json", "train.log", ".hydra"}
    assert len(chain(folder)) == 2
    assert set(pd.read_csv(tmp_path / "s/results.csv")["seed"]) == {0}


def test_a_finished_run_is_not_trained_for_the_company_of_what_others_train(
    sweep: Sweep, other: Owner, tmp_path: Path
) -> None:
    assert sweep("hydra.launcher.n_workers=1").status == 0
    folder = tmp_path / "s/toy/sigmoid"
    shutil.rmtree(folder / "seed=1")
    leave(folder / "seed=1", other)
    log = (folder / "seed=0/train.log").read_text()
    assert sweep("hydra.launcher.n_workers=1", "resume=true").status == 0
    more = (folder / "seed=0/train.log").read_text().removeprefix(log)
    assert [line.partition("] ")[2] for line in more.splitlines()] == [
        "toy/sigmoid/seed=0 was finished before"
    ]


def test_a_lease_that_a_finished_run_was_left_with_goes(sweep: Sweep, tmp_path: Path) -> None:
    """Its process was killed between its last file and the lease's end."""
    assert sweep().status == 0
    folder = tmp_path / "s/toy/sigmoid/seed=0"
    leave(folder, dataclasses.replace(this_process(), process=2**22 + 1))
    assert sweep("resume=true").status == 0
    assert not (folder / LEASE).exists()


def test_a_job_of_another_process_returns_nan(
    sweep: Sweep, other: Owner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweeper that optimises must not take it for a value."""
    returned = []
    end = fused._end

    def watched(launcher: Any, job: Any, outcome: Any) -> None:
        end(launcher, job, outcome)
        returned.append(job.result.return_value)

    monkeypatch.setattr(fused, "_end", watched)
    leave(tmp_path / "s/toy/sigmoid/seed=1", other)
    assert sweep().status == 0
    assert sorted(map(math.isnan, returned)) == [False, True]
