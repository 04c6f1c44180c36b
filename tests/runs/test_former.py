"""Runs that an earlier version wrote can be loaded, reported and resumed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import mlc
from mlc.reporting.collect import collect
from mlc.runs.former import read_status_file
from mlc.runs.provenance import differences
from mlc.train import main
from tests.conftest import Command

QUICK = ("trainer.max_epochs=1", "backbone.widths=[8]", "data=arff", "report.figures=false")


@pytest.fixture
def old_sweep(
    command: Command, write_arff: Callable[..., Path], tmp_path: Path
) -> Callable[..., None]:
    """Train seeds; `write_old` then gives every status the keys that an earlier version wrote."""
    path = write_arff()

    def start(*arguments: str) -> None:
        ended = command(
            main, "-m", *QUICK, f"data.path={path}", "data.title=fanfare", "hydra.sweep.dir=s",
            "hydra.launcher.n_workers=1", "decisions=[global,mode]", *arguments,
        )  # fmt: skip
        assert ended.status == 0, ended.error

    return start


def test_an_option_that_one_config_lacks_has_its_default_there() -> None:
    part = {"head": {"name": "focal"}, "trainer": {"patience": None}}
    of = {gamma: {**part, "head": {"name": "focal", "gamma": gamma}} for gamma in (2.0, 3.0)}
    assert list(differences(part, of[2.0])) == list(differences(of[2.0], part)) == []
    assert list(differences(part, of[3.0])) == [("head.gamma", 2.0, 3.0)]
    assert list(differences(of[3.0], {**part, "trainer": {}})) == [("head.gamma", 3.0, 2.0)]
    # Of a part that is not registered here, or an option that is gone, nothing is known.
    gone = {"head": {"name": "focal", "power": 1}}
    assert list(differences(gone, {"head": {"name": "focal"}})) == [("head.power", 1, None)]


def write_old(folder: Path) -> None:
    for path in folder.rglob("status.json"):
        status = json.loads(path.read_text())
        status["place"] = status.pop("index")
        config, overrides = status["config"], status["overrides"]
        config["rules"], overrides["rules"] = config.pop("decisions"), overrides.pop("decisions")
        data = config["data"]
        data["source"], data["name"] = data["name"], data.pop("title")
        path.write_text(json.dumps(status))


def test_an_earlier_versions_sweep_is_read_and_resumed(
    old_sweep: Callable[..., None], tmp_path: Path
) -> None:
    old_sweep("seed=0,1")
    run = tmp_path / "s/fanfare/sigmoid/seed=1"
    now = json.loads((run / "status.json").read_text())
    write_old(tmp_path / "s")
    assert json.loads((run / "status.json").read_text())["config"]["data"]["source"] == "arff"
    assert read_status_file(run / "status.json") == now
    loaded = mlc.load(run)
    assert (loaded.config.data.name, loaded.config.data.title) == ("arff", "fanfare")
    assert loaded.config.decisions == ["global", "mode"]
    results = collect(tmp_path / "s")
    assert sorted(results.overrides) == ["backbone.widths", "decisions", "trainer.max_epochs"]
    # The seeds of both versions are in one table, and the finished ones are not trained again.
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "s").rglob("checkpoint.safetensors")}
    old_sweep("seed=0,1,2", "resume=true")
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert len(pd.read_csv(tmp_path / "s/results.csv")["run"].unique()) == 3


@pytest.mark.parametrize(
    ("former", "now"),
    [
        (
            {
                "config": {"data": {"source": "arff", "name": "toy"}},
                "overrides": {"data.source": "arff", "data.name": "toy"},
            },
            {
                "config": {"data": {"name": "arff", "title": "toy"}},
                "overrides": {"data.name": "arff", "data.title": "toy"},
            },
        ),
        # The title alone was given on the command line.
        (
            {
                "config": {"data": {"source": "arff", "name": "toy"}},
                "overrides": {"data.name": "toy", "rules": "[mode]"},
            },
            {
                "config": {"data": {"name": "arff", "title": "toy"}},
                "overrides": {"data.title": "toy", "decisions": "[mode]"},
            },
        ),
        (
            {
                "config": {"data": {"name": "arff", "title": None}},
                "overrides": {"data.title": "toy"},
            },
            {
                "config": {"data": {"name": "arff", "title": None}},
                "overrides": {"data.title": "toy"},
            },
        ),
        # Both names, in either order: that of this version is what was run.
        (
            {
                "config": {"decisions": ["mode"], "rules": ["fixed"]},
                "overrides": {"rules": "[fixed]", "decisions": "[mode]"},
            },
            {"config": {"decisions": ["mode"]}, "overrides": {"decisions": "[mode]"}},
        ),
        (
            {"place": 1, "index": 2, "config": {"rules": ["fixed"], "decisions": ["mode"]}},
            {"index": 2, "config": {"decisions": ["mode"]}},
        ),
        (
            {"config": None, "overrides": 3, "place": 0},
            {"config": None, "overrides": 3, "index": 0},
        ),
    ],
)
def test_former_keys_are_those_of_this_version(
    former: dict[str, object], now: dict[str, object], tmp_path: Path
) -> None:
    path = tmp_path / "status.json"
    path.write_text(json.dumps(former))
    assert read_status_file(path) == now
