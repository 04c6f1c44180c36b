"""Composing the configs of many jobs that differ in their seed alone."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig, open_dict, read_write

_SEED = re.compile(r"seed=(\d+)")


class SeedCache:
    """A config loader that composes once for all jobs with the same overrides but the seed.

    Composing costs 70 ms, twice for each job (the sweeper checks them all before the launch): more
    than a stacked training. What the sweeper had made is given out at the launch. All else is the
    wrapped loader's.
    """

    def __init__(self, loader: ConfigLoader) -> None:
        self._loader = loader
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        self._checked: dict[tuple[str, ...], DictConfig] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def load_sweep_config(
        self, master_config: DictConfig, sweep_overrides: Sequence[str]
    ) -> DictConfig:
        """The config of one job."""
        stated = list(sweep_overrides)
        if tuple(stated) in self._checked:
            return self._checked.pop(tuple(stated))
        places = [place for place, override in enumerate(stated) if _SEED.fullmatch(override)]
        if len(places) != 1:
            return self._loader.load_sweep_config(master_config, stated)
        (place,) = places
        key = (*stated[:place], "seed", *stated[place + 1 :])
        if key not in self._composed:
            self._composed[key] = self._loader.load_sweep_config(master_config, stated)
        config = copy.deepcopy(self._composed[key])
        seed = stated[place]
        with read_write(config), open_dict(config):
            config.seed = int(seed.removeprefix("seed="))
            # The loader sorts the task's overrides among Hydra's own.
            task = config.hydra.overrides.task
            for position, override in enumerate(task):
                if _SEED.fullmatch(override):
                    before, task[position] = override, seed
            config.hydra.job.override_dirname = re.sub(
                rf"(?<![\w.]){before}(?!\w)", seed, config.hydra.job.override_dirname
            )
        self._checked[tuple(stated)] = config
        return config
