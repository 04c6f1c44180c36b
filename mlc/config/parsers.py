"""The parser of commands that take names of columns."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import NoReturn


class Parser(ArgumentParser):
    """A parser whose errors say how to write a name that begins with a hyphen."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, and exit with status 2."""
        flag = next(
            (f for f in ("--labels", "--text", "--image") if f"argument {f}:" in message), None
        )
        if flag is not None and "expected" in message:
            message += f"; write a name that begins with - as {flag}=-NAME"
        super().error(message)
