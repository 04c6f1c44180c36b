"""Training cohorts in worker processes, one thread each."""

from __future__ import annotations

import ctypes
import gc
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from mlc.config.errors import RunFolderError, TrainingError
from mlc.config.imports import import_named
from mlc.config.stops import leave_stops_to_parent, stops_deferred
from mlc.config.texts import LogFormatter
from mlc.data.notices import say_once
from mlc.files.writing import LogFile
from mlc.launching.board import Board
from mlc.launching.reporter import Notices, Reporter
from mlc.runs.cohort import Outcome
from mlc.runs.folder import fail
from mlc.runs.leases import holder
from mlc.runs.recording import Run, train_runs
from mlc.tracking.progress import BarProgress, bar
from mlc.training.assembly import cuda_devices

log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1  # prctl(2)

# Called with the cohort, the index in the cohort and the outcome of each run that has ended.
Ended = Callable[[int, int, Outcome], None]


def n_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train_here(cohorts: Sequence[Sequence[Run]], ended: Ended) -> None:
    """Train cohorts one after another in this process, as on one CUDA device, which a cohort fills."""
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
    method = "fork" if sys.platform == "linux" else "spawn"
    if method == "fork":
        # What all workers import, and this process for the summary, is imported once.
        import_module("mlc.tracking.events")
    _train(cohorts, [None] * n_workers, 1 / n_workers, method, ended)


def train_on_devices(
    cohorts: Sequence[Sequence[Run]], devices: Sequence[int], ended: Ended
) -> None:
    """Train cohorts in parallel on CUDA devices, each in a new process, in the order of the cohorts.

    Args:
        cohorts: the cohorts, the longest first.
        devices: the number of the device of each process; several processes may share one.
        ended: called for each run that has ended.
    """
    _train(cohorts, devices, len(set(devices)) / len(devices), start_method(), ended)


def start_method() -> str:
    """Return how processes on CUDA devices are started: a forked process cannot use CUDA."""
    return "spawn"


def _train(
    cohorts: Sequence[Sequence[Run]],
    devices: Sequence[int | None],
    memory_share: float,
    method: str,
    ended: Ended,
) -> None:
    """Train cohorts in new processes, one on each of the devices at a time."""
    context: Any = multiprocessing.get_context(method)
    # The workers' garbage collector need not scan the configs of all jobs and every import.
    gc.freeze()
    waiting = list(enumerate(cohorts))
    free = list(devices)
    active: dict[Connection, _Worker] = {}
    # Separate from this process's notices: forked workers write notices into the runs' logs.
    notices: set[str] = set()
    with Board(cohorts) as board:
        try:
            while waiting or active:
                for device in list(free):
                    cohort = _next(waiting, device)
                    if cohort is not None:
                        free.remove(device)
                        receiver, worker = _start(context, *cohort, memory_share, device)
                        active[receiver] = worker
                ready: list[Any] = wait(list(active))
                for receiver in ready:
                    try:
                        message = receiver.recv()
                    except EOFError:
                        worker = active.pop(receiver)
                        free.append(worker.device)
                        for index in worker.reap():
                            ended(worker.number, index, worker.outcomes[index])
                            board.ended(worker.number)
                    else:
                        _handle(message, active[receiver], ended, board, notices)
        finally:
            for worker in active.values():
                # A process that was just forked may lose SIGTERM.
                worker.process.kill()
                worker.process.join()


def _handle(
    message: tuple[Any, ...], worker: _Worker, ended: Ended, board: Board, notices: set[str]
) -> None:
    """Handle a message that `Reporter` has sent."""
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
    context: Any, number: int, runs: Sequence[Run], memory_share: float, device: int | None
) -> tuple[Connection, _Worker]:
    receiver, sender = context.Pipe(duplex=False)
    arguments = runs, sender, memory_share, os.getpid(), device
    process = context.Process(target=_work, args=arguments, daemon=True)
    try:
        with stops_deferred():
            process.start()
    except KeyboardInterrupt:
        # No list has it yet by which it would be ended.
        if process.pid is not None:
            process.kill()
            process.join()
        raise
    sender.close()
    return receiver, _Worker(number, runs, process, device)


def _next(
    waiting: list[tuple[int, Sequence[Run]]], device: int | None
) -> tuple[int, Sequence[Run]] | None:
    """Remove and return the first cohort that may be trained on this device, if there is one."""
    for index, (_, runs) in enumerate(waiting):
        allowed = [] if device is None else cuda_devices(runs[0].config.device)
        # A cohort for the CPU may be trained by any process.
        if not allowed or device in allowed:
            return waiting.pop(index)
    return None


def use_device(device: int) -> None:
    """Make a CUDA device the current one of this process."""
    torch.cuda.set_device(device)


class _Worker:
    """A worker process, with the outcomes of its runs by index."""

    def __init__(
        self, number: int, runs: Sequence[Run], process: BaseProcess, device: int | None
    ) -> None:
        self.number, self.runs, self.process, self.device = number, runs, process, device
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


class _InProcess(BarProgress):
    """Reports each run that has ended to the launch as well."""

    def __init__(self, number: int, callback: Ended) -> None:
        super().__init__()
        self._number, self._callback = number, callback

    def ended(self, index: int, outcome: Outcome, message: str) -> None:
        super().ended(index, outcome, message)
        self._callback(self._number, index, outcome)


def _work(
    runs: Sequence[Run], sender: Connection, memory_share: float, parent: int, device: int | None
) -> None:
    # Ctrl-C reaches the parent too, which terminates its workers.
    leave_stops_to_parent()
    _die_with(parent)
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    reporter = Reporter(sender)
    root.addHandler(Notices(reporter))
    # A spawned process has not imported the modules of the user's parts.
    import_named()
    if device is not None:
        use_device(device)
    with run_logs(runs):
        train_runs(runs, reporter, memory_share)
    sender.close()


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
