"""What a launch says once, however many of its runs meet it."""

from __future__ import annotations

import logging

_said: set[str] = set()


def say_once(
    log: logging.Logger, level: int, key: str, message: str, said: set[str] = _said
) -> None:
    """Log the message unless its key is in `said`; a worker process hands both on to its launch."""
    if key not in said:
        said.add(key)
        log.log(level, "%s", message, extra={"once": key, "folded": True})


def forget_notices() -> None:
    """A launch begins: all is to be said once more."""
    _said.clear()
