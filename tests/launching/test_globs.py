"""A sweep over the names that match a pattern, as Hydra's own sweeper reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import mlc.heads
from mlc.config.errors import ConfigError
from mlc.launching.checks import choices, without_glob
from mlc.launching.flags import config_folders
from mlc.train import main
from tests.conftest import Command


def test_a_pattern_stands_for_the_names_that_it_matches() -> None:
    assert without_glob("head=glob(soft_*)") == "head=soft_jaccard"
    assert without_glob("head=glob([pair*,soft_*])") == "head=pairwise,soft_jaccard"
    everything = without_glob("head=glob(*,exclude=[*_*,s*])").removeprefix("head=").split(",")
    assert everything == [
        name for name in choices("head") if "_" not in name and not name.startswith("s")
    ]
    for same in ("head=sigmoid,powerset", "data.path='=glob(*)'", "seed=range(5)"):
        assert without_glob(same) == same


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "head=glob(no_*)",
            r"head=glob\(no_\*\) matches no name: choose some of assume_negative, ",
        ),
        ("seed=glob(*)", r"config group, such as head, and seed is none: .* seed=A,B\."),
        ("decisions=glob(*)", r"decisions is none"),
    ],
)
def test_a_pattern_without_a_name_is_refused_in_a_sentence(argument: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        without_glob(argument)


@pytest.mark.parametrize(
    "flag",
    [
        "--config-dir own",
        "--config-dir=own",
        "-cd own",
        "--config-d own",
        "hydra.searchpath=[file://own]",
        "hydra.searchpath=['own']",
    ],
)
def test_a_pattern_matches_parts_in_a_folder_of_the_user(
    flag: str, command: Command, tmp_path: Path
) -> None:
    assert config_folders(["head=a", *flag.split()]) == [Path("own")]
    (tmp_path / "own/head").mkdir(parents=True)
    (tmp_path / "own/head/softer.yaml").write_text("defaults: [nothing, _self_]\n")
    assert without_glob("head=glob(soft*r)", [tmp_path / "own"]) == "head=softer"
    if flag in ("-cd own", "hydra.searchpath=[file://own]"):
        ended = command(main, "-m", "head=glob(soft*r)", *flag.split())
        assert "head=glob(soft*r) is read as head=softer." in ended.error


def test_a_search_path_may_name_packages_and_what_does_not_exist() -> None:
    found = config_folders(["hydra.searchpath=[pkg://mlc.heads,pkg://no.such,http://x,file://b c]"])
    assert found == [Path(mlc.heads.__path__[0]), Path("b c")]
    assert config_folders(["hydra.searchpath=[file://a", "hydra.searchpath=5", "head=a"]) == []


def test_a_sweep_over_a_pattern_is_trained_and_resumed(
    command: Command, write_arff: Callable[..., Path], tmp_path: Path
) -> None:
    heads = "head=glob([sigmoid,soft_*],exclude=[*_f1])"
    quick = "trainer.max_epochs=1", "backbone.widths=[4]", "decisions=[fixed]"
    more = "report.yardsticks=false", "report.figures=false", "hydra.sweep.dir=s"
    words = ("-m", heads, "data=arff", f"data.path={write_arff()}", *quick, *more)
    ended = command(main, *words)
    assert ended.status == 0, ended.error
    assert f"{heads} is read as head=sigmoid,soft_jaccard." in ended.error
    heads_of_runs = {path.parent.parent.name for path in (tmp_path / "s").rglob("status.json")}
    assert heads_of_runs == {"sigmoid", "soft_jaccard"}
    ended = command(main, *words, "resume=true")
    assert ended.status == 0, ended.error
