"""Training cohorts as jobs of submitit, on other machines or in other processes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from mlc.config.errors import ConfigError, TrainingError
from mlc.config.imports import import_parts, named_modules
from mlc.launching.workers import Ended, run_logs
from mlc.runs.cohort import Outcome
from mlc.runs.folder import fail
from mlc.runs.recording import Run, train_runs
from mlc.tracking.progress import ending

log = logging.getLogger(__name__)


def train_by_submitit(
    cohorts: Sequence[Sequence[Run]],
    ended: Ended,
    cluster: str,
    folder: str,
    parameters: dict[str, Any],
) -> None:
    """Submit every cohort and wait for all; a job that the cluster ends fails only its own runs.

    Raises:
        ConfigError: submitit is not installed.
    """
    try:
        import submitit
    except ImportError as error:
        raise ConfigError(
            "hydra/launcher=fused_submitit needs submitit: pip install submitit, or use"
            " hydra/launcher=fused."
        ) from error
    executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
    executor.update_parameters(**parameters)
    with executor.batch():
        jobs = [executor.submit(train_remotely, list(runs), named_modules()) for runs in cohorts]
    log.info("Submitted %d jobs to %s", len(jobs), cluster)
    for number, (runs, job) in enumerate(zip(cohorts, jobs, strict=True)):
        try:
            outcomes: list[Outcome] = job.result()
        except Exception as error:
            outcomes = [_outcome_of_lost(run, error) for run in runs]
        for index, (run, outcome) in enumerate(zip(runs, outcomes, strict=True)):
            value = "" if isinstance(outcome, Exception) else f"{outcome:.3f}"
            message = ending(outcome, f"finished, best monitored {value}")
            log.info("%s %s", run.facts.run, message)
            ended(number, index, outcome)


def train_remotely(runs: Sequence[Run], imports: Sequence[str]) -> list[Outcome]:
    """Train the runs of a cohort in a job of the cluster."""
    import_parts(imports)
    with run_logs(runs):
        return train_runs(runs)


def _outcome_of_lost(run: Run, error: Exception) -> Outcome:
    lost = TrainingError(f"The cluster's job ended without a result ({error}): see its log.")
    fail(run.folder, run.facts, lost)
    return lost
