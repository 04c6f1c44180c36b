from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from matplotlib.figure import Figure

from experiments import __main__ as command
from experiments.harness import (
    Experiment,
    Finding,
    Measurements,
    Report,
    Row,
    Trainings,
    Trial,
    running,
)
from experiments.harness.frames import complete_groups
from experiments.harness.provenance import sessions
from experiments.harness.report import quoted
from experiments.harness.running import build_report, compare, measure
from experiments.harness.store import Store
from experiments.harness.study import Measured, command_of
from experiments.harness.trainings import configure
from experiments.pick_one.analysis import _noise
from mlc.config.errors import ConfigError, DataError
from mlc.config.imports import VARIABLE
from mlc.config.schema import config_folder, parse
from mlc.reporting.tables import Table
from mlc.runs.recorder import RunResult


class Squares(Measurements):
    name = "squares"
    columns = ("square", "error")
    measured_of: ClassVar[list[int]] = []

    def trials(self, budget: str) -> list[Trial]:
        return [{"x": x, "seed": 0} for x in range(3 if budget == "quick" else 5)]

    def measured(self, trial: Trial) -> list[Row]:
        return [{"square": trial["x"] ** 2}, {"square": -1}]

    def measure(self, trials: Sequence[Trial], n_workers: int) -> Iterator[list[Measured]]:
        for trial in trials:
            self.measured_of.append(trial["x"])
            yield [(trial, self.measured(trial))]


class Small(Experiment):
    name = "small"
    studies = (Squares(),)

    def report(self, frames: Any) -> Report:
        total = frames["squares"]["square"].sum()
        figure = Figure()
        figure.subplots().plot([0, 1])
        return Report(
            tables={"sums": ("The sum", Table(["what", "sum"], [["all", str(total)]], 1))},
            figures={"line": figure},
            findings=[Finding("the sum is 2", str(total), bool(total == 2))],
            numbers={"total": str(total)},
        )


@pytest.mark.parametrize("kind", ["a link", "another file"])
def test_a_journal_that_is_not_ours_is_left_alone(kind: str, tmp_path: Path) -> None:
    diary, journal = tmp_path / "diary", tmp_path / "results" / "squares.part.csv"
    diary.write_text("x=9 seed=0,")
    journal.parent.mkdir()
    if kind == "a link":
        journal.symlink_to(diary)
    else:
        journal.write_text("length,width\n1,2\n")
    before = journal.read_bytes()
    with pytest.raises((OSError, ValueError)):
        measure(Small(), journal.parent, "quick")
    assert (journal.read_bytes(), diary.read_text()) == (before, "x=9 seed=0,")


def test_what_was_measured_is_never_measured_again(tmp_path: Path) -> None:
    Squares.measured_of = []
    measure(Small(), tmp_path, "quick")
    assert measure(Small(), tmp_path, "full") == 0
    assert measure(Small(), tmp_path, "full") == 0
    assert Squares.measured_of == [0, 1, 2, 3, 4]
    frame = pd.read_csv(tmp_path / "squares.csv")
    assert frame["run"].dropna().tolist() == [f"x={x} seed=0" for x in range(5)]
    assert frame["square"].tolist() == [0, -1, 1, -1, 4, -1, 9, -1, 16, -1]
    made = build_report(Small(), tmp_path)
    noted = sessions(tmp_path)
    assert [(own["budget"], own["measured"]) for own in noted] == [("quick", 3), ("full", 2)]
    assert "full budget: 5 of 5 trials" in made.foot
    assert "seeds 0;" in made.foot
    assert "NOT as predicted: the sum is 2" in made.report.text()


def test_rows_are_compared_with_the_committed_ones(tmp_path: Path) -> None:
    for folder in ("own", "theirs"):
        measure(Small(), tmp_path / folder, "full")
    (told,) = compare(Small(), tmp_path / "own", tmp_path / "theirs")
    assert told.startswith("squares: 10 rows")
    assert told.endswith("differ in nothing.")
    changed = (tmp_path / "theirs/squares.csv").read_text().replace("16", "17")
    (tmp_path / "theirs/squares.csv").write_text(changed)
    (told,) = compare(Small(), tmp_path / "own", tmp_path / "theirs")
    assert told.endswith("differ in square by 0.1 on average, 1 at most.")


def test_a_report_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Nothing of small has been measured"):
        build_report(Small(), tmp_path)


def test_only_the_trials_with_a_setting(tmp_path: Path) -> None:
    Squares.measured_of = []
    assert measure(Small(), tmp_path, "full", only=["x=3"]) == 4
    assert Squares.measured_of == [3]


def test_a_trial_that_was_torn_off_is_measured_again(tmp_path: Path) -> None:
    study = Squares()
    trials = study.trials("full")
    store = Store(study, tmp_path)
    store.add([(trials[0], [{"square": 0}]), (trials[1], [{"square": 1}])])
    journal = tmp_path / "squares.part.csv"
    whole = journal.read_text()
    for end in range(len(whole)):
        journal.write_text(whole[:end])
        left = Store(study, tmp_path).missing(trials)
        # The last character is a line's end, without which the row is whole all the same.
        n_whole = sum(f"{command_of(t)},end" in whole[:end] for t in trials[:2])
        assert len(left) == 5 - n_whole
    journal.write_text(whole[:-3])
    again = Store(study, tmp_path)
    again.add([(trials[1], [{"square": 1}])])
    again.close(trials)
    assert not journal.exists()
    assert (tmp_path / "squares.csv").read_text().splitlines() == [
        "run,square,error", "x=0 seed=0,0,", "x=1 seed=0,1,",
    ]  # fmt: skip


def test_a_trial_counts_once(tmp_path: Path) -> None:
    trials: list[Trial] = [{"x": 1}, {"x": 2}]
    store = Store(Squares(), tmp_path)
    store.add([(trial, [{"square": 1}, {"square": 2}]) for trial in trials])
    store.close(trials)
    again = Store(Squares(), tmp_path)
    assert len(again.frame([*trials, {"x": 1}])) == 4
    # Two files of one study, joined by hand.
    rows = store.path.read_text().splitlines()
    store.path.write_text("\n".join([*rows, *rows[1:]]) + "\n")
    with pytest.raises(ValueError, match=r"holds x=1 twice"):
        Store(Squares(), tmp_path)


def test_a_column_that_is_not_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="cube"):
        Store(Squares(), tmp_path).add([({"x": 1}, [{"cube": 1}])])


def test_settings_come_back_as_columns(tmp_path: Path) -> None:
    store, trial = (
        Store(Squares(), tmp_path),
        {"x": 2, "head": "chain", "widths": [1, 2], "lr": 1e-3},
    )
    store.add([(trial, [{"square": 4.0}])])
    frame = store.frame([trial])
    assert command_of(trial) == "x=2 head=chain widths=[1,2] lr=0.001"
    assert frame.iloc[0].to_dict() | {"error": None} == {
        "run": command_of(trial), "x": 2, "head": "chain", "widths": "[1,2]", "lr": 0.001,
        "square": 4, "error": None,
    }  # fmt: skip


TRIALS: list[Trial] = [
    {"data": "digits", "head": "focal", "head.gamma": 1.5, "seed": 3},
    {"data": "world", "data.n_labels": 4, "head": "chain", "optimizer": "sgd", "optimizer.lr": 0.5},
    {
        "backbone.widths": [8],
        "trainer.max_epochs": 2,
        "decisions": ["fixed"],
        "report.limits": False,
    },
]


@pytest.mark.parametrize("trial", TRIALS, ids=command_of)
def test_a_trial_is_the_command_line_that_it_reads_as(trial: Trial) -> None:
    configured = configure("league", trial)
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        unlogged = ["trainer.followed=[]", "report.figures=false", "report.limits=false"]
        overrides = ["experiment=league", *command_of(trial).split(" "), *unlogged]
        composed = parse(compose("train", overrides))
    assert repr(dataclasses.asdict(configured)) == repr(dataclasses.asdict(composed))


def test_an_unknown_or_impossible_setting_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"head\.gama"):
        configure("league", {"head": "focal", "head.gama": 1.0})
    with pytest.raises(ConfigError, match=r"head\.gamma=-1"):
        configure("league", {"head": "focal", "head.gamma": -1.0})


class Tiny(Trainings):
    experiment = "compare"
    metrics = ("jaccard_samples",)
    more = ("parameters",)

    def trials(self, budget: str) -> list[Trial]:
        shared = {"data": "digits", "data.n_train": 200, "data.n_test": 50, "trainer.max_epochs": 2}
        return [
            {**shared, "head": head, "optimizer": "sgd", "optimizer.lr": lr, "seed": seed}
            for head, lr in (("sigmoid", 0.1), ("regression", 1e30))
            for seed in range(2)
        ]


def test_trainings_come_as_rows_and_a_divergence_as_one(tmp_path: Path) -> None:
    study = Tiny()
    store = Store(study, tmp_path)
    for measured in study.measure(study.trials("quick"), n_workers=2):
        store.add(measured)
    frame = store.frame(study.trials("quick"))
    finished = frame[frame["head"] == "sigmoid"]
    assert finished["rule"].tolist() == ["fixed", "global", "oracle"] * 2
    assert finished[["jaccard_samples", "val_jaccard_samples", "parameters"]].notna().all(axis=None)
    diverged = frame[frame["head"] == "regression"]
    assert len(diverged) == 2
    assert diverged["error"].str.contains("lower optimizer.lr").all()


class Lost(Tiny):
    def trials(self, budget: str) -> list[Trial]:
        return [{"data": "yeast", "data.root": "nowhere", "head": "sigmoid", "seed": 0}]


class Broken(Tiny):
    def rows(self, trial: Trial, result: RunResult) -> list[Row]:
        raise ZeroDivisionError


@pytest.mark.parametrize(("study", "error"), [(Lost(), DataError), (Broken(), ZeroDivisionError)])
def test_an_error_that_is_no_result_stops_the_experiment(
    study: Tiny, error: type[Exception]
) -> None:
    with pytest.raises(error):
        list(study.measure(study.trials("quick"), n_workers=1))


def test_groups_that_are_not_through_are_left_out() -> None:
    rows = pd.DataFrame(
        [["a", "x", 1], ["a", "y", 2], ["b", "x", 3], ["c", "x", 4], ["c", "x", 5], ["c", "y", 6]],
        columns=["data", "head", "run"],
    )
    assert complete_groups(rows, ["data"], "head")["data"].tolist() == ["a", "a"]
    more = rows.assign(size=1)
    assert complete_groups(more, ["data", "size"], "head")["run"].tolist() == [1, 2]
    assert complete_groups(rows.iloc[:0], ["data"], "head").empty


def test_a_readme_is_filled_with_tables_and_numbers(tmp_path: Path) -> None:
    measure(Small(), tmp_path, "quick")
    made = build_report(Small(), tmp_path)
    text = "a <!--=total-->?<!--/--> b\n<!-- begin sums -->\nold\n<!-- end sums -->\n"
    text += "<!-- begin foot -->\n<!-- end foot -->\n"
    filled = made.report.fill(text, "FOOT")
    assert "a <!--=total-->2<!--/--> b" in filled
    assert "| all  |    2 |" in filled
    assert "FOOT" in filled
    assert "old" not in filled
    assert made.report.fill(filled, "FOOT") == filled
    assert quoted(filled) == {"total": "2"}
    with pytest.raises(KeyError):
        made.report.fill("<!--=absent-->?<!--/-->", "FOOT")


class BrokenReport(Small):
    name = "broken"

    def report(self, frames: Any) -> Report:
        raise IndexError("single positional indexer is out-of-bounds")


def test_rows_that_cannot_be_reported_stop_no_other_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments: dict[str, Experiment] = {"broken": BrokenReport(), "small": Small()}
    for own in experiments.values():
        measure(own, tmp_path / own.name, "quick")
    for module in (running, command):
        monkeypatch.setattr(module, "EXPERIMENTS", experiments)
        monkeypatch.setattr(module, "load", experiments.__getitem__)
        monkeypatch.setattr(module, "ROOT", tmp_path / "experiments")
        monkeypatch.setattr(module, "RESULTS", tmp_path)
    for name in experiments:
        (tmp_path / "experiments" / name).mkdir(parents=True)
        (tmp_path / "experiments" / name / "README.md").write_text("<!--=total-->?<!--/-->")
    text = "<!--=broken.total-->1<!--/--> <!--=small.total-->?<!--/-->"
    documents = tmp_path / "README.md", tmp_path / "docs/which_head.md"
    documents[1].parent.mkdir()
    for document in documents:
        document.write_text(text)
    monkeypatch.setattr("sys.argv", ["experiments", "--report", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert ended.value.code == 1
    assert "rows of broken in" in capsys.readouterr().err
    for document in documents:
        assert document.read_text() == text.replace("?", "2")


def test_a_run_without_its_first_epoch_is_left_out_of_the_noise() -> None:
    rows = [
        {"set": "a", "seed": seed, "head": head, "epoch": epoch, "expected_loss": 1 / epoch,
         "pick_variance": 2.0, "sample_variance": 1.0}
        for seed in range(2) for head in ("pick_one", "softmax_uniform") for epoch in (1, 2, 3)
    ]  # fmt: skip
    epochs = pd.DataFrame(rows)
    assert _noise(epochs.drop(index=0))["seed"].tolist() == [1]
    assert _noise(epochs[(epochs["head"] == "pick_one") | (epochs["seed"] == 1)])[
        "seed"
    ].tolist() == [1]


class Unregistered(Trainings):
    name = "unregistered"
    experiment = "compare"

    def trials(self, budget: str) -> list[Trial]:
        return [{"data": "world", "head": "smoothed", "seed": 0}]


class WithUnregistered(Experiment):
    name = "with_unregistered"
    studies = (Unregistered(),)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "head=smoothed does not exist: choose one of "),
        (("--import", "no_such_module"), "--import no_such_module cannot be found"),
    ],
)
def test_a_part_of_ones_own_needs_its_module(
    words: Sequence[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(command, "load", lambda name: WithUnregistered())
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setattr("sys.argv", ["experiments", "x", "--folder", str(tmp_path), *words])
    with pytest.raises(SystemExit) as ended:
        command.main()
    error = capsys.readouterr().err
    assert ended.value.code == 2
    assert message in error
    assert error.count("experiments: ") == 1


@pytest.mark.parametrize(
    ("n_missing", "said"),
    [
        (1, "1 trial of the quick budget is missing"),
        (2, "2 trials of the quick budget are missing"),
    ],
)
def test_missing_trials_are_counted_in_words(
    n_missing: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(command, "load", lambda name: Small())
    monkeypatch.setattr(command, "measure", lambda *_: n_missing)
    asked = Namespace(folder=tmp_path, report=False, budget="quick", workers=1, only=[])
    assert not command.run("small", asked)
    assert capsys.readouterr().out.startswith(f"small: {said};")
