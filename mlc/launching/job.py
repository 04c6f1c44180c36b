"""Conversion of Hydra's current job to a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from mlc.config.errors import ConfigError
from mlc.config.schema import Config, parse
from mlc.config.sharing import Shared
from mlc.launching.names import data_name, setting_overrides, task_overrides
from mlc.runs.folder import RunFacts
from mlc.runs.parts import parts_elsewhere
from mlc.runs.recording import Run


def describe(config: DictConfig, shared: Shared | None = None) -> Run:
    """Return the run of Hydra's current job.

    Args:
        config: of the job.
        shared: keeps what is equal in the configs of many jobs, which fills memory otherwise.

    Raises:
        ConfigError: the config is invalid.
    """
    hydra_config = HydraConfig.get()
    shared = shared or Shared()
    parsed: Config = shared.with_parts(parse(config))
    folder = Path(hydra_config.runtime.output_dir)
    if hydra_config.job.chdir:
        raise ConfigError("hydra.job.chdir=true is not supported: leave it false.")
    is_sweep = hydra_config.mode == RunMode.MULTIRUN
    facts = RunFacts(
        run=hydra_config.sweep.subdir if is_sweep else folder.name,
        data=data_name(config),
        head=parsed.head.name,
        seed=parsed.seed,
        overrides=setting_overrides(task_overrides(hydra_config)),
        monitor=parsed.trainer.monitor,
        config=shared.with_parts(dataclasses.asdict(parsed)),
        index=hydra_config.job.num if is_sweep else 0,
        parts=parts_elsewhere(parsed),
    )
    return Run(parsed, folder, facts)
