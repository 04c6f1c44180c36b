"""Fixtures that several test files use."""

from __future__ import annotations

import os

# Before NumPy and SciPy are imported, here and in the processes that tests start: in small problems the
# threads of a process only wait for each other, at ten times the work where others want the processors.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import gc
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra._internal.hydra import Hydra

# Also where OMP_NUM_THREADS is given.
torch.set_num_threads(1)

REPOSITORY = Path(__file__).parent.parent


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute tests by `FilesTogether` where they run in several processes, unless told otherwise."""
    if config.getvalue("dist") != "load":
        return None
    from tests.scheduling import FilesTogether

    return FilesTogether(config, log)


@pytest.fixture(scope="session")
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folders of caches; pytest looks through all of its own for each that it makes."""
    folder = tmp_path_factory.mktemp("caches")
    return (folder / str(number) for number in count())


@pytest.fixture(autouse=True)
def own_cache(caches: Iterator[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads what another run has cached."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(next(caches)))


# With the default, 700 new objects, the collector takes a twelfth of the time of a short run's launch.
gc.set_threshold(50_000, 20, 20)

# Modules whose objects the garbage collector scans, before it is kept from them.
_MANY_MODULES = 50
# How many modules there were when it was last kept from them.
_n_modules = 0
_freeze = gc.freeze


def pytest_collection_finish() -> None:
    """Keep the garbage collector from what was imported and from the tests, a million objects."""
    global _n_modules
    gc.collect()
    _freeze()
    _n_modules = len(sys.modules)


@pytest.hookimpl(tryfirst=True)
def pytest_terminal_summary() -> None:
    """Let the collector see all: hypothesis, if it is imported only now, asks it for referrers."""
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def kept_frozen() -> Iterator[None]:
    """What a command keeps from the collector, which ends with its process, is collected here.

    To unfreeze it would unfreeze what no command has made, too. Also where a module's fixture calls one.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in ("freeze", "unfreeze"):
            patch.setattr(gc, name, lambda: None)
        yield


@pytest.fixture(autouse=True)
def unscanned() -> Iterator[None]:
    """What a test has imported is kept from the collector, too."""
    yield
    if len(sys.modules) > _n_modules + _MANY_MODULES:
        pytest_collection_finish()


@pytest.fixture(autouse=True)
def own_processes() -> Iterator[None]:
    """Processes of joblib would serve the next test too, in the folder of this one."""
    yield
    loky = sys.modules.get("joblib.externals.loky.reusable_executor")
    executor = None if loky is None else loky._executor
    if executor is not None:
        executor.shutdown(wait=True, kill_workers=True)


@pytest.fixture(autouse=True)
def own_random_numbers() -> None:
    """No test draws other numbers when other tests run before it."""
    # Without a device, torch.manual_seed keeps the formatted stack of its caller three times, which
    # takes as long as a short test.
    (torch.manual_seed if torch.cuda.is_available() else torch.default_generator.manual_seed)(0)


@pytest.fixture(scope="session")
def benchmarks() -> Path:
    """The folder of real benchmarks, where there is one."""
    folder = os.environ.get("MLC_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("MLC_DATA names no folder with the benchmarks")
    return Path(folder)


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it printed."""

    status: int
    out: str
    error: str


Command = Callable[..., Outcome]


def exit_status(
    main: Callable[[], None], arguments: Sequence[str], patch: pytest.MonkeyPatch
) -> int:
    """Call an entry point with a command line in this process."""
    patch.setattr(sys, "argv", ["prog", *arguments])
    # Hydra composes the config once more to read hydra.mode, which no config of these sets.
    patch.setattr(Hydra, "get_mode", lambda *_, **__: None)
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    finally:
        # Hydra leaves the log files of its last job open.
        for handler in logging.getLogger().handlers[:]:
            if isinstance(handler, logging.FileHandler):
                logging.getLogger().removeHandler(handler)
                handler.close()
    return 0


@pytest.fixture
def command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """Call an entry point with a command line, in a folder of its own, in this process."""
    monkeypatch.chdir(tmp_path)
    # Asking for tracebacks is the caller's choice, and main() sets this for Hydra.
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")

    def call(main: Callable[[], None], *arguments: str) -> Outcome:
        status = exit_status(main, arguments, monkeypatch)
        return Outcome(status, *capfd.readouterr())

    return call


def toy_arff(
    folder: Path,
    name: str = "toy",
    rows: list[str] | None = None,
    header: str | None = None,
    n: int = 60,
) -> Path:
    """Write a small learnable MEKA data set of two labels; `rows` replaces its data."""
    if header is None:
        header = "\n".join(
            [
                f"@relation '{name}: -C 2'",
                "@attribute even {0,1}",
                "@attribute large {0,1}",
                "@attribute x numeric",
                "@attribute y numeric",
            ]
        )
    if rows is None:
        x = np.random.default_rng(0).normal(size=(n, 2))
        rows = [f"{int(a > 0)},{int(b > 0.5)},{a:.3f},{b:.3f}" for a, b in x]
    path = folder / f"{name}.arff"
    path.write_text("\n".join([header, "@data", *rows, ""]))
    return path.with_suffix("")


@pytest.fixture
def write_arff(tmp_path: Path) -> Callable[..., Path]:
    """`toy_arff` in the test's folder."""
    return partial(toy_arff, tmp_path)
