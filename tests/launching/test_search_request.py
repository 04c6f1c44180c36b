"""A command line is read as a grid, seeds, fixed options and search spaces."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from omegaconf import OmegaConf

from mlc.config.errors import ConfigError
from mlc.config.options import Choice, Interval, Search
from mlc.launching.checks import require_answerable
from mlc.launching.names import key_of, parsed
from mlc.launching.search_request import TARGET, Request, read_request, space_of


def request(*overrides: str, **options: object) -> Request:
    sweeper = {"_target_": TARGET, "n_trials": 4, "params": {}, **options}
    config = OmegaConf.create({"hydra": {"sweeper": sweeper}})
    read = read_request(config, parsed(overrides))
    assert read is not None
    return read


# As Hydra's Optuna sweeper 1.2 reads them (hydra_optuna_sweeper/_impl.py): its IntUniformDistribution
# and DiscreteUniformDistribution include the end.
@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("interval(1e-4,1e-1)", Interval(1e-4, 1e-1)),
        ("interval(1,8)", Interval(1.0, 8.0)),
        ("int(interval(1,8))", Interval(1, 8, step=1)),
        ("tag(log,interval(1e-4,1e-1))", Interval(1e-4, 1e-1, log=True)),
        ("tag(log,int(interval(1,8)))", Interval(1, 8, log=True, step=1)),
        ("range(1,4)", Interval(1, 4, step=1)),
        ("range(5)", Interval(0, 5, step=1)),
        ("range(0,10,step=5)", Interval(0, 10, step=5)),
        ("range(0,0.5,step=0.25)", Interval(0, 0.5, step=0.25)),
    ],
)
def test_spaces_of_numbers(text: str, space: Interval) -> None:
    (override,) = parsed([f"optimizer.lr={text}"])
    read = space_of(override)
    assert read == space
    assert isinstance(read, Interval)
    assert (read.step is None) == (space.step is None)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("choice(a,b)", ["a", "b"]),
        ("choice([64],[128,64])", ["[64]", "[128,64]"]),
        ("choice(0.1,true)", ["0.1", "True"]),
        ("choice('x,y',z)", [r"x\,y", "z"]),
    ],
)
def test_spaces_of_values(text: str, values: list[str]) -> None:
    space: Search = space_of(parsed([f"backbone.widths={text}"])[0])
    assert isinstance(space, Choice)
    assert list(space.values) == values


def test_a_shuffled_range_is_a_choice() -> None:
    space = space_of(parsed(["trainer.max_epochs=shuffle(range(1,4))"])[0])
    assert isinstance(space, Choice)
    assert sorted(space.values) == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("interval(1,0.5)", "holds no value"),
        ("range(4,1,step=-1)", "holds no value"),
        ("tag(log,interval(0.0,1))", "cannot be logarithmic"),
        ("tag(log,range(1,9,step=2))", "cannot be logarithmic"),
    ],
)
def test_spaces_without_values_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        space_of(parsed([f"optimizer.lr={text}"])[0])


def test_what_is_searched_for_itself_and_what_is_drawn() -> None:
    read = request(
        "head=sigmoid,focal", "data=choice(yeast,scene)", "data.n_train=range(100,300,step=100)",
        "trainer.batch_size=32,64", "seed=range(3)", "backbone.dropout=0.2",
        "optimizer.lr=interval(0.1,0.2)", "backbone.widths=choice([8],[16])",
    )  # fmt: skip
    assert [key_of(each) for each in read.grid] == [
        "head", "data", "data.n_train", "trainer.batch_size",
    ]  # fmt: skip
    assert [key_of(each) for each in read.seeds] == ["seed"]
    assert [key_of(each) for each in read.fixed] == ["backbone.dropout"]
    assert list(read.spaces) == ["optimizer.lr", "backbone.widths"]
    # A grid's range is Hydra's own, without its end.
    assert read.n_jobs == 4 * 2 * 2 * 2 * 2 * 3
    assert {"optimizer.lr", "optimizer.weight_decay", "head.gamma"} < read.drawn
    assert "backbone.dropout" not in read.drawn


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("trial=3", "trial is set by the search"),
        ("trial=0,1", "trial is set by the search"),
        ("seed=interval(0,9)", "list the values of seed"),
        ("data.val_fraction=interval(0.1,0.3)", "list the values of data.val_fraction"),
        ("seed=range(90000)", "makes 360000 jobs"),
    ],
)
def test_overrides_that_cannot_be_searched_are_refused(override: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        _ = request(override).n_jobs


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"n_trials": 0}, r"hydra\.sweeper\.n_trials=0 is out of range"),
        ({"sampler": "tpee"}, "did you mean tpe"),
        ({"metric": "test/f1_macro"}, "would choose by the test rows"),
        ({"seed": -1}, r"hydra\.sweeper\.seed=-1 is out of range"),
    ],
)
def test_options_of_the_search_are_checked(options: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        request(**options)


def test_other_sweepers_ask_for_no_search() -> None:
    basic = {"hydra": {"sweeper": {"_target_": "hydra._internal.core_plugins.BasicSweeper"}}}
    assert read_request(OmegaConf.create(basic), []) is None


def test_an_unknown_setting_of_a_search_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"hydra\.sweeper has no option 'n_trial': did you mean n_trials\? it"
    ):
        request(n_trial=3)


@pytest.mark.parametrize(
    ("overrides", "data", "message"),
    [
        (
            ["data.min_df=1,2"],
            {},
            r"and data\.min_df has several values: give one, or state report",
        ),
        (["data=yeast,scene"], {}, "and data has several values"),
        (
            ["head=sigmoid"],
            {"missing_labels": "mask"},
            r"not with data\.missing_labels=mask: state",
        ),
        (["head=sigmoid"], {"soft_labels": True}, r"not with data\.soft_labels=true: state"),
        (["head=sigmoid,zlpr", "optimizer=sgd,adamw"], {"missing_labels": "negative"}, None),
    ],
)
def test_an_answer_that_no_run_can_give_is_refused_before_the_training(
    overrides: list[str], data: dict[str, object], message: str | None
) -> None:
    for answer in (True, False):
        config = OmegaConf.create({"report": {"answer": answer}, "data": data})
        with pytest.raises(ConfigError, match=message) if answer and message else nullcontext():
            require_answerable(config, parsed(overrides))
