"""What a launch needs around its jobs: names for them, checks before them, a summary after them."""

from __future__ import annotations

import dataclasses
import logging
import math
import re
import shlex
import time
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from mlc.config.errors import ConfigError
from mlc.config.options import limits_of, nearest, out_of_range
from mlc.config.schema import GROUPS, Config, config_folder
from mlc.files.names import STATUS
from mlc.launching.ending import Ended
from mlc.launching.folders import check_lone_run, check_sweep, guarded, root_names
from mlc.launching.overrides import n_values, refuse_too_many
from mlc.launching.resuming import check_resumable, resume_command, trained_elsewhere
from mlc.reporting.summary import write_summary
from mlc.runs.folder import is_finished
from mlc.runs.ownership import path_part

log = logging.getLogger(__name__)

# Overrides that a run's path states elsewhere, or that do not change its numbers.
_NOT_IN_PATH = {
    "data",
    "head",
    "seed",
    "experiment",
    "device",
    "threads",
    "resume",
    "data.path",
    "data.root",
    "data.name",
}
_FILE_ENDING = re.compile(r"\.(arff|csv|tsv|txt|parquet)(\.\w+)?$", re.IGNORECASE)
_SAY_EVERY = 5  # seconds between two lines that say how far the sweep is


class Launch:
    """The launch that this process makes: its folder, and how its jobs go."""

    def __init__(self, folder: Path, report: Any, n_jobs: int | None, is_sweep: bool) -> None:
        self.folder, self.report, self.n_jobs, self.is_sweep = folder, report, n_jobs, is_sweep
        self.n_ended = 0
        self.n_failed = 0
        self.n_elsewhere = 0
        self.started = self.said = time.monotonic()

    def job_ended(self, failed: bool, elsewhere: bool = False) -> None:
        """Say how far the sweep is, in one line; `elsewhere` is a run that another process trains."""
        self.n_ended += 1
        self.n_failed += failed
        self.n_elsewhere += elsewhere
        now = time.monotonic()
        if not self.is_sweep or (self.n_ended != self.n_jobs and now - self.said < _SAY_EVERY):
            return
        self.said = now
        line = f"{self.n_ended} of {self.n_jobs} runs ended"
        if self.n_failed:
            line += f", {self.n_failed} failed"
        if self.n_elsewhere:
            line += f", {self.n_elsewhere} being trained by other processes"
        if self.n_jobs and self.n_ended < self.n_jobs:
            left = (now - self.started) / self.n_ended * (self.n_jobs - self.n_ended)
            line += f", about {_duration(left)} left"
        log.info(line)


current: Launch | None = None


class Refusal(BaseException):
    """Carries an error out of a callback: Hydra turns any Exception there into a mere warning."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class SweepCallback(Callback):
    """Hydra's hooks into a launch."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """A single job is launched."""
        global current
        folder = Path(config.hydra.run.dir).absolute()
        try:
            check_lone_run(folder, config)
            if config.resume:
                _check_resumable(folder, config, _parsed(config.hydra.overrides.task), 1)
        except Exception as error:
            raise Refusal(error) from error
        current = Launch(folder, config.report, 1, is_sweep=False)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """A sweep is launched: check all its values before the first job costs time."""
        global current
        try:
            overrides = sweep_overrides(config)
            n_jobs = check_swept_values(config, overrides)
            folder = Path(config.hydra.sweep.dir).absolute()
            check_sweep(folder, config)
            if config.resume:
                _check_resumable(folder, config, overrides, n_jobs)
        except Exception as error:
            raise Refusal(error) from error
        swept = [_key(override) for override in overrides if override.is_sweep_override()]
        # Jobs may run in other processes; what they are told travels in the launcher's overrides.
        of_hydra = config.hydra.overrides.hydra
        of_hydra.append(guarded(list(of_hydra), f"${{mlc.run_path:{','.join(swept)}}}"))
        current = Launch(folder, config.report, n_jobs, is_sweep=True)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """A job has ended, well or not."""
        job_return.__class__ = Ended
        if current is not None:
            failed = job_return.status == JobStatus.FAILED
            value = None if failed else job_return.return_value
            current.job_ended(failed, isinstance(value, float) and math.isnan(value))


def sweep_overrides(config: DictConfig) -> list[Override]:
    """The sweeper's own parameters, and the command line's, which replace them."""
    params = config.hydra.sweeper.get("params") or {}
    stated = [f"{key}={value}" for key, value in params.items()]
    stated += config.hydra.overrides.task
    return list({_key(override): override for override in _parsed(stated)}.values())


def check_swept_values(config: DictConfig, overrides: list[Override]) -> int | None:
    """Check every value of every sweep; return how many jobs they make, None where none can say.

    Raises:
        ConfigError: a value is out of range, or names nothing that exists.
    """
    n_jobs: int | None = 1
    composed = _as_config(config)
    for override in overrides:
        if not override.is_sweep_override():
            continue
        if not (override.is_choice_sweep() or override.is_range_sweep()):
            n_jobs = None
            continue
        key = _key(override)
        n_jobs = n_jobs * n_values(override) if n_jobs is not None else None
        refuse_too_many(override, n_jobs)
        values = list(override.sweep_iterator())
        limits = limits_of(composed, key)
        for value in values:
            if key in GROUPS and value not in choices(key):
                raise unknown_choice(key, str(value))
            items = value if isinstance(value, list) else [value]
            if limits is not None and not all(map(limits.allows, filter(_is_plain, items))):
                raise out_of_range(key, value, limits)
    return n_jobs


def _is_plain(value: Any) -> bool:
    """Whether Hydra would hand the value on as it is: words may be quoted, null or interpolations."""
    return isinstance(value, (bool, int, float))


def choices(group: str) -> list[str]:
    """What can be chosen for a config group: its files, and parts that are only registered."""
    files = {path.stem for path in (config_folder() / group).glob("*.yaml")}
    return sorted(files | set(GROUPS.get(group, ())))


def unknown_choice(group: str, name: str) -> ConfigError:
    """For a group's option that does not exist."""
    near = nearest(name, choices(group))
    guess = f"did you mean {near[0]}? " if near else ""
    return ConfigError(
        f"{group}={name} does not exist: {guess}choose one of {', '.join(choices(group))}."
    )


def run_path(*keys: str, _root_: DictConfig) -> str:
    """DATA/HEAD/seed=N and the other swept keys, as a path; the resolver `mlc.run_path`."""
    stated = stated_overrides(_root_.hydra.overrides.task)
    more = sorted(f"{key}={stated[key]}" for key in keys if key in stated)
    last = path_part(",".join([f"seed={_root_.seed}", *more]))
    data = path_part(data_name(_root_), root_names(_root_))
    return f"{data}/{path_part(_root_.head.name)}/{last}"


def stated_overrides(task_overrides: Iterable[str]) -> dict[str, str]:
    """The overrides of a job that its path does not state elsewhere, as text by key."""
    stated = {}
    for override in _parsed(task_overrides):
        key = _key(override)
        if key.split("@")[0] not in _NOT_IN_PATH and not key.startswith("report"):
            stated[key] = override.get_value_element_as_str()
    return stated


def data_name(config: DictConfig) -> str:
    """The data set's name, which for a user's own file is the file's."""
    stated = config.data.get("name")
    return str(stated or _FILE_ENDING.sub("", Path(str(config.data.get("path"))).name))


def interrupted() -> str:
    """What to say of a launch that was stopped by hand."""
    if current is None or not current.folder.is_dir():
        return "Interrupted before anything was written."
    n_finished = sum(is_finished(path.parent) for path in current.folder.rglob(STATUS))
    return (
        f"Interrupted; {n_finished} of {current.n_jobs or 'all'} runs are finished in"
        f" {current.folder}. Go on with:\n{resume_command(current.folder, current.is_sweep)}"
    )


def finish() -> str | None:
    """Write the launch's summary, and what its curves lack; return what to print.

    No table is written where no run has finished, since then its error says all.
    """
    if current is None or not current.folder.is_dir():
        return None
    elsewhere = trained_elsewhere(current.folder)
    if any(is_finished(path.parent) for path in current.folder.rglob(STATUS)):
        return f"{_summary(current)}\n{elsewhere}{current.folder}"
    return f"{elsewhere}{current.folder}" if elsewhere else None


def _summary(current: Launch) -> str:
    # Loads TensorBoard, which a launch that writes nothing does not need.
    from mlc.reporting.curves import complete_curves

    report = current.report
    _, summary = write_summary(current.folder, report.metrics, report.reference)
    link = complete_curves(current.folder, figures=report.figures)
    if current.is_sweep and link:
        summary += "\nThe curves, by this command at this address:\n"
        summary += f"mlc-curves {shlex.quote(str(current.folder))}\n{link}\n"
    return summary


def _parsed(overrides: Iterable[str]) -> list[Override]:
    return [_parsed_one(override) for override in overrides]


# A sweep's jobs share most of their overrides, and reading one takes a millisecond.
@cache
def _parsed_one(override: str) -> Override:
    try:
        return OverridesParser.create().parse_override(override)
    except HydraException as error:
        raise ConfigError(f"The override {override} cannot be read: {error}.") from error


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def _check_resumable(
    folder: Path, config: DictConfig, overrides: list[Override], n_jobs: int | None
) -> None:
    swept = {_key(own): _values(own) for own in overrides if own.is_sweep_override()}
    stated = stated_overrides(str(own.input_line) for own in overrides if _key(own) not in swept)
    wanted = dataclasses.asdict(_as_config(config))
    check_resumable(folder, wanted, data_name(config), swept, stated, n_jobs)


def _values(override: Override) -> list[str] | None:
    """What is swept over, as text, where it can be listed."""
    if override.is_choice_sweep() or override.is_range_sweep():
        return list(override.sweep_string_iterator())
    return None


def _as_config(config: DictConfig) -> Config:
    """What all jobs have in common, beside Hydra's own; not checked."""
    composed = Config()
    for key in Config.__annotations__:
        value = config[key]
        setattr(composed, key, OmegaConf.to_object(value) if OmegaConf.is_config(value) else value)
    return composed


def _duration(seconds: float) -> str:
    return f"{math.ceil(seconds)} s" if seconds < 100 else f"{math.ceil(seconds / 60)} min"
