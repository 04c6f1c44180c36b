"""Sweeps through sbatch, on the cluster of this machine that `.ci/slurm start` starts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import REPOSITORY

CLUSTER = Path("/tmp/mlc-slurm")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CLUSTER / "slurmd.pid").exists(), reason="no cluster: .ci/slurm start"),
]
ENVIRONMENT = {
    **os.environ,
    "SLURM_CONF": str(CLUSTER / "slurm.conf"),
    "PATH": f"{CLUSTER / 'bin'}:{os.environ['PATH']}",
    "PYTHONPATH": str(REPOSITORY),
    "OMP_NUM_THREADS": "1",
}


def slurm(*command: str) -> str:
    return subprocess.run(
        command, env=ENVIRONMENT, check=True, capture_output=True, encoding="utf-8"
    ).stdout


@pytest.fixture
def start(tmp_path: Path, write_arff: Callable[..., Path]) -> Callable[..., subprocess.Popen[str]]:
    def started(*arguments: str) -> subprocess.Popen[str]:
        command = [
            sys.executable, "-m", "mlc.train", "-m", "data=arff", f"data.path={write_arff()}",
            "backbone.widths=[8]", "device=cpu", "report.figures=false", "report.yardsticks=false",
            "head=sigmoid,pick_one", "hydra.sweep.dir=s", *arguments,
        ]  # fmt: skip
        return subprocess.Popen(
            command, cwd=tmp_path, env=ENVIRONMENT, encoding="utf-8", errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    return started


def states(folder: Path) -> dict[str, Any]:
    paths = sorted(folder.rglob("status.json"))
    return {path.parent.parent.name: json.loads(path.read_text()) for path in paths}


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(3000):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError(slurm("squeue"))


def test_a_cancelled_cohort_fails_alone_and_is_resumed(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    fused = "hydra/launcher=fused_submitit", "hydra.launcher.parameters.timeout_min=15"
    sweep = start(*fused, "trainer.max_epochs=100000")
    # Tasks of an array, the first of which has begun to train.
    wait_until(lambda: any(run["state"] == "running" for run in states(tmp_path / "s").values()))
    # Of this sweep: other tests may have jobs at the same time.
    tasks = {path.parent.name for path in (tmp_path / "s").rglob("*_submitted.pkl")}
    assert tasks
    assert all("_" in task for task in tasks), tasks
    slurm("scancel", *sorted(tasks))
    text, _ = sweep.communicate(timeout=400)
    assert sweep.returncode == 1, text
    assert "The cluster's job ended without a result" in text
    assert {run["state"] for run in states(tmp_path / "s").values()} == {"failed"}
    resumed = start(*fused, "trainer.max_epochs=2", "resume=true")
    text, _ = resumed.communicate(timeout=400)
    assert resumed.returncode == 0, text
    assert {run["state"] for run in states(tmp_path / "s").values()} == {"completed"}
    assert set(pd.read_csv(tmp_path / "s/results.csv")["head"]) == {"sigmoid", "pick_one"}


def test_hydras_own_launcher_trains_each_run_in_a_job(
    start: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    sweep = start(
        "hydra/launcher=submitit_slurm", "hydra.launcher.timeout_min=15", "hydra.launcher.mem_gb=null",
        "trainer.max_epochs=2",
    )  # fmt: skip
    text, _ = sweep.communicate(timeout=400)
    assert sweep.returncode == 0, text
    assert {run["state"] for run in states(tmp_path / "s").values()} == {"completed"}
