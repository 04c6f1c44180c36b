"""The order of the words of a command line: overrides first, then Hydra's flags."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

# Hydra's flags that take the next word as their value.
_WITH_VALUE = (
    "--cfg", "-c", "--package", "-p", "--config-path", "-cp", "--config-name", "-cn", "--config-dir",
    "-cd", "--experimental-rerun",
)  # fmt: skip
# These take the next word only if it is one of their choices.
_WITH_CHOICE = ("--info", "-i")
HYDRAS_HELP = "--hydra-help"
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


def for_hydras_help(arguments: Sequence[str]) -> list[str]:
    """Return --hydra-help alone if it is among the words, perhaps shortened; otherwise all words.

    The config that Hydra composes for its help has no keys of mlc, and refuses overrides of these.
    """
    is_asked = any(len(word) > 3 and HYDRAS_HELP.startswith(word) for word in arguments)
    return [HYDRAS_HELP] if is_asked else list(arguments)


def config_folders(arguments: Sequence[str]) -> list[Path]:
    """Return the folders of hydra.searchpath and of --config-dir, perhaps shortened, in a command."""
    folders = [folder for word in arguments for folder in _searched(word)]
    for word, following in pairwise([*arguments, ""]):
        flag, is_joined, value = word.partition("=")
        if flag == "-cd" or (flag.startswith("--config-d") and "--config-dir".startswith(flag)):
            folders.append(Path(value if is_joined else following))
    return folders


def _searched(word: str) -> list[Path]:
    """Return the folders that a word such as hydra.searchpath=[file://FOLDER,pkg://MODULE] names."""
    if not word.lstrip("+").startswith("hydra.searchpath="):
        return []
    try:
        value: Any = OverridesParser.create().parse_override(word).value()
    except HydraException:
        return []  # Hydra reports the error.
    folders: list[Path] = []
    for place in value if isinstance(value, list) else []:
        scheme, _, path = str(getattr(place, "text", place)).rpartition("://")
        if scheme in ("", "file"):
            folders.append(Path(path))
        elif scheme == "pkg":
            with suppress(ImportError, ValueError):
                spec = find_spec(path.replace("/", "."))
                folders += map(Path, (spec and spec.submodule_search_locations) or ())
    return folders


def _takes(flag: str, word: str) -> bool:
    """Whether a flag, perhaps shortened as in --config-n, takes the next word as its value."""

    def is_one_of(flags: Sequence[str]) -> bool:
        is_long = flag.startswith("--")
        return flag in flags or (is_long and any(each.startswith(flag) for each in flags))

    return is_one_of(_WITH_VALUE) or (is_one_of(_WITH_CHOICE) and word in _CHOICES)
