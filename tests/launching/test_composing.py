"""Composing once for many numbers gives what composing each gives."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra
from hydra._internal.utils import _run_app, create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from yaml import safe_load

import mlc.launching.command  # noqa: F401  (registers the resolver that the primary config names)
from mlc.config.errors import ConfigError
from mlc.config.quoting import quoted
from mlc.config.schema import config_folder, register_configs
from mlc.launching.checks import check_swept_values, sweep_overrides
from mlc.launching.composing import NumberCache, composed, composed_once
from mlc.launching.names import task_overrides
from mlc.launching.storing import Texts

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

# The overrides of two jobs that differ in the first one.
NUMBERS = [
    ["data.title=1", "data.title=007"],
    ["optimizer.lr=1", "optimizer.lr=2", "optimizer={lr:0.5}"],
    ["optimizer.lr=1", "optimizer.lr=2", "++optimizer.lr=0.5"],
    ["seed=1", "seed=2", "optimizer.lr=${data.seed}"],
    ["seed=1", "seed=2", "data.seed=4", "hydra.job.config.override_dirname.kv_sep=:"],
    ["seed=1", "seed=2", "data.seed=4", "hydra.job.config.override_dirname.item_sep=__"],
    ["seed=1", "seed=2", "data.seed=4", "hydra.job.config.override_dirname.exclude_keys=[seed]"],
]


@pytest.fixture
def hydra() -> Iterator[tuple[Hydra, DictConfig]]:
    register_configs()
    GlobalHydra.instance().clear()
    made = Hydra.create_main_hydra2("test", create_config_search_path(str(config_folder())))
    yield made, made.compose_config("train", ["hydra.sweep.dir=x"], run_mode=RunMode.MULTIRUN)
    GlobalHydra.instance().clear()


def test_the_same_configs_come_out(hydra: tuple[Hydra, DictConfig]) -> None:
    made, master = hydra
    cached = NumberCache(made.config_loader)
    expected = [
        OmegaConf.to_container(made.config_loader.load_sweep_config(master, list(overrides)))
        for overrides in JOBS
    ]
    for _ in range(2):
        for overrides, content in zip(JOBS, expected, strict=True):
            assert OmegaConf.to_container(cached.load_sweep_config(master, overrides)) == content


def test_a_number_beside_other_overrides_is_that_of_hydra(hydra: tuple[Hydra, DictConfig]) -> None:
    made, master = hydra
    for first, second, *beside in NUMBERS:
        cached = NumberCache(made.config_loader)
        cached.load_sweep_config(master, [first, *beside])
        expected = made.config_loader.load_sweep_config(master, [second, *beside])
        assert OmegaConf.to_yaml(cached.load_sweep_config(master, [second, *beside])) == (
            OmegaConf.to_yaml(expected)
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


@pytest.mark.parametrize("stated", [[], ["hydra.mode=MULTIRUN"], ["hydra.mode=RUN"]])
@pytest.mark.filterwarnings(r"ignore:\s*Running Hydra app with --multirun")
def test_a_sweep_is_composed_once_for_its_mode_and_for_itself(
    stated: list[str], hydra: tuple[Hydra, DictConfig]
) -> None:
    made, _ = hydra
    found = []

    def multirun(config_name: str, overrides: list[str], **_: Any) -> None:
        found.append(made.compose_config(config_name, overrides, run_mode=RunMode.MULTIRUN))

    def run() -> None:
        words = ["seed=1,2", "head=sigmoid", "hydra.job.name=x", *stated]
        mode = made.get_mode("train", words)
        of_hydra = SimpleNamespace(multirun=multirun)
        # Hydra adds a word for the mode to those of the command.
        _run_app(False, True, mode, of_hydra, "train", lambda _: None, words)

    run()
    with composed_once(), count_compositions() as calls:
        run()
        assert len(calls) == 1
        run()
    assert len(calls) == 2
    assert len({OmegaConf.to_yaml(config) for config in found}) == 1
    assert {config.hydra.mode for config in found} == {RunMode.MULTIRUN}


@pytest.mark.parametrize("wrong", ["hydra.job.name=a,b", "seed=", "head=nope"])
def test_what_a_composition_refuses_is_refused_after_its_mode_was_read(
    hydra: tuple[Hydra, DictConfig], wrong: str
) -> None:
    made, _ = hydra
    with pytest.raises(HydraException) as expected:
        made.compose_config("train", [wrong, "optimizer.lr=x"], run_mode=RunMode.MULTIRUN)
    with composed_once():
        made.get_mode("train", [wrong, "optimizer.lr=x"])
        with pytest.raises(HydraException) as told:
            made.compose_config("train", [wrong, "optimizer.lr=x"], run_mode=RunMode.MULTIRUN)
    assert str(told.value) == str(expected.value)


@contextmanager
def count_compositions() -> Iterator[list[str]]:
    """Yield a list that gets the name of each config that is composed from files."""
    calls: list[str] = []
    compose = ConfigLoaderImpl._load_configuration_impl

    def counted(self: ConfigLoaderImpl, config_name: str, *args: Any, **kwargs: Any) -> DictConfig:
        calls.append(config_name)
        return compose(self, config_name, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConfigLoaderImpl, "_load_configuration_impl", counted)
        yield calls


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


def test_a_config_without_hydra_has_the_numbers_of_its_job(
    hydra: tuple[Hydra, DictConfig],
) -> None:
    made, master = hydra
    cached = NumberCache(made.config_loader)
    for overrides in [*JOBS, *JOBS]:
        config, task = cached.job_configs(master, overrides)
        expected = OmegaConf.to_container(config)
        assert isinstance(expected, dict)
        assert expected.pop("hydra")
        assert OmegaConf.to_container(task) == expected


def test_a_job_after_a_refused_one_has_its_own_numbers(hydra: tuple[Hydra, DictConfig]) -> None:
    made, master = hydra
    cached = NumberCache(made.config_loader)
    cached.load_sweep_config(master, ["optimizer.lr=0.1", "seed=1"])
    with pytest.raises((HydraException, ValueError)):
        cached.load_sweep_config(master, ["optimizer.lr=0.2", "seed=1.5"])
    config = cached.load_sweep_config(master, ["optimizer.lr=0.1", "seed=1"])
    assert (config.optimizer.lr, config.seed) == (0.1, 1)


def test_configs_are_stored_as_hydra_stores_them(hydra: tuple[Hydra, DictConfig]) -> None:
    made, _ = hydra
    names = setting_of(NAMES)
    texts_of_jobs = Texts()

    def yaml(config: Any, under: str | None = None) -> str:
        return "".join(texts_of_jobs.yaml(config, under))

    for seed in (1, 2):
        settings = ["data=table", names, f"seed={seed}"]
        config = made.compose_config("train", settings, run_mode=RunMode.RUN)
        hydra_config = OmegaConf.masked_copy(config, "hydra")
        assert yaml(config) == OmegaConf.to_yaml(config)
        assert yaml(config.hydra, under="hydra") == OmegaConf.to_yaml(hydra_config)
    # Values that are equal or empty are not taken for one another.
    for value in (1, True, 1.0, 0.0, -0.0, "1", "", None, [], {}, {"b": None}, [[]], "é", "x: y"):
        for content in ({"a": value}, {"a": {"b": value, "c": [value]}}, {"hydra": value}, [value]):
            one = OmegaConf.create(content)
            assert yaml(one) == OmegaConf.to_yaml(one)
            assert yaml(one, under="h") == OmegaConf.to_yaml(OmegaConf.create({"h": content}))
    texts = OmegaConf.create({"a": ["1", "1e3", "yes", "é", "null", "", "x: y", None, 1.5, True]})
    assert yaml(texts) == OmegaConf.to_yaml(texts)
    assert yaml(texts, under="hydra") == OmegaConf.to_yaml(OmegaConf.create({"hydra": texts}))
    empty = OmegaConf.create({})
    assert yaml(empty) == OmegaConf.to_yaml(empty)
    assert yaml(empty, under="h") == OmegaConf.to_yaml(OmegaConf.create({"h": {}}))


@pytest.mark.parametrize("text", ["caf\udce9.csv", "a\x85", "\U0001f600", "a\0b", "a\n\n b "])
def test_configs_are_stored_whatever_their_texts(text: str) -> None:
    """A file's name that is not in UTF-8 has surrogates."""
    content = {"a": [text], "b": {"c": text}}
    for under in (None, "hydra"):
        stored = "".join(Texts().yaml(OmegaConf.create(content), under)).encode()
        assert safe_load(stored) == (content if under is None else {under: content})


def test_what_the_configs_of_jobs_have_in_common_is_kept_once() -> None:
    texts = Texts()
    one, other = (texts.yaml(OmegaConf.create({"seed": s, "head": {"a": "b"}})) for s in (1, 2))
    assert one[0] != other[0]
    assert one[1] is other[1]
