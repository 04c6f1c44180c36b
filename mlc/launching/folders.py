"""Checks of the folders of a launch, before Hydra or a run writes to them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from mlc.config.errors import ConfigError
from mlc.config.quoting import as_needed, in_quotes, literal
from mlc.reporting.summary import report_files
from mlc.runs.folder import FILES, already_finished, is_finished
from mlc.runs.ownership import MULTIRUN, check_report_files, check_run_folder
from mlc.search.files import FILES as SEARCH_FILES

_SUBDIR = "hydra.sweep.subdir"
_DEFAULT = "${mlc.run_path:}"  # As in conf/train.yaml.


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


def own_folder(*pairs: str, _root_: DictConfig) -> str:
    """Return the folder that the job's experiment names; the resolver `mlc.own_folder`.

    Args:
        *pairs: the name of each swept experiment, "" for any other, and its unresolved folder after it.
    """
    folders = dict(zip(pairs[::2], pairs[1::2], strict=True))
    chosen = folders.get(str(_root_.hydra.runtime.choices.experiment), folders[""])
    # Only this folder is resolved: those of other experiments may name what this job lacks.
    return str(DictConfig({"folder": chosen}, parent=_root_).folder)


def guarded(
    overrides: Sequence[str], config: DictConfig, default: str, grid: Sequence[Override]
) -> str:
    """Return an override that passes the folder of each job through `run_folder`.

    Args:
        overrides: of Hydra's settings, which may name the folder.
        config: of the launch, which names the folder if no override does; so may a swept experiment.
        default: the folder if none of them names one.
        grid: the overrides of the sweep.
    """
    subdir = _stated(config) or default
    for override in overrides:
        if override.startswith(f"{_SUBDIR}="):
            value = OverridesParser.create().parse_override(override).value()
            subdir = value.text if isinstance(value, QuotedString) else str(value)
            return _guard(subdir)
    own = {"": subdir}
    for name in _swept_experiments(grid):
        own[name] = _stated(_job_config(config, name)) or subdir
    if set(own.values()) - {subdir}:
        texts = [literal(text).replace('"', r"\"") for pair in own.items() for text in pair]
        subdir = '${mlc.own_folder:"' + '","'.join(texts) + '"}'
    return _guard(subdir)


def _guard(subdir: str) -> str:
    text = f'${{mlc.run_folder:"{subdir}"}}'
    return f"{_SUBDIR}={in_quotes(text)}"


def _swept_experiments(grid: Sequence[Override]) -> list[str]:
    swept = (each for each in grid if each.key_or_group == "experiment" and each.is_choice_sweep())
    values = [value for each in swept for value in each.sweep_iterator()]
    return [value.text if isinstance(value, QuotedString) else str(value) for value in values]


def _stated(config: DictConfig) -> str | None:
    """Return the unresolved folder of a job if a config file has named it."""
    sweep: Any = OmegaConf.to_container(config.hydra.sweep, resolve=False)
    return None if sweep["subdir"] == _DEFAULT else str(sweep["subdir"])


def _job_config(config: DictConfig, experiment: str) -> DictConfig:
    """Compose the job of one experiment of a sweep; the launch's config where that fails."""
    loader = GlobalHydra.instance().config_loader()
    try:
        return loader.load_sweep_config(config, [f"experiment={as_needed(experiment)}"])
    except (HydraException, OmegaConfBaseException):
        return config  # The job reports the error.


def _check(folder: Path, config: DictConfig, root: Path | None = None) -> None:
    hydra = config.hydra
    check_run_folder(folder, FILES, root, hydra.output_subdir, f"{hydra.job.name}.log")


def refuse_shared(folders: Sequence[Path]) -> None:
    """Raise ConfigError if two jobs have the same folder."""
    taken: set[str] = set()
    for each in folders:
        folder = os.path.realpath(each)
        if folder in taken:
            raise ConfigError(
                f"Two jobs of the sweep would write to {folder}: give each job another"
                " hydra.sweep.subdir, as by ${hydra.job.num}."
            )
        taken.add(folder)
