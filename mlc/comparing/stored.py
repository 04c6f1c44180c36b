"""The plan of a comparison in its folder, so that the same command goes on with it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlc.comparing.plan import Plan
from mlc.config.errors import RunFolderError
from mlc.files.reading import content_of, read_object
from mlc.files.writing import write_json
from mlc.runs.ownership import check_report_files

PLAN = "comparison.json"


def write_plan(folder: Path, plan: Plan, asked: Mapping[str, Any]) -> None:
    """Write the plan, and what it was made for.

    Args:
        folder: of the sweep.
        plan: to be followed.
        asked: the options of the command line.

    Raises:
        RunFolderError: a file of that name that mlc did not write is in the folder.
    """
    check_report_files(folder, [PLAN])
    folder.mkdir(parents=True, exist_ok=True)
    content = {"generator": "mlc", "asked": dict(asked), "plan": dataclasses.asdict(plan)}
    write_json(folder / PLAN, content)


def read_plan(folder: Path, asked: Mapping[str, Any]) -> Plan | None:
    """Return the plan that was made for the same options; None if the folder holds no plan.

    Raises:
        RunFolderError: the plan was made for other options, or is damaged.
    """
    path = folder / PLAN
    if not path.is_file():
        return None
    with content_of(path, "the plan of a comparison", "name another --folder"):
        content = read_object(path)
        before, stored = content["asked"], content["plan"]
        plan = Plan(**{**stored, "rules": tuple(stored["rules"])})
        other = [key for key in asked if before.get(key) != asked[key]]
    if other:
        named = ", ".join(f"--{key} {before.get(key)}" for key in other)
        raise RunFolderError(
            f"{folder} holds a comparison with {named}: give the same options to go on with it, or"
            " name another --folder."
        )
    return plan
