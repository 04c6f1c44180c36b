"""Checks that the runs in a folder belong to the launch that resumes them."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlc.config.errors import RunFolderError
from mlc.config.imports import FLAG, named_modules
from mlc.config.quoting import as_needed
from mlc.data.base import SOURCES, Dataset
from mlc.data.splits import split_dataset
from mlc.files.names import STATUS
from mlc.reporting.collect import check_comparable
from mlc.runs.folder import automatic_in, is_finished, read_finished, read_status
from mlc.runs.leases import holders
from mlc.runs.loading import config_of
from mlc.runs.provenance import (
    NOT_IDENTITY,
    code_version,
    differences,
    fingerprint,
    flatten,
    versions,
)
from mlc.search.draws import as_text
from mlc.training.defaults import Kind, defaults_of, kind_of

log = logging.getLogger(__name__)

# Config groups; a sweep over their options changes all their settings.
_GROUPS = ("data", "backbone", "head", "optimizer")


def check_resumable(folder: Path, request: RequestedLaunch, n_jobs: int | None = None) -> None:
    """Compare the finished runs in the folder with the requested launch, before any training.

    Every difference that the final table would refuse is refused here.

    Args:
        folder: of the sweep, or of the one run.
        request: the requested launch.
        n_jobs: number of jobs, or None if unknown.

    Raises:
        RunFolderError: a run has another setting, was trained on other data or by another version, or
            has an unusable status.
    """
    finished = {
        path.parent: status
        for path in sorted(folder.rglob(STATUS))
        if (status := read_finished(path.parent)) is not None
    }
    matching = [run for run, status in finished.items() if request.has_job(status)]
    for run in matching:
        request.require_same_settings(run, finished[run])
        request.require_same_data(run, finished[run])
    if n_jobs is None or len(matching) < n_jobs:
        check_comparable({str(run): status for run, status in finished.items()})
        for run, status in finished.items():
            if run in matching or request.has_row(status):
                request.require_same_settings(run, status)
                _require_same_version(run, status)
                request.require_same_defaults(run, status)
            if not request.sweeps_data and status["data"] == request.data:
                request.require_same_data(run, status)
    older = {change for run in matching for change in _changes(finished[run]["identity"])}
    if older:
        log.warning("Finished runs in %s were made with %s.", folder, "; ".join(sorted(older)))


def check_unfinished(folder: Path, request: RequestedLaunch, n_jobs: int | None) -> None:
    """Raise RunFolderError if all runs of a launch without `resume` are finished in its folder.

    The arguments are those of `check_resumable`.
    """
    statuses = (read_status(path.parent) for path in folder.rglob(STATUS))
    finished = [s for s in statuses if s is not None and s["state"] == "completed"]
    if n_jobs and sum(map(request.has_job, filter(_is_complete, finished))) >= n_jobs:
        raise RunFolderError(
            f"{folder} already holds {'the run' if n_jobs == 1 else f'all {n_jobs} runs'} of this"
            " sweep: make the table again with resume=true, or name another folder with"
            " hydra.sweep.dir."
        )


def _is_complete(status: Mapping[str, Any]) -> bool:
    """Return whether a status has what `RequestedLaunch.has_job` compares; a damaged one has not."""
    return {"data", "head", "seed"} <= status.keys() and isinstance(status.get("overrides"), dict)


class RequestedLaunch:
    """The requested launch, with which stored runs are compared.

    Args:
        config: the common config of all jobs, nested; swept settings have an arbitrary value.
        data: name of the data set.
        swept: swept values by key; None for values that cannot be listed.
        fixed: overrides of every job that tables show, by key.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        data: str,
        swept: Mapping[str, list[str] | None],
        fixed: Mapping[str, str],
    ) -> None:
        # As stored configs are read.
        self.config: dict[str, Any] = json.loads(json.dumps(config))
        self.data, self.swept, self.fixed = data, swept, fixed
        self.sweeps_data = any(key.split(".")[0] == "data" for key in swept)
        changed = tuple(key for key in swept if key not in ("head", "seed"))
        groups = tuple(name for name in _GROUPS if name in swept)
        self._ignored = (*NOT_IDENTITY, *changed, *groups, "seed")
        self._fingerprints: dict[str, str] = {}
        # The data set that was loaded last, with its options as text.
        self._loaded: tuple[str, Dataset] | None = None
        self._kinds: dict[tuple[str, int], Kind] = {}

    def has_job(self, status: Mapping[str, Any]) -> bool:
        """Return whether a job has the run's data, head, seed and swept settings."""
        has_seed = "seed" in self.swept or status["seed"] == self.config["seed"]
        return has_seed and self._has(status, self.swept)

    def has_row(self, status: Mapping[str, Any]) -> bool:
        """Return whether tables would average the run with one of the jobs."""
        overrides = status["overrides"]
        return (
            self._has(status, [key for key in self.swept if key != "seed"])
            and all(overrides.get(key) == value for key, value in self.fixed.items())
            and all(key in self.fixed or key in self.swept for key in overrides)
        )

    def _has(self, status: Mapping[str, Any], keys: Iterable[str]) -> bool:
        if not self.sweeps_data and status["data"] != self.data:
            return False
        if "head" not in self.swept and status["head"] != self.config["head"]["name"]:
            return False
        settings = {**status["overrides"], "head": status["head"], "seed": str(status["seed"])}
        # Values of these keys are not stored under them, and the settings of an experiment are unknown.
        unnamed = ("data", "data.path", "data.title", "experiment")
        values = {key: self.swept[key] for key in keys if key not in unnamed}
        return all(listed is None or settings.get(key) in listed for key, listed in values.items())

    def require_same_settings(self, run: Path, status: Mapping[str, Any]) -> None:
        """Raise RunFolderError if the run has other settings."""
        if "experiment" in self.swept:
            return
        for key, before, now in differences(
            status["config"], self.config, self._ignored, automatic_in(status)
        ):
            raise RunFolderError(
                f"{run} was run with {key}={as_text(before)}, and {key}={as_text(now)} is asked for"
                " now: resume with the same settings, or name another folder."
            )

    def require_same_data(self, run: Path, status: Mapping[str, Any]) -> None:
        """Raise RunFolderError if the run was trained on other data."""
        if "experiment" in self.swept:
            return
        options = self._data_options(status)
        key = repr(options)
        if key not in self._fingerprints:
            self._fingerprints[key] = fingerprint(self._dataset(options))
        before, now = status["identity"]["data"], self._fingerprints[key]
        if before != now:
            raise RunFolderError(
                f"{run} was run on other data than {status['data']!r} is now (fingerprint"
                f" {before[:12]}, now {now[:12]}): restore the data, or name another folder."
            )

    def require_same_defaults(self, run: Path, status: Mapping[str, Any]) -> None:
        """Raise RunFolderError if options of the run that are left to the defaults have others now."""
        given, before = flatten(self.config), flatten(status["config"])
        keys = [
            key
            for key in automatic_in(status)
            if key in before and (key in self.swept or given.get(key) is None)
        ]
        if not keys or "experiment" in self.swept:
            return
        now = defaults_of(config_of(status["config"]), keys, self._kind(status))
        changed = [key for key in keys if before[key] != now[key]]
        if changed:
            old = " ".join(f"{key}={as_text(before[key])}" for key in changed)
            new = " ".join(f"{key}={as_text(now[key])}" for key in changed)
            raise RunFolderError(
                f"{run} was run with the defaults {old}, and the defaults are {new} now: resume with"
                f" {old}, or name another folder."
            )

    def _kind(self, status: Mapping[str, Any]) -> Kind:
        """Return the kind of the run's training rows."""
        options, seed = self._data_options(status), status["seed"]
        key = repr(options), seed
        if key not in self._kinds:
            dataset = self._dataset(options)
            self._kinds[key] = kind_of(dataset, split_dataset(dataset, options, seed).train)
        return self._kinds[key]

    def _data_options(self, status: Mapping[str, Any]) -> Any:
        stored = status["config"]["data"] if self.sweeps_data else self.config["data"]
        given = {key: value for key, value in stored.items() if key != "name"}
        return SOURCES.options(stored["name"], **given)

    def _dataset(self, options: Any) -> Dataset:
        key = repr(options)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = key, SOURCES[options.name].load(options)
        return self._loaded[1]


def _require_same_version(run: Path, status: Mapping[str, Any]) -> None:
    before, now = (code.split(" ")[0] for code in (status["identity"]["code"], code_version()))
    if before != now:
        raise RunFolderError(
            f"{run} was made by mlc {before}, and this is mlc {now}, whose runs cannot be averaged"
            f" with it: resume with mlc {before}, or name another folder."
        )


def resume_command(folder: Path, is_sweep: bool) -> str:
    """Return the command line that resumes this process's launch in the folder."""
    program, *arguments = sys.argv
    name = Path(program).name
    start = [name] if name == "mlc-train" else ["python", program]
    if Path(program).match("mlc/train.py"):
        start = ["python", "-m", "mlc.train"]
    key = "hydra.sweep.dir" if is_sweep else "hydra.run.dir"
    others = [argument for argument in arguments if not argument.startswith((f"{key}=", "resume="))]
    imports = [word for module in named_modules() for word in (FLAG, module)]
    return shlex.join([*start, *imports, *others, f"{key}={as_needed(str(folder))}", "resume=true"])


def trained_elsewhere(folder: Path) -> str:
    """Describe the runs that other processes train, and how to complete the table; empty if none."""
    owners = [owner for run, owner in holders(folder).items() if not is_finished(run)]
    if not owners:
        return ""
    subject = "1 run is" if len(owners) == 1 else f"{len(owners)} runs are"
    return (
        f"{subject} being trained by {', '.join(dict.fromkeys(owners))}; afterwards"
        f" {shlex.join(['mlc-report', str(folder)])}, or this command with resume=true, completes the"
        " table.\n"
    )


def _changes(identity: Mapping[str, Any]) -> list[str]:
    changes = []
    if identity["code"] != code_version():
        changes.append(f"mlc {identity['code']} (now {code_version()})")
    changes += [
        f"{name} {before} (now {versions().get(name)})"
        for name, before in identity["versions"].items()
        if before != versions().get(name)
    ]
    return changes
