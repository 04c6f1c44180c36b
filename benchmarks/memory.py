"""How far a process grows; light to import, so that it can be measured in fresh ones."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil


@contextmanager
def peak_memory() -> Iterator[list[int]]:
    """Bytes that this process has grown by at its largest; the list's only entry, once it is over."""
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
