"""Log messages that appear once per launch."""

from __future__ import annotations

import logging
from collections.abc import Callable

_logged: set[str] = set()


def say_once(
    log: logging.Logger,
    level: int,
    key: str,
    message: str | Callable[[], str],
    logged: set[str] = _logged,
) -> None:
    """Log the message, or what it returns, unless its key was logged.

    Worker processes pass key and message to the launch.
    """
    if key not in logged:
        logged.add(key)
        text = message if isinstance(message, str) else message()
        log.log(level, "%s", text, extra={"once": key, "folded": True})


def forget_notices() -> None:
    """Reset the logged keys at the start of a launch."""
    _logged.clear()
