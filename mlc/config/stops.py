"""Signals that stop the program, and blocks in which they must wait."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

_depth = 0
_arrived = False


@contextmanager
def stops_deferred() -> Iterator[None]:
    """Let a stop of `mlc.launching.stopping` wait until the block ends.

    For os.fork, which ignores what the functions raise that run around it, such as those of logging: a
    KeyboardInterrupt in them would be lost.
    """
    global _depth, _arrived
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
