"""The sdist installs and runs the main job outside the repository; the wheel holds the same files."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

import mlc
from tests.conftest import REPOSITORY

pytest.importorskip("hatchling", reason="hatchling is not installed")

BUILD = "import sys, hatchling.build as b; b.build_sdist(sys.argv[1]); b.build_wheel(sys.argv[1])"
# The package that is imported must be the installed one.
TRAIN = """
import mlc, pathlib, sys
assert pathlib.Path(mlc.__file__).is_relative_to(sys.argv.pop(1)), mlc.__file__
from mlc.train import main
main()
"""


def run(*words: str | Path, cwd: Path, path: Path | str = "") -> str:
    """The output of Python with these arguments."""
    environment = {**os.environ, "PYTHONPATH": str(path), "MLC_DATA": ""}
    ended = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True,
        timeout=240,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_the_distributions_run_the_main_job_elsewhere(tmp_path: Path) -> None:
    run("-c", BUILD, tmp_path, cwd=REPOSITORY)
    (sdist,), (wheel,) = tmp_path.glob("*.tar.gz"), tmp_path.glob("*.whl")
    assert sdist.name == f"mlc-{mlc.__version__}.tar.gz"
    with tarfile.open(sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "CHANGELOG.md", "conf/train.yaml", "docs/start.md"} <= sources

    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    elsewhere.mkdir()
    install = ("-m", "pip", "install", "--quiet", "--no-compile", "--disable-pip-version-check")
    run(*install, "--no-deps", "--no-build-isolation", "--target", site, sdist, cwd=tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    installed = {
        file.relative_to(site).as_posix()
        for package in ("mlc", "hydra_plugins")
        for file in (site / package).rglob("*")
        if file.is_file()
    }
    assert packed == installed
    assert "mlc/conf/train.yaml" in packed

    few = ("data.n_train=60", "data.n_test=20", "data.absent_labels=keep", "trainer.max_epochs=1")
    fast = ("hydra/launcher=basic", "report.figures=false", "report.yardsticks=false")
    words = ("-m", "head=sigmoid,powerset", *few, *fast, "hydra.sweep.dir=sweep")
    assert "powerset\n" in run("-c", TRAIN, site, *words, cwd=elsewhere, path=site)
    assert (elsewhere / "sweep/results.csv").is_file()
