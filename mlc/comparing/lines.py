"""Lines of Python within the width of a terminal."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Any

# Four less than a terminal has: code is shown indented.
WIDTH = 76


def call(function: str, arguments: Sequence[str], named: Mapping[str, str] | None = None) -> str:
    """A call in one line where it is short, else with an indented block of its arguments."""
    given = [*arguments, *(f"{key}={value}" for key, value in (named or {}).items())]
    line = f"{function}({', '.join(given)})"
    if len(line) <= WIDTH:
        return line
    block = [
        fill(argument, WIDTH, initial_indent="    ", subsequent_indent="     ", break_long_words=False,
             break_on_hyphens=False)
        for argument in (f"{argument}," for argument in given)
    ]  # fmt: skip
    return "\n".join([f"{function}(", *block, ")"])


def comment(text: str) -> str:
    """A text as lines of comments."""
    return fill(text, WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False)


def literals(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as Python writes them, by name."""
    return {key: repr(value) for key, value in values.items()}


def changed(registry: Any, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from their defaults."""
    defaults = dataclasses.asdict(registry[name].Options())
    return {
        key: value for key, value in options.items() if as_list(defaults[key]) != as_list(value)
    }


def as_list(value: Any) -> Any:
    """A tuple as a list, to which configs convert it."""
    return list(value) if isinstance(value, tuple) else value
