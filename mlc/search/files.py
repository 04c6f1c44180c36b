"""The files of a search in its sweep's folder: the record, all trials and the choice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mlc.config.errors import RunFolderError
from mlc.config.options import Choice, Interval, Search, check
from mlc.config.texts import cell
from mlc.files.reading import content_of, read_object
from mlc.files.writing import write_json, write_text
from mlc.runs.ownership import JOURNAL, MARKS
from mlc.search.choice import Chosen
from mlc.search.options import SearchOptions
from mlc.search.stored import from_content

RECORD, TRIALS, CHOICE = "search.json", "search.csv", "choice.yaml"
FILES = (RECORD, TRIALS, CHOICE, JOURNAL)
_MOST_STEPS = 2**53
_CURE = "delete it, and start the search again with resume=true"


@dataclass(frozen=True)
class Group:
    """One search: a head on a data set with one set of the grid's other settings.

    Attributes:
        data: the data set's name.
        head: the head's name.
        settings: the other settings of the grid, by key, as text.
        spaces: the search space of each option, by key.
        defaults: the options' values in trial 0, by key.
    """

    data: str
    head: str
    settings: dict[str, str]
    spaces: dict[str, Search]
    defaults: dict[str, Any]

    @property
    def key(self) -> tuple[str, ...]:
        """The data set, the head and the settings, which identify the group."""
        return (self.data, self.head, *(f"{k}={v}" for k, v in sorted(self.settings.items())))


@dataclass(frozen=True)
class Record:
    """The seed, sampler, metric and spaces of a search, written before its first training.

    Attributes:
        seed: of the draws.
        sampler: its name.
        metric: of the choice.
        n_trials: the number of configurations of each group.
        groups: the searches.
        seeds: those of every trial; none in the record of an older version.
    """

    seed: int
    sampler: str
    metric: str
    n_trials: int
    groups: list[Group] = field(default_factory=list)
    seeds: list[int] = field(default_factory=list)

    @property
    def grid(self) -> list[str]:
        """The settings beside the head of which each combination is a search of its own."""
        return list(dict.fromkeys(key for group in self.groups for key in group.settings))

    def continued(self, before: Record, folder: Path) -> Record:
        """Return this record with the groups of an earlier launch in the folder.

        Raises:
            RunFolderError: the earlier launch drew from other spaces, with another seed or sampler.
        """
        for name in ("seed", "sampler"):
            _require_same(
                folder, f"hydra.sweeper.{name}", getattr(before, name), getattr(self, name)
            )
        if self.sampler != "random":
            _require_same(folder, "hydra.sweeper.metric", before.metric, self.metric)
        earlier = {group.key: group for group in before.groups}
        for group in self.groups:
            old = earlier.pop(group.key, None)
            if old is None:
                continue
            for key in dict.fromkeys((*old.spaces, *group.spaces)):
                then, now = old.spaces.get(key), group.spaces.get(key)
                _require_same(folder, f"{key} drawn from", then, now, _space_text)
        seeds = sorted({*before.seeds, *self.seeds})
        return dataclasses.replace(self, groups=[*self.groups, *earlier.values()], seeds=seeds)


def write_record(folder: Path, record: Record) -> None:
    """Write the record of a search into its sweep's folder."""
    groups = [
        {**vars(group), "spaces": {key: _as_json(space) for key, space in group.spaces.items()}}
        for group in record.groups
    ]
    write_json(folder / RECORD, {"written_by": "mlc-search", **vars(record), "groups": groups})


def read_record(folder: Path) -> Record | None:
    """Return the record of the search in the folder; None if there is no search.

    Raises:
        RunFolderError: the record is damaged.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    with content_of(path, "the record of a search", _CURE):
        content = read_object(path)
        content.pop("written_by", None)
        groups = from_content(list[dict[str, Any]], content.pop("groups", None), "groups")
        record: Record = from_content(Record, content)
        options = (record.n_trials, record.seed, record.metric, record.sampler)
        check(SearchOptions(*options))
        record.groups.extend(_group(each, f"groups[{index}]") for index, each in enumerate(groups))
        return record


def write_choices(
    folder: Path, record: Record, trials: pd.DataFrame, choices: Sequence[Chosen]
) -> None:
    """Write all trials' validation values and the choice."""
    columns = ["data", "head", "rule", "trial", "n_seeds", "value", "chosen"]
    ordered = trials[columns + [column for column in trials if column not in columns]]
    text = str(ordered.map(cell).rename(columns=cell).to_csv(index=False))
    write_text(folder / TRIALS, text)
    content = {
        "metric": record.metric,
        "sampler": record.sampler,
        "seed": record.seed,
        "choices": [dataclasses.asdict(choice) for choice in choices],
    }
    import yaml  # Reports of runs without a search need none.

    lines = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    write_text(folder / CHOICE, f"{MARKS[CHOICE].decode()}: chosen by validation rows\n{lines}")


def _as_json(space: Search) -> dict[str, Any]:
    return {"values": list(space.values)} if isinstance(space, Choice) else dict(vars(space))


def _group(content: Mapping[str, Any], key: str) -> Group:
    """Return a group of a record from its JSON content."""
    spaces = from_content(dict[str, dict[str, Any]], content.get("spaces"), f"{key}.spaces")
    group: Group = from_content(Group, {**content, "spaces": {}}, key)
    for option, space in spaces.items():
        if option not in group.defaults:
            raise ValueError(f"{key}.defaults.{option} is missing")
        group.spaces[option] = _space(space, f"{key}.spaces.{option}")
    return group


def _space(content: Mapping[str, Any], key: str) -> Search:
    """Return a search space from its JSON content."""
    if "values" in content:
        values = from_content(list[Any], content["values"], f"{key}.values")
        if not values or len(content) > 1:
            raise ValueError(f"{key} must be a list of values or an interval")
        return Choice(*values)
    space: Interval = from_content(Interval, content, key)
    step = space.step
    is_empty = space.low > space.high or (step is not None and step <= 0)
    is_beyond_log = space.log and (space.low <= 0 or (step is not None and space.low < 1))
    if is_empty or is_beyond_log or (step and (space.high - space.low) / step > _MOST_STEPS):
        raise ValueError(f"{key} is not a search space, but {space}")
    return space


def _space_text(space: Search | None) -> str:
    return "no space" if space is None else f"({space})"


def _require_same(
    folder: Path, what: str, before: Any, now: Any, as_text: Callable[[Any], str] = str
) -> None:
    if before != now:
        raise RunFolderError(
            f"The search in {folder} has {what} {as_text(before)}, and {as_text(now)} is asked for now:"
            " resume with the same, or name another folder."
        )
