"""Peak memory of a process; imports little, so that new processes stay small."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Measure the peak growth of this process in bytes; appended to the list at exit."""
    process, seen, over = psutil.Process(), [0], threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        while not over.wait(0.001):
            seen.append(process.memory_info().rss - before)

    watcher, peak = threading.Thread(target=watch), list[int]()
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()
        peak.append(max(seen))
