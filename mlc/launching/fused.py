"""The fused launch: compose jobs, group them, train the cohorts, return the results to Hydra."""

from __future__ import annotations

import copy
import gc
import logging
import math
import multiprocessing
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import (
    JobReturn,
    JobStatus,
    configure_log,
    env_override,
    filter_overrides,
    setup_globals,
)
from omegaconf import DictConfig, open_dict, read_write

from mlc.config.errors import BeingTrainedError
from mlc.config.options import Limits, out_of_range
from mlc.config.sharing import Shared
from mlc.data.base import SOURCES
from mlc.launching.ending import FolderJobReturn, finished_runs_folded
from mlc.launching.folders import refuse_shared
from mlc.launching.job import describe
from mlc.launching.names import task_overrides
from mlc.launching.stopping import stop_status
from mlc.launching.storing import Texts
from mlc.launching.sweep import SweepCallback
from mlc.launching.workers import (
    Ended,
    n_cores,
    train_here,
    train_in_workers,
    train_on_devices,
)
from mlc.runs.cohort import Outcome
from mlc.runs.folder import is_finished
from mlc.runs.leases import holder, wait_for_free
from mlc.runs.recording import WAS_FINISHED, Run
from mlc.training.assembly import cuda_devices
from mlc.training.grouping import cohorts

if TYPE_CHECKING:
    from hydra_plugins.mlc_fused_launcher import FusedLauncher

log = logging.getLogger(__name__)

_POSITIVE = Limits(at_least=1)


@dataclass
class Job:
    """A job of Hydra.

    Attributes:
        folder: of the run.
        environment: variables that are set while the job begins.
        result: what Hydra gets.
        config: for the callbacks.
        files: the stored configs by name, as parts of text, unless the run was finished before.
        run: None if the config is invalid.
        error: why the config is invalid.
    """

    folder: Path
    environment: dict[str, str]
    result: FolderJobReturn
    config: DictConfig
    files: dict[str, list[str]]
    run: Run | None = None
    error: Exception | None = None


# Trains cohorts and reports each run that has ended.
Trainer = Callable[[Sequence[Sequence[Run]], Ended], None]


def launch(
    launcher: FusedLauncher,
    job_overrides: Sequence[Sequence[str]],
    first: int,
    train: Trainer | None = None,
) -> list[JobReturn]:
    """Run all jobs in cohorts; an invalid or failing job does not affect the others.

    `train` replaces the training on this machine, for example by that on a cluster.
    """
    _require_positive(launcher)
    setup_globals()
    config = launcher.config
    n_workers = launcher.n_workers or n_cores()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    Path(str(config.hydra.sweep.dir)).mkdir(parents=True, exist_ok=True)
    current: Any = HydraConfig.instance()
    config_before = current.cfg
    keeps_config, texts, shared = _read_configs(launcher), Texts(), Shared()
    # Configs are many small objects: without a freeze, the garbage collector scans the heap repeatedly.
    gc.freeze()
    try:
        jobs = [
            _compose(launcher, list(overrides), first + index, keeps_config, texts, shared)
            for index, overrides in enumerate(job_overrides)
        ]
        refuse_shared([job.folder for job in jobs])
        for job in jobs:
            _begin(launcher, job)
        remaining = [job for job in jobs if job.run is not None]
        with finished_runs_folded(("mlc.launching.workers", "mlc.tracking.progress"), WAS_FINISHED):
            while remaining:
                remaining = _train(launcher, remaining, n_workers, train)
    finally:
        current.cfg = config_before
        # A sweeper may launch many times, and only the collector frees configs, which are cyclic.
        gc.unfreeze()
    return [job.result for job in jobs]


def _require_positive(launcher: FusedLauncher) -> None:
    """Raise ConfigError if an option of the launcher is less than 1."""
    for key in ("max_runs", "n_workers", "per_device"):
        value = getattr(launcher, key)
        if value is not None and not _POSITIVE.allows(value):
            raise out_of_range(f"hydra.launcher.{key}", value, _POSITIVE)


def _train(
    launcher: FusedLauncher, jobs: Sequence[Job], n_workers: int, train: Trainer | None
) -> list[Job]:
    """Train the runs that no other process trains.

    Returns:
        The jobs of runs that another process trained and has released, finished or not.
    """
    devices = [] if train is not None else _devices(jobs) * launcher.per_device
    # A daemonic process, such as a worker of a pool, cannot have child processes.
    in_this_process = train is None and (
        multiprocessing.current_process().daemon or len(devices) == 1
    )
    # Cohorts that are trained one after another gain nothing from a cut.
    groups = group(jobs, launcher.max_runs, 1 if in_this_process else len(devices) or n_workers)
    log.info("Launching %d jobs, cohorts: %d", len(jobs), len(groups))
    elsewhere: dict[Path, tuple[Job, Outcome]] = {}

    def ended(number: int, index: int, outcome: Outcome) -> None:
        job = groups[number][index]
        if isinstance(outcome, BeingTrainedError) and job.run is not None:
            elsewhere[job.run.folder] = job, outcome
        else:
            _end(launcher, job, outcome)

    runs = [[job.run for job in members if job.run is not None] for members in groups]
    if train is None:
        _prepare_data(runs)
    if train is not None:
        train(runs, ended)
    elif in_this_process:
        train_here(runs, ended)
    elif devices:
        train_on_devices(runs, devices, ended)
    else:
        train_in_workers(runs, n_workers, ended)
    free = [elsewhere.pop(folder)[0] for folder in wait_for_free(list(elsewhere))]
    for job, outcome in elsewhere.values():
        _end(launcher, job, outcome)
    return free


def _devices(jobs: Sequence[Job]) -> list[int]:
    """Return the numbers of the CUDA devices that the jobs name."""
    names = {job.run.config.device for job in jobs if job.run is not None}
    return sorted({device for name in names for device in cuda_devices(name)})


def _prepare_data(cohorts: Sequence[Sequence[Run]]) -> None:
    """Let each source prepare its data once, before workers load them."""
    configs = [run.config.data for runs in cohorts for run in runs]
    for options in {repr(options): options for options in configs}.values():
        # The run reports the error.
        with suppress(Exception):
            SOURCES[options.name].prepare(options)


def group(jobs: Sequence[Job], max_runs: int, n_workers: int) -> list[list[Job]]:
    """Group the jobs that have a run into cohorts."""
    runs = [(job, job.run.config) for job in jobs if job.run is not None]
    groups = cohorts([config for _, config in runs], max_runs, n_workers)
    return [[runs[index][0] for index in indices] for indices in groups]


def _read_configs(launcher: FusedLauncher) -> bool:
    """Whether callbacks other than mlc's, which might read them, are called with the jobs' configs."""
    callbacks = launcher.hydra_context.callbacks.callbacks
    return any(not isinstance(callback, SweepCallback) for callback in callbacks)


def _compose(
    launcher: FusedLauncher,
    overrides: list[str],
    number: int,
    keeps_config: bool,
    texts: Texts,
    shared: Shared,
) -> Job:
    """Compose the config of a job, set its number and folder as Hydra's launchers do, and describe it.

    What is stored of the config is kept as text: configs of thousands of jobs fill gigabytes.
    """
    loader: Any = launcher.hydra_context.config_loader
    config, task_config = loader.job_configs(launcher.config, overrides)
    if keeps_config:
        config = copy.deepcopy(config)
    with read_write(config.hydra), open_dict(config.hydra):
        config.hydra.job.id = str(number)
        config.hydra.job.num = number
    # The folder may name the job by ${hydra:...}, and the rest of the config names the folder.
    _set_current(config, keeps_config)
    folder = (Path(str(config.hydra.sweep.dir)) / str(config.hydra.sweep.subdir)).absolute()
    with read_write(config.hydra.runtime), open_dict(config.hydra.runtime):
        config.hydra.runtime.output_dir = str(folder)
    hydra_config = _set_current(config, keeps_config)
    result = FolderJobReturn(folder=folder)
    result.overrides = task_overrides(config.hydra)
    result.working_dir = str(Path.cwd())
    result.task_name = config.hydra.job.name
    if keeps_config:
        result.cfg, result.hydra_cfg = copy.deepcopy(task_config), hydra_config
    log.debug("\t#%d : %s", number, " ".join(filter_overrides(overrides)))
    environment = {str(key): str(value) for key, value in config.hydra.job.env_set.items()}
    kept = config if keeps_config else launcher.config
    job = Job(folder, environment, result, kept, {})
    subfolder = config.hydra.output_subdir
    if subfolder is not None and not is_finished(folder):
        job.files = {
            f"{subfolder}/config.yaml": texts.yaml(task_config),
            f"{subfolder}/hydra.yaml": texts.yaml(config.hydra, under="hydra"),
            f"{subfolder}/overrides.yaml": texts.yaml(config.hydra.overrides.task),
        }
    with env_override(environment):
        try:
            job.run = describe(task_config, shared)
        except Exception as error:
            if stop_status(error) is not None:
                raise
            job.error = error
    return job


def _set_current(config: DictConfig, keeps_config: bool) -> Any:
    """Make this the config of Hydra's current job, and return it; Hydra's own way copies its part."""
    current: Any = HydraConfig.instance()
    if keeps_config:
        current.set_config(config)
    else:
        # The copy takes a quarter of the time of a job, and none outlives the next job.
        current.cfg = config
    return current.cfg


def _begin(launcher: FusedLauncher, job: Job) -> None:
    """Store the unresolved config and call the callbacks."""
    job.folder.mkdir(parents=True, exist_ok=True)
    # The stored config of a finished run, or of a run in another process, is not replaced.
    if job.files and not is_finished(job.folder) and holder(job.folder) is None:
        for name, parts in job.files.items():
            (job.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (job.folder / name).write_text("".join(parts), encoding="utf-8")
    job.files = {}
    with env_override(job.environment):
        launcher.hydra_context.callbacks.on_job_start(
            config=job.config, task_function=launcher.task_function
        )
    if job.error is not None:
        _end(launcher, job, job.error)


def _end(launcher: FusedLauncher, job: Job, outcome: Outcome) -> None:
    elsewhere = isinstance(outcome, BeingTrainedError)
    failed = isinstance(outcome, Exception) and not elsewhere
    job.result.status = JobStatus.FAILED if failed else JobStatus.COMPLETED
    job.result.return_value = math.nan if elsewhere else outcome
    launcher.hydra_context.callbacks.on_job_end(config=job.config, job_return=job.result)
