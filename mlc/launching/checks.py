"""Checks of a sweep's values before its first job starts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override, QuotedString
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from mlc.config.errors import ConfigError, RunFolderError
from mlc.config.imports import FLAG
from mlc.config.options import limits_of, out_of_range, suggestion
from mlc.config.schema import GROUPS, Config, config_folder
from mlc.config.texts import named_choices
from mlc.launching.job_counts import n_values, refuse_too_many
from mlc.launching.names import data_name, key_of, parsed, setting_overrides, task_overrides
from mlc.launching.resuming import RequestedLaunch, check_resumable, check_unfinished
from mlc.launching.search_request import Request
from mlc.runs.parts import require_part
from mlc.search.files import RECORD


def sweep_overrides(config: DictConfig) -> list[Override]:
    """Return the overrides of the sweeper's parameters and of the command line, which win."""
    params = config.hydra.sweeper.get("params") or {}
    folders = folders_of_user(config)
    overrides = [without_glob(f"{key}={value}", folders) for key, value in params.items()]
    overrides += task_overrides(config.hydra)
    return list({key_of(override): override for override in parsed(overrides)}.values())


def check_swept_values(config: DictConfig, overrides: list[Override]) -> int | None:
    """Check every value of every sweep; return the number of jobs, or None if it is unknown.

    Raises:
        ConfigError: a value is out of range, or names an option that does not exist.
    """
    n_jobs: int | None = 1
    composed = _as_config(config)
    for override in overrides:
        if not override.is_sweep_override():
            continue
        if not (override.is_choice_sweep() or override.is_range_sweep()):
            n_jobs = None
            continue
        key = key_of(override)
        n_jobs = n_jobs * n_values(override) if n_jobs is not None else None
        refuse_too_many(override, n_jobs)
        values = list(override.sweep_iterator())
        limits = limits_of(composed, key)
        known = (
            {*choices(key), *_files_in(folders_of_user(config), key)} if key in GROUPS else set()
        )
        for value in values:
            name = value.text if isinstance(value, QuotedString) else str(value)
            if key in GROUPS and name not in known:
                require_part(Path(config.hydra.sweep.dir), GROUPS[key].kind, name)
                raise unknown_choice(key, name)
            items = value if isinstance(value, list) else [value]
            if limits is not None and not all(map(limits.allows, filter(_is_plain, items))):
                raise out_of_range(key, value, limits)
    return n_jobs


def folders_of_user(config: DictConfig) -> list[Path]:
    """Return all folders of configs of a launch, as of --config-dir."""
    sources = config.hydra.runtime.config_sources
    return [Path(source.path) for source in sources if source.schema == "file"]


def _files_in(folders: Iterable[Path], group: str) -> set[str]:
    """Return the options of a group by their files in folders of configs."""
    return {path.stem for folder in folders for path in (folder / group).glob("*.yaml")}


def _is_plain(value: Any) -> bool:
    """Return whether Hydra passes the value on unchanged, unlike quoted words or interpolations."""
    return isinstance(value, (bool, int, float))


def choices(group: str) -> list[str]:
    """Return the options of a config group: its files and the registered parts, or Hydra's plugins."""
    names = _files_in([config_folder()], group)
    if group.startswith("hydra/"):
        with suppress(OSError):
            names |= {Path(name).stem for name in ConfigStore.instance().list(group)}
    return sorted(names | set(GROUPS.get(group, ())))


def without_glob(argument: str, folders: Sequence[Path] = ()) -> str:
    """Return the override with the names that `glob(...)` matches, as in head=glob(soft*).

    Args:
        argument: the override.
        folders: further folders of configs, as of --config-dir.

    Raises:
        ConfigError: it matches none, or the key is no config group.
    """
    if "=glob(" not in argument:
        return argument
    (override,) = parsed([argument])
    pattern: Any = override.value()
    if not isinstance(pattern, Glob):
        return argument
    key = override.key_or_group
    known = sorted({*choices(key), *_files_in(folders, key)})
    if not known:
        raise ConfigError(
            f"{argument}: glob matches names of a config group, such as head, and {key} is none: list"
            f" the values, as in {key}=A,B."
        )
    names = pattern.filter(known)
    if not names:
        raise ConfigError(f"{argument} matches no name: choose some of {named_choices(known)}.")
    return f"{argument.partition('=')[0]}={','.join(names)}"


def with_name(argument: str) -> str:
    """Return the choice of a part or of an experiment, as in experiment=2, with its name as a text.

    Raises:
        ConfigError: it is null, or a list of several parts, of which a run has one.
    """
    key, _, raw = argument.partition("=")
    group = key.lstrip("+").partition("@")[0]
    if not (group in (*GROUPS, "experiment") or group.startswith("hydra/")):
        return argument
    try:
        override = OverridesParser.create().parse_override(argument)
    except HydraException:
        return argument
    value: Any = override.value()
    if group in GROUPS and isinstance(value, list) and len(value) > 1:
        swept = ",".join(map(str, value))
        raise ConfigError(
            f"{argument} names several parts, of which a run has one: write --multirun {key}={swept} to"
            " sweep over them."
        )
    if value is None and raw:
        raise ConfigError(f"{argument} names no part: leave {key} out for the default.")
    if isinstance(value, (bool, int, float)):
        return f"{key}='{raw}'"
    if not (override.is_choice_sweep() and getattr(value, "simple_form", False)):
        return argument
    pairs = list(zip(value.list, override.sweep_string_iterator(), strict=True))
    names = [f"'{text}'" if isinstance(one, (bool, int, float)) else text for one, text in pairs]
    is_changed = names != [text for _, text in pairs]
    return f"{key}={','.join(names)}" if is_changed else argument


def unknown_choice(group: str, name: str) -> ConfigError:
    """Return the error for an option of a group that does not exist."""
    known = choices(group)
    source = (
        f"{FLAG} MODULE" if group in GROUPS else f"--config-dir FOLDER, with {group}/{name}.yaml,"
    )
    choice = f"choose one of {named_choices(known)}" if known else "leave it out"
    return ConfigError(
        f"{group}={name} does not exist: {suggestion(name, known)}{choice}, or add {source} for one of"
        " your own."
    )


def require_answerable(config: DictConfig, overrides: list[Override]) -> None:
    """Raise ConfigError if report.answer asks for an answer that the runs of a search cannot give."""
    if not config.report.answer:
        return
    without = "state report.answer=false"
    for key in (key_of(each) for each in overrides if each.is_sweep_override()):
        if key == "data" or key.startswith("data."):
            raise ConfigError(
                f"An answer is for one form of one data set, and {key} has several values: give one, or"
                f" {without}."
            )
    data = config.data
    if data.get("missing_labels") == "mask" or data.get("soft_labels"):
        option = "soft_labels=true" if data.get("soft_labels") else "missing_labels=mask"
        raise ConfigError(
            "An answer judges rows by all their labels, which are 0 or 1, and so not with"
            f" data.{option}: {without}, for the table compares heads there."
        )


def require_resumable(
    folder: Path,
    config: DictConfig,
    overrides: list[Override],
    n_jobs: int | None,
    request: Request | None = None,
) -> None:
    """Raise RunFolderError if runs in the folder do not belong to this launch, or to this search."""
    check_resumable(folder, _requested(config, overrides, request), n_jobs)


def require_unfinished(
    folder: Path, config: DictConfig, overrides: list[Override], n_jobs: int | None
) -> None:
    """Raise RunFolderError if the folder holds a search, or if all runs of the sweep are finished."""
    if (folder / RECORD).is_file():
        raise RunFolderError(
            f"{folder} already holds a search: continue it with resume=true, or name another folder with"
            " hydra.sweep.dir."
        )
    check_unfinished(folder, _requested(config, overrides), n_jobs)


def _requested(
    config: DictConfig, overrides: list[Override], request: Request | None = None
) -> RequestedLaunch:
    """Return the launch by its common config, its data set, and its swept and fixed overrides."""
    swept = {key_of(each): _values(each) for each in overrides if each.is_sweep_override()}
    if request is not None:
        # The drawn values are compared by the spaces that they are drawn from.
        swept |= {**dict.fromkeys(request.drawn), "trial": request.trials}
        if request.options.more_seeds:
            seeds = request.searched_seeds(config.seed) + request.more_seeds(config.seed)
            swept["seed"] = list(map(str, seeds))
    fixed = setting_overrides(
        str(each.input_line) for each in overrides if key_of(each) not in swept
    )
    return RequestedLaunch(dataclasses.asdict(_as_config(config)), data_name(config), swept, fixed)


def _values(override: Override) -> list[str] | None:
    """Return the swept values as text, or None if they cannot be listed."""
    if override.is_choice_sweep() or override.is_range_sweep():
        return list(override.sweep_string_iterator())
    return None


def _as_config(config: DictConfig) -> Config:
    """Return the common config of all jobs without Hydra's part, unchecked."""
    composed = Config()
    for key in Config.__annotations__:
        value = config[key]
        setattr(composed, key, OmegaConf.to_object(value) if OmegaConf.is_config(value) else value)
    return composed
