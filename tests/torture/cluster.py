"""Sweeps through Slurm, whose jobs are ended by the cluster: tests/launching/test_slurm.py."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measuring import environment
from tests.torture.kills import REPOSITORY

_STARTED = Path("/tmp/mlc-slurm/slurmd.pid")
_TESTS = "tests/launching/test_slurm.py"


def missing() -> str | None:
    """Return why there is no cluster, or None."""
    return None if _STARTED.exists() else "no cluster runs here (.ci/slurm start)"


def _passes(test: str, folder: Path) -> list[str]:
    """What a test says if it fails."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n",
        "0",
        "-q",
        f"--basetemp={folder}",
        f"{_TESTS}::{test}",
    ]
    ended = subprocess.run(
        command, cwd=REPOSITORY, env=environment(), capture_output=True, encoding="utf-8"
    )
    return [] if ended.returncode == 0 else [ended.stdout[-1500:]]


CASES: dict[str, Callable[[Path], list[str]]] = {
    "all jobs of a sweep are cancelled (SIGTERM) and resumed": partial(
        _passes, "test_a_cancelled_cohort_fails_alone_and_is_resumed"
    ),
    "each run is trained in a job": partial(
        _passes, "test_hydras_own_launcher_trains_each_run_in_a_job"
    ),
}
