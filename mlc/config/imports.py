"""Modules that register parts outside `mlc`: --import MODULE, or MLC_IMPORT=MODULE,MODULE."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
import traceback
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlc.config.errors import ConfigError, MlcError

FLAG = "--import"
# Worker processes inherit it, however they are started.
VARIABLE = "MLC_IMPORT"


def add_import_flag(parser: ArgumentParser) -> None:
    """Add the flag `--import MODULE` to a command's parser, with the destination `imports`."""
    parser.add_argument(
        FLAG, dest="imports", action="append", default=[], metavar="MODULE",
        help="a module that registers parts of your own, such as heads; may be repeated",
    )  # fmt: skip


def without_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Return a command line without its `--import MODULE` flags, and their modules.

    Raises:
        ConfigError: a flag names no module.
    """
    others, modules = [], []
    words = iter(arguments)
    for argument in words:
        flag, equals, module = argument.partition("=")
        if flag != FLAG:
            others.append(argument)
            continue
        module = module if equals else next(words, "")
        if not module or module.startswith("-"):
            raise ConfigError(f"{FLAG} names no module: write {FLAG} my_parts.")
        modules.append(module)
    return others, modules


def import_parts(modules: Iterable[str]) -> None:
    """Import modules in this process and in all processes that it starts.

    Raises:
        ConfigError: a module cannot be imported.
    """
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*named_modules(), *modules]))
    import_named()


def named_modules() -> list[str]:
    """Return the names of the modules from the flags and the environment variable."""
    return [name for part in os.environ.get(VARIABLE, "").split(",") if (name := part.strip())]


def import_named() -> None:
    """Import the named modules that are not imported yet.

    Raises:
        ConfigError: a module cannot be imported.
    """
    for name in named_modules():
        # A module that is being imported is in sys.modules already.
        if name not in sys.modules:
            _import(name)


def _import(name: str) -> None:
    if name.endswith(".py") or "/" in name:
        raise ConfigError(
            f"{FLAG} {name} is a file: name its module, as in {FLAG} {Path(name).stem}, in the folder"
            " that holds it."
        )
    # At the end, so that no file of the current folder replaces an installed module.
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        importlib.import_module(name)
    except MlcError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]:
            raise ConfigError(
                f"{FLAG} {name} cannot be found: start in the folder that holds it, or install it."
            ) from error
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise ConfigError(
            f"{FLAG} {name} cannot be imported ({type(error).__name__}: {error}; {last.filename}, line"
            f" {last.lineno}): fix it."
        ) from error


@contextmanager
def uncollected() -> Iterator[None]:
    """Pause the garbage collector: imports make many objects and hardly any garbage.

    It does not scan what was imported later either, nor anything when the process ends.
    """
    was_enabled, n_modules = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        # A later call in the same process, which imports nothing, keeps no garbage.
        if len(sys.modules) > n_modules:
            gc.freeze()
            atexit.register(gc.freeze)
        if was_enabled:
            gc.enable()
