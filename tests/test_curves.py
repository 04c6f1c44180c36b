"""The command that shows sweeps: what it serves, while they run and after, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

import psutil
import pytest

from mlc import curves
from tests.conftest import REPOSITORY, Command
from tests.tracking.test_view import make_run


def write_status(folder: Path, head: str, seed: int, index: int) -> None:
    run = make_run(folder, head, seed).folder
    status = {
        "state": "running", "data": "yeast", "head": head, "seed": seed, "overrides": {},
        "monitor": "f1_macro", "index": index,
        "config": {
            "trainer": {"followed": ["f1_macro"]}, "report": {"metrics": ["f1_macro"]},
            "decisions": ["global"],
        },
    }  # fmt: skip
    (run / "status.json").write_text(json.dumps(status))


@contextmanager
def served(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command running, and the address that it printed."""
    environment = {**os.environ, "DISPLAY": "", "WAYLAND_DISPLAY": ""}
    with subprocess.Popen(
        [sys.executable, "-m", "mlc.curves", "--port", "0", *arguments],
        cwd=REPOSITORY, stdout=subprocess.PIPE, text=True, env=environment,
        # A shell that starts the tests in the background has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        printed = [process.stdout.readline().strip() for _ in range(2)]
        try:
            yield process, printed[1]
        finally:
            process.kill()


def runs_at(address: str) -> list[str]:
    with urlopen(address.partition("/?")[0] + "/data/runs") as reply:
        return list(json.load(reply))


def until(found: Callable[[], object], wanted: object, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while (last := found()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    assert last == wanted


@pytest.mark.slow
def test_a_growing_sweep_is_shown_in_its_order_until_it_is_interrupted(tmp_path: Path) -> None:
    write_status(tmp_path, "sigmoid", 0, 0)
    write_status(tmp_path, "chain", 0, 1)
    with served(str(tmp_path)) as (process, address):
        assert "smoothing=0" in address
        assert quote("loss/val", safe="/") in address
        until(lambda: runs_at(address), ["1 sigmoid/seed=0", "2 chain/seed=0"])
        write_status(tmp_path, "chain", 1, 2)
        until(lambda: runs_at(address), ["1 sigmoid/seed=0", "2 chain/seed=0", "2 chain/seed=1"])
        family = psutil.Process(process.pid).children(recursive=True)
        assert family
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0
        psutil.wait_procs(family, timeout=10)
        assert not any(own.is_running() for own in family)
    assert {path.name for path in tmp_path.iterdir()} == {"sigmoid-0", "chain-0", "chain-1"}


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["nowhere"], 1, "nowhere is not a folder"),
        (["."], 1, "no run with curves under ."),
        ([".", "--runs", "("], 2, "is not a regular expression"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(
    arguments: list[str], status: int, told: str, command: Command
) -> None:
    ended = command(curves.main, *arguments)
    assert ended.status == status
    assert told in ended.error
    assert "Traceback" not in ended.error
