"""A search's record and choice, written and read again."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlc.config.errors import RunFolderError
from mlc.config.options import Choice, Interval, Search
from mlc.search.choice import Chosen, RuleChoice
from mlc.search.draws import configuration
from mlc.search.files import (
    RECORD,
    Group,
    Record,
    read_record,
    write_choices,
    write_record,
)
from tests.searched import stored_choices

RATE = Interval(1e-4, 1e-1, log=True)


def record(space: Search = RATE, head: str = "focal", **more: object) -> Record:
    group = Group("toy", head, {}, {"optimizer.lr": space}, {"optimizer.lr": 0.01})
    fields = {"seed": 0, "sampler": "random", "metric": "f1_macro", "n_trials": 5, **more}
    return Record(groups=[group], **fields)  # type: ignore[arg-type]


def as_read(folder: Path, written: Record) -> Record:
    write_record(folder, written)
    found = read_record(folder)
    assert found is not None
    return found


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    assert as_read(tmp_path, record()) == record()
    choice = as_read(tmp_path, record(Choice("a", None, [1, 2]))).groups[0].spaces["optimizer.lr"]
    assert isinstance(choice, Choice)
    assert choice.values == ("a", None, [1, 2])


def test_the_same_search_goes_on_with_other_heads_and_more_trials(tmp_path: Path) -> None:
    before = as_read(tmp_path, record())
    more = record(head="sigmoid", n_trials=9, metric="lrap").continued(before, tmp_path)
    assert [group.head for group in more.groups] == ["sigmoid", "focal"]
    assert (more.n_trials, more.metric) == (9, "lrap")
    again = record(n_trials=9).continued(as_read(tmp_path, more), tmp_path)
    assert sorted(group.head for group in again.groups) == ["focal", "sigmoid"]


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (record(seed=1), r"hydra\.sweeper\.seed 0, and 1 is asked for now"),
        (record(sampler="tpe"), r"hydra\.sweeper\.sampler random, and tpe"),
        (record(Interval(0.1, 0.2)), r"drawn from \(0\.0001 to 0\.1, log\), and \(0\.1 to 0\.2\)"),
        (
            dataclasses.replace(record(), groups=[Group("toy", "focal", {}, {}, {})]),
            r"optimizer\.lr drawn from \(0\.0001 to 0\.1, log\), and no space",
        ),
    ],
)
def test_other_draws_are_refused(now: Record, reason: str, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=reason):
        now.continued(as_read(tmp_path, record()), tmp_path)


def test_a_sampler_that_learns_keeps_its_metric(tmp_path: Path) -> None:
    before = record(sampler="tpe")
    with pytest.raises(RunFolderError, match=r"hydra\.sweeper\.metric f1_macro, and lrap"):
        record(sampler="tpe", metric="lrap").continued(before, tmp_path)


def test_choices_are_read_as_they_were_written(tmp_path: Path) -> None:
    rule = RuleChoice(3, 0.25, 2)
    chosen = Chosen(
        "toy, b", "focal", {"data.n": "5"}, 3, "global", 0.25, 2, 5, ["optimizer.lr=1e-05"],
        {"optimizer.lr": "low"}, {"global": rule, "fixed": rule}, {4: "TrainingError: it's: no"},
    )  # fmt: skip
    columns = ["data", "head", "rule", "trial", "n_seeds", "value", "chosen"]
    trials = pd.DataFrame([["toy", "=1+1", "global", 3, 2, 0.25, True]], columns=columns)
    none = Chosen("toy", "sigmoid")
    write_choices(tmp_path, record(), trials, [chosen, none])
    assert stored_choices(tmp_path) == [chosen, none]
    # A cell that a spreadsheet would compute is text.
    assert (tmp_path / "search.csv").read_text().splitlines()[1] == "toy,'=1+1,global,3,2,0.25,True"


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    for text in ("", "{}", '{"written_by": "mlc-search", "groups": 3}', "[]"):
        (tmp_path / RECORD).write_text(text)
        with pytest.raises(RunFolderError, match="is not the record of a search"):
            read_record(tmp_path)


def positions(content: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """Yield the path of every value in nested content."""
    yield path
    pairs = content.items() if isinstance(content, dict) else []
    for key, value in enumerate(content) if isinstance(content, list) else pairs:
        yield from positions(value, (*path, key))


def replaced(content: object, path: tuple[object, ...], value: object) -> object:
    """Return a copy with the value at a path replaced."""
    if not path:
        return value
    copied = copy.copy(content)
    copied[path[0]] = replaced(content[path[0]], path[1:], value)  # type: ignore[index]
    return copied


OTHERS = (None, True, 7, -1, 0.5, 10**400, "7", [], [None], {}, {"a": 1}, {"values": []})


def test_a_record_with_any_value_replaced_is_read_or_refused(tmp_path: Path) -> None:
    group = Group(
        "toy", "focal", {"trainer.batch_size": "8"},
        {"optimizer.lr": RATE, "head.n": Interval(1, 9, step=2), "head.form": Choice("a", None)},
        {"optimizer.lr": 0.01, "head.n": 3, "head.form": "a"},
    )  # fmt: skip
    write_record(tmp_path, Record(0, "random", "f1_macro", 5, [group]))
    content = json.loads((tmp_path / RECORD).read_text())
    refused: list[tuple[tuple[object, ...], str]] = []
    for path in positions(content):
        for value in OTHERS:
            (tmp_path / RECORD).write_text(json.dumps(replaced(content, path, value)))
            try:
                found = read_record(tmp_path)
            except RunFolderError as error:
                refused.append((path, str(error)))
                continue
            assert found is not None
            # What can be read can be drawn from, compared and written.
            for each in found.groups:
                configuration(each.spaces, found.seed, 1)
                assert isinstance(hash(each.key), int)
            found.continued(found, tmp_path)
            write_record(tmp_path, found)
            assert read_record(tmp_path) == found
    assert len(refused) > 200
    for path, message in refused:
        assert str(tmp_path / RECORD) in message
        assert "\n" not in message
        assert not path or any(str(step) in message for step in path[-2:])


def test_spaces_of_tuples_and_of_numpys_numbers_are_read_as_they_were_written(
    tmp_path: Path,
) -> None:
    spaces = (Choice((64,), (128, 128)), Choice(*np.arange(3)), Choice(True, 1, None), RATE)
    for space in spaces:
        before = as_read(tmp_path, record(space))
        assert before == record(space)
        assert record(space).continued(before, tmp_path) == record(space)
    assert Choice((1, 2)) == Choice([1, 2])
    assert len({Choice((1, 2)), Choice([1, 2])}) == 1
    assert Choice(1) != Choice(True)
    assert Choice(1) != Interval(1, 1)
    # Spaces that differ by less than a message shows are others nevertheless.
    with pytest.raises(RunFolderError, match="drawn from"):
        record(Interval(0.1, 0.2)).continued(record(Interval(0.1, 0.2 + 1e-9)), tmp_path)
