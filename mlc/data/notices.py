"""Log messages that appear once per launch."""

from __future__ import annotations

import logging

_logged: set[str] = set()


def say_once(
    log: logging.Logger, level: int, key: str, message: str, logged: set[str] = _logged
) -> None:
    """Log the message unless its key was logged; worker processes pass key and message to the launch."""
    if key not in logged:
        logged.add(key)
        log.log(level, "%s", message, extra={"once": key, "folded": True})


def forget_notices() -> None:
    """Reset the logged keys at the start of a launch."""
    _logged.clear()
