"""Cohorts in processes of their own, one thread each."""

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

from mlc.config.errors import MlcError, TrainingError
from mlc.config.texts import LogFormatter
from mlc.data.notices import say_once
from mlc.files.writing import LogFile
from mlc.runs.cohort import Outcome
from mlc.runs.folder import fail
from mlc.runs.recording import Run, train_runs
from mlc.tracking.progress import BarProgress, Progress, bar

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1  # prctl(2)

# Told of a run that has ended: its cohort, its place there, its outcome.
Ended = Callable[[int, int, Outcome], None]


def n_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train_here(cohorts: Sequence[Sequence[Run]], ended: Ended) -> None:
    """One cohort after another in this process, as on CUDA, where one cohort fills the device."""
    with bar("sweep", sum(map(len, cohorts)), "run", position=1) as sweep:
        for number, runs in enumerate(cohorts):
            with run_logs(runs):
                train_runs(runs, _Here(number, ended))
            sweep.update(len(runs))


def train_in_workers(cohorts: Sequence[Sequence[Run]], n_workers: int, ended: Ended) -> None:
    """Cohorts side by side, at most `n_workers` at a time, each in a process of its own.

    The processes are forked where that is safe (Linux), so that they start at once: nothing before
    has started a thread of torch's. A worker that is killed fails its unfinished runs alone.
    """
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    # Spares the workers' collector what is here already: the configs of all jobs, and every import.
    gc.freeze()
    waiting = list(enumerate(cohorts))
    active: dict[Connection, _Worker] = {}
    # Apart from what this process says: workers, forked from it, write notices into their own logs.
    said: set[str] = set()
    with _Board(cohorts) as board:
        try:
            while waiting or active:
                while waiting and len(active) < n_workers:
                    number, runs = waiting.pop(0)
                    receiver, sender = context.Pipe(duplex=False)
                    process = context.Process(
                        target=_work,
                        args=(runs, sender, 1 / n_workers, os.getpid()),
                        daemon=True,
                    )
                    process.start()
                    sender.close()
                    active[receiver] = _Worker(number, runs, process)
                ready: list[Any] = wait(list(active))
                for receiver in ready:
                    worker = active[receiver]
                    try:
                        kind, *content = receiver.recv()
                    except EOFError:
                        del active[receiver]
                        for place in worker.reap():
                            ended(worker.number, place, worker.outcomes[place])
                            board.ended(worker.number)
                        continue
                    if kind == "ended":
                        place, outcome, message = content
                        worker.outcomes[place] = outcome
                        log.info(message)
                        ended(worker.number, place, outcome)
                        board.ended(worker.number)
                    elif kind == "notice":
                        level, key, message = content
                        say_once(log, level, key, message, said)
                    else:
                        board.epoch(worker.number, *content)
        finally:
            for worker in active.values():
                worker.process.terminate()
                worker.process.join()


class _Worker:
    def __init__(self, number: int, runs: Sequence[Run], process: BaseProcess) -> None:
        self.number, self.runs, self.process = number, runs, process
        self.outcomes: dict[int, Outcome] = {}

    def reap(self) -> list[int]:
        """Wait for the end of the process; the places of the runs that it left unfinished."""
        self.process.join()
        left = [place for place in range(len(self.runs)) if place not in self.outcomes]
        for place in left:
            error = TrainingError(
                f"The worker process ended before its time (exit code {self.process.exitcode}): if"
                " memory ran out, lower hydra.launcher.max_runs or hydra.launcher.n_workers."
            )
            run = self.runs[place]
            fail(run.folder, run.facts, error)
            self.outcomes[place] = error
            log.info("%s failed: %s", run.facts.run, error)
        return left


class _Board:
    """A bar for the sweep and one for each cohort at work, on a terminal."""

    def __init__(self, cohorts: Sequence[Sequence[Run]]) -> None:
        self._left = [len(runs) for runs in cohorts]
        self._sweep = bar(self._title(), sum(self._left), "run", position=0)
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
        shown = self._bars[number]
        shown.update(epoch - shown.n)

    def ended(self, number: int) -> None:
        self._left[number] -= 1
        self._close(number)
        self._sweep.set_description(self._title())
        self._sweep.update()

    def _close(self, number: int) -> None:
        if number in self._bars:
            self._bars.pop(number).close()

    def _title(self) -> str:
        return f"{sum(left > 0 for left in self._left)} cohorts left"


class _Here(BarProgress):
    """Tells the launch as well of each run that has ended."""

    def __init__(self, number: int, tell: Ended) -> None:
        super().__init__()
        self._number, self._tell = number, tell

    def ended(self, place: int, outcome: Outcome, message: str) -> None:
        super().ended(place, outcome, message)
        self._tell(self._number, place, outcome)


class _Reporter(Progress):
    """Sends a cohort's progress out of the worker."""

    def __init__(self, sender: Connection) -> None:
        self._sender = sender
        self._title, self._total = "", 0

    def begin(self, title: str, n_epochs: int) -> None:
        self._title, self._total = title, n_epochs

    def epoch(self, number: int) -> None:
        self._send("epoch", number, self._total, self._title)

    def ended(self, place: int, outcome: Outcome, message: str) -> None:
        if isinstance(outcome, Exception):
            try:
                pickle.loads(pickle.dumps(outcome))
            except Exception:
                outcome = MlcError(f"{type(outcome).__name__}: {outcome}")
        self._send("ended", place, outcome, message)

    def notice(self, level: int, key: str, message: str) -> None:
        """What the launch is to say once, whichever cohorts meet it."""
        self._send("notice", level, key, message)

    def _send(self, *message: Any) -> None:
        try:
            self._sender.send(message)
        except BrokenPipeError:
            # The sweep is gone: this is no failure of the runs, which whoever resumes it will train.
            os._exit(1)


def _work(runs: Sequence[Run], sender: Connection, memory_share: float, parent: int) -> None:
    # What is typed at the terminal reaches the parent too, which ends its workers itself.
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
    """Sends out of the worker what is logged with a key `once`."""

    def __init__(self, reporter: _Reporter) -> None:
        super().__init__(logging.INFO)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        key = getattr(record, "once", None)
        if key is not None:
            self._reporter.notice(record.levelno, key, record.getMessage())


def _die_with(parent: int) -> None:
    """End this process as soon as its parent is gone, even if that is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


@contextmanager
def run_logs(runs: Sequence[Run]) -> Iterator[None]:
    """Each run's own log file, with what concerns the cohort and no other of its runs."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    with ExitStack() as stack:
        for run in runs:
            handler = LogFile(run.folder / "train.log", delay=True)
            handler.setFormatter(LogFormatter("[%(asctime)s] %(message)s", "%H:%M:%S"))
            handler.addFilter(_concerns(run.facts.run))
            root.addHandler(handler)
            stack.callback(handler.close)
            stack.callback(root.removeHandler, handler)
        yield


def _concerns(name: str) -> Callable[[logging.LogRecord], bool]:
    return lambda record: getattr(record, "run", name) == name
