"""SIGTERM and Ctrl-C, also in a moment at which a library turns them into another error."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlc import compare, export, predict, report, train
from mlc.config.errors import ConfigError
from mlc.files.writing import write_atomically
from mlc.launching.stopping import stop_status, stops_raised
from tests.conftest import Command

STOPS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """The handlers of a command in the foreground: shells let background jobs ignore Ctrl-C."""
    defaults = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in defaults.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("disguised", [False, True])
@pytest.mark.parametrize("main", [train.main, compare.main])
def test_a_signal_ends_a_command_in_a_sentence(
    main: Callable[[], None], disguised: bool, number: signal.Signals, command: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def register() -> None:
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt as error:
            # As OmegaConf does when it is interrupted in a config that is half built.
            raise (ValueError("half built") if disguised else error) from None

    module = "mlc.comparing.command" if main is compare.main else "mlc.launching.command"
    monkeypatch.setattr(f"{module}.register_configs", register)
    word = ["digits"] if main is compare.main else ["data=digits"]
    ended = command(main, *word)
    assert ended.status == STOPS[number]
    lines = ended.error.strip().splitlines()
    assert len(lines) == 1, lines
    assert "nterrupted" in lines[0]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.parametrize("number", STOPS)
@pytest.mark.parametrize("main", [predict.main, report.main, export.main])
def test_a_command_that_reads_runs_ends_likewise_and_leaves_no_part_of_a_file(
    main: Callable[[], None], number: signal.Signals, command: Command, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path / "written"

    def stopped(*_: object) -> None:
        with write_atomically(folder / "labels.csv") as file:
            file.write(b"row")
            os.kill(os.getpid(), number)

    monkeypatch.setattr(f"{main.__module__}.import_parts", stopped)
    words = {report: ["runs"], predict: ["run", "new.csv"], export: ["run", "--to", "onnx"]}
    module = sys.modules[main.__module__]
    more = ["--output", "yeast.onnx"] if module is export else []
    ended = command(main, *words[module], *more)
    assert ended.status == STOPS[number]
    name = main.__module__.replace(".", "-")
    assert ended.error.strip() == f"{name}: interrupted; run the same command again."
    assert list(folder.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_an_error_without_a_signal_is_none() -> None:
    with stops_raised(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    assert stop_status(ValueError()) == 143
    with stops_raised():
        assert stop_status(ValueError()) is None
        assert stop_status(KeyboardInterrupt()) == 130


def test_a_handler_of_the_program_and_another_thread_stay_as_they_are() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with stops_raised():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
    found: list[object] = []

    def elsewhere() -> None:
        with stops_raised():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [signal.SIG_DFL]


def test_a_reader_that_ends_early_ends_the_command_quietly(tmp_path: Path) -> None:
    text = "from mlc.launching.stopping import print_all; print_all('row\\n' * 100_000)"
    for end, status, said in (
        ("| true", 141, ""),
        ("> /dev/full", 1, "Standard output cannot be written (No space left on device)."),
        (">&-", 0, ""),
    ):
        if end == "> /dev/full" and not Path("/dev/full").exists():
            continue
        script = f'"$PYTHON" -c "{text}" {end}; exit ${{PIPESTATUS[0]}}'
        environment = {**os.environ, "PYTHON": sys.executable}
        ended = subprocess.run(
            ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == status, (end, ended.stderr)
        assert said in ended.stderr
        assert bool(said) == bool(ended.stderr)


def test_what_cannot_be_printed_is_said_in_a_sentence(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> str:
        monkeypatch.setattr("mlc.launching.stopping.print", no_space, raising=False)
        return "a table"

    def no_space(*_: object, file: object = None, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "_summarise", full)
    ended = command(report.main, "runs")
    assert ended.status == 1
    said = "mlc-report: Standard output cannot be written (No space left on device)."
    assert ended.error.strip() == said
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(ConfigError, match="Standard output is closed: name a file with --output"):
        predict._predict(predict._parser().parse_args(["run", "new.csv"]))
