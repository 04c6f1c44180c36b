"""Optuna's samplers learn from the trials before, and draw the same after a stop."""

from __future__ import annotations

import builtins
import dataclasses
import math
import warnings
from pathlib import Path
from typing import Any

import pytest

from mlc.config.errors import ConfigError, RunFolderError
from mlc.config.options import Choice, Interval
from mlc.search import samplers
from mlc.search.files import Group
from mlc.search.options import SearchOptions
from mlc.search.samplers import Studies, require_sampler

SPACES = {
    "optimizer.lr": Interval(1e-4, 1, log=True),
    "head.form": Choice("a", None, "c"),
    "head.n": Interval(1, 9, step=2),
    "head.share": Interval(0.0, 1.0, step=0.25),
}
DEFAULTS = {"optimizer.lr": 1e-2, "head.form": "b", "head.n": 3, "head.share": None}
OPTIONS = SearchOptions(sampler="tpe", seed=1)


def group(head: str = "focal") -> Group:
    return Group("toy", head, {"trainer.batch_size": "8"}, SPACES, DEFAULTS)


def value(drawn: dict[str, str]) -> float:
    return float(drawn.get("optimizer.lr", 0.01)) * (1 + int(drawn.get("head.n", 3)))


@pytest.fixture(autouse=True)
def optuna() -> Any:
    with warnings.catch_warnings():
        # Of its database, which is not used here.
        warnings.simplefilter("ignore")
        return pytest.importorskip("optuna")


def drawn_by(
    folder: Path, stops: tuple[int, ...] = (), head: str = "focal", sampler: str = "tpe"
) -> list[dict[str, str]]:
    """Draw 14 trials, two at a time; a new process goes on where a stop lost what was not told."""
    folder.mkdir(exist_ok=True)
    options = dataclasses.replace(OPTIONS, sampler=sampler)
    studies, all_drawn = Studies(folder, options), []
    for start in range(0, 14, 2):
        batch = [studies.ask(group(head), trial) for trial in (start, start + 1)]
        if start in stops:
            studies = Studies(folder, options)
            assert [studies.ask(group(head), trial) for trial in (start, start + 1)] == batch
        for trial, drawn in enumerate(batch, start):
            studies.tell(group(head), trial, None if trial == 3 else value(drawn))
        all_drawn += batch
    return all_drawn


def test_a_stop_changes_no_draw_and_neither_does_a_heads_name(tmp_path: Path, optuna: Any) -> None:
    straight = drawn_by(tmp_path / "a")
    assert drawn_by(tmp_path / "b", stops=(0, 4, 12), head="twin") == straight
    assert straight[0] == {}
    for drawn in straight[1:]:
        assert list(drawn) == list(SPACES)
        assert 1e-4 <= float(drawn["optimizer.lr"]) <= 1
        assert drawn["head.form"] in ("a", "null", "c")
        assert drawn["head.n"] in ("1", "3", "5", "7", "9")
        assert drawn["head.share"] in ("0.0", "0.25", "0.5", "0.75", "1.0")
    storage = Studies(tmp_path / "a", OPTIONS)
    trials = storage._study(group()).get_trials()
    assert sum(trial.state == optuna.trial.TrialState.FAIL for trial in trials) == 1
    # The defaults take part where they lie in their space, and a trial is told once.
    (first,) = [trial for trial in trials if trial.user_attrs.get("trial") == 0]
    assert first.params == {"optimizer.lr": 0.01, "head.n": 3}
    storage.tell(group(), 5, 99.0)
    assert storage._study(group()).best_value < 99


@pytest.mark.parametrize("sampler", ["gp", "cmaes"])
def test_a_sampler_of_all_options_draws_the_same_after_a_stop(
    sampler: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    straight = drawn_by(tmp_path / "a", sampler=sampler)
    assert drawn_by(tmp_path / "b", stops=(12,), sampler=sampler) == straight
    for drawn in straight[1:]:
        assert 1e-4 <= float(drawn["optimizer.lr"]) <= 1
        assert drawn["head.form"] in ("a", "null", "c")
        assert drawn["head.share"] in ("0.0", "0.25", "0.5", "0.75", "1.0")
    # Trial 0 has options outside their spaces; it would keep the sampler from learning these.
    trials = Studies(tmp_path / "a", dataclasses.replace(OPTIONS, sampler=sampler))._study(group())
    assert all(set(trial.params) == set(SPACES) for trial in trials.get_trials())
    assert capfd.readouterr() == ("", "")


def test_a_sampler_learns(tmp_path: Path) -> None:
    """After its random trials, Gaussian processes stay near the best rate of a smooth function."""
    spaces = {"optimizer.lr": SPACES["optimizer.lr"]}
    smooth = Group("toy", "focal", {}, spaces, {"optimizer.lr": 1e-2})
    studies = Studies(tmp_path, SearchOptions(sampler="gp", metric="loss", seed=1))
    exponents = []
    for trial in range(15):
        rate = float(studies.ask(smooth, trial).get("optimizer.lr", 1e-2))
        exponents.append(math.log10(rate))
        studies.tell(smooth, trial, (exponents[-1] + 3) ** 2)
    # Draws that learn nothing lie within 0.3 of -3 in 15% of the cases.
    assert sum(abs(exponent + 3) < 0.3 for exponent in exponents[11:]) >= 3


@pytest.mark.parametrize("content", ["{", '{"op_code": 99}\n', "[]\n", "null\n{}\n"])
def test_damaged_studies_are_named(content: str, tmp_path: Path) -> None:
    (tmp_path / "optuna.journal").write_text(content + "\n")
    with pytest.raises(RunFolderError, match=r"optuna\.journal is not what Optuna wrote"):
        Studies(tmp_path, OPTIONS).ask(group(), 1)


def test_an_unknown_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    require_sampler(SearchOptions())
    importing = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name.split(".")[0] == "optuna":
            raise ImportError("No module named 'optuna'")
        return importing(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    require_sampler(SearchOptions())
    with pytest.raises(ConfigError, match=r"sampler=tpe needs Optuna .*: pip install 'optuna>=4'"):
        require_sampler(OPTIONS)


def test_a_sampler_without_its_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samplers, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"sampler=cmaes needs the package cmaes: pip install"):
        require_sampler(SearchOptions(sampler="cmaes"))
    require_sampler(OPTIONS)
