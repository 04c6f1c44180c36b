"""Names of parts that Hydra would read as other than a text, or that lie in --config-dir."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc.config.errors import ConfigError
from mlc.launching.checks import choices, unknown_choice, with_name
from mlc.train import main
from tests.conftest import Command


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("head=3", "head='3'"),
        ("experiment=1,2", "experiment='1','2'"),
        ("+experiment=true", "+experiment='true'"),
        ("hydra/launcher=1.5", "hydra/launcher='1.5'"),
        *((same, same) for same in ("seed=3", "head=a,b", "head='3'", "head=", "experiment=[a,b]")),
    ],
)
def test_a_name_is_a_text(argument: str, meant: str) -> None:
    assert with_name(argument) == meant


def test_no_name_and_several_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^head=null names no part: leave head out"):
        with_name("head=null")
    with pytest.raises(
        ConfigError, match=r"several parts, .* --multirun head=sigmoid,zlpr to sweep"
    ):
        with_name("head=[sigmoid,zlpr]")


def test_a_wrong_name_is_told_in_one_sentence_with_those_that_exist(command: Command) -> None:
    for word in ("head=3", "experiment=7", "hydra/launcher=3"):
        ended = command(main, word)
        assert ended.status == 2
        assert f"{word} does not exist: choose one of " in ended.error
        assert len(ended.error.splitlines()) == 1
    assert {"basic", "fused"} <= set(choices("hydra/launcher"))
    assert "does not exist: leave it out, or add" in str(unknown_choice("hydra/help", "x"))


def test_a_sweep_takes_parts_of_a_folder_of_the_user(command: Command, tmp_path: Path) -> None:
    (tmp_path / "own" / "data").mkdir(parents=True)
    for name in ("mine", "2"):
        file = tmp_path / "own" / "data" / f"{name}.yaml"
        file.write_text("defaults: [digits, _self_]\n", encoding="utf-8")
    ended = command(main, "-m", "--config-dir", str(tmp_path / "own"), "data=mine,2,other")
    assert ended.status == 2
    assert "data=other does not exist: choose one of " in ended.error
