"""Composition of jobs' configs; jobs that differ only in numbers share one composition."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from mlc.config.schema import config_folder
from mlc.launching.names import parsed, task_overrides
from mlc.launching.overrides import refuse_former

# As in Hydra's grammar, where 007 is a text.
_INTEGER = r"-?(?:0|[1-9]\d*)"
_REAL = rf"{_INTEGER}(?:\.\d*(?:[eE][-+]?\d+)?|[eE][-+]?\d+)"
_NUMBER = re.compile(rf"(?!hydra\.)([A-Za-z_][\w.]*)=({_INTEGER}|{_REAL})", re.ASCII)
# The name of a part, which is chosen before any setting.
_WORD = re.compile(r"[\w.+/-]+")
# Hydra adds this to a command with --multirun after it has read the mode.
_ADDED = "hydra.mode=MULTIRUN"


def composed(overrides: Sequence[str]) -> DictConfig:
    """Return the config of one job, outside a launch.

    Raises:
        ConfigError: an override has the former name of an option.
    """
    for override in overrides:
        refuse_former(override)
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return compose("train", list(overrides))


@contextmanager
def composed_once() -> Iterator[None]:
    """Let Hydra compose a command's config once; it does twice, first to look for hydra.mode alone."""
    compose_anew = ConfigLoaderImpl.load_configuration
    found: dict[tuple[Any, ...], DictConfig] = {}

    def load(
        self: ConfigLoaderImpl,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        key = self, config_name, tuple(overrides), run_mode, from_shell
        # Such a caller reads the mode and drops the config.
        if not validate_sweep_overrides:
            found[key] = compose_anew(
                self, config_name, overrides, run_mode, from_shell, validate_sweep_overrides
            )
            return found[key]
        config = found.pop(key, None)
        if config is None and overrides[-1:] == [_ADDED]:
            config = found.pop(
                (self, config_name, tuple(overrides[:-1]), run_mode, from_shell), None
            )
            if config is not None:
                config.hydra.mode = RunMode.MULTIRUN
                config.hydra.overrides.hydra.append(_ADDED)
        if config is None:
            return compose_anew(self, config_name, overrides, run_mode, from_shell)
        self.validate_sweep_overrides_legal(parsed(overrides), run_mode, from_shell)
        return config

    ConfigLoaderImpl.load_configuration = load  # type: ignore[method-assign]
    try:
        yield
    finally:
        ConfigLoaderImpl.load_configuration = compose_anew  # type: ignore[method-assign]


class NumberCache:
    """A config loader that composes once for all jobs whose overrides differ only in numbers.

    Composing a job takes longer than its share of a stacked training, and is done twice (the sweeper
    composes all jobs to check them). Jobs that differ in numbers get the same config, one after another,
    each with its own numbers: copies of it would fill the memory with thousands of jobs.
    All other calls go to the wrapped loader.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._composed: dict[tuple[str, ...], _Composed] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: Sequence[str]
    ) -> DictConfig:
        """Return the config of one job; it is valid until the next call."""
        return self.job_configs(master_config, sweep_overrides)[0]

    def job_configs(
        self, master_config: DictConfig, sweep_overrides: Sequence[str]
    ) -> tuple[DictConfig, DictConfig]:
        """Return the config of one job, and the same without "hydra"; valid until the next call."""
        overrides = list(sweep_overrides)
        numbers = [_NUMBER.fullmatch(override) for override in overrides]
        key = tuple(n[1] if n else o for n, o in zip(numbers, overrides, strict=True))
        settings = {n[1] for n in numbers if n}
        if not settings or _are_set_twice(settings, overrides):
            return self._load(master_config, overrides).configs
        if key not in self._composed:
            self._composed[key] = self._load(master_config, overrides)
        composed = self._composed[key]
        try:
            for before, after in zip(composed.overrides, overrides, strict=True):
                if before != after:
                    composed.replace(before, after)
        except (OmegaConfBaseException, _NotASetting):
            # Some of its numbers may be those of this job.
            del self._composed[key]
            # The loader resolves the override, or raises the clearer error.
            return self._load(master_config, overrides).configs
        composed.overrides = overrides
        return composed.configs

    def _load(self, master_config: DictConfig, overrides: list[str]) -> _Composed:
        config = self._loader.load_sweep_config(master_config, overrides)
        task = copy.deepcopy(config)
        with read_write(task), open_dict(task):
            del task["hydra"]
        return _Composed(overrides, (config, task))


@dataclass
class _Composed:
    """The configs of the job with these overrides, with and without "hydra"."""

    overrides: list[str]
    configs: tuple[DictConfig, DictConfig]

    def replace(self, before: str, after: str) -> None:
        """Replace the number of one setting."""
        config, task = self.configs
        with read_write(config), open_dict(config), read_write(config.hydra):
            _replace(config, before, after)
        name, value = _setting(after)
        with read_write(task), open_dict(task):
            OmegaConf.update(task, name, value)


class _NotASetting(Exception):
    """The number is the name of a file of a config group."""


def _are_set_twice(settings: set[str], overrides: Sequence[str]) -> bool:
    """Whether one of the settings is that of two overrides, or is in a mapping that another one sets."""
    keys = [(_key(override), override.partition("=")[2]) for override in overrides]
    given = [key for key, _ in keys]
    return any(given.count(name) > 1 for name in settings) or any(
        name.startswith(f"{key}.") and not _WORD.fullmatch(value)
        for name in settings
        for key, value in keys
    )


def _key(override: str) -> str:
    return override.partition("=")[0].lstrip("+~")


def _replace(config: DictConfig, before: str, after: str) -> None:
    """Replace the number of one setting, also in the overrides that Hydra records."""
    name, value = _setting(after)
    if name in config.hydra.runtime.choices or OmegaConf.is_config(OmegaConf.select(config, name)):
        raise _NotASetting
    OmegaConf.update(config, name, value)
    task = config.hydra.overrides.task
    task[task_overrides(config.hydra).index(before)] = after
    form = config.hydra.job.config.override_dirname
    config.hydra.job.override_dirname = get_overrides_dirname(
        parsed(OmegaConf.to_container(task, resolve=False)),  # type: ignore[arg-type]
        kv_sep=form.kv_sep,
        item_sep=form.item_sep,
        exclude_keys=form.exclude_keys,
    )


def _setting(override: str) -> tuple[str, float]:
    """Return the key and the number of an override."""
    name, number = override.split("=")
    return name, int(number) if re.fullmatch(_INTEGER, number, re.ASCII) else float(number)
