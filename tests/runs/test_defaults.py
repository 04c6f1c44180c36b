"""A run's folder holds the values of the defaults, and is resumed with or without them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlc.train import main
from mlc.training import defaults
from tests.conftest import Command, Outcome

Sweep = Callable[..., Outcome]
SHORT = ("trainer.max_epochs=1", "report.figures=false", "report.yardsticks=false")


@pytest.fixture
def sweep(command: Command, write_arff: Callable[..., Path]) -> Sweep:
    path = write_arff()

    def start(*arguments: str) -> Outcome:
        return command(
            main, "-m", *SHORT, "data=arff", f"data.path={path}", "hydra.sweep.dir=s",
            "hydra.launcher.n_workers=1", *arguments,
        )  # fmt: skip

    return start


def status(run: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        Path("s/toy/sigmoid", run, "status.json").read_text(encoding="utf-8")
    )
    return content


def test_numbers_are_stored_and_reported_and_what_is_given_wins(sweep: Sweep) -> None:
    ended = sweep("backbone.widths=[8]", "optimizer.lr=auto,0.5")
    assert ended.status == 0, ended.error
    found = {path.parent.name: status(path.parent.name) for path in Path("s").rglob("status.json")}
    rates = {name: each["config"]["optimizer"]["lr"] for name, each in found.items()}
    assert sorted(rates.values()) == [0.003, 0.5]
    for name, each in found.items():
        config = each["config"]
        assert config["backbone"]["widths"] == [8]
        assert config["trainer"]["batch_size"] == 64
        assert config["optimizer"]["schedule"] == "cosine"
        assert ("optimizer.lr" in each["automatic"]) == (rates[name] == 0.003)
        assert "backbone.widths" not in each["automatic"]
    said = " ".join((ended.out + ended.error).split())
    assert "defaults of backbone=mlp for " in said
    assert " training rows: trainer.batch_size=64, optimizer.lr=0.003" in said


def test_a_run_is_resumed_also_by_an_earlier_versions_status(sweep: Sweep) -> None:
    assert sweep("backbone.widths=[8]").status == 0
    before = status("seed=0")
    path = Path("s/toy/sigmoid/seed=0/status.json")
    # An earlier version did not say which values were defaults.
    path.write_text(
        json.dumps({k: v for k, v in before.items() if k != "automatic"}), encoding="utf-8"
    )
    changed = path.stat().st_mtime_ns
    ended = sweep("backbone.widths=[8]", "resume=true")
    assert ended.status == 0, ended.error
    assert path.stat().st_mtime_ns == changed
    # With the numbers as well.
    ended = sweep("backbone.widths=[8]", "optimizer.lr=0.003", "resume=true")
    assert ended.status == 0, ended.error
    assert path.stat().st_mtime_ns == changed


def test_a_given_value_is_no_default_of_a_resumed_launch(sweep: Sweep) -> None:
    assert sweep("backbone.widths=[8]", "optimizer.lr=0.5").status == 0
    ended = sweep("backbone.widths=[8]", "resume=true")
    assert ended.status != 0
    assert "optimizer.lr=0.5, and optimizer.lr=null is asked for" in ended.error


def test_other_defaults_than_those_of_finished_runs_are_refused_before_any_training(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    widths = "backbone.widths=[8]"
    assert sweep(widths).status == 0
    before = status("seed=0")
    dense, sparse = defaults.TABLE["mlp"]
    changed = {**dense, "optimizer.lr": 0.004, "backbone.dropout": 0.25}
    monkeypatch.setitem(defaults.TABLE, "mlp", (changed, sparse))
    ended = sweep(widths, "seed=0,1", "resume=true")
    assert ended.status == 1
    message = (
        "seed=0 was run with the defaults optimizer.lr=0.003 backbone.dropout=0.5, and the defaults are"
        " optimizer.lr=0.004 backbone.dropout=0.25 now: resume with optimizer.lr=0.003"
        " backbone.dropout=0.5, or name another folder."
    )
    assert message in ended.error
    assert len(ended.error.strip().splitlines()) == 1
    assert not Path("s/toy/sigmoid/seed=1").exists()
    # Where nothing is to be trained, finished runs keep their numbers.
    assert sweep(widths, "resume=true").status == 0
    assert status("seed=0") == before
    # As the message says.
    stored = ("optimizer.lr=0.003", "backbone.dropout=0.5")
    ended = sweep(widths, "seed=0,1", *stored, "resume=true")
    assert ended.status == 0, ended.error
    assert status("seed=0") == before
    assert status("seed=1")["config"]["backbone"] == before["config"]["backbone"]
    assert status("seed=1")["config"]["optimizer"] == before["config"]["optimizer"]
