"""Output whose reader ends early, and output that cannot be written."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pytest

from mlc import predict, train
from mlc.config.errors import ConfigError
from mlc.launching.printing import is_read, printing
from tests.conftest import REPOSITORY, Command

SCRIPTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["scripts"]


@contextmanager
def unread() -> Iterator[None]:
    """Standard output is a pipe whose reader has ended."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream, redirect_stdout(stream):
        yield


@pytest.mark.parametrize("script", SCRIPTS)
def test_each_command_ends_quietly_when_its_reader_has_ended(script: str, command: Command) -> None:
    module, _, name = SCRIPTS[script].partition(":")
    with unread():
        ended = command(getattr(importlib.import_module(module), name), "--help")
    assert ended.status == 141
    assert ended.error == ""


def test_a_training_goes_on_without_a_reader(
    command: Command, write_arff: Callable[..., Path], tmp_path: Path
) -> None:
    quick = "trainer.max_epochs=2", "backbone.widths=[8]", "report.figures=false"
    data = "data=arff", f"data.path={write_arff()}", "report.yardsticks=false"
    with unread():
        ended = command(train.main, "-m", "seed=0,1", *data, *quick, "hydra.sweep.dir=runs")
    assert ended.status == 141
    assert "Error" not in ended.error
    assert "mlc-train" not in ended.error
    assert (tmp_path / "runs" / "results.csv").is_file()


@printing("mlc-train")
def fails() -> None:
    logging.StreamHandler(sys.stdout).emit(logging.makeLogRecord({"msg": "a line"}))
    assert not is_read()
    print("more", flush=True)
    sys.exit(3)


def test_a_failure_goes_before_an_end_of_the_reader() -> None:
    with unread():
        with pytest.raises(SystemExit) as end:
            fails()
        assert end.value.code == 3
        with printing("mlc-train"):
            # What could not be written before is not written again.
            assert is_read()


def test_how_an_output_ends_is_the_status_of_the_process() -> None:
    work = "print('row\\n' * 100_000, end=''); print('done', file=sys.stderr)"
    text = (
        f"import sys\nfrom mlc.launching.printing import printing\nwith printing('mlc-x'): {work}"
    )
    full = "mlc-x: Standard output cannot be written (No space left on device).\n"
    for end, status, said in (
        ("| true", 141, "done\n"),
        ("> /dev/full", 1, f"done\n{full}"),
        (">&-", 0, "done\n"),
        ("2>&1 | true", 141, ""),
    ):
        if end == "> /dev/full" and not Path("/dev/full").exists():
            continue
        script = f'"$PYTHON" -c "$TEXT" {end}; exit ${{PIPESTATUS[0]}}'
        environment = {**os.environ, "PYTHON": sys.executable, "TEXT": text}
        ended = subprocess.run(
            ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, ended.stderr) == (status, said), end


def test_a_closed_output_needs_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(ConfigError, match="Standard output is closed: name a file with --output"):
        predict._predict(predict._parser().parse_args(["run", "new.csv"]))
