"""The command mlc-train: Hydra's app, its errors as one sentence, and the summary."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import hydra
from hydra.core.plugins import Plugins
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hydra_plugins.mlc_fused_launcher import FusedLauncher
from hydra_plugins.mlc_fused_submitit_launcher import FusedSubmititLauncher
from hydra_plugins.mlc_search_sweeper import SearchSweeper
from mlc.config.errors import BeingTrainedError, ConfigError, MlcError
from mlc.config.imports import import_parts, without_flags
from mlc.config.schema import config_folder, register_configs
from mlc.data.notices import forget_notices
from mlc.launching import sweep
from mlc.launching.checks import unknown_choice, with_name, without_glob
from mlc.launching.composing import composed_once
from mlc.launching.ending import failures_in_files_only
from mlc.launching.flags import config_folders, for_hydras_help, overrides_first
from mlc.launching.folders import own_folder, run_folder
from mlc.launching.job import describe
from mlc.launching.names import run_path
from mlc.launching.overrides import fitted
from mlc.launching.rephrasing import plain
from mlc.launching.stopping import stop_status, stops_raised
from mlc.runs.cohort import Outcome
from mlc.runs.leases import wait_for_free
from mlc.runs.recording import Run, train_runs
from mlc.tracking.progress import BarProgress

OmegaConf.register_new_resolver("mlc.run_path", run_path, replace=True)
OmegaConf.register_new_resolver("mlc.run_folder", run_folder, replace=True)
OmegaConf.register_new_resolver("mlc.own_folder", own_folder, replace=True)


Answer = Callable[[Path, Any], str]

# Hydra's error for an option that a launcher or sweeper does not have.
_UNKNOWN = re.compile(r"'[\w.]*(Launcher|Sweeper)'.*unexpected keyword argument '(\w+)'", re.DOTALL)

# Hydra's error for several of its flags.
_ONE_OF = "Only one of --run, --multirun"


def train(config: DictConfig) -> float:
    """Run one job and return its best monitored value, for sweepers that optimise it.

    The value is NaN if another process trains the run, which is not a failure.
    """
    run = describe(config)
    with nullcontext() if _is_sweep() else failures_in_files_only("mlc.tracking.progress"):
        outcome = _train(run)
    if isinstance(outcome, BeingTrainedError):
        return math.nan
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _is_sweep() -> bool:
    return sweep.current is None or sweep.current.is_sweep


def _train(run: Run) -> Outcome:
    """Train the run; if another process of this machine trains it, wait for that process first."""
    outcome = train_runs([run], BarProgress())[0]
    while isinstance(outcome, BeingTrainedError) and wait_for_free([run.folder]):
        outcome = train_runs([run], BarProgress())[0]
    return outcome


def main(answer: Answer | None = None) -> None:
    """Run the app; print an error that the user can correct as one sentence, without a traceback.

    Args:
        answer: as in `launch`.
    """
    with errors_raised_by_hydra() as wants_trace, stops_raised():
        try:
            sys.argv[1:], modules = without_flags(sys.argv[1:])
            import_parts(modules)
            launch(answer=answer)
        except (Exception, KeyboardInterrupt, sweep.Refusal) as error:
            status = stop_status(error)
            if status is not None:
                print(f"\nmlc-train: {sweep.interrupted()}", file=sys.stderr)
                sys.exit(status)
            readable = in_one_sentence(error)
            if readable is None or wants_trace:
                raise
            # The sweep has already reported the run and the reason.
            is_reported = _is_sweep() and getattr(error, "reported", False)
            counted = sweep.failures() if is_reported else None
            print(f"mlc-train: {counted or readable}", file=sys.stderr)
            sys.exit(readable.exit_status)


@contextmanager
def errors_raised_by_hydra() -> Iterator[bool]:
    """Make Hydra raise errors, which it otherwise prints in its own way before it exits.

    Yields:
        Whether the user has asked for tracebacks by HYDRA_FULL_ERROR.
    """
    before = os.environ.get("HYDRA_FULL_ERROR", "0")
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        yield before not in ("", "0")
    finally:
        os.environ["HYDRA_FULL_ERROR"] = before


def launch(
    arguments: Sequence[str] | None = None,
    *,
    shows_summary: bool = True,
    answer: Answer | None = None,
) -> None:
    """Run the job or sweep of the command line, then print its summary, also after a failure.

    Args:
        arguments: the words of the command line, in place of this process's.
        shows_summary: whether the summary is printed too; it is written in any case.
        answer: writes the answer of a search over heads and returns its text; called with the sweep's
            folder and its report options if these ask for an answer.
    """
    if arguments is not None:
        with _command_line(arguments):
            launch(shows_summary=shows_summary, answer=answer)
        return
    # What interrupts from here on does not interrupt an earlier sweep of this process.
    sweep.current = None
    register_configs()
    for plugin in (FusedLauncher, FusedSubmititLauncher, SearchSweeper):
        Plugins.instance().register(plugin)
    sys.argv[1:] = overrides_first(for_hydras_help(sys.argv[1:]))
    _fit_overrides()
    forget_notices()
    app = hydra.main(config_path=str(config_folder()), config_name="train", version_base="1.3")(
        train
    )
    try:
        with composed_once():
            app()
    except BaseException as error:
        if stop_status(error) is None:
            _summarise(shows_summary, answer)
        raise
    _summarise(shows_summary, answer)


@contextmanager
def _command_line(arguments: Sequence[str]) -> Iterator[None]:
    before = sys.argv[:]
    sys.argv[1:] = arguments
    try:
        yield
    finally:
        sys.argv[:] = before


def _fit_overrides() -> None:
    """Correct overrides that nearly fit the type of their option, and print the corrections."""
    is_sweep = bool({"-m", "--multirun"} & set(sys.argv))
    folders = config_folders(sys.argv[1:])
    for index, argument in enumerate(sys.argv[1:], start=1):
        if argument.startswith("-") or not ("=" in argument or argument.startswith("~")):
            continue
        argument = sys.argv[index] = with_name(argument)
        corrected = fitted(without_glob(argument, folders) if is_sweep else argument, is_sweep)
        if corrected != argument:
            sys.argv[index] = corrected
            print(f"mlc-train: {argument} is read as {corrected}.", file=sys.stderr)


def _summarise(is_shown: bool, answer: Answer | None) -> None:
    summary = sweep.finish()
    if summary is not None and is_shown:
        print(f"\n{summary}")
        if answer is not None and sweep.current is not None and sweep.current.report.answer:
            _print_answer(sweep.current.folder, sweep.current.report, answer)


def _print_answer(folder: Path, report: Any, answer: Answer) -> None:
    """Write and print the answer of a search over heads; print why there is none."""
    try:
        text = answer(folder, report)
    except MlcError as error:
        text = f"There is no answer: {error}"
    print(f"\n{text}\n")


def in_one_sentence(error: BaseException) -> MlcError | None:
    """Convert an error to an MlcError; None for a defect, whose traceback is needed."""
    if isinstance(error, sweep.Refusal):
        return in_one_sentence(error.error)
    if isinstance(error, MlcError):
        return error
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        group, _, name = error.missing_cfg_file.rpartition("/")
        if group:
            return unknown_choice(group, name)
    if isinstance(error, OverrideParseException):
        # Bytes of the command line that are not characters of the locale.
        if re.search("[\udc80-\udcff]", str(error.override)):
            return ConfigError(
                f"{error.override} holds bytes that are not text in this locale: set LC_ALL=C.UTF-8, or"
                " give the file a name in UTF-8."
            )
        reason = str(error).splitlines()[0].strip()
        return ConfigError(
            f"{error.override} cannot be read ({reason}): is it quoted for the shell?"
        )
    if isinstance(error, OmegaConfBaseException) and (ours := _raised_in_resolver(error)):
        return ours
    if isinstance(error, InstantiationException) and (unknown := _UNKNOWN.search(str(error))):
        key = f"hydra.{unknown[1].lower()}.{unknown[2]}"
        return ConfigError(f"There is no key {key!r}: leave it out.")
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return ConfigError(plain(error))
    if isinstance(error, ValueError) and str(error).startswith(_ONE_OF):
        return ConfigError(
            "--multirun, --cfg and --info ask for different things: give one of them; --cfg job shows"
            " the config of one run."
        )
    if isinstance(error, OSError):
        return MlcError(
            f"{error.filename or 'A file'} cannot be written or read ({error.strerror or error}):"
            " make room or choose another folder with hydra.run.dir or hydra.sweep.dir."
        )
    return None


def _raised_in_resolver(error: BaseException) -> MlcError | None:
    """Return the MlcError that a resolver raised, which OmegaConf keeps as the context of its error."""
    inner: BaseException | None = error
    while isinstance(inner, OmegaConfBaseException):
        inner = inner.__cause__ or inner.__context__
    return inner if isinstance(inner, MlcError) else None
