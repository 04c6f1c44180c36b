import pickle
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra.core.utils import JobStatus
from omegaconf import OmegaConf

from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.config.options import check, limits_of, option
from mlc.config.registry import Registry
from mlc.config.schema import register_configs
from mlc.heads.base import HEADS, Head
from mlc.launching.composing import composed
from mlc.launching.ending import FolderJobReturn


@dataclass
class Inner:
    rate: float = option(0.5, above=0, at_most=1)
    kinds: list[str] = option(["a"], choices=("a", "b"))
    limit: int | None = option(None, at_least=1)


@dataclass
class Outer:
    inner: Inner = field(default_factory=Inner)


@pytest.mark.parametrize(
    ("inner", "message"),
    [
        (Inner(rate=0.0), "inner.rate=0.0 is out of range: it must be above 0 and at most 1"),
        (Inner(rate=float("nan")), "inner.rate=nan"),
        (
            Inner(kinds=["a", "c"]),
            r"inner.kinds=\['a', 'c'\] is out of range: it must be one of a, b",
        ),
        (Inner(limit=0), "inner.limit=0"),
    ],
)
def test_values_outside_their_limits_are_named(inner: Inner, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check(Outer(inner))


def test_values_within_their_limits_pass() -> None:
    check(Outer(Inner(rate=1.0, kinds=["b", "a"], limit=None)))


def test_limits_are_found_by_key() -> None:
    limits = limits_of(Outer(), "inner.rate")
    assert limits is not None
    assert str(limits) == "above 0 and at most 1"
    assert limits_of(Outer(), "inner") is None
    assert limits_of({"x": Outer()}, "x.inner.limit") is not None


def test_a_name_can_be_registered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlc.config.registry._REGISTRIES", {})
    registry: Registry[type[Head]] = Registry("test head", "heads", "register_nothing")
    registry.register("mine")(HEADS["sigmoid"])
    with pytest.raises(ConfigError, match="already a test head named 'mine'"):
        registry.register("mine")(HEADS["sigmoid"])
    HEADS["sigmoid"].name = "sigmoid"


def test_a_class_that_is_defined_anew_replaces_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a cell of a notebook that is run again; another class keeps its name."""
    monkeypatch.setattr("mlc.config.registry._REGISTRIES", {})
    registry: Registry[Any] = Registry("test head", "heads", "register_nothing")
    for gamma in (1.0, 2.0):
        options = make_dataclass("Options", [("gamma", float, gamma)])
        registry.register("mine")(type("Mine", (), {"Options": options}))
        assert registry.options("mine").gamma == gamma
    with pytest.raises(ConfigError, match="already a test head named 'mine'"):
        registry.register("mine")(type("Other", (), {"Options": options}))


def test_options_can_be_pickled() -> None:
    options = HEADS.options("sigmoid")
    assert vars(pickle.loads(pickle.dumps(options))) == vars(options)
    changed = BACKBONES.options("mlp", widths=[3], dropout=0.1)
    assert vars(pickle.loads(pickle.dumps(changed))) == vars(changed)


def test_a_composed_config_can_be_pickled() -> None:
    """As a callback of Hydra does with a job's result, which holds the job's config."""
    register_configs()
    config = composed(["head=powerset", "data=yeast"])
    result = FolderJobReturn(cfg=config, folder=Path("run"))
    result.status, result.return_value = JobStatus.COMPLETED, 0.5
    restored = pickle.loads(pickle.dumps(result))
    assert restored.cfg == config
    assert OmegaConf.get_type(restored.cfg.head) is HEADS.schema("powerset")
    assert (restored.return_value, restored.folder) == (0.5, Path("run"))


def test_a_schema_is_pickled_without_a_copy_of_its_registry() -> None:
    """A launcher that pickles by value would hand its workers a copy for each job."""
    assert pickle.loads(pickle.dumps(HEADS)) is HEADS
    cloudpickle = pytest.importorskip("cloudpickle")
    schema = cloudpickle.loads(cloudpickle.dumps(HEADS.schema("powerset")))
    (registry,) = (
        cell.cell_contents
        for cell in schema.__reduce__.__closure__
        if isinstance(cell.cell_contents, Registry)
    )
    assert registry is HEADS
