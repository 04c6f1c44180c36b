"""A launch never costs a file that it did not write."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import OmegaConf

from mlc.launching.names import run_path
from mlc.predict import main as predict_main
from mlc.report import main as report_main
from mlc.train import main
from tests.conftest import Command, Outcome
from tests.torture.files import require_unchanged, snapshot

Launch = Callable[..., Outcome]
LAUNCHERS = ("fused", "basic")


@pytest.fixture
def launch(command: Command, write_arff: Callable[..., Path]) -> Launch:
    def start(*arguments: str) -> Outcome:
        stated = [
            "data=arff",
            "trainer.max_epochs=1",
            "backbone.widths=[4]",
            "report.figures=false",
        ]
        if not any(argument.startswith("data.path=") for argument in arguments):
            stated.append(f"data.path={write_arff()}")
        return command(main, *arguments, *stated)

    return start


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("theirs")


def refused(outcome: Outcome, folder: Path, before: dict[str, Any]) -> str:
    """The one sentence; nothing has been written, not even by Hydra."""
    assert outcome.status != 0
    assert "Traceback" not in outcome.error
    require_unchanged(before, folder)
    return outcome.error.strip().splitlines()[-1]


def test_a_run_in_a_folder_with_other_files_is_refused(launch: Launch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    put(home, ".env.local", ".gitlab-ci.yml", ".pre-commit-config.yaml", "t.csv")
    before = snapshot(home)
    said = refused(launch(f"hydra.run.dir={home}"), home, before)
    assert "holds .env.local and no run of mlc" in said
    assert snapshot(home) == before


@pytest.mark.parametrize(
    "name",
    [
        "results.csv", "baselines.csv", "summary.md", "jaccard_samples.png", "multirun.yaml",
    ],
)  # fmt: skip
def test_a_sweep_replaces_nothing_at_its_root(name: str, launch: Launch, tmp_path: Path) -> None:
    home = tmp_path / "home"
    put(home, name)
    before = snapshot(home)
    said = refused(launch("-m", "seed=0,1", f"hydra.sweep.dir={home}"), home, before)
    assert name in said
    assert snapshot(home) == before


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("subdir", ["", "${data.name}/seed=${seed}"])
def test_a_sweeps_jobs_use_no_folder_with_other_files(
    subdir: str, launcher: str, launch: Launch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    folder = "arff" if subdir else "toy/sigmoid"
    put(home, f"{folder}/seed=0/.hydra/config.yaml", f"{folder}/seed=0/train.log", "notes.txt")
    before = snapshot(home)
    stated = [f"hydra.sweep.subdir='{subdir}'"] if subdir else []
    outcome = launch(
        "-m", "seed=0,1", f"hydra.sweep.dir={home}", f"hydra/launcher={launcher}", *stated
    )
    assert "seed=0 holds .hydra and no run of mlc" in refused(outcome, home, before)
    assert not list(home.rglob("status.json"))


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(
    ("subdir", "folders"),
    [
        ("${hydra.job.num}", {"0", "1"}),
        ("'${hydra:job.num}'", {"0", "1"}),
        ("'x=${seed}'", {"x=3", "x=4"}),
        ("${hydra.job.override_dirname}", {"seed:3", "seed:4"}),
    ],
)
def test_the_folder_of_each_job_is_named_by_its_own_config(
    subdir: str, folders: set[str], launcher: str, launch: Launch, tmp_path: Path
) -> None:
    form = "hydra.job.config.override_dirname"
    others = "data,data.path,trainer.max_epochs,backbone.widths,report.figures,report.yardsticks"
    ended = launch(
        "-m", "seed=3,4", "hydra.sweep.dir=s", f"hydra.sweep.subdir={subdir}", "report.yardsticks=false",
        f"hydra/launcher={launcher}", f"{form}.kv_sep=:", f"{form}.exclude_keys=[{others}]",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    assert {path.name for path in (tmp_path / "s").iterdir() if path.is_dir()} == folders
    assert (tmp_path / "s" / "results.csv").is_file()


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_an_option_of_a_sweep_may_name_the_job(
    launcher: str, launch: Launch, tmp_path: Path
) -> None:
    ended = launch(
        "-m", "seed=3,4", "hydra.sweep.dir=s", "data.title='t${hydra:job.num} of ${hydra:sweep.dir}'",
        f"hydra/launcher={launcher}", "report.yardsticks=false",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    assert {path.name for path in (tmp_path / "s").iterdir() if path.is_dir()} == {
        "t0 of s", "t1 of s",
    }  # fmt: skip


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize(
    ("chosen", "given", "folders"),
    [
        ("first", [], {"one-3", "one-4"}),
        ("first,second", ["seed=3"], {"one-3", 'it\'s "two"-4'}),
        ("first,plain", ["seed=3"], {"one-3", "toy"}),
        ("first,second", ["seed=3", "hydra.sweep.subdir=${hydra.job.num}"], {"0", "1"}),
    ],
    ids=["one", "several", "some", "the command line wins"],
)
def test_the_folder_of_each_job_is_that_of_its_experiment(
    chosen: str, given: list[str], folders: set[str], launcher: str, launch: Launch, tmp_path: Path
) -> None:
    own = {
        "first": "one-${seed}",
        # Only this experiment has what its folder names.
        "second": 'it\'s "two"-${hydra.job.env_set.WIDTH}',
        "plain": None,
    }
    for name, subdir in own.items():
        hydra: dict[str, Any] = {} if subdir is None else {"sweep": {"subdir": subdir}}
        if name == "second":
            hydra["job"] = {"env_set": {"WIDTH": "4"}}
        path = tmp_path / "mine" / "experiment" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# @package _global_\n{OmegaConf.to_yaml({'hydra': hydra})}")
    ended = launch(
        "-m", f"--config-dir={tmp_path / 'mine'}", f"experiment={chosen}", *(given or ["seed=3,4"]),
        "hydra.sweep.dir=s", f"hydra/launcher={launcher}", "report.yardsticks=false",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    assert {path.name for path in (tmp_path / "s").iterdir() if path.is_dir()} == folders


@pytest.mark.parametrize("launcher", LAUNCHERS)
@pytest.mark.parametrize("link", ["toy", "toy/sigmoid/seed=0", "toy/sigmoid/seed=0/train.log"])
def test_links_below_a_sweeps_folder_are_not_followed(
    link: str, launcher: str, launch: Launch, tmp_path: Path
) -> None:
    home, disk = tmp_path / "home", tmp_path / "disk"
    path = home / link
    path.parent.mkdir(parents=True)
    if link.endswith(".log"):
        status = {"state": "failed", "run": "", "data": "toy", "head": "sigmoid", "seed": 0}
        (path.parent / "status.json").write_text(json.dumps(status))
        put(disk, "diary")
        path.symlink_to(disk / "diary")
    else:
        disk.mkdir()
        path.symlink_to(disk)
    before = snapshot(disk)
    outcome = launch("-m", "seed=0", f"hydra.sweep.dir={home}", f"hydra/launcher={launcher}")
    message = refused(outcome, disk, before)
    assert "is a symbolic link" in message
    assert "interpolation" not in message
    assert "choose one of" not in message
    assert snapshot(disk) == before


def test_own_folders_are_resumed_and_reported_again(launch: Launch, tmp_path: Path) -> None:
    """Behind a link that the user names, beside a user's files, by another launcher."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "sweep").symlink_to("disk")
    put(tmp_path / "disk", "notes.txt", ".env.local", "toy/mine.txt")
    before = snapshot(tmp_path / "disk")
    sweep = ("-m", "hydra.sweep.dir=sweep", "resume=true")
    for more in (["seed=0"], ["seed=0,1", "hydra/launcher=basic"], ["seed=0,1", "head=pick_one"]):
        outcome = launch(*sweep, *more)
        assert outcome.status == 0, outcome.error
    report_main(["sweep", "--metrics", "f1_macro"])
    report_main(["sweep", "--html"])
    report_main(["sweep", "--html"])
    assert pd.read_csv("sweep/results.csv")["run"].nunique() == 4
    put(tmp_path / "disk", "recall_micro.png")
    before |= snapshot(tmp_path / "disk")
    with pytest.raises(SystemExit):
        report_main(["sweep", "--metrics", "recall_micro"])
    require_unchanged(before, tmp_path / "disk")


def test_a_lone_run_may_be_tried_again_where_it_was_stopped(launch: Launch, tmp_path: Path) -> None:
    assert launch("hydra.run.dir=a", "data.path=nowhere").status == 1
    assert launch("hydra.run.dir=a").status == 0
    config = (tmp_path / "a" / ".hydra" / "config.yaml").read_bytes()
    again = launch("hydra.run.dir=a", "optimizer.lr=0.5")
    assert "already holds a finished run" in again.error
    # It keeps the config that it was run with.
    assert (tmp_path / "a" / ".hydra" / "config.yaml").read_bytes() == config


def test_a_launch_in_a_process_that_may_have_no_children(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the workers of a pool are."""
    settings: dict[str, Any] = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    monkeypatch.setitem(settings, "daemon", True)
    outcome = launch("-m", "seed=0", "hydra.sweep.dir=s")
    assert outcome.status == 0, outcome.error
    assert (tmp_path / "s" / "toy" / "sigmoid" / "seed=0" / "metrics.json").is_file()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"title": ".."}, "__"),
        ({"title": "../../etc"}, "_._.._etc"),
        ({"path": "...csv"}, "__"),
        ({"title": "results.csv"}, "_results.csv"),
        ({"path": "/data/my set.csv"}, "my_set"),
        ({"title": "é" * 100}, None),
    ],
)
def test_names_do_not_lead_out_of_the_sweeps_folder(
    data: dict[str, str], expected: str | None, tmp_path: Path
) -> None:
    config = OmegaConf.create(
        {
            "data": data, "head": {"name": "sigmoid"}, "seed": 0,
            "report": {"metrics": ["f1_macro"]},
            "hydra": {"overrides": {"task": ["+x=../../y", "seed=0"]}},
        }
    )  # fmt: skip
    path = run_path("x", _root_=config)
    assert path.count("/") == 2
    assert (tmp_path / path).resolve().is_relative_to(tmp_path)
    (tmp_path / path).mkdir(parents=True)
    if expected is not None:
        assert path == f"{expected}/sigmoid/seed=0,x=.._.._y"


def test_a_prediction_does_not_replace_what_it_reads(command: Command, tmp_path: Path) -> None:
    put(tmp_path, "new.csv")
    (tmp_path / "out.csv").symlink_to("new.csv")
    for output in ("new.csv", "out.csv"):
        ended = command(lambda o=output: predict_main(["run", "new.csv", "--output", o]))
        assert ended.status == 2
        assert "is the input file" in ended.error
    assert (tmp_path / "new.csv").read_text() == "theirs"
