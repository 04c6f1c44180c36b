"""What shares something is run by one process."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import REPOSITORY

scheduling = pytest.importorskip("tests.scheduling", reason="pytest-xdist is not installed")
SHARED, PLAIN, REPORTS = "test_shared.py", "test_plain.py", "tests/experiments/test_reports.py"
NAMES = [
    f"{PLAIN}::test_alone",
    f"{PLAIN}::test_each[a::b[0]]",
    f"{SHARED}::test_one",
    f"{PLAIN}::TestSome::test_each[a]",
    f"{SHARED}::TestMore::test_two[a]",
    f"{PLAIN}::test_each[c]",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / SHARED).write_text('@pytest.fixture(scope="module")\n')
    (tmp_path / PLAIN).write_text("@pytest.fixture\n")
    return tmp_path


def test_a_unit_is_a_file_with_a_fixture_of_its_own_a_function_or_a_test(folder: Path) -> None:
    units = [scheduling.unit_of(name, folder) for name in NAMES]
    each = f"{PLAIN}::test_each"
    assert units == [
        f"{PLAIN}::test_alone", each, SHARED, f"{PLAIN}::TestSome::test_each", SHARED, each,
    ]  # fmt: skip
    assert scheduling.unit_of("tests/test_train.py::test_x", REPOSITORY) == "tests/test_train.py"
    assert scheduling.unit_of(f"{REPORTS}::test_x", REPOSITORY) == REPORTS
    assert scheduling.unit_of(f"above/{REPORTS}::test_x", folder) == f"above/{REPORTS}"


class Node:
    """A process that is given tests, by their numbers."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.given: list[int] = []
        self.n_done = 0
        self.shutting_down = False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def schedule_of(folder: Path, names: list[str]) -> tuple[Any, list[Node]]:
    """A schedule that has begun, and its two processes."""
    config: Any = SimpleNamespace(
        rootpath=folder,
        option=SimpleNamespace(loadscopereorder=True),
        getvalue=lambda name: ["popen", "popen"],
    )
    schedule = scheduling.FilesTogether(config)
    nodes = [Node("a"), Node("b")]
    for node in nodes:
        schedule.add_node(node)
        schedule.add_node_collection(node, names)
    schedule.schedule()
    return schedule, nodes


def run_all(schedule: Any, nodes: list[Node]) -> None:
    while any(node.n_done < len(node.given) for node in nodes):
        for node in nodes:
            if node.n_done < len(node.given):
                schedule.mark_test_complete(node, node.given[node.n_done])
                node.n_done += 1
                assert sum(map(len, schedule.assigned_work[node].values())) <= 4


def test_every_test_is_given_once_and_those_of_a_unit_to_one_process(folder: Path) -> None:
    names = NAMES + [f"{PLAIN}::test_{number}" for number in range(20)]
    schedule, nodes = schedule_of(folder, names)
    run_all(schedule, nodes)
    assert sorted(nodes[0].given + nodes[1].given) == list(range(len(names)))
    assert not schedule.has_pending
    for unit in ({1, 5}, {2, 4}):
        assert any(unit <= set(node.given[:4]) for node in nodes)


@pytest.mark.parametrize("n_before", range(5))
def test_a_test_that_crashes_its_process_is_run_once_and_all_others_are_run(
    n_before: int, folder: Path
) -> None:
    names = NAMES + [f"{PLAIN}::test_{number}" for number in range(20)]
    schedule, (crashing, other) = schedule_of(folder, names)
    for place in range(n_before):
        schedule.mark_test_complete(crashing, crashing.given[place])
    begun = crashing.given[: n_before + 1]
    assert schedule.remove_node(crashing) == names[begun[-1]]
    run_all(schedule, [other])
    assert sorted(begun + other.given) == list(range(len(names)))
    assert not schedule.has_pending
    assert schedule.remove_node(other) is None
