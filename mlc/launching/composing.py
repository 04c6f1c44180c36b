"""Composition of jobs' configs; jobs that differ only in numbers share one composition."""

from __future__ import annotations

import copy
import io
import pickle
import re
from collections.abc import Sequence
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf._utils import get_omega_conf_dumper
from omegaconf.errors import OmegaConfBaseException

from mlc.config.quoting import literal
from mlc.config.schema import config_folder
from mlc.launching.names import task_overrides
from mlc.launching.overrides import refuse_former

_INTEGER, _REAL = r"-?\d+", r"-?\d+(?:\.\d*(?:[eE][-+]?\d+)?|[eE][-+]?\d+)"
_NUMBER = re.compile(rf"(?!hydra\.)([A-Za-z_][\w.]*)=({_INTEGER}|{_REAL})")


def composed(overrides: Sequence[str]) -> DictConfig:
    """Return the config of one job, outside a launch.

    Raises:
        ConfigError: an override has the former name of an option.
    """
    for override in overrides:
        refuse_former(override)
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        return compose("train", list(overrides))


def without_hydra(config: DictConfig) -> DictConfig:
    """Return a copy of a config without Hydra's part, which is the larger one."""
    # What is in the memo is not copied; `copy.copy` copies all of it.
    task = copy.deepcopy(config, {id(config.hydra): DictConfig({})})
    with read_write(task), open_dict(task):
        del task["hydra"]
    return task


def as_yaml(config: Any) -> str:
    """Return what `OmegaConf.to_yaml` returns, in less than half the time where LibYAML is installed."""
    if not yaml.__with_libyaml__:
        return OmegaConf.to_yaml(config)

    class Dumper(yaml.CDumper):  # type: ignore[misc]
        yaml_representers = get_omega_conf_dumper().yaml_representers

    content = OmegaConf.to_container(config, resolve=False, enum_to_str=True)
    try:
        text: str = yaml.dump(
            content, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=Dumper
        )
    except UnicodeEncodeError:
        # Bytes of the command line that are not characters of the locale.
        return OmegaConf.to_yaml(config)
    return text


class _Template:
    """A config of which copies are made: unpickling takes a fifth of the time of `copy.deepcopy`.

    Types are kept aside, since Hydra imports plugins so that their classes cannot be pickled.
    """

    def __init__(self, config: DictConfig) -> None:
        self._types: list[type] = []
        stream = io.BytesIO()
        _Pickler(stream, self._types).dump(config)
        self._pickled = stream.getvalue()

    def copy(self) -> DictConfig:
        config: DictConfig = _Unpickler(io.BytesIO(self._pickled), self._types).load()
        return config


class _Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, types: list[type]) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self._types = types

    def persistent_id(self, item: Any) -> int | None:
        if not isinstance(item, type):
            return None
        self._types.append(item)
        return len(self._types) - 1


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, types: list[type]) -> None:
        super().__init__(stream)
        self._types = types

    def persistent_load(self, number: int) -> type:
        return self._types[number]


class NumberCache:
    """A config loader that composes once for all jobs whose overrides differ only in numbers.

    Composing takes 70 ms, twice for each job (the sweeper composes all of them before the launch):
    longer than a stacked training. The launch receives the configs composed for the sweeper. All
    other calls go to the wrapped loader.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._composed: dict[tuple[str, ...], tuple[list[str], _Template]] = {}
        self._checked: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: Sequence[str]
    ) -> DictConfig:
        """Return the config of one job."""
        overrides = list(sweep_overrides)
        if tuple(overrides) in self._checked:
            return self._checked.pop(tuple(overrides))
        numbers = [_NUMBER.fullmatch(override) for override in overrides]
        key = tuple(n[1] if n else o for n, o in zip(numbers, overrides, strict=True))
        if not any(numbers) or len(set(key)) < len(key):
            return self._loader.load_sweep_config(master_config, overrides)
        if key not in self._composed:
            config = self._loader.load_sweep_config(master_config, overrides)
            self._composed[key] = overrides, _Template(config)
        composed_for, template = self._composed[key]
        config = template.copy()
        try:
            with read_write(config), open_dict(config):
                for before, after in zip(composed_for, overrides, strict=True):
                    if before != after:
                        _replace(config, before, after)
        except (OmegaConfBaseException, _NotASetting):
            # The loader resolves the override, or raises the clearer error.
            return self._loader.load_sweep_config(master_config, overrides)
        self._checked[tuple(overrides)] = config
        return config


class _NotASetting(Exception):
    """The number is the name of a file of a config group."""


def _replace(config: DictConfig, before: str, after: str) -> None:
    """Replace the number of one setting, also in the overrides that Hydra records."""
    name, number = after.split("=")
    if OmegaConf.is_config(OmegaConf.select(config, name)):
        raise _NotASetting
    value = int(number) if re.fullmatch(_INTEGER, number) else float(number)
    OmegaConf.update(config, name, value)
    # The loader sorts the overrides of the task.
    task = config.hydra.overrides.task
    task[task_overrides(config.hydra).index(before)] = after
    config.hydra.job.override_dirname = re.sub(
        rf"(?<![\w.]){re.escape(before)}(?![\w.])",
        after,
        literal(config.hydra.job.override_dirname),
    )
