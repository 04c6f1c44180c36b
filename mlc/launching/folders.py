"""Which folders a launch may use, asked before Hydra or a run writes anything."""

from __future__ import annotations

from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import QuotedString
from omegaconf import DictConfig

from mlc.reporting.summary import report_files
from mlc.runs.folder import FILES, already_finished, is_finished
from mlc.runs.ownership import MULTIRUN, check_report_files, check_run_folder

_SUBDIR = "hydra.sweep.subdir"


def check_lone_run(folder: Path, config: DictConfig) -> None:
    """Refuse a folder that the one run of a launch must not use.

    Raises:
        RunFolderError: it holds something and no run of ours, or a finished one that is not to be
            resumed, or the summary would replace a file.
    """
    _check(folder, config)
    if is_finished(folder) and not config.resume:
        raise already_finished(folder)
    check_report_files(folder, report_files(config.report.metrics))


def check_sweep(folder: Path, config: DictConfig) -> None:
    """Refuse a folder at whose root a sweep would replace files; other files there do not matter.

    Raises:
        RunFolderError: it would.
    """
    check_report_files(folder, (MULTIRUN, *report_files(config.report.metrics)))


def root_names(config: DictConfig) -> tuple[str, ...]:
    """What lies at a sweep's root beside the folders of its data sets."""
    return MULTIRUN, *report_files(config.report.metrics)


def run_folder(subdir: str, _root_: DictConfig) -> str:
    """`subdir`, refused where the folder is not a run's; the resolver `mlc.run_folder`.

    Every launcher of Hydra's resolves a job's folder before it writes there, also in other processes.

    Raises:
        RunFolderError: the folder holds something and no run of ours, or is behind a link.
    """
    root = Path(_root_.hydra.sweep.dir)
    _check(root / subdir, _root_, root)
    return subdir


def guarded(overrides: list[str], default: str) -> str:
    """An override that passes the jobs' folder through `run_folder`.

    Args:
        overrides: of Hydra's own settings, among which the user may have named the folder.
        default: the folder where none is named.
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
