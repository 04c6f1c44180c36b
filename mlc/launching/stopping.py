"""Ctrl-C, and SIGTERM, by which schedulers and containers stop a process, end a command alike."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mlc.config.stops import stop

_DEFAULTS: dict[signal.Signals, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
}
_received: list[int] = []


@contextmanager
def stops_raised() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block when SIGINT or SIGTERM arrives, and remember the signal.

    A second SIGTERM ends the process at once. Nothing changes outside the main thread, and for a signal
    that the program handles itself.
    """
    _received.clear()
    is_main = threading.current_thread() is threading.main_thread()
    taken = [
        number
        for number, handler in _DEFAULTS.items()
        if is_main and signal.getsignal(number) is handler
    ]
    for number in taken:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, _DEFAULTS[number])


@contextmanager
def stopped_in_one_sentence(program: str) -> Iterator[None]:
    """End the process with one sentence and 128 + the signal's number on SIGINT or SIGTERM.

    The temporary files of atomic writes are removed on the way, which the default of SIGTERM leaves.
    """
    with stops_raised():
        try:
            yield
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            status = stop_status(error)
            if status is None:
                raise
            print(f"\n{program}: interrupted; run the same command again.", file=sys.stderr)
            sys.exit(status)


def _stop(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    if number == signal.SIGTERM:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    stop()


def stop_status(error: BaseException) -> int | None:
    """Return the exit status of a command that was stopped, 128 and the signal's number, or None.

    Any error that follows a signal counts: OmegaConf raises its own while KeyboardInterrupt passes
    through its half-built configs.
    """
    if _received:
        return 128 + _received[-1]
    return 128 + signal.SIGINT if isinstance(error, KeyboardInterrupt) else None
