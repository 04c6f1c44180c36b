"""Hydra's callback: checks before the jobs of a launch, progress, and a summary after them."""

from __future__ import annotations

import copy
import logging
import math
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from mlc.config.texts import counted
from mlc.files.names import STATUS
from mlc.launching.checks import (
    check_swept_values,
    require_answerable,
    require_resumable,
    require_unfinished,
    sweep_overrides,
)
from mlc.launching.ending import RaisingJobReturn
from mlc.launching.folders import check_lone_run, check_sweep, guarded
from mlc.launching.names import key_of, parsed, task_overrides
from mlc.launching.resuming import resume_command, trained_elsewhere
from mlc.launching.search_request import read_request
from mlc.reporting.curves import complete_curves
from mlc.reporting.expected import check_expected, read_expected
from mlc.reporting.summary import write_summary
from mlc.reporting.tables import WIDTH
from mlc.runs.folder import is_finished
from mlc.search.files import FILES as SEARCH_FILES
from mlc.search.samplers import require_sampler

log = logging.getLogger(__name__)

_LOG_EVERY = 5  # seconds between two lines on the sweep's progress
_ESTIMATED_FROM = 1 / 8  # the share of ended runs from which the remaining time is estimated


class Launch:
    """The launch of this process: its folder and the progress of its jobs."""

    def __init__(self, folder: Path, report: Any, n_jobs: int | None, is_sweep: bool) -> None:
        self.folder, self.report, self.n_jobs, self.is_sweep = folder, report, n_jobs, is_sweep
        self.n_ended = 0
        self.n_failed = 0
        self.n_elsewhere = 0
        self.started = self.logged = time.monotonic()

    def job_ended(self, failed: bool, elsewhere: bool = False) -> None:
        """Count a job and log the sweep's progress; `elsewhere`: another process trains the run."""
        self.n_ended += 1
        self.n_failed += failed
        self.n_elsewhere += elsewhere
        now = time.monotonic()
        if not self.is_sweep or (self.n_ended != self.n_jobs and now - self.logged < _LOG_EVERY):
            return
        is_first, self.logged = self.logged == self.started, now
        line = f"{_of(self.n_ended, self.n_jobs)} ended"
        if self.n_failed:
            line += f", {self.n_failed} failed"
        if self.n_elsewhere:
            line += f", {self.n_elsewhere} being trained by other processes"
        # The first run of a cohort ends only after all its training, and the others right after it.
        if (
            not is_first
            and self.n_jobs
            and self.n_jobs * _ESTIMATED_FROM <= self.n_ended < self.n_jobs
        ):
            seconds = (now - self.started) / self.n_ended * (self.n_jobs - self.n_ended)
            line += f", about {_duration(seconds)} left"
        log.info(line)


current: Launch | None = None


class Refusal(BaseException):
    """Carries an error out of a callback, in which Hydra turns any Exception into a warning."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class SweepCallback(Callback):
    """Checks a launch before its jobs and counts the jobs that end."""

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check a launch of one job."""
        global current
        folder = Path(config.hydra.run.dir).absolute()
        try:
            with in_first_job(config):
                check_lone_run(folder, config)
                if config.resume:
                    require_resumable(folder, config, parsed(task_overrides(config.hydra)), 1)
        except Exception as error:
            raise Refusal(error) from error
        current = Launch(folder, config.report, 1, is_sweep=False)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Check all values of a sweep before its first job."""
        global current
        try:
            with in_first_job(config):
                overrides = sweep_overrides(config)
                request = read_request(config, overrides)
                if config.report.expected is not None:
                    read_expected(config.report.expected)
                require_answerable(config, overrides)
                grid = overrides if request is None else request.grid_and_seeds
                n_jobs = check_swept_values(config, grid)
                if request is not None:
                    n_jobs = request.n_jobs
                    require_sampler(request.options)
                folder = Path(config.hydra.sweep.dir).absolute()
                check_sweep(folder, config, () if request is None else SEARCH_FILES)
                if config.resume:
                    require_resumable(folder, config, overrides, n_jobs, request)
                else:
                    require_unfinished(folder, config, overrides, n_jobs)
        except Exception as error:
            raise Refusal(error) from error
        swept = [key_of(override) for override in grid if override.is_sweep_override()]
        swept += [] if request is None else ["trial"]
        # Jobs in other processes receive only the launcher's overrides.
        of_hydra = config.hydra.overrides.hydra
        # Unresolved: a folder named by ${hydra.job.override_dirname} is that of each job.
        given: Any = OmegaConf.to_container(of_hydra, resolve=False)
        default = f"${{mlc.run_path:{','.join(swept)}}}"
        of_hydra.append(guarded(given, config, default, grid))
        current = Launch(folder, config.report, n_jobs, is_sweep=True)

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Count a job that has ended."""
        if not isinstance(job_return, RaisingJobReturn):
            job_return.__class__ = RaisingJobReturn
        if current is not None:
            failed = job_return.status == JobStatus.FAILED
            value = None if failed else job_return.return_value
            current.job_ended(failed, isinstance(value, float) and math.isnan(value))


@contextmanager
def in_first_job(config: DictConfig) -> Iterator[None]:
    """Let the config of a launch be resolved as that of its first job, where it has ${hydra:...}."""
    current: Any = HydraConfig.instance()
    before = current.cfg
    current.cfg = copy.deepcopy(config)
    with read_write(current.cfg.hydra), open_dict(current.cfg.hydra):
        current.cfg.hydra.job.num, current.cfg.hydra.job.id = 0, "0"
    try:
        yield
    finally:
        current.cfg = before


def failures() -> str | None:
    """Return the message on a sweep with failed runs, each of which has been reported.

    None if this process has not observed a failure, as under Hydra's joblib launcher.
    """
    if current is None or not current.n_failed:
        return None
    return f"{_of(current.n_failed, current.n_jobs)} failed, for the reasons above."


def _of(n: int, n_jobs: int | None) -> str:
    return counted(n, "run") if n_jobs is None else f"{n} of {counted(n_jobs, 'run')}"


def interrupted() -> str:
    """Return the message for a launch that the user interrupted."""
    if current is None or not current.folder.is_dir():
        return "Interrupted before anything was written."
    n_finished = sum(is_finished(path.parent) for path in current.folder.rglob(STATUS))
    return (
        f"Interrupted; {n_finished} of {current.n_jobs or 'all'} runs are finished in"
        f" {current.folder}. Go on with:\n{resume_command(current.folder, current.is_sweep)}"
    )


def finish() -> str | None:
    """Write the launch's summary and complete its curves; return the text to print.

    No table is written if no run has finished: the error is printed instead.
    """
    if current is None or not current.folder.is_dir():
        return None
    elsewhere = trained_elsewhere(current.folder)
    if any(is_finished(path.parent) for path in current.folder.rglob(STATUS)):
        return f"{_summary(current)}\n{elsewhere}{current.folder}"
    return f"{elsewhere}{current.folder}" if elsewhere else None


def _summary(current: Launch) -> str:
    report = current.report
    results, summary = write_summary(
        current.folder, report.metrics, report.reference, report.figures
    )
    if current.is_sweep and report.expected is not None:
        summary += f"\n{fill(check_expected(results, report.expected), WIDTH)}\n"
    link = complete_curves(current.folder, figures=report.figures)
    if current.is_sweep and link:
        summary += "\nThe curves, by this command at this address:\n"
        summary += f"mlc-curves {shlex.quote(str(current.folder))}\n{link}\n"
    return summary


def _duration(seconds: float) -> str:
    return f"{math.ceil(seconds)} s" if seconds < 100 else f"{math.ceil(seconds / 60)} min"
