"""Each experiment that trains is also a sweep, whose curves its README shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from experiments.curves import DRAWN, figures, newest
from experiments.harness import EXPERIMENTS, Trainings, load
from experiments.harness.curves import COLUMNS, CurvesFigure, logged
from experiments.harness.experiment import ROOT
from experiments.harness.provenance import drawn_with
from experiments.harness.running import RESULTS
from experiments.hidden_labels import sources
from mlc.config.schema import Config, config_folder, parse, register_configs
from mlc.launching.checks import check_swept_values, sweep_overrides
from mlc.tracking.events import EventFile, scalars
from mlc.tracking.view import ViewedRun

YAMLS = sorted(path.stem for path in (config_folder() / "experiment").glob("*.yaml"))
FIGURES = [(name, figure) for name in DRAWN for figure in figures(name)]
# Many configurations of each head, whose curves are those of the league; and metrics of the known
# validation labels, which do not compare losses of hidden ones.
UNDRAWN = ("equal_budgets", "hidden_labels")
# Its source is registered, which the sweep of hidden labels names.
assert sources.Hidden.name == "hidden"
SWEEPS = [(name, figure.sweep) for name, figure in FIGURES]


@pytest.fixture(autouse=True)
def hydra_configs() -> Iterator[None]:
    register_configs()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        yield


@cache
def readme(name: str) -> str:
    return (ROOT / name / "README.md").read_text(encoding="utf-8")


@cache
def launched(sweep: str) -> DictConfig:
    return compose("train", [f"experiment={sweep}"], return_hydra_config=True)


@cache
def first_job(sweep: str) -> Config:
    # What a search draws has its default in the first job.
    params = [each for each in sweep_overrides(launched(sweep)) if not each.is_interval_sweep()]
    chosen = [
        f"{override.key_or_group}={next(override.sweep_string_iterator())}"
        if override.is_sweep_override()
        else str(override.input_line)
        for override in params
    ]
    return parse(compose("train", [f"experiment={sweep}", *chosen]))


def test_every_experiment_that_trains_is_drawn() -> None:
    training = [
        name
        for name in EXPERIMENTS
        if any(isinstance(study, Trainings) for study in load(name).studies) and name not in UNDRAWN
    ]
    assert training == DRAWN
    assert {sweep for _, sweep in SWEEPS} <= set(YAMLS)


@pytest.mark.parametrize("sweep", YAMLS)
def test_every_experiment_composes_with_the_question_on_top(sweep: str) -> None:
    text = (config_folder() / "experiment" / f"{sweep}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# @package _global_\n# ")
    assert f"experiment={sweep}" in text
    if launched(sweep).hydra.sweeper.get("params"):
        config = first_job(sweep)
        assert config.report.metrics
        assert launched(sweep).hydra.sweep.dir.startswith(f"multirun/{sweep}/")


@pytest.mark.parametrize(("name", "sweep"), SWEEPS)
def test_a_sweep_logs_curves_and_its_readme_names_both_commands(name: str, sweep: str) -> None:
    assert first_job(sweep).trainer.followed
    command = re.search(rf"python -m mlc\.train -m experiment={sweep} +# (\d+) runs", readme(name))
    assert command is not None
    assert f"python -m experiments {name}" in readme(name)
    assert f"python -m experiments.curves {name} " in readme(name)
    config = launched(sweep)
    n_jobs = check_swept_values(config, sweep_overrides(config))
    assert n_jobs == int(command[1])
    text = (config_folder() / "experiment" / f"{sweep}.yaml").read_text(encoding="utf-8")
    assert f"experiment={sweep}    {n_jobs} runs" in text


@pytest.mark.parametrize("sweep", [sweep for _, sweep in SWEEPS if sweep != "optimizers"])
def test_a_sweep_states_its_settings_instead_of_the_defaults(sweep: str) -> None:
    text = (config_folder() / "experiment" / f"{sweep}.yaml").read_text(encoding="utf-8")
    of_network = ("channels",) if "backbone: cnn" in text else ("normalization", "widths")
    for key in ("dropout", *of_network, "lr", "batch_size", "max_epochs", "monitor"):
        assert re.search(rf"\b{key}: ", text), key


@pytest.mark.parametrize(("name", "figure"), FIGURES, ids=[sweep for _, sweep in SWEEPS])
def test_a_figure_shows_its_title_and_follows_from_the_stored_curves(
    name: str, figure: CurvesFigure
) -> None:
    csv, png = figure.files(name)
    rows = pd.read_csv(RESULTS / name / csv)
    assert list(rows) == COLUMNS
    assert figure.shows(rows)
    assert len(figure.title) < 100
    picture = (RESULTS / name / png).read_bytes()
    assert len(picture) < 100_000
    assert f"![{figure.title}](../../results/{name}/{png})" in readme(name)
    config = launched(figure.sweep)
    seeds = [o for o in sweep_overrides(config) if o.key_or_group == "seed"]
    assert set(rows["seed"]) == set(map(int, seeds[0].sweep_string_iterator()))
    if drawn_with(RESULTS / name) == version("matplotlib"):
        assert figure.draw(rows) == picture


def test_the_scalars_of_a_run_are_read_from_its_events(tmp_path: Path) -> None:
    events = EventFile(tmp_path / "events.out.tfevents.1")
    for epoch, value in ((1, 0.25), (2, 0.5)):
        events.add(scalars({"val/jaccard_samples": value, "loss/val": 1 - value}), epoch)
    events.close()
    run = ViewedRun(tmp_path, "sweep", "digits", "sigmoid", 0)
    read = list(logged({"loss/val": "loss"})(run))
    assert read == [("loss", 1, 0.75), ("loss", 2, 0.5)]


def test_the_newest_sweep_is_the_last_by_name(tmp_path: Path) -> None:
    for time in ("2026-01-02_10-00-00", "2026-01-10_09-00-00"):
        (tmp_path / time).mkdir()
    assert newest(tmp_path).name == "2026-01-10_09-00-00"
    assert newest(tmp_path / "none") == tmp_path / "none"
