"""Signals that stop the program, and blocks in which they must wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_depth = 0
_arrived = False


@contextmanager
def stops_deferred() -> Iterator[None]:
    """Let a stop of `mlc.launching.stopping` wait until the block ends.

    For os.fork, which ignores what the functions raise that run around it, such as those of logging: a
    KeyboardInterrupt in them would be lost. Nothing waits for another thread than the main one, in which
    no stop is raised.
    """
    global _depth, _arrived
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1
        if _arrived and not _depth:
            _arrived = False
            raise KeyboardInterrupt


def stop() -> None:
    """Raise KeyboardInterrupt, at once or when the outermost block of `stops_deferred` ends."""
    global _arrived
    if _depth:
        _arrived = True
        return
    raise KeyboardInterrupt


def leave_stops_to_parent() -> None:
    """In a new process: ignore Ctrl-C, and let SIGTERM end it.

    A forked process never leaves the block of its fork, so a stop that came there ends it here.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if _arrived:
        signal.raise_signal(signal.SIGTERM)
