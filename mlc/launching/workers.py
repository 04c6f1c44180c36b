"""Training cohorts in worker processes, one thread each."""

from __future__ import annotations

import ctypes
import gc
import logging
import multiprocessing
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from mlc.config.errors import MlcError, RunFolderError, TrainingError
from mlc.config.texts import LogFormatter
from mlc.data.notices import say_once
from mlc.files.writing import LogFile
from mlc.runs.cohort import Outcome
from mlc.runs.folder import fail
from mlc.runs.leases import holder
from mlc.runs.recording import Run, train_runs
from mlc.tracking.progress import BarProgress, Progress, bar

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1  # prctl(2)

# Called with the cohort, the index in the cohort and the outcome of each run that has ended.
Ended = Callable[[int, int, Outcome], None]


def n_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train_here(cohorts: Sequence[Sequence[Run]], ended: Ended) -> None:
    """Train cohorts one after another in this process, as on CUDA, where one fills the device."""
    with bar("sweep", sum(map(len, cohorts)), "run", position=1) as sweep:
        for number, runs in enumerate(cohorts):
            with run_logs(runs):
                train_runs(runs, _InProcess(number, ended))
            sweep.update(len(runs))


def train_in_workers(cohorts: Sequence[Sequence[Run]], n_workers: int, ended: Ended) -> None:
    """Train cohorts in parallel, each in a new process, at most `n_workers` at a time.

    The processes are forked where that is safe (Linux), and so start at once: no thread of torch has
    been started before. A worker that is killed fails only its unfinished runs.
    """
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    # The workers' garbage collector need not scan the configs of all jobs and every import.
    gc.freeze()
    waiting = list(enumerate(cohorts))
    active: dict[Connection, _Worker] = {}
    # Separate from this process's notices: forked workers write notices into the runs' logs.
    notices: set[str] = set()
    with _Board(cohorts) as board:
        try:
            while waiting or active:
                while waiting and len(active) < n_workers:
                    receiver, worker = _start(context, *waiting.pop(0), 1 / n_workers)
                    active[receiver] = worker
                ready: list[Any] = wait(list(active))
                for receiver in ready:
                    try:
                        message = receiver.recv()
                    except EOFError:
                        worker = active.pop(receiver)
                        for index in worker.reap():
                            ended(worker.number, index, worker.outcomes[index])
                            board.ended(worker.number)
                    else:
                        _handle(message, active[receiver], ended, board, notices)
        finally:
            for worker in active.values():
                worker.process.terminate()
                worker.process.join()


def _handle(
    message: tuple[Any, ...], worker: _Worker, ended: Ended, board: _Board, notices: set[str]
) -> None:
    """Handle a message that `_Reporter` has sent."""
    kind, *content = message
    if kind == "ended":
        index, outcome, text = content
        worker.outcomes[index] = outcome
        log.info(text)
        ended(worker.number, index, outcome)
        board.ended(worker.number)
    elif kind == "notice":
        level, key, text = content
        say_once(log, level, key, text, notices)
    else:
        board.epoch(worker.number, *content)


def _start(
    context: Any, number: int, runs: Sequence[Run], memory_share: float
) -> tuple[Connection, _Worker]:
    receiver, sender = context.Pipe(duplex=False)
    arguments = runs, sender, memory_share, os.getpid()
    process = context.Process(target=_work, args=arguments, daemon=True)
    process.start()
    sender.close()
    return receiver, _Worker(number, runs, process)


class _Worker:
    """A worker process, with the outcomes of its runs by index."""

    def __init__(self, number: int, runs: Sequence[Run], process: BaseProcess) -> None:
        self.number, self.runs, self.process = number, runs, process
        self.outcomes: dict[int, Outcome] = {}

    def reap(self) -> list[int]:
        """Wait for the process to end; fail its unfinished runs and return their indices."""
        self.process.join()
        unfinished = [index for index in range(len(self.runs)) if index not in self.outcomes]
        for index in unfinished:
            error = TrainingError(
                f"The worker process ended before its time (exit code {self.process.exitcode}): if"
                " memory ran out, lower hydra.launcher.max_runs or hydra.launcher.n_workers."
            )
            run = self.runs[index]
            fail(run.folder, run.facts, error)
            self.outcomes[index] = error
            log.info("%s failed: %s", run.facts.run, error)
        return unfinished


class _Board:
    """Progress bars of the sweep and of each active cohort, on a terminal."""

    def __init__(self, cohorts: Sequence[Sequence[Run]]) -> None:
        self._n_left = [len(runs) for runs in cohorts]
        self._sweep = bar(self._title(), sum(self._n_left), "run", position=0)
        self._bars: dict[int, tqdm[None]] = {}

    def __enter__(self) -> _Board:
        self._stack = ExitStack()
        self._stack.enter_context(logging_redirect_tqdm())
        return self

    def __exit__(self, *error: object) -> None:
        for number in list(self._bars):
            self._close(number)
        self._sweep.close()
        self._stack.close()

    def epoch(self, number: int, epoch: int, total: int, title: str) -> None:
        if number not in self._bars:
            self._bars[number] = bar(title, total, "epoch", position=1 + len(self._bars))
        epochs = self._bars[number]
        epochs.update(epoch - epochs.n)

    def ended(self, number: int) -> None:
        self._n_left[number] -= 1
        self._close(number)
        self._sweep.set_description(self._title())
        self._sweep.update()

    def _close(self, number: int) -> None:
        if number in self._bars:
            self._bars.pop(number).close()

    def _title(self) -> str:
        return f"{sum(n > 0 for n in self._n_left)} cohorts left"


class _InProcess(BarProgress):
    """Reports each run that has ended to the launch as well."""

    def __init__(self, number: int, callback: Ended) -> None:
        super().__init__()
        self._number, self._callback = number, callback

    def ended(self, index: int, outcome: Outcome, message: str) -> None:
        super().ended(index, outcome, message)
        self._callback(self._number, index, outcome)


class _Reporter(Progress):
    """Sends the progress of a cohort from the worker to the launching process."""

    def __init__(self, sender: Connection) -> None:
        self._sender = sender
        self._title, self._total = "", 0

    def begin(self, title: str, n_epochs: int) -> None:
        self._title, self._total = title, n_epochs

    def epoch(self, number: int) -> None:
        self._send("epoch", number, self._total, self._title)

    def ended(self, index: int, outcome: Outcome, message: str) -> None:
        if isinstance(outcome, Exception):
            try:
                pickle.loads(pickle.dumps(outcome))
            except Exception:
                outcome = MlcError(f"{type(outcome).__name__}: {outcome}")
        self._send("ended", index, outcome, message)

    def notice(self, level: int, key: str, message: str) -> None:
        """Send a notice that the launch logs once, however many cohorts send it."""
        self._send("notice", level, key, message)

    def _send(self, *message: Any) -> None:
        try:
            self._sender.send(message)
        except BrokenPipeError:
            # The launching process has ended: the runs have not failed, and resuming will train them.
            os._exit(1)


def _work(runs: Sequence[Run], sender: Connection, memory_share: float, parent: int) -> None:
    # Ctrl-C reaches the parent too, which terminates its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with(parent)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    reporter = _Reporter(sender)
    root.addHandler(_Notices(reporter))
    with run_logs(runs):
        train_runs(runs, reporter, memory_share)
    sender.close()


class _Notices(logging.Handler):
    """Sends log records with an attribute `once` to the launching process."""

    def __init__(self, reporter: _Reporter) -> None:
        super().__init__(logging.INFO)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        key = getattr(record, "once", None)
        if key is not None:
            self._reporter.notice(record.levelno, key, record.getMessage())


def _die_with(parent: int) -> None:
    """End this process when its parent ends, even if the parent is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


@contextmanager
def run_logs(runs: Sequence[Run]) -> Iterator[None]:
    """Write a log file for each run, without the records of other runs of the cohort."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    with ExitStack() as stack:
        for run in runs:
            handler = LogFile(run.folder / "train.log", delay=True)
            handler.setFormatter(LogFormatter("[%(asctime)s] %(message)s", "%H:%M:%S"))
            handler.addFilter(_concerns(run))
            root.addHandler(handler)
            stack.callback(handler.close)
            stack.callback(root.removeHandler, handler)
        yield


def _concerns(run: Run) -> Callable[[logging.LogRecord], bool]:
    def is_of_run(record: logging.LogRecord) -> bool:
        return getattr(record, "run", run.facts.run) == run.facts.run and not _is_elsewhere(run)

    return is_of_run


def _is_elsewhere(run: Run) -> bool:
    """Whether another process has the run's folder, or its lease cannot be read."""
    try:
        return holder(run.folder) is not None
    except RunFolderError:
        return True
