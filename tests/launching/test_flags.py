"""Overrides before and after a flag of Hydra."""

from __future__ import annotations

import pytest
from hydra._internal.utils import get_args_parser

from mlc.launching.command import main
from mlc.launching.flags import overrides_first
from tests.conftest import Command

CASES = {
    "data=flags -m head=sigmoid": ["data=flags", "head=sigmoid"],
    "-m data=flags head=sigmoid": ["data=flags", "head=sigmoid"],
    "seed=1 --config-dir data=x seed=2 -cn other seed=3": ["seed=1", "seed=2", "seed=3"],
    "a=1 --config-n b=2 c=3 --cfg job d=4": ["a=1", "c=3", "d=4"],
    "a=1 -p b -i c=2 --info plugins d=3": ["a=1", "c=2", "d=3"],
    "a=1 --config-dir=b ~c -h d=2": ["a=1", "~c", "d=2"],
    "": [],
}


@pytest.mark.parametrize("line", CASES)
def test_a_line_is_read_as_with_its_overrides_together(line: str) -> None:
    ordered = overrides_first(line.split())
    assert sorted(ordered) == sorted(line.split())
    assert ordered[: len(CASES[line])] == CASES[line]
    assert get_args_parser().parse_args(ordered).overrides == CASES[line]


def test_every_flag_of_hydra_keeps_its_value() -> None:
    for action in get_args_parser()._actions:
        takes = action.nargs is None or action.nargs == "?"
        for flag in action.option_strings:
            value = next(iter(action.choices)) if action.choices else "value"
            words = overrides_first(["a=1", flag, value, "b=2"])
            expected = ["a=1", "b=2", flag, value] if takes else ["a=1", value, "b=2", flag]
            assert words == expected


@pytest.mark.parametrize("asked", ["--hydra-help data=yeast", "-m head=zlpr,chain --hydra-h"])
def test_hydras_help_is_printed_beside_overrides(asked: str, command: Command) -> None:
    ended = command(main, *asked.split())
    assert (ended.status, ended.error) == (0, "")
    assert "--hydra-help : Hydra's help" in ended.out


def test_overrides_may_stand_on_both_sides_of_a_flag(command: Command) -> None:
    ended = command(main, "head=sigmoid", "--cfg", "job", "seed=2")
    assert ended.status == 0, ended.error
    assert "seed: 2" in ended.out


@pytest.mark.parametrize("asked", [["--cfg", "job"], ["--info", "config"]])
def test_a_sweep_and_what_a_run_would_be_are_not_asked_for_at_once(
    asked: list[str], command: Command
) -> None:
    ended = command(main, "-m", "head=sigmoid,powerset", *asked)
    assert ended.status == 2
    assert ended.error.count("\n") == 1
    assert "give one of them" in ended.error
