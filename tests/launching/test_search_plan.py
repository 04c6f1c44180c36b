"""The groups of a search and the spaces of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from mlc.config.errors import ConfigError
from mlc.config.options import Interval
from mlc.config.schema import config_folder, register_configs
from mlc.launching.checks import sweep_overrides
from mlc.launching.search_plan import Planned, plan, seeds_of
from mlc.launching.search_request import Request, read_request
from mlc.training.defaults import TABLE

Plan = Callable[..., list[Planned]]


@pytest.fixture(scope="module")
def hydra() -> Iterator[Hydra]:
    register_configs()
    GlobalHydra.instance().clear()
    yield Hydra.create_main_hydra2("test", create_config_search_path(str(config_folder())))
    GlobalHydra.instance().clear()


@pytest.fixture
def planned(hydra: Hydra) -> Plan:
    def start(*overrides: str) -> list[Planned]:
        words = ["hydra/sweeper=search", "hydra.sweep.dir=x", *overrides]
        config = hydra.compose_config("train", words, run_mode=RunMode.MULTIRUN)
        request = read_request(config, sweep_overrides(config))
        assert request is not None
        return plan(request, hydra.config_loader, config)

    return start


def test_the_rates_are_around_the_backbones_default(planned: Plan) -> None:
    spaces = {
        backbone: planned(f"backbone={backbone}")[0].group.spaces["optimizer.lr"]
        for backbone in ("mlp", "embedding_bag")
    }
    declared, shifted = spaces["mlp"], spaces["embedding_bag"]
    assert isinstance(declared, Interval)
    assert isinstance(shifted, Interval)
    assert (declared.low, declared.high, declared.log) == (3e-4, 1e-2, True)
    default = TABLE["embedding_bag"][True]["optimizer.lr"]
    assert default > declared.high
    assert shifted.low * shifted.high == pytest.approx(default**2)
    assert shifted.high / shifted.low == pytest.approx(declared.high / declared.low)


def test_each_group_has_the_spaces_of_its_parts(planned: Plan) -> None:
    groups = planned(
        "head=sigmoid,focal", "data=world", "data.dependence=0,3", "seed=0,1",
        "optimizer.lr=0.01", "head.gamma=interval(1,2)", "trainer.batch_size=choice(16,32)",
    )  # fmt: skip
    assert [(each.group.head, each.group.settings) for each in groups] == [
        (head, {"data.dependence": text})
        for head in ("sigmoid", "focal")
        for text in ("0.0", "3.0")
    ]
    shared = ["optimizer.weight_decay", "backbone.dropout", "trainer.batch_size"]
    assert sorted(groups[0].group.spaces) == sorted(shared)
    focal = groups[2].group
    assert sorted(focal.spaces) == sorted([*shared, "head.gamma", "head.alpha"])
    assert focal.spaces["head.gamma"] == Interval(1.0, 2.0)
    assert focal.defaults["head.gamma"] == 2.0
    # By the kind of the data, which are not read.
    assert focal.defaults["trainer.batch_size"] is None
    job = groups[3].job(2, {"head.gamma": "1.5"}, "seed=1")
    assert set(job) == {
        "head=focal", "data=world", "data.dependence=3", "optimizer.lr=0.01", "trial=2",
        "head.gamma=1.5", "seed=1",
    }  # fmt: skip
    assert job[-3:] == ["trial=2", "head.gamma=1.5", "seed=1"]


def test_a_losses_search_draws_no_option_of_the_head(planned: Plan) -> None:
    (only,) = planned("head=focal", "hydra.sweeper.metric=loss")
    assert not any(key.startswith("head.") for key in only.group.spaces)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["backbone.dropout=interval(0,1)"], r"backbone\.dropout=1\.0 is out of range"),
        (["backbone.widths=choice([8],[0])"], r"backbone\.widths=0 is out of range"),
        (["head.gamma=interval(0,1)"], r"No job of the search has an option head\.gamma: it is an"),
        (
            ["trainer.batch_size=interval(8,64)"],
            r"write trainer\.batch_size=int\(interval\(8,64\)\)",
        ),
        (
            ["head=focal", "hydra.sweeper.metric=loss", "head.gamma=interval(0.5,1)"],
            r"metric=loss cannot choose head\.gamma",
        ),
        (["optimizer.lr=-1"], r"optimizer\.lr=-1\.0 is out of range"),
    ],
)
def test_spaces_that_no_option_has_are_refused(
    overrides: list[str], reason: str, planned: Plan
) -> None:
    with pytest.raises(ConfigError, match=reason):
        planned(*overrides)


def test_without_seeds_the_configs_own_is_used(planned: Plan) -> None:
    (only,) = planned()
    assert only.job(0, {}, None) == ["trial=0"]
    request = Request(options=None, fixed=[], grid=[], seeds=[], spaces={})  # type: ignore[arg-type]
    assert seeds_of(request) == [None]
