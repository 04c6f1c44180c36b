"""The order of the words of a command line: overrides first, then Hydra's flags."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

# Hydra's flags that take the next word as their value.
_WITH_VALUE = (
    "--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir",
    "-cd", "--experimental-rerun",
)  # fmt: skip
# These take the next word only if it is one of their choices.
_WITH_CHOICE = ("--info", "-i")
_CHOICES = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


def overrides_first(arguments: Sequence[str]) -> list[str]:
    """Return a command line with its overrides before its flags, each in their given order.

    Hydra's parser refuses overrides on both sides of a flag. A command line with `--` keeps its order.
    """
    if "--" in arguments:
        return list(arguments)
    overrides: list[str] = []
    flags: list[str] = []
    previous = ""
    for word in arguments:
        is_flag = word.startswith("-")
        (flags if is_flag or _takes(previous, word) else overrides).append(word)
        previous = word
    return [*overrides, *flags]


def config_folders(arguments: Sequence[str]) -> list[Path]:
    """Return the folders of --config-dir on a command line, perhaps shortened."""
    folders = []
    for word, following in pairwise([*arguments, ""]):
        flag, is_joined, value = word.partition("=")
        if flag == "-cd" or (flag.startswith("--config-d") and "--config-dir".startswith(flag)):
            folders.append(Path(value if is_joined else following))
    return folders


def _takes(flag: str, word: str) -> bool:
    """Whether a flag, perhaps shortened as in --config-n, takes the next word as its value."""

    def is_one_of(flags: Sequence[str]) -> bool:
        is_long = flag.startswith("--")
        return flag in flags or (is_long and any(each.startswith(flag) for each in flags))

    return is_one_of(_WITH_VALUE) or (is_one_of(_WITH_CHOICE) and word in _CHOICES)
