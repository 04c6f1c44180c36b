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
_MOST_NAMED = 3


def write_plan(folder: Path, plan: Plan, asked: Mapping[str, Any]) -> float:
    """Write the plan, the options that it is for, and the seconds that the comparison took so far.

    Args:
        folder: of the sweep.
        plan: to be followed.
        asked: the options of the command line.

    Returns:
        The seconds that earlier commands took, which `add_seconds` has stored.

    Raises:
        RunFolderError: a file of that name that mlc did not write is in the folder.
    """
    check_report_files(folder, [PLAN])
    folder.mkdir(parents=True, exist_ok=True)
    seconds = _seconds(folder)
    content = {
        "generator": "mlc",
        "asked": dict(asked),
        "plan": dataclasses.asdict(plan),
        "seconds": seconds,
    }
    write_json(folder / PLAN, content)
    return seconds


def add_seconds(folder: Path, seconds: float) -> None:
    """Add the seconds of this command to those that the plan's file holds."""
    write_json(folder / PLAN, {**read_object(folder / PLAN), "seconds": _seconds(folder) + seconds})


def _seconds(folder: Path) -> float:
    path = folder / PLAN
    if not path.is_file():
        return 0.0
    with content_of(path, "the plan of a comparison", "name another --folder"):
        return float(read_object(path).get("seconds", 0.0))


def read_plan(folder: Path, asked: Mapping[str, Any]) -> Plan | None:
    """Return the plan that was made for the same options; None if the folder holds no plan.

    Raises:
        RunFolderError: the plan was made for other options, or is damaged; or there is none, and the
            folder is a file or holds something else.
    """
    path = folder / PLAN
    if not path.is_file():
        _require_free(folder)
        return None
    with content_of(path, "the plan of a comparison", "name another --folder"):
        content = read_object(path)
        before, stored = content["asked"], content["plan"]
        tuples = {key: tuple(stored.get(key, ())) for key in ("rules", "shorter")}
        plan = Plan(**{**stored, **tuples})
        other = [key for key in asked if _differ(key, before.get(key), asked[key])]
    if "data" in other:
        # The other options are those of other data.
        raise RunFolderError(
            f"{folder} holds a comparison of {before.get('data')}, not of {asked['data']}: name another"
            " --folder."
        )
    if other:
        named = ", ".join(
            f"{_option(key)} {_words(before.get(key))} (now {_words(asked[key])})" for key in other
        )
        raise RunFolderError(
            f"{folder} holds a comparison with {named}: give the same options to go on with it (only"
            " --margin and --plan may differ), or name another --folder."
        )
    return plan


def is_of_data(folder: Path, data: str) -> bool:
    """Whether the folder holds no comparison, or one of the same data."""
    path = folder / PLAN
    if not path.is_file():
        return True
    with content_of(path, "the plan of a comparison", "name another --folder"):
        return same_data(str(read_object(path)["asked"].get("data")), data)


def same_data(one: str, other: str) -> bool:
    """Whether two words of the command line name the same file, folder or data set."""
    one, other = (name.removeprefix("data=") for name in (one, other))
    return one == other or Path(one).resolve() == Path(other).resolve()


def numbered(folder: Path, number: int) -> Path:
    """The folder with a number behind its name from 2 on."""
    return folder if number == 1 else folder.with_name(f"{folder.name}_{number}")


def _differ(key: str, before: Any, now: Any) -> bool:
    if key == "data" and before is not None and now is not None:
        return not same_data(str(before), str(now))
    return bool(before != now)


def _require_free(folder: Path) -> None:
    """Refuse a folder of something else, in which a comparison would count runs that are not its own."""
    if not folder.is_dir():
        if folder.exists():
            raise RunFolderError(f"{folder} is not a folder: name another --folder.")
        return
    others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if others:
        raise RunFolderError(
            f"{folder} holds no comparison, but {', '.join(others[:_MOST_NAMED])}"
            f"{' and more' * (len(others) > _MOST_NAMED)}: name another --folder."
        )


def _option(key: str) -> str:
    return {"data": "the data", "settings": "the settings"}.get(key, f"--{key}")


def _words(value: Any) -> str:
    """An option's value as it stands on the command line."""
    if value in (None, []):
        return "not given"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
