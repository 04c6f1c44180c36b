"""Overrides that nearly fit: taken as meant and said, or refused with the right spelling."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from mlc.config.errors import ConfigError
from mlc.config.option_types import unwrapped
from mlc.launching.overrides import _options, fitted
from mlc.train import main
from tests.conftest import Command


@pytest.mark.parametrize(
    ("argument", "meant"),
    [
        ("data.labels=tags", "data.labels=[tags]"),
        ("data.labels=a,b", "data.labels=[a,b]"),
        ("data.labels=[a,b]", "data.labels=[a,b]"),
        ("backbone.widths=64", "backbone.widths=[64]"),
        ("backbone.widths='[64,32]'", "backbone.widths=[64,32]"),
        ("rules=global", "rules=[global]"),
        ("trainer.max_epochs=10.0", "trainer.max_epochs=10"),
        ("trainer.max_epochs=1e1", "trainer.max_epochs=10"),
        ("trainer.max_epochs=1.5", "trainer.max_epochs=1.5"),
        ("trainer.patience=None", "trainer.patience=null"),
        ("data.text='None'", "data.text='None'"),
        ("data.path=1.50", "data.path='1.50'"),
        ("data.text=true", "data.text='true'"),
        ("data.text=5", "data.text=5"),
        ("optimizer.lr='1e-3'", "optimizer.lr='1e-3'"),
        ("seed=0,1,2", "seed=0,1,2"),
        ("head=powerset", "head=powerset"),
        ("hydra.run.dir=1.50", "hydra.run.dir=1.50"),
        ("data.labels=[a", "data.labels=[a"),
    ],
)
def test_what_is_meant(argument: str, meant: str) -> None:
    assert fitted(argument, is_sweep=False) == meant


def test_a_sweep_over_lists_is_no_list() -> None:
    assert fitted("data.labels=[a],[b]", is_sweep=True) == "data.labels=[a],[b]"
    with pytest.raises(ConfigError, match=r"write rules=\[a,b\] .* or rules=\[a\],\[b\] to sweep"):
        fitted("rules=a,b", is_sweep=True)


def test_a_truth_value_is_none_of_two() -> None:
    assert fitted("resume=1", is_sweep=False) == "resume=1"
    with pytest.raises(ConfigError, match="resume=2 is of the wrong type"):
        fitted("resume=2", is_sweep=False)


def test_every_list_option_takes_one_value() -> None:
    keys = {key for key, declared in _options() if unwrapped(declared)[1]}
    assert {"data.labels", "backbone.widths", "rules", "optimizer.betas"} <= keys
    for key in keys:
        assert fitted(f"{key}=5", is_sweep=False) == f"{key}=[5]"


REFUSED = {
    "another place": ("lr=0.1", r"no key 'lr': did you mean optimizer\.lr\?"),
    "a letter": ("trainer.max_epoch=1", r"did you mean trainer\.max_epochs"),
    "another head": ("head.gamma=1", "it is an option of head=focal"),
    "a name": ("head=sigmiod", r"head=sigmiod does not exist: did you mean sigmoid\?"),
    "an experiment": ("experiment=leage", r"did you mean league\?"),
    "text for a number": ("optimizer.lr=two", "lr=two is of the wrong type .*'two' is no number"),
    "a fraction": ("trainer.max_epochs=1.5", "1.5' is no whole number"),
    "digits": ("seed=" + "9" * 5000, "seed has 5000 characters"),
    "a large seed": ("seed=1099511627776", "at most 4294967295"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_once(case: str, command: Command) -> None:
    override, message = REFUSED[case]
    ended = command(main, override, "hydra.run.dir=a")
    printed = ended.out + ended.error
    assert ended.status == 2
    assert len(re.findall(message, printed)) == 1, printed
    assert not re.search("Traceback|Error executing", printed)


def test_a_range_is_counted_before_it_is_listed(command: Command) -> None:
    start = time.monotonic()
    for values in ("range(200000000)", "range(0,1e9,0.5)"):
        ended = command(main, "-m", f"seed={values}", "hydra.sweep.dir=s")
        assert ended.status == 2
        assert f"seed={values} makes 2000000" in ended.error
    ended = command(main, "-m", "seed=range(1000)", "data.seed=range(1000)", "hydra.sweep.dir=s")
    assert "makes 1000000 jobs, and a sweep has 100000 at most" in ended.error
    assert time.monotonic() - start < 20


def test_a_failed_runs_sentence_is_told_once_and_stands_in_its_log(
    command: Command, tmp_path: Path
) -> None:
    sentence = "There is no .*nowhere.arff"
    ended = command(main, "data=arff", "data.path=nowhere", "hydra.run.dir=a")
    assert ended.status == 1
    assert len(re.findall(sentence, ended.out + ended.error)) == 1
    assert re.search(f"failed: {sentence}", (tmp_path / "a" / "train.log").read_text())
