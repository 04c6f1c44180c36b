"""SIGTERM and Ctrl-C, also in a moment at which a library turns them into another error."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

import mlc
from mlc import compare, export, predict, report, train
from mlc.config.quoting import quoted, setting
from mlc.config.stops import stops_deferred
from mlc.data import __main__ as data
from mlc.data import image_pool
from mlc.files.writing import write_atomically
from mlc.launching import workers
from mlc.launching.stopping import stop_status, stops_raised
from mlc.tracking.progress import BarProgress
from mlc.train import main
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
@pytest.mark.parametrize("main", [predict.main, report.main, export.main, data.main])
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
    words = {report: ["runs"], predict: ["run", "new.csv"], data: ["toy"]}
    words[export] = ["run", "--to", "onnx", "--output", "yeast.onnx"]
    ended = command(main, *words[sys.modules[main.__module__]])
    assert ended.status == STOPS[number]
    name = main.__module__.removesuffix(".__main__").replace(".", "-")
    assert ended.error.strip() == f"{name}: interrupted; run the same command again."
    assert list(folder.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


class _Forking:
    """A process and its context; a signal arrives where os.fork ignores what functions raise."""

    pid = 1

    def __init__(self, **_: object) -> None:
        self.is_started = self.is_killed = False

    def Process(self, **_: object) -> _Forking:
        return self

    def Pipe(self, **_: object) -> tuple[Any, Any]:
        return multiprocessing.Pipe(duplex=False)

    def start(self) -> None:
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), signal.SIGINT)
            self.is_started = True

    def kill(self) -> None:
        self.is_killed = True

    def join(self) -> None:
        assert self.is_killed

    def submit(self, *_: object) -> Future[list[Any]]:
        self.start()
        return Future()


def test_a_signal_that_arrives_while_a_process_is_forked_is_not_lost() -> None:
    forking = _Forking()
    with stops_raised(), pytest.raises(KeyboardInterrupt):
        workers._start(forking, 0, [], 1.0, None)
    assert forking.is_started
    assert forking.is_killed
    images = image_pool._ahead(list, [], [[Path("a")]], cast(Any, _Forking()))
    with stops_raised(), pytest.raises(KeyboardInterrupt):
        next(images)


def test_deferred_signals_are_raised_once_by_the_outermost_block() -> None:
    reached = []

    def nested() -> None:
        with stops_deferred():
            with stops_deferred():
                os.kill(os.getpid(), signal.SIGINT)
                reached.append("inner")
            reached.append("outer")
        reached.append("behind")

    def failing() -> None:
        with stops_deferred():
            os.kill(os.getpid(), signal.SIGINT)
            raise ValueError

    for work in (nested, failing):
        with stops_raised(), pytest.raises(KeyboardInterrupt):
            work()
    assert reached == ["inner", "outer"]
    with stops_raised(), stops_deferred():
        pass


def test_a_block_of_another_thread_lets_no_signal_wait() -> None:
    is_inside, may_end = threading.Event(), threading.Event()

    def elsewhere() -> None:
        with stops_deferred():
            is_inside.set()
            may_end.wait(10)

    thread = threading.Thread(target=elsewhere)
    with stops_raised():
        thread.start()
        is_inside.wait()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        may_end.set()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux")
def test_a_worker_that_is_stopped_while_it_starts_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "train_runs", lambda *_: time.sleep(10))
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    class Stopped(context.Process):  # type: ignore[name-defined, misc]
        def run(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            super().run()

    arguments = [], sender, 1.0, os.getpid(), None
    process = Stopped(target=workers._work, args=arguments, daemon=True)
    with stops_raised(), stops_deferred():
        process.start()
    process.join(9)
    assert process.exitcode == -signal.SIGTERM
    receiver.close()


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


def test_a_run_with_odd_names_and_missing_labels_is_resumed_by_the_command_that_is_printed(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["l${0}", 'q"c', "d\\e's", "one, two"]
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a${b}", 'x"1', "z\\"])
    for index, name in enumerate(names):
        frame[name] = np.where(rng.random(60) < 0.2, "", (frame["a${b}"] > index / 2).astype(int))
    table = tmp_path / 'a${b}, "c\\d.csv'
    frame.to_csv(table, index=False)
    labels = shlex.split(setting("data.labels", names))
    data = ["data=table", f"data.path={quoted(str(table))}", *labels, "data.missing_labels=mask"]
    quick = ["trainer.max_epochs=4", "backbone.widths=[4]", "report.yardsticks=false"]
    words = [*data, *quick, "report.figures=false"]
    whole, stopped = tmp_path / "whole", tmp_path / 'x$y, "z'
    assert command(main, *words, f"hydra.run.dir={whole}").status == 0

    def stop(progress: BarProgress, epoch: int) -> None:
        if epoch == 2:
            signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(BarProgress, "epoch", stop)
        ended = command(main, *words, f"hydra.run.dir={quoted(str(stopped))}")
    assert ended.status == 143, ended.error
    assert not (stopped / "metrics.json").exists()
    ended = command(main, *shlex.split(ended.error.splitlines()[-1])[2:])
    assert ended.status == 0, ended.error
    for name in ("checkpoint.safetensors", "predictions.npz", "rules.json", "history.csv"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()
    loaded = mlc.load(stopped)
    assert loaded.label_names == tuple(names)
