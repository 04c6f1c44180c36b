"""Processes that decode images, and their results in order."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mlc.config.errors import DataError
from mlc.config.stops import leave_stops_to_parent, stops_deferred

_CHUNK = 16  # Images that a worker decodes at a time.
_FEW = 64  # Fewer images are decoded in this process.


@contextlib.contextmanager
def workers_for(n_files: int) -> Iterator[Executor | None]:
    """Provide processes that decode, or threads where processes cannot be forked; None for few files.

    A daemonic process, such as one of a sweep's workers, decodes alone.
    """
    if n_files < _FEW or multiprocessing.current_process().daemon:
        yield None
        return
    if sys.platform != "linux":
        with ThreadPoolExecutor() as threads:
            yield threads
        return
    context = multiprocessing.get_context("fork")
    n_cores = len(os.sched_getaffinity(0))
    pool = ProcessPoolExecutor(n_cores, mp_context=context, initializer=leave_stops_to_parent)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def in_order(
    function: Callable[..., list[Any]],
    arguments: Sequence[Any],
    paths: Sequence[Path],
    workers: Executor | None,
    title: str,
) -> Iterator[Any]:
    """Yield the results of function(chunk of paths, *arguments) in order, with a progress bar."""
    chunks = [paths[first : first + _CHUNK] for first in range(0, len(paths), _CHUNK)]
    with tqdm(
        total=len(paths), desc=title, unit=" image", leave=False, disable=None, file=sys.stderr
    ) as progress:
        for chunk, results in _ahead(function, arguments, chunks, workers):
            progress.update(len(chunk))
            yield from results


def _ahead(
    function: Callable[..., list[Any]],
    arguments: Sequence[Any],
    chunks: Sequence[Sequence[Path]],
    workers: Executor | None,
) -> Iterator[tuple[Sequence[Path], list[Any]]]:
    if workers is None:
        for chunk in chunks:
            yield chunk, function(chunk, *arguments)
        return
    # A bound on the results that wait in memory.
    n_ahead = 4 * (os.cpu_count() or 1)
    submitted: deque[tuple[Sequence[Path], Future[list[Any]]]] = deque()
    remaining = iter(chunks)
    while True:
        for chunk in remaining:
            # The first ones fork processes.
            with stops_deferred():
                submitted.append((chunk, workers.submit(function, chunk, *arguments)))
            if len(submitted) > n_ahead:
                break
        if not submitted:
            return
        chunk, future = submitted.popleft()
        try:
            yield chunk, future.result()
        except BrokenProcessPool as error:
            raise DataError(
                f"A process that decoded the images from {chunk[0]} on was killed: remove the image"
                " that crashes it, or free memory."
            ) from error
