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


def test_every_test_is_given_once_and_those_of_a_unit_to_one_process(folder: Path) -> None:
    given: dict[str, list[int]] = {"a": [], "b": []}

    class Node:
        shutting_down = False

        def __init__(self, name: str) -> None:
            self.name, self.gateway = name, SimpleNamespace(id=name)

        def send_runtest_some(self, indices: list[int]) -> None:
            given[self.name] += indices

        def shutdown(self) -> None:
            self.shutting_down = True

    names = NAMES + [f"{PLAIN}::test_{number}" for number in range(20)]
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
    n_done = dict.fromkeys(given, 0)
    while any(n_done[name] < len(own) for name, own in given.items()):
        for node in nodes:
            if n_done[node.name] < len(given[node.name]):
                schedule.mark_test_complete(node, given[node.name][n_done[node.name]])
                n_done[node.name] += 1
                assert sum(map(len, schedule.assigned_work[node].values())) <= 4
    assert sorted(given["a"] + given["b"]) == list(range(len(names)))
    assert not schedule.has_pending
    for unit in ({1, 5}, {2, 4}):
        assert any(unit <= set(own[:4]) for own in given.values())
