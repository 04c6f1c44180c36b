"""The files of a search in its sweep's folder: the record, all trials and the choice."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from mlc.config.errors import RunFolderError
from mlc.config.options import Choice, Interval, Search
from mlc.config.texts import cell
from mlc.files.reading import content_of, read_object
from mlc.files.writing import write_json, write_text
from mlc.runs.ownership import MARKS
from mlc.search.choice import Chosen, RuleChoice

RECORD, TRIALS, CHOICE, JOURNAL = "search.json", "search.csv", "choice.yaml", "optuna.journal"
FILES = (RECORD, TRIALS, CHOICE, JOURNAL)


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
        """What distinguishes the group from others."""
        return (self.data, self.head, *(f"{k}={v}" for k, v in sorted(self.settings.items())))


@dataclass(frozen=True)
class Record:
    """What a search draws from, written before its first training.

    Attributes:
        seed: of the draws.
        sampler: its name.
        metric: of the choice.
        n_trials: the number of configurations of each group.
        groups: the searches.
    """

    seed: int
    sampler: str
    metric: str
    n_trials: int
    groups: list[Group] = field(default_factory=list)

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
                spaces = [_space_text(each.spaces.get(key)) for each in (old, group)]
                _require_same(folder, f"{key} drawn from", *spaces)
        return dataclasses.replace(self, groups=[*self.groups, *earlier.values()])


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
    with content_of(
        path, "the record of a search", "delete it, and start the search again with resume=true"
    ):
        content = read_object(path)
        content.pop("written_by")
        groups = [
            Group(**{**group, "spaces": {k: _space(v) for k, v in group["spaces"].items()}})
            for group in content.pop("groups")
        ]
        return Record(**content, groups=groups)


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
    lines = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    write_text(folder / CHOICE, f"{MARKS[CHOICE].decode()}: chosen by validation rows\n{lines}")


def read_choices(folder: Path) -> list[Chosen]:
    """Return what the search in the folder has chosen.

    Raises:
        RunFolderError: there is no choice in the folder, or it is damaged.
    """
    path = folder / CHOICE
    if not path.is_file():
        raise RunFolderError(
            f"{folder} holds no choice of a search: name the folder of one that ended."
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return [_chosen(each) for each in content["choices"]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError) as error:
        raise RunFolderError(
            f"{path} is not the choice of a search: mlc-report {folder} writes it again."
        ) from error


def _chosen(content: Mapping[str, Any]) -> Chosen:
    by_rule = {rule: RuleChoice(**best) for rule, best in content["by_rule"].items()}
    return Chosen(**{**content, "by_rule": by_rule})


def _as_json(space: Search) -> dict[str, Any]:
    return {"values": list(space.values)} if isinstance(space, Choice) else dict(vars(space))


def _space(content: Mapping[str, Any]) -> Search:
    return Choice(*content["values"]) if "values" in content else Interval(**content)


def _space_text(space: Search | None) -> str:
    return "no space" if space is None else f"({space})"


def _require_same(folder: Path, what: str, before: object, now: object) -> None:
    if before != now:
        raise RunFolderError(
            f"The search in {folder} has {what} {before}, and {now} is asked for now: resume with the"
            " same, or name another folder."
        )
