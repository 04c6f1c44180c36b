"""Checks of the folders of a launch, before Hydra or a run writes to them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from omegaconf import DictConfig

from mlc.reporting.summary import report_files
from mlc.runs.folder import FILES, already_finished, is_finished
from mlc.runs.ownership import MULTIRUN, check_report_files, check_run_folder
from mlc.search.files import FILES as SEARCH_FILES

_SUBDIR = "hydra.sweep.subdir"


def check_lone_run(folder: Path, config: DictConfig) -> None:
    """Check the folder of a launch of one run.

    Raises:
        RunFolderError: the folder is not empty and holds no run, or holds a finished run and `resume`
            is false, or the summary would replace a file that mlc did not write.
    """
    _check(folder, config)
    if is_finished(folder) and not config.resume:
        raise already_finished(folder)
    check_report_files(folder, report_files(config.report.metrics))


def check_sweep(folder: Path, config: DictConfig, more: Sequence[str] = ()) -> None:
    """Check the folder of a sweep; files that the sweep does not write do not matter.

    Args:
        folder: of the sweep.
        config: of the launch.
        more: names of the files that the sweep writes beside those of any sweep.

    Raises:
        RunFolderError: the sweep would replace a file that mlc did not write.
    """
    check_report_files(folder, (MULTIRUN, *report_files(config.report.metrics), *more))


def root_names(config: DictConfig) -> tuple[str, ...]:
    """Return the names of the files in a sweep's folder, beside the folders of its data sets."""
    return MULTIRUN, *report_files(config.report.metrics), *SEARCH_FILES


def run_folder(subdir: str, _root_: DictConfig) -> str:
    """Check the folder of a job and return `subdir`; the resolver `mlc.run_folder`.

    Every launcher of Hydra resolves a job's folder before writing to it, also in other processes.

    Raises:
        RunFolderError: the folder is not empty and holds no run, or is behind a link.
    """
    root = Path(_root_.hydra.sweep.dir)
    _check(root / subdir, _root_, root)
    return subdir


def guarded(overrides: list[str], default: str) -> str:
    """Return an override that passes the folder of each job through `run_folder`.

    Args:
        overrides: of Hydra's settings, which may name the folder.
        default: the folder if no override names one.
    """
    subdir = default
    for override in overrides:
        if override.startswith(f"{_SUBDIR}="):
            value = OverridesParser.create().parse_override(override).value()
            subdir = value.text if isinstance(value, QuotedString) else str(value)
    return f"{_SUBDIR}='${{mlc.run_folder:\"{subdir}\"}}'"


def _check(folder: Path, config: DictConfig, root: Path | None = None) -> None:
    hydra = config.hydra
    check_run_folder(folder, FILES, root, hydra.output_subdir, f"{hydra.job.name}.log")
