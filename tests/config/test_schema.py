"""Every config composes, and every registered part can be chosen."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import MISSING, field, fields, make_dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigNode, ConfigStore
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf
from omegaconf.errors import ConfigKeyError

import mlc.train
from mlc.config.errors import ConfigError
from mlc.config.registry import BACKBONES, HEADS, SOURCES
from mlc.config.schema import GROUPS, Config, config_folder, parse, register_configs
from mlc.decisions.base import DECISIONS
from tests.registered import forget

FILES = [
    (path.parent.name, path.stem)
    for group in (*GROUPS, "experiment")
    for path in sorted((config_folder() / group).glob("*.yaml"))
]


@pytest.fixture(autouse=True)
def hydra_configs() -> Iterator[None]:
    register_configs()
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        yield


def composed(*overrides: str) -> Config:
    return parse(compose("train", list(overrides)))


@pytest.mark.parametrize(("group", "name"), FILES)
def test_every_file_composes(group: str, name: str) -> None:
    composed(f"{group}={name}")


@pytest.mark.parametrize(
    ("group", "name"), [(g, n) for g, registry in GROUPS.items() for n in registry]
)
def test_every_registered_part_can_be_chosen(group: str, name: str) -> None:
    required = ["backbone.model=folder"] if name == "pretrained" else []
    assert getattr(composed(f"{group}={name}", *required), group).name == name


def test_a_part_that_is_registered_anew_has_its_new_options() -> None:
    backbones = GROUPS["backbone"]
    try:
        for default in (1, 2):
            options = make_dataclass("Options", [("width", int, default)])
            backbones.register("of_tests")(type("Part", (), {"Options": options}))
            assert backbones.schema("of_tests") is backbones.schema("of_tests")
            register_configs()
            assert composed("backbone=of_tests").backbone.width == default
            del backbones._parts["of_tests"]
    finally:
        forget(backbones, "of_tests")


def test_a_rule_that_is_registered_later_has_its_options() -> None:
    compose("train")
    options = make_dataclass("Options", [("share", float, 0.25)])
    try:
        DECISIONS.register("of_tests")(type("Rule", (), {"Options": options}))
        register_configs()
        assert compose("train").decision["of_tests"].share == 0.25
    finally:
        for parts in (DECISIONS._parts, DECISIONS._elsewhere):
            parts.pop("of_tests", None)
        register_configs()


def test_the_store_is_pickled_with_its_configs() -> None:
    """As for a job of submitit, where a schema that is pickled by value is not the same class."""
    cloudpickle = pytest.importorskip("cloudpickle")
    schemas = ConfigStore.instance().repo["schema"]
    for node in (schemas["backbone"]["mlp.yaml"], schemas["config.yaml"]):
        restored = pickle.loads(cloudpickle.dumps(node))
        assert type(restored) is ConfigNode
        assert restored.node == node.node
        assert restored.group == node.group
        assert deepcopy(node).node == node.node


def test_a_schema_that_is_read_back_where_it_was_pickled_keeps_its_fields() -> None:
    """As the results of joblib are, in the process that started it."""
    cloudpickle = pytest.importorskip("cloudpickle")
    schema = BACKBONES.schema("mlp")
    assert cloudpickle.loads(cloudpickle.dumps(schema)) is schema
    for each in fields(schema):
        assert (each.default is MISSING) != (each.default_factory is MISSING), each.name
    assert composed("backbone=mlp").backbone.widths == composed().backbone.widths


@pytest.mark.parametrize("name", DECISIONS)
def test_every_rules_options_can_be_set(name: str) -> None:
    config = compose("train")
    options = parse(config).decision[name]
    assert type(options).__name__ == DECISIONS[name].Options.__name__
    assert set(vars(options)) <= set(OmegaConf.to_container(config.decision[name]))


def test_defaults_agree_with_the_readme() -> None:
    config = composed()
    assert config.head.name == "sigmoid"
    assert config.data.name == "digits"
    assert config.decisions == ["fixed", "global", "mode", "oracle"]


def test_the_oracle_tunes_the_metric_of_the_honest_rule() -> None:
    assert composed("decision.global.metric=f1_micro").decision["oracle"].metric == "f1_micro"


@pytest.mark.parametrize(
    ("override", "error"),
    [
        ("seed=-1", ConfigError),
        ("seed=1.5", ConfigCompositionException),
        ("optimizer.lr=0", ConfigError),
        ("backbone.dropout=1", ConfigError),
        ("trainer.monitor=accuracy", ConfigError),
        ("device=gpu", ConfigError),
        ("decisions=[global,none]", ConfigError),
        ("decisions=[]", ConfigError),
        ("decision.global.metric=accuracy", ConfigError),
        ("data.val_fraction=1", ConfigError),
        ("report.metrics=[]", ConfigError),
        ("data.digits_per_image=[0.5]", ConfigError),
        ("optimizer.betas=[0.9]", ConfigError),
    ],
)
def test_invalid_values_are_refused(override: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        composed(override)


@pytest.mark.parametrize(
    "key", ["learning_rate", "head.gamma", "decision.global.threshold", "trainer.epochs"]
)
def test_unknown_keys_are_refused(key: str) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  (Hydra wraps what is asserted below)
        composed(f"{key}=1")
    assert isinstance(caught.value.__cause__, ConfigKeyError | AttributeError)


def test_configs_are_found_beside_the_package() -> None:
    assert (config_folder() / "train.yaml").is_file()
    assert config_folder() == Path(mlc.__file__).parent.parent / "conf"


def test_a_part_with_an_option_called_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    options = make_dataclass("Options", [("name", str, field(default="mine"))])
    monkeypatch.setattr(SOURCES["digits"], "Options", options)
    with pytest.raises(ConfigError, match="the data source 'digits' have a field 'name'"):
        SOURCES.options("digits")


def test_a_part_with_free_options_takes_any(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = [("more", dict[str, Any], field(default_factory=dict))]
    options = make_dataclass("FreeOptions", fields, bases=(HEADS["sigmoid"].Options,))
    free = type("Free", (HEADS["sigmoid"],), {"name": "free", "Options": options})
    monkeypatch.setitem(HEADS._parts, "free", free)  # type: ignore[attr-defined]
    register_configs()
    config = compose("train", ["head=free", "+head.more.depth=3", "+head.more.of={a: 1}"])
    assert parse(config).head.more == {"depth": 3, "of": {"a": 1}}
    with pytest.raises(ConfigError, match=r"head has no option 'depth': it takes .*more"):
        parse(compose("train", ["head=free", "+head.depth=3"]))


@pytest.mark.parametrize(
    ("kind", "default", "reason"),
    [(complex, 1j, "annotation: complex"), (int, "x", "'x' of type 'str'"), (set, None, "set")],
)
def test_an_option_that_no_config_can_hold_is_named(kind: type, default: Any, reason: str) -> None:
    backbones = GROUPS["backbone"]
    options = make_dataclass("Options", [("odd", kind, field(default=default))])
    try:
        backbones.register("of_tests")(type("Part", (), {"Options": options}))
        register_configs()
        composed("backbone=mlp")
        with pytest.raises(ConfigError, match=f"The option 'odd' of backbone=of_tests .*{reason}"):
            composed("backbone=of_tests")
    finally:
        forget(backbones, "of_tests")


def test_a_rule_given_as_decision_is_named_with_the_right_key() -> None:
    with pytest.raises(ConfigError, match=r"decisions=\[auto\] names the rules"):
        composed("decision=auto")
