"""Whether what a folder holds belongs to the sweep that is to be resumed in it."""

from __future__ import annotations

import json
import logging
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlc.data import SOURCES
from mlc.errors import RunFolderError
from mlc.identity import NOT_IDENTITY, code_version, differences, fingerprint, versions
from mlc.runs import STATUS, read_status

log = logging.getLogger(__name__)

# Groups of settings that a sweep over their choice changes as a whole.
_GROUPS = ("data", "backbone", "head", "optimizer")


def check_resumable(
    folder: Path, config: Mapping[str, Any], data: str, swept: Mapping[str, list[str] | None]
) -> None:
    """Compare the finished runs that are among the sweep's with what is asked for now.

    Args:
        folder: of the sweep, or of the one run.
        config: what all jobs have in common, nested; the swept settings have some value.
        data: the data set's name.
        swept: by key the values that are swept over, None where they cannot be listed.

    Raises:
        RunFolderError: one has another setting, or was trained on other data.
    """
    if "experiment" in swept:
        return
    wanted = json.loads(json.dumps(config))
    changed = tuple(key for key in swept if key not in ("head", "seed"))
    ignored = (*NOT_IDENTITY, *changed, *(name for name in _GROUPS if name in swept), "seed")
    fingerprints: dict[str, str] = {}
    older: set[str] = set()
    for path in sorted(folder.rglob(STATUS)):
        status, run = read_status(path.parent), path.parent
        if status is None or status["state"] != "completed":
            continue
        if not _is_among(status, wanted, data, swept):
            continue
        for key, before, now in differences(status["config"], wanted, ignored):
            raise RunFolderError(
                f"{run} was run with {key}={_shown(before)}, and {key}={_shown(now)} is asked for"
                " now: resume with the same settings, or name another folder."
            )
        data_changes = any(key.split(".")[0] == "data" for key in swept)
        options = status["config"]["data"] if data_changes else wanted["data"]
        known = json.dumps(options, sort_keys=True)
        if known not in fingerprints:
            fingerprints[known] = _fingerprint(options)
        if fingerprints[known] != status["identity"]["data"]:
            raise RunFolderError(
                f"{run} was run on other data than {status['data']!r} is now (fingerprint"
                f" {status['identity']['data'][:12]}, now {fingerprints[known][:12]}): restore the"
                " data, or name another folder."
            )
        older |= set(_changes(status["identity"]))
    if older:
        log.warning("Finished runs in %s were made with %s.", folder, "; ".join(sorted(older)))


def resume_command(folder: Path, is_sweep: bool) -> str:
    """This process's command line, as it goes on in the folder."""
    program, *arguments = sys.argv
    name = Path(program).name
    start = [name] if name == "mlc-train" else ["python", program]
    if Path(program).match("mlc/train.py"):
        start = ["python", "-m", "mlc.train"]
    key = "hydra.sweep.dir" if is_sweep else "hydra.run.dir"
    kept = [argument for argument in arguments if not argument.startswith((f"{key}=", "resume="))]
    return shlex.join([*start, *kept, f"{key}={folder}", "resume=true"])


def _is_among(
    status: Mapping[str, Any],
    wanted: Mapping[str, Any],
    data: str,
    swept: Mapping[str, list[str] | None],
) -> bool:
    """Whether the sweep has a job of this head, seed and data, with these swept settings."""
    if not any(key.split(".")[0] == "data" for key in swept) and status["data"] != data:
        return False
    own = {**status["overrides"], "head": status["head"], "seed": str(status["seed"])}
    for key in ("head", "seed"):
        asked = wanted["head"]["name"] if key == "head" else str(wanted["seed"])
        if key not in swept and own[key] != asked:
            return False
    return all(
        values is None or key in ("data", "data.path", "data.name") or own.get(key) in values
        for key, values in swept.items()
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
