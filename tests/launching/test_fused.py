"""A fused sweep gives what the same jobs give one after another, and a job fails alone."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from omegaconf import DictConfig

import mlc
from hydra_plugins.mlc_fused_launcher import FusedLauncher
from mlc.config.errors import ConfigError
from mlc.launching import workers
from mlc.launching.fused import Job, group, launch
from mlc.tracking.tensorboard import RunLog
from mlc.train import main
from mlc.training.grouping import cohort_key
from tests.conftest import REPOSITORY, Command, Outcome, exit_status, toy_arff

Write = Callable[..., Path]
QUICK = ("trainer.max_epochs=2", "backbone.widths=[8]", "data=arff", "report.figures=false")


@pytest.fixture
def sweep(command: Command, write_arff: Write) -> Callable[..., Outcome]:
    def start(*arguments: str) -> Outcome:
        return command(main, "-m", *QUICK, f"data.path={write_arff()}", *arguments)

    return start


def statuses(folder: Path) -> dict[str, Any]:
    return {
        path.parent.name: json.loads(path.read_text())
        for path in sorted(folder.rglob("status.json"))
    }


SWEPT = (
    "head=sigmoid,powerset", "seed=0,1", "optimizer.lr=0.01,0.1",
    "backbone.dropout=0.1", "trainer.precision=float64",
)  # fmt: skip


def test_fused_and_basic_give_the_same(sweep: Callable[..., Outcome], tmp_path: Path) -> None:
    tables = {}
    for launcher in ("fused", "basic"):
        ended = sweep(f"hydra/launcher={launcher}", f"hydra.sweep.dir={launcher}", *SWEPT)
        assert ended.status == 0, ended.error
        tables[launcher] = pd.read_csv(tmp_path / launcher / "results.csv")
    numbers = tables["basic"].select_dtypes("number").columns
    assert len(numbers) > 30
    assert tables["fused"]["run"].tolist() == tables["basic"]["run"].tolist()
    np.testing.assert_allclose(tables["fused"][numbers], tables["basic"][numbers], atol=1e-9)
    run = "toy/powerset/seed=1,optimizer.lr=0.1"
    for file in (".hydra/config.yaml", ".hydra/overrides.yaml", "history.csv"):
        assert (tmp_path / "fused" / run / file).is_file()
    fused, basic = ((tmp_path / kind / run / ".hydra/hydra.yaml").read_text() for kind in tables)
    assert "num: 7" in fused
    # What is left after the lines that name the launcher or its folder.
    told = [
        [line for line in text.splitlines() if "fused" not in line and "basic" not in line]
        for text in (fused, basic)
    ]
    assert told[0][-30:] == told[1][-30:]
    log = (tmp_path / "fused" / run / "train.log").read_text()
    assert f"{run} finished" in log
    assert "toy/powerset/seed=0" not in log


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_job_fails_alone(n_workers: int, sweep: Callable[..., Outcome], tmp_path: Path) -> None:
    ended = sweep(
        "seed=0,1,2", "optimizer=sgd", "optimizer.lr=0.1,1e30", "hydra.sweep.dir=s",
        f"hydra.launcher.n_workers={n_workers}",
    )  # fmt: skip
    assert ended.status == 1
    found = statuses(tmp_path / "s")
    for name, status in found.items():
        assert status["state"] == ("failed" if "1e+30" in name else "completed")
    assert "lower optimizer.lr" in found["seed=0,optimizer.lr=1e+30"]["error"]
    assert "3 failed and are not counted" in ended.out
    assert len(pd.read_csv(tmp_path / "s" / "results.csv")) == 3 * 3


@pytest.mark.parametrize("launcher", ["fused", "basic"])
def test_a_sweep_warns_once_of_absent_labels(
    launcher: str, command: Command, write_arff: Write, tmp_path: Path
) -> None:
    rows = [f"{i % 2},{int(i == 7)},{i % 5},{i % 2}" for i in range(60)]
    ended = command(
        main, "-m", *QUICK, f"data.path={write_arff(rows=rows)}", f"hydra/launcher={launcher}",
        "head=sigmoid,margin", "seed=0,1", "hydra.sweep.dir=s",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    said = " ".join((ended.out + ended.error).split())
    assert said.count("1 of 2 labels has no positive in some part") == 1
    log = (tmp_path / "s/toy/margin/seed=0/train.log").read_text()
    assert log.count("no positive in some part") == (launcher == "fused")


def test_a_run_that_breaks_its_cohort_is_found_by_halves(
    sweep: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = RunLog.epoch

    def broken(log: RunLog, epoch: Any) -> None:
        if log._folder.name == "seed=3":
            raise RuntimeError("made to break")
        write(log, epoch)

    monkeypatch.setattr(RunLog, "epoch", broken)
    # A defect, so its traceback is shown, but only after all other runs are done.
    with pytest.raises(RuntimeError, match="made to break"):
        sweep("seed=range(6)", "hydra.sweep.dir=s", "hydra.launcher.n_workers=1")
    found = statuses(tmp_path / "s")
    assert {name for name, status in found.items() if status["state"] == "failed"} == {"seed=3"}
    assert found["seed=3"]["error"] == "RuntimeError: made to break"
    assert "made to break" in (tmp_path / "s/toy/sigmoid/seed=3/train.log").read_text()
    history = pd.read_csv(tmp_path / "s/toy/sigmoid/seed=4/history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert len(list((tmp_path / "s/toy/sigmoid/seed=4").glob("*tfevents.1*"))) == 1


def test_a_worker_that_is_killed_fails_its_runs_alone(
    sweep: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = workers.train_runs

    def killed(runs: Any, *arguments: Any) -> Any:
        if runs[0].config.head.name == "powerset":
            os.kill(os.getpid(), signal.SIGKILL)
        return train(runs, *arguments)

    monkeypatch.setattr(workers, "train_runs", killed)
    ended = sweep("head=powerset,sigmoid", "hydra.sweep.dir=s")
    assert ended.status == 1
    states = {
        path.parent.parent.name: json.loads(path.read_text())
        for path in (tmp_path / "s").rglob("status.json")
    }
    assert states["sigmoid"]["state"] == "completed"
    assert "exit code -9" in states["powerset"]["error"]


def test_cohorts_as_submitits_jobs(sweep: Callable[..., Outcome], tmp_path: Path) -> None:
    ended = sweep(
        "hydra/launcher=fused_submitit", "hydra.launcher.cluster=local", "head=sigmoid,pick_one",
        "seed=0,1", "optimizer=sgd", "optimizer.lr=0.1,1e30", "hydra.sweep.dir=s",
    )  # fmt: skip
    assert ended.status == 1
    assert "Submitted 2 jobs to local" in ended.out
    states = [status["state"] for status in statuses(tmp_path / "s").values()]
    table = pd.read_csv(tmp_path / "s" / "results.csv")
    assert set(states) == {"completed", "failed"}
    assert len(table) == 4 * 3
    assert set(table["head"]) == {"sigmoid", "pick_one"}


@pytest.mark.slow
def test_hydras_own_submitit_launcher(sweep: Callable[..., Outcome], tmp_path: Path) -> None:
    ended = sweep(
        "hydra/launcher=submitit_local", "hydra.launcher.timeout_min=5", "seed=0,1",
        "hydra.sweep.dir=s",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    assert [run["state"] for run in statuses(tmp_path / "s").values()] == ["completed"] * 2
    assert set(pd.read_csv(tmp_path / "s" / "results.csv")["seed"]) == {0, 1}


def test_jobs_that_share_a_folder_are_refused(sweep: Callable[..., Outcome]) -> None:
    ended = sweep("seed=0,1", "hydra.sweep.dir=s", "hydra.sweep.subdir=same")
    assert ended.status == 2
    assert "Two jobs of the sweep would write to" in ended.error


def test_a_finished_run_is_kept_and_the_others_are_trained(
    sweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    assert sweep("seed=0", "hydra.sweep.dir=s").status == 0
    before = (tmp_path / "s/toy/sigmoid/seed=0/metrics.json").read_bytes()
    ended = sweep("seed=0,1", "hydra.sweep.dir=s")
    assert ended.status == 1
    assert "already holds a finished run" in ended.out
    assert (tmp_path / "s/toy/sigmoid/seed=0/metrics.json").read_bytes() == before
    assert all(status["state"] == "completed" for status in statuses(tmp_path / "s").values())


class TestResuming:
    """The same sweep again, in the same folder."""

    def again(self, sweep: Callable[..., Outcome], *arguments: str) -> Outcome:
        return sweep("seed=0,1", "hydra.sweep.dir=s", "resume=true", *arguments)

    @pytest.fixture(scope="class")
    def trained(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A sweep of two runs to copy."""
        folder = tmp_path_factory.mktemp("trained")
        stated = (f"data.path={toy_arff(folder)}", "seed=0,1", f"hydra.sweep.dir={folder / 's'}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
            assert exit_status(main, ["-m", *QUICK, *stated], patch) == 0
        return folder / "s"

    @pytest.fixture
    def folder(self, trained: Path, tmp_path: Path) -> Path:
        """A sweep of two runs, the second of which did not come to its end."""
        folder = shutil.copytree(trained, tmp_path / "s") / "toy/sigmoid"
        status = json.loads((folder / "seed=1/status.json").read_text())
        (folder / "seed=1/status.json").write_text(json.dumps({**status, "state": "running"}))
        (folder / "seed=1/metrics.json").write_text("{")
        return folder

    @pytest.mark.parametrize("launcher", ["fused", "basic", "joblib"])
    def test_it_trains_what_is_left_and_ends_the_same(
        self, launcher: str, folder: Path, sweep: Callable[..., Outcome], tmp_path: Path
    ) -> None:
        whole = (tmp_path / "s/results.csv").read_bytes()
        (tmp_path / "s/results.csv").unlink()
        before = (folder / "seed=0/metrics.json").stat().st_mtime_ns
        assert self.again(sweep, f"hydra/launcher={launcher}").status == 0
        assert (folder / "seed=0/metrics.json").stat().st_mtime_ns == before
        table = pd.read_csv(tmp_path / "s/results.csv")
        if launcher == "fused":
            assert (tmp_path / "s/results.csv").read_bytes() == whole
        assert sorted(set(table["seed"])) == [0, 1]
        assert len(list((folder / "seed=1").glob("*tfevents.1*"))) == 1

    def test_other_settings_are_refused(
        self, folder: Path, sweep: Callable[..., Outcome], tmp_path: Path
    ) -> None:
        stored = (folder / "seed=0/.hydra/config.yaml").read_bytes()
        for launcher in ("fused", "basic"):
            ended = self.again(sweep, "trainer.batch_size=7", f"hydra/launcher={launcher}")
            assert ended.status == 1
            assert "was run with trainer.batch_size=64, and trainer.batch_size=7" in ended.error
        assert (folder / "seed=0/.hydra/config.yaml").read_bytes() == stored

    def test_other_data_are_refused(
        self, folder: Path, sweep: Callable[..., Outcome], write_arff: Write
    ) -> None:
        other = folder.parents[2] / "other"
        other.mkdir()
        write_arff(n=50).with_suffix(".arff").rename(other / "toy.arff")
        ended = self.again(sweep, f"data.path={other}/toy")
        assert ended.status == 1
        assert "was run on other data than 'toy' is now (fingerprint " in ended.error

    def test_more_seeds_may_be_added_and_other_heads_lie_beside(
        self, folder: Path, sweep: Callable[..., Outcome]
    ) -> None:
        assert sweep("seed=0,1,2", "hydra.sweep.dir=s", "resume=true").status == 0
        ended = sweep("head=powerset", "trainer.batch_size=7", "hydra.sweep.dir=s", "resume=true")
        assert ended.status == 0, ended.error


def test_what_can_be_trained_together(
    sweep: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[list[Any]] = []

    def look(cohorts: list[list[Any]], *arguments: Any) -> None:
        groups.extend(cohorts)
        raise KeyboardInterrupt

    monkeypatch.setattr("mlc.launching.fused.train_in_workers", look)
    interrupted = sweep(
        "head=sigmoid,powerset", "seed=range(2)", "optimizer.lr=0.1,0.2", "backbone.dropout=0,0.5",
        "trainer.batch_size=8,16", "hydra.sweep.dir=s", "hydra.launcher.max_runs=3",
    )  # fmt: skip
    assert interrupted.status == 130
    assert len(groups) == 4 * 3
    assert sorted(len(runs) for runs in groups) == sorted([3, 3, 2] * 4)
    for runs in groups:
        assert len({cohort_key(run.config) for run in runs}) == 1
        assert len({(run.config.head.name, run.config.trainer.batch_size) for run in runs}) == 1


def test_cohorts_are_cut_where_the_sweep_ends_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlc.training.grouping.cohort_key", lambda config: config.key)
    monkeypatch.setattr("mlc.training.grouping.run_seconds", lambda config: (0.1, 1.0))
    configs = [
        SimpleNamespace(key=key, optimizer=SimpleNamespace(lr=place % 2))
        for place, key in enumerate("aaaaabbb")
    ]
    jobs = [Job(*[None] * 5, SimpleNamespace(config=own)) for own in configs]  # type: ignore[arg-type, list-item]
    rates = [[job.run.config.optimizer.lr for job in own] for own in group(jobs, 64, n_workers=1)]  # type: ignore[union-attr]
    assert rates == [[0, 0, 0, 1, 1], [0, 1, 1]]
    sizes = [len(members) for members in group(jobs, max_runs=64, n_workers=2)]
    assert sizes == [4, 3, 1]
    assert [len(members) for members in group(jobs, max_runs=2, n_workers=1)] == [2, 2, 2, 1, 1]
    grouped = [job for members in group(jobs, max_runs=64, n_workers=2) for job in members]
    assert sorted(map(id, grouped)) == sorted(map(id, jobs))


@pytest.mark.parametrize("option", ["max_runs=0", "n_workers=-1", "n_workers=0", "per_device=0"])
def test_numbers_of_the_launcher_below_one_are_refused(option: str) -> None:
    key, value = option.split("=")
    options = {"max_runs": 64, "n_workers": None, "per_device": 1, key: int(value)}
    with pytest.raises(ConfigError, match=rf"hydra\.launcher\.{option} is out of range"):
        launch(FusedLauncher(**options), [["head=sigmoid"]], 0)


def test_other_hydra_applications_import_the_plugins_unharmed() -> None:
    code = (
        "from hydra import compose, initialize\n"
        "with initialize(version_base='1.3'):\n"
        "    print(compose(overrides=['hydra/launcher=fused'], return_hydra_config=True)"
        ".hydra.launcher.max_runs)"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert (told.stdout.strip(), told.stderr) == ("64", "")


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_sweep_on_cuda(sweep: Callable[..., Outcome], tmp_path: Path) -> None:
    ended = sweep("head=sigmoid,powerset", "seed=0,1", "device=cuda", "hydra.sweep.dir=s")
    assert ended.status == 0, ended.error
    assert len(pd.read_csv(tmp_path / "s" / "results.csv")) == 2 * 3 + 2 * 4
    for status in (tmp_path / "s").rglob("status.json"):
        loaded = [mlc.load(status.parent, device=device) for device in ("cpu", "cuda")]
        features = np.random.default_rng(0).normal(size=(50, loaded[0].n_features))
        on_cpu, on_cuda = (run.scores(features) for run in loaded)
        np.testing.assert_allclose(on_cuda, on_cpu, atol=1e-4)
        assert (loaded[0].predict(features) == loaded[1].predict(features)).mean() > 0.95


def test_a_setting_that_makes_other_data_may_be_swept(command: Command, tmp_path: Path) -> None:
    ended = command(
        main, "-m", "data=digits", "data.n_train=60,120", "data.n_test=30", "trainer.max_epochs=1",
        "backbone.widths=[8]", "report.figures=false", f"hydra.sweep.dir={tmp_path / 's'}",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    results = pd.read_csv(tmp_path / "s/results.csv")
    assert set(results["data.n_train"]) == {60, 120}


def test_a_sweep_holds_no_config_of_each_job(
    sweep: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of 5,000 jobs filled 2 GB."""
    held = []

    def count(cohorts: Any, n_workers: int, ended: Any) -> None:
        gc.collect()
        held.append(sum(isinstance(each, DictConfig) for each in gc.get_objects()))
        for number, runs in enumerate(cohorts):
            for index in range(len(runs)):
                ended(number, index, 0.5)

    monkeypatch.setattr("mlc.launching.fused.train_in_workers", count)
    for n_jobs in (2, 12):
        assert sweep(f"seed=range({n_jobs})", f"hydra.sweep.dir=s{n_jobs}").status == 0
    assert held[1] <= held[0] + 10
