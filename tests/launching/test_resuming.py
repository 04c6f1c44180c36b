"""What cannot be resumed is refused before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import mlc
from mlc.config.errors import RunFolderError
from mlc.launching.resuming import RequestedLaunch, check_resumable
from mlc.runs.folder import best_value
from mlc.train import main
from tests.conftest import Command, Outcome

Sweep = Callable[..., Outcome]
QUICK = ("trainer.max_epochs=1", "backbone.widths=[8]", "data=arff", "report.figures=false")


@pytest.fixture
def sweep(command: Command, write_arff: Callable[..., Path]) -> Sweep:
    path = write_arff()

    def start(*arguments: str) -> Outcome:
        return command(
            main, "-m", *QUICK, f"data.path={path}", "hydra.sweep.dir=s",
            "hydra.launcher.n_workers=1", *arguments,
        )  # fmt: skip

    return start


def change(run: Path, **values: Any) -> None:
    """Replace what the run's status says, by dotted keys with two underscores for dots."""
    status = json.loads((run / "status.json").read_text())
    for name, value in values.items():
        *parts, key = name.split("__")
        place = status
        for part in parts:
            place = place[part]
        place[key] = value
        if value is None:
            del place[key]
    (run / "status.json").write_text(json.dumps(status))


def test_another_version_is_refused_before_anything_is_trained(
    sweep: Sweep, tmp_path: Path
) -> None:
    assert sweep("seed=0,1").status == 0
    folder = tmp_path / "s/toy/sigmoid"
    for seed in (0, 1):
        change(folder / f"seed={seed}", identity__code="0.0.9 abcdef")
    # A run that is to be trained, another seed beside the old ones: one row of the table.
    for seeds in ("0,1,2", "2", "range(1,4)"):
        ended = sweep(f"seed={seeds}", "resume=true")
        assert ended.status == 1
        assert "was made by mlc 0.0.9, and this is mlc " + mlc.__version__ in ended.error
        assert "resume with mlc 0.0.9, or name another folder" in ended.error
        assert len(ended.error.strip().splitlines()) == 1
        assert not (folder / "seed=2").exists()
    # Other rows may lie beside them, and where nothing is to be trained the table is made again.
    assert sweep("seed=0,1", "resume=true").status == 0
    ended = sweep("seed=0", "head=powerset", "resume=true")
    assert ended.status == 0, ended.error
    ended = sweep("seed=2", "trainer.batch_size=8", "resume=true")
    assert ended.status == 0, ended.error
    assert len(pd.read_csv(tmp_path / "s/results.csv")["run"].unique()) == 4


def test_how_a_device_runs_a_step_is_no_setting_of_a_run(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep("seed=0").status == 0
    # As it was stored before there was such an option.
    change(tmp_path / "s/toy/sigmoid/seed=0", config__trainer__compile=None)
    ended = sweep("seed=0,1", "trainer.cuda_graphs=false", "resume=true")
    assert ended.status == 0, ended.error
    assert pd.read_csv(tmp_path / "s/results.csv")["seed"].nunique() == 2


def test_an_option_that_a_run_did_not_know_has_its_default_there(
    sweep: Sweep, tmp_path: Path
) -> None:
    assert sweep("seed=0").status == 0
    run = tmp_path / "s/toy/sigmoid/seed=0"
    change(
        run, config__trainer__clip_norm=None, config__trainer__accumulation=None,
        config__optimizer__betas=None, config__backbone__separate=None,
        config__decision__global__at_least_one=None, config__data__val_fraction=None,
    )  # fmt: skip
    before = (run / "status.json").read_bytes()
    ended = sweep("seed=0,1", "resume=true")
    assert ended.status == 0, ended.error
    assert (run / "status.json").read_bytes() == before
    assert pd.read_csv(tmp_path / "s/results.csv")["seed"].nunique() == 2


def test_another_seeds_settings_and_data_are_compared_too(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep("seed=0").status == 0
    run = tmp_path / "s/toy/sigmoid/seed=0"
    status = (run / "status.json").read_bytes()
    change(run, config__trainer__patience=3)
    ended = sweep("seed=1", "resume=true")
    assert ended.status == 1
    assert "was run with trainer.patience=3, and trainer.patience=null is asked" in ended.error
    (run / "status.json").write_bytes(status)
    change(run, identity__data="0" * 64)
    ended = sweep("seed=1", "head=powerset", "resume=true")
    assert ended.status == 1
    assert "was run on other data than 'toy' is now" in ended.error
    assert not (tmp_path / "s/toy/powerset").exists()


def test_old_runs_that_cannot_be_averaged_are_found_first(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep("seed=0,1", "head=powerset").status == 0
    change(tmp_path / "s/toy/powerset/seed=0", identity__code="0.0.9")
    ended = sweep("seed=0", "resume=true")
    assert ended.status == 1
    assert "cannot be averaged, their version of mlc differs" in ended.error
    assert not (tmp_path / "s/toy/sigmoid").exists()


def test_a_finished_sweep_is_not_launched_again(sweep: Sweep, tmp_path: Path) -> None:
    assert sweep("seed=0,1").status == 0
    table = tmp_path / "s/results.csv"
    before = table.stat().st_mtime_ns
    for asked, runs in (("seed=0,1", "all 2 runs"), ("seed=1", "the run")):
        ended = sweep(asked)
        assert ended.status == 1
        assert f"already holds {runs} of this sweep" in ended.error
        assert len(ended.error.strip().splitlines()) == 1
        assert ended.out == ""
    assert table.stat().st_mtime_ns == before
    # A search's folder is one, whatever is asked of it, even before its first run has finished.
    (tmp_path / "s/search.json").write_text('{"written_by": "mlc-search"}')
    ended = sweep("seed=2")
    assert ended.status == 1
    assert "already holds a search: continue it with resume=true" in ended.error


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"config": None}, "'config' is missing"),
        ({"identity": None}, "'identity' is missing"),
        ({"identity": []}, "'identity' is not an object"),
        ({"identity": {"data": 3, "code": "", "versions": {}}}, "'identity.data' is not text"),
        ({"seed": "0"}, "'seed' is not an integer"),
        ({"seed": True}, "'seed' is not an integer"),
        ({"overrides": "x"}, "'overrides' is not an object"),
        ({"config": {"data": {}}}, "'config.data.name' is missing"),
    ],
)
def test_a_status_without_what_is_needed_is_named(
    changed: dict[str, Any], message: str, tmp_path: Path
) -> None:
    whole = {
        "state": "completed", "run": "r", "data": "toy", "head": "sigmoid", "seed": 0,
        "overrides": {}, "monitor": "jaccard_samples",
        "config": {"data": {"name": "arff"}},
        "identity": {"data": "0", "code": "0.1.0", "versions": {}, "device": "cpu"},
    }  # fmt: skip
    (tmp_path / "status.json").write_text(json.dumps(whole))
    change(tmp_path, **changed)
    for read in (
        lambda: check_resumable(
            tmp_path, RequestedLaunch({"head": {"name": "sigmoid"}}, "toy", {}, {})
        ),
        lambda: mlc.load(tmp_path),
    ):
        with pytest.raises(RunFolderError) as told:
            read()
        assert str(told.value).startswith(f"{tmp_path / 'status.json'} is not that of a finished")
        assert message in str(told.value)


@pytest.mark.parametrize("content", ["{}", '{"train/best_value": "high"}', "[]", "{"])
def test_a_finished_run_without_its_best_value_is_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(content)
    with pytest.raises(RunFolderError) as told:
        best_value(tmp_path)
    assert str(told.value).startswith(f"{tmp_path / 'metrics.json'} ")
