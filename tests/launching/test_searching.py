"""A search from its command to its choice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlc.heads.base import HEADS
from mlc.launching import fused
from mlc.launching.workers import train_here
from mlc.reporting.collect import collect
from mlc.search.draws import configuration
from mlc.search.files import read_record
from mlc.search.spaces import declared_spaces
from mlc.train import main
from tests.conftest import Command, Outcome
from tests.searched import stored_choices

Search = Callable[..., Outcome]
QUICK = (
    "hydra/sweeper=search", "hydra.sweep.dir=s", "data=arff", "trainer.max_epochs=1",
    "decisions=[fixed,global,oracle]", "backbone.widths=[8]", "report.figures=false",
    "report.yardsticks=false",
)  # fmt: skip


@pytest.fixture
def search(
    command: Command, write_arff: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Search:
    path = write_arff()
    # The fused launcher without its worker processes.
    monkeypatch.setattr(
        fused, "train_in_workers", lambda cohorts, _, ended: train_here(cohorts, ended)
    )
    return lambda *arguments: command(main, "-m", *QUICK, f"data.path={path}", *arguments)


def overrides(run: Path) -> dict[str, str]:
    """What a run's folder says was set, without what the whole search has in common."""
    found = json.loads((run / "status.json").read_text())["overrides"]
    common = {each.split("=")[0] for each in QUICK}
    return {key: value for key, value in found.items() if key not in common}


def test_a_search_draws_trains_chooses_and_resumes(search: Search, tmp_path: Path) -> None:
    asked = (
        "head=sigmoid,focal", "seed=0,1", "hydra.sweeper.n_trials=2", "backbone.dropout=0.25",
        "optimizer.weight_decay=tag(log,interval(1e-5,1e-2))", )  # fmt: skip
    ended = search(*asked)
    assert ended.status == 0, ended.error
    folder = tmp_path / "s"
    # Equal draws of what the heads share, beside a head's own.
    for trial in range(2):
        runs = [
            f"toy/{head}/trial={trial},seed={s}" for head in ("sigmoid", "focal") for s in (0, 1)
        ]
        first, second, third, fourth = (overrides(folder / run) for run in runs)
        assert first == second
        assert third == fourth
        own = {} if trial == 0 else {"head.gamma", "head.alpha"}
        assert third == {**first, **{key: third[key] for key in own}}
        shared = {"optimizer.lr", "optimizer.weight_decay"} if trial else set()
        assert set(first) == {"trial", "backbone.dropout", *shared}
        if trial:
            assert 1e-5 <= float(first["optimizer.weight_decay"]) <= 1e-2
    space = declared_spaces({"optimizer": "adamw", "head": "focal"})
    drawn = configuration({key: space[key] for key in ("optimizer.lr", "head.gamma")}, 0, 1)
    assert drawn.items() <= overrides(folder / "toy/focal/trial=1,seed=1").items()
    # The choice, by hand.
    means = {
        (head, trial, rule): np.mean(
            [
                json.loads(
                    (folder / f"toy/{head}/trial={trial},seed={s}/metrics.json").read_text()
                )[f"val/{rule}/jaccard_samples"]
                for s in (0, 1)
            ]
        )
        for head in ("sigmoid", "focal")
        for trial in range(2)
        for rule in ("fixed", "global")
    }
    choices = {choice.head: choice for choice in stored_choices(folder)}
    for head in ("sigmoid", "focal"):
        own = {key: value for key, value in means.items() if key[0] == head}
        choice = choices[head]
        assert choice.value == pytest.approx(max(own.values()), abs=1e-12)
        assert own[head, choice.trial, choice.rule] == max(own.values())
        assert choice.n_seeds == 2
        drawn_for = overrides(folder / f"toy/{head}/trial={choice.trial},seed=0")
        drawn_for.pop("trial")
        drawn_for.pop("backbone.dropout")
        assert choice.overrides == [f"{key}={value}" for key, value in drawn_for.items()]
    table = pd.read_csv(folder / "search.csv")
    assert len(table) == len(means)
    for row in table.to_dict("records"):
        assert row["value"] == pytest.approx(means[row["head"], row["trial"], row["rule"]])
    assert table["chosen"].sum() == 2
    # What is printed: the choice, then the chosen trials alone.
    told = ended.out[ended.out.index("Chosen by") :].split("\nThe curves")[0]
    assert max(map(len, told.splitlines())) <= 80
    assert "of 2 trials each" in told
    assert "trial=" not in told.split("Weights:")[0]
    assert len(pd.read_csv(folder / "results.csv")) == 2 * 2 * 2 * 3
    # The same trials and the same choice after a kill.
    before = {
        name: (folder / name).read_bytes() for name in ("search.csv", "choice.yaml", "search.json")
    }
    (folder / "choice.yaml").unlink()
    (folder / "search.csv").unlink()
    kept = (folder / "toy/focal/trial=0,seed=0/status.json").stat().st_mtime_ns
    for run in ("focal/trial=1,seed=0", "sigmoid/trial=1,seed=1"):
        shutil.rmtree(folder / "toy" / run)
    again = search(*asked, "resume=true", "trainer.precision=float32")
    assert again.status == 0, again.error
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert (folder / "toy/focal/trial=0,seed=0/status.json").stat().st_mtime_ns == kept
    # Without resume=true nothing of it is launched.
    refused = search(*asked)
    assert (refused.status, refused.out) == (1, "")
    assert refused.error.startswith(f"mlc-train: {folder} already holds a search: continue it with")
    assert len(refused.error.strip().splitlines()) == 1


def test_the_chosen_trials_are_trained_with_further_seeds(search: Search, tmp_path: Path) -> None:
    asked = (
        "head=sigmoid,focal", "seed=0,1", "hydra.sweeper.n_trials=2", "hydra.sweeper.more_seeds=2",
    )  # fmt: skip
    ended = search(*asked)
    assert ended.status == 0, ended.error
    record = read_record(tmp_path / "s")
    assert record is not None
    assert record.seeds == [0, 1]
    assert "12 of 12 runs ended" in ended.out + ended.error
    choices = {choice.head: choice for choice in stored_choices(tmp_path / "s")}
    for head, choice in choices.items():
        runs = {path.parent.name for path in (tmp_path / "s/toy" / head).glob("*/status.json")}
        further = {name for name in runs if name.endswith(("seed=2", "seed=3"))}
        assert len(runs) == 6
        assert len(further) == 2
        assert all(f"trial={choice.trial}," in name for name in further)
        assert (choice.n_seeds, choice.n_trials) == (4, 2)
    again = search(*asked, "resume=true")
    assert again.status == 0, again.error
    assert {choice.head: choice for choice in stored_choices(tmp_path / "s")} == choices


def test_heads_that_differ_in_name_only_get_the_same(
    search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twin = type("Twin", (HEADS["focal"],), {"name": "twin", "__doc__": "Focal again."})
    monkeypatch.setitem(HEADS._parts, "twin", twin)  # type: ignore[attr-defined]
    ended = search("head=focal,twin", "hydra.sweeper.n_trials=2", "hydra.sweeper.metric=lrap")
    assert ended.status == 0, ended.error
    rows = collect(tmp_path / "s").runs
    one, other = (
        rows[rows["head"] == head].drop(columns=["run", "head"]).reset_index(drop=True)
        for head in ("focal", "twin")
    )
    pd.testing.assert_frame_equal(one, other)
    first, second = stored_choices(tmp_path / "s")
    assert {**vars(first), "head": "twin"} == vars(second)
    assert first.rule == "-"


def test_trials_that_fail_are_named_and_lose(search: Search, tmp_path: Path) -> None:
    ended = search(
        "hydra.sweeper.n_trials=6", "optimizer=sgd", "optimizer.lr=choice(0.1,1e30)",
        "hydra.sweeper.metric=loss",
    )  # fmt: skip
    assert ended.status == 0, ended.error
    (choice,) = stored_choices(tmp_path / "s")
    drawn = {
        trial: value["optimizer.lr"]
        for trial in range(1, 6)
        for value in [overrides(tmp_path / f"s/toy/sigmoid/trial={trial},seed=0")]
    }
    diverged = {trial for trial, rate in drawn.items() if rate == "1e+30"}
    assert set(choice.failed) == diverged
    assert 0 < len(diverged) < 5
    assert choice.n_trials == 6 - len(diverged)
    assert choice.trial not in diverged
    assert "lower optimizer.lr" in next(iter(choice.failed.values()))
    assert f"{len(diverged)} failed and are not counted" in ended.out
    # The validation loss is that of the epoch whose weights were kept.
    history = pd.read_csv(tmp_path / f"s/toy/sigmoid/trial={choice.trial},seed=0/history.csv")
    assert choice.value == pytest.approx(history["loss/val"].iloc[0])


def test_a_head_of_which_all_runs_fail_ends_the_search(search: Search, tmp_path: Path) -> None:
    ended = search("hydra.sweeper.n_trials=2", "optimizer=sgd", "optimizer.lr=1e30", "head=sigmoid")
    assert ended.status == 1
    assert "2 of 2 runs failed" in ended.error
    assert not (tmp_path / "s/choice.yaml").exists()


def test_a_choice_by_test_rows_is_refused(search: Search, tmp_path: Path) -> None:
    ended = search("hydra.sweeper.metric=test/jaccard_samples")
    assert ended.status == 2
    assert "hydra.sweeper.metric=test/jaccard_samples would choose by the test rows" in ended.error
    assert len(ended.error.strip().splitlines()) == 1
    assert not (tmp_path / "s").exists()


def test_files_that_are_not_a_searchs_are_not_replaced(search: Search, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s/choice.yaml").write_text("mine")
    ended = search("hydra.sweeper.n_trials=1")
    assert ended.status == 1
    assert "is not a file that mlc has written" in ended.error
    assert (tmp_path / "s/choice.yaml").read_text() == "mine"


def test_a_sampler_is_told_what_the_choice_sees(search: Search, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    ended = search("hydra.sweeper.sampler=tpe", "hydra.sweeper.n_trials=3", "hydra.sweeper.batch=2")
    assert ended.status == 0, ended.error
    folder = tmp_path / "s"
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "optuna.journal"))
    study = optuna.load_study(
        study_name="toy sigmoid", storage=optuna.storages.JournalStorage(backend)
    )
    table = pd.read_csv(folder / "search.csv").groupby("trial")["value"].max()
    assert [trial.value for trial in study.trials] == pytest.approx([table[1], table[0], table[2]])
    (choice,) = stored_choices(folder)
    assert choice.value == pytest.approx(table.max())
    assert len(set(pd.read_csv(folder / "search.csv")["optimizer.lr"])) == 3
    record = read_record(folder)
    assert record is not None
    assert (record.sampler, record.n_trials) == ("tpe", 3)
