"""Whether what a folder holds belongs to the sweep that is to be resumed in it."""

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
from mlc.data.base import SOURCES
from mlc.files.names import STATUS
from mlc.reporting.collect import check_statuses
from mlc.runs.folder import is_finished, read_finished
from mlc.runs.leases import holders
from mlc.runs.provenance import NOT_IDENTITY, code_version, differences, fingerprint, versions

log = logging.getLogger(__name__)

# Groups of settings that a sweep over their choice changes as a whole.
_GROUPS = ("data", "backbone", "head", "optimizer")


def check_resumable(
    folder: Path,
    config: Mapping[str, Any],
    data: str,
    swept: Mapping[str, list[str] | None],
    stated: Mapping[str, str],
    n_jobs: int | None = None,
) -> None:
    """Compare the finished runs that lie in the folder with what is asked for now.

    Refused is all that the table would refuse in the end, while it has cost no time.

    Args:
        folder: of the sweep, or of the one run.
        config: what all jobs have in common, nested; the swept settings have some value.
        data: the data set's name.
        swept: by key the values that are swept over, None where they cannot be listed.
        stated: the overrides that tables show of every job, by key.
        n_jobs: how many jobs there are, None where nobody knows.

    Raises:
        RunFolderError: a run has another setting, was trained on other data or by another version, or
            its status cannot be used.
    """
    asked = _Asked(json.loads(json.dumps(config)), data, swept, stated)
    finished = {
        path.parent: status
        for path in sorted(folder.rglob(STATUS))
        if (status := read_finished(path.parent)) is not None
    }
    among = [run for run, status in finished.items() if asked.has_job(status)]
    for run in among:
        asked.require_same_settings(run, finished[run])
        asked.require_same_data(run, finished[run])
    if n_jobs is None or len(among) < n_jobs:
        check_statuses({str(run): status for run, status in finished.items()})
        for run, status in finished.items():
            if run in among or asked.has_row(status):
                asked.require_same_settings(run, status)
                _require_same_version(run, status)
            if not asked.sweeps_data and status["data"] == data:
                asked.require_same_data(run, status)
    older = {change for run in among for change in _changes(finished[run]["identity"])}
    if older:
        log.warning("Finished runs in %s were made with %s.", folder, "; ".join(sorted(older)))


class _Asked:
    """What a launch is asked for; see `check_resumable`."""

    def __init__(
        self,
        config: Mapping[str, Any],
        data: str,
        swept: Mapping[str, list[str] | None],
        stated: Mapping[str, str],
    ) -> None:
        self.config, self.data, self.swept, self.stated = config, data, swept, stated
        self.sweeps_data = any(key.split(".")[0] == "data" for key in swept)
        changed = tuple(key for key in swept if key not in ("head", "seed"))
        groups = tuple(name for name in _GROUPS if name in swept)
        self._ignored = (*NOT_IDENTITY, *changed, *groups, "seed")
        self._fingerprints: dict[str, str] = {}

    def has_job(self, status: Mapping[str, Any]) -> bool:
        """Whether there is a job of the run's data, head and seed, with its swept settings."""
        is_asked = "seed" in self.swept or status["seed"] == self.config["seed"]
        return is_asked and self._has(status, self.swept)

    def has_row(self, status: Mapping[str, Any]) -> bool:
        """Whether tables would average the run with one of the jobs."""
        own = status["overrides"]
        return (
            self._has(status, [key for key in self.swept if key != "seed"])
            and all(own.get(key) == value for key, value in self.stated.items())
            and all(key in self.stated or key in self.swept for key in own)
        )

    def _has(self, status: Mapping[str, Any], keys: Iterable[str]) -> bool:
        if not self.sweeps_data and status["data"] != self.data:
            return False
        if "head" not in self.swept and status["head"] != self.config["head"]["name"]:
            return False
        own = {**status["overrides"], "head": status["head"], "seed": str(status["seed"])}
        # Their values are no names of data sets; what an experiment sets is not known here.
        unnamed = ("data", "data.path", "data.name", "experiment")
        values = {key: self.swept[key] for key in keys if key not in unnamed}
        return all(listed is None or own.get(key) in listed for key, listed in values.items())

    def require_same_settings(self, run: Path, status: Mapping[str, Any]) -> None:
        """Refuse what was run with other settings."""
        if "experiment" in self.swept:
            return
        for key, before, now in differences(status["config"], self.config, self._ignored):
            raise RunFolderError(
                f"{run} was run with {key}={_shown(before)}, and {key}={_shown(now)} is asked for"
                " now: resume with the same settings, or name another folder."
            )

    def require_same_data(self, run: Path, status: Mapping[str, Any]) -> None:
        """Refuse what was run on other data."""
        if "experiment" in self.swept:
            return
        options = status["config"]["data"] if self.sweeps_data else self.config["data"]
        known = json.dumps(options, sort_keys=True)
        if known not in self._fingerprints:
            self._fingerprints[known] = _fingerprint(options)
        before, now = status["identity"]["data"], self._fingerprints[known]
        if before != now:
            raise RunFolderError(
                f"{run} was run on other data than {status['data']!r} is now (fingerprint"
                f" {before[:12]}, now {now[:12]}): restore the data, or name another folder."
            )


def _require_same_version(run: Path, status: Mapping[str, Any]) -> None:
    before, now = (code.split(" ")[0] for code in (status["identity"]["code"], code_version()))
    if before != now:
        raise RunFolderError(
            f"{run} was made by mlc {before}, and this is mlc {now}, whose runs cannot be averaged"
            f" with it: resume with mlc {before}, or name another folder."
        )


def resume_command(folder: Path, is_sweep: bool) -> str:
    """This process's command line, as it goes on in the folder."""
    program, *arguments = sys.argv
    name = Path(program).name
    start = [name] if name == "mlc-train" else ["python", program]
    if Path(program).match("mlc/train.py"):
        start = ["python", "-m", "mlc.train"]
    key = "hydra.sweep.dir" if is_sweep else "hydra.run.dir"
    kept = [argument for argument in arguments if not argument.startswith((f"{key}=", "resume="))]
    imports = [word for module in named_modules() for word in (FLAG, module)]
    return shlex.join([*start, *imports, *kept, f"{key}={folder}", "resume=true"])


def trained_elsewhere(folder: Path) -> str:
    """How many runs other processes train, and what completes the table; empty where there are none."""
    owners = [owner for run, owner in holders(folder).items() if not is_finished(run)]
    if not owners:
        return ""
    what = "1 run is" if len(owners) == 1 else f"{len(owners)} runs are"
    return (
        f"{what} being trained by {', '.join(dict.fromkeys(owners))}; afterwards"
        f" {shlex.join(['mlc-report', str(folder)])}, or this command with resume=true, completes the"
        " table.\n"
    )


def _fingerprint(options: Mapping[str, Any]) -> str:
    given = dict(options)
    source = given.pop("source")
    return fingerprint(SOURCES[source].load(SOURCES.options(source, **given)))


def _changes(identity: Mapping[str, Any]) -> list[str]:
    found = []
    if identity["code"] != code_version():
        found.append(f"mlc {identity['code']} (now {code_version()})")
    found += [
        f"{name} {before} (now {versions().get(name)})"
        for name, before in identity["versions"].items()
        if before != versions().get(name)
    ]
    return found


def _shown(value: Any) -> str:
    return "null" if value is None else json.dumps(value).strip('"')
