"""Composing once for many numbers gives what composing each gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

import mlc.launching.command  # noqa: F401  (registers the resolver that the primary config names)
from mlc.config.errors import ConfigError
from mlc.config.quoting import quoted
from mlc.config.schema import config_folder, register_configs
from mlc.launching.checks import check_swept_values, sweep_overrides
from mlc.launching.composing import NumberCache, as_yaml, composed, without_hydra
from mlc.launching.names import task_overrides

NAMES = ["a${b}", "d\\e", 'q"c', "${oc.env:HOME}", "x: y", "- z", "#t", "null", "x${y\\", "it's"]
JOBS = [
    ["head=powerset", "seed=3", "optimizer.lr=0.1"],
    ["head=powerset", "seed=11", "optimizer.lr=0.1"],
    ["head=powerset", "seed=3", "optimizer.lr=0.2"],
    ["data.seed=3", "seed=3"],
    ["data.seed=3", "seed=33"],
    ["head=sigmoid"],
    ["seed=1", "seed=2"],
    ["optimizer.lr=5e-4", "trainer.patience=5", "seed=1"],
    ["optimizer.lr=1", "trainer.patience=null", "seed=2"],
    ["optimizer.lr=1.", "trainer.patience=7", "seed=2"],
    ["optimizer.lr=0.25", "trainer.patience=12", "seed=1"],
    ["+data.new=1", "seed=-1"],
    ["+data.new=2", "seed=-2"],
    [r"data.title='a\${b}'", "seed=1"],
    [r"data.title='a\${b}'", "seed=2"],
]


@pytest.fixture
def hydra() -> Iterator[tuple[Hydra, DictConfig]]:
    register_configs()
    GlobalHydra.instance().clear()
    made = Hydra.create_main_hydra2("test", create_config_search_path(str(config_folder())))
    yield made, made.compose_config("train", ["hydra.sweep.dir=x"], run_mode=RunMode.MULTIRUN)
    GlobalHydra.instance().clear()


TEXTS = [
    *[name for name in NAMES if "${" not in name],
    "", " ", "no", "0o7", "1e3", "é", "\U0001f600", "two\nlines", "tab\t", "a" * 200,
    "words " * 40, "~", "? x", "[a, b]", "@x", "%x", "a #b", "\x07", "1:30",
]  # fmt: skip


def test_a_stored_config_is_that_of_hydra(hydra: tuple[Hydra, DictConfig]) -> None:
    made, master = hydra
    config = made.config_loader.load_sweep_config(master, JOBS[0])
    for part in (config, config.hydra.overrides.task, config.trainer):
        assert as_yaml(part) == OmegaConf.to_yaml(part)


def test_any_text_is_stored() -> None:
    for text in [*TEXTS, "${head}", "bytes \udc80"]:
        stored = as_yaml(OmegaConf.create({"key": [text], "other": {"key": text}}))
        assert yaml.safe_load(stored) == {"key": [text], "other": {"key": text}}, text


def test_a_copy_without_hydra_shares_nothing(hydra: tuple[Hydra, DictConfig]) -> None:
    made, master = hydra
    config = made.config_loader.load_sweep_config(master, JOBS[0])
    before = as_yaml(config)
    task = without_hydra(config)
    assert list(task) == [key for key in config if key != "hydra"]
    assert OmegaConf.get_type(task, "head") == OmegaConf.get_type(config, "head")
    task.trainer.max_epochs = 7
    assert task.trainer._get_parent() is task
    assert config.trainer._get_parent() is config
    assert as_yaml(config) == before


def test_the_same_configs_come_out(hydra: tuple[Hydra, DictConfig]) -> None:
    made, master = hydra
    cached = NumberCache(made.config_loader)
    for overrides in [*JOBS, *JOBS]:
        expected = made.config_loader.load_sweep_config(master, list(overrides))
        assert OmegaConf.to_container(cached.load_sweep_config(master, overrides)) == (
            OmegaConf.to_container(expected)
        )


@pytest.mark.parametrize("wrong", ["seed=1.5", "optimizer.nope=1", "head=3"])
def test_what_is_no_setting_is_refused_as_ever(hydra: tuple[Hydra, DictConfig], wrong: str) -> None:
    made, master = hydra
    cached = NumberCache(made.config_loader)
    cached.load_sweep_config(master, ["seed=1"])
    with pytest.raises((HydraException, ValueError)) as expected:
        made.config_loader.load_sweep_config(master, [wrong])
    with pytest.raises(type(expected.value)) as told:
        cached.load_sweep_config(master, [wrong])
    assert str(told.value) == str(expected.value)


@pytest.mark.parametrize("override", ["data.source=arff", "+rules=[global]", "data.ngrams=2"])
def test_a_former_key_is_refused_with_the_present_one(override: str) -> None:
    with pytest.raises(ConfigError, match=r"There is no key '.*': it is now called d\w+"):
        composed([override])


def test_numbers_share_one_composition(
    hydra: tuple[Hydra, DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    made, master = hydra
    compose, calls = made.config_loader.load_sweep_config, []
    monkeypatch.setattr(
        made.config_loader,
        "load_sweep_config",
        lambda config, overrides: calls.append(overrides) or compose(config, overrides),
    )
    cached = NumberCache(made.config_loader)
    for seed in range(5):
        for head in ("sigmoid", "powerset"):
            overrides = [f"head={head}", f"seed={seed}", f"optimizer.lr={seed + 0.5}"]
            config = cached.load_sweep_config(master, overrides)
            assert (config.head.name, config.seed) == (head, seed)
            assert config.optimizer.lr == seed + 0.5
    assert len(calls) == 2


def test_names_with_an_escaped_interpolation_stay_names_in_a_sweep(
    hydra: tuple[Hydra, DictConfig],
) -> None:
    made, _ = hydra
    labels = setting_of(NAMES)
    config = made.compose_config(
        "train", ["data=table", labels, "seed=1,2"], run_mode=RunMode.MULTIRUN
    )
    assert labels in task_overrides(config.hydra)
    overrides = sweep_overrides(config)
    assert check_swept_values(config, overrides) == 2
    cached = NumberCache(made.config_loader)
    for seed in (1, 2):
        job = cached.load_sweep_config(config, ["data=table", labels, f"seed={seed}"])
        assert list(job.data.labels) == NAMES
        assert [text for text in task_overrides(job.hydra) if text.startswith("data.l")] == [labels]
        assert "a${b}" in job.hydra.job.override_dirname


def setting_of(names: list[str]) -> str:
    return f"data.labels=[{','.join(map(quoted, names))}]"


def test_an_interpolation_that_is_meant_is_resolved(
    hydra: tuple[Hydra, DictConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_TEST", "there")
    made, _ = hydra
    config = made.compose_config(
        "train", ["data=table", "data.path=${oc.env:OF_TEST}"], run_mode=RunMode.RUN
    )
    assert task_overrides(config.hydra) == ["data=table", "data.path=there"]
