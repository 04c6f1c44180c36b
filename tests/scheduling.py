"""The order in which the processes of pytest-xdist take the tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadScopeScheduling

# Files whose tests share what takes long to make without a fixture of the module.
TOGETHER = ("tests/experiments/test_reports.py",)


class FilesTogether(LoadScopeScheduling):
    """What shares something runs in one process, the units of most tests first; all else one by one.

    Two processes would each make a module's fixtures. xdist's groups need pytest to allow another name
    for a test, which pytest 9.2 does not.
    """

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid, self.config.rootpath)

    def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
        """Forget a unit at its end: for each test all that are known are counted."""
        super().mark_test_complete(node, item_index, duration)
        units = self.assigned_work[node]
        unit = self._split_scope(self.registered_collections[node][item_index])
        if all(units[unit].values()):
            del units[unit]

    def remove_node(self, node: Any) -> str | None:
        """Give what a process that crashed has not run to others, but for the test that it ran.

        xdist runs that one again in each process that it starts, and ends when it may start no more.
        """
        units = self.assigned_work[node]
        for unit, tests in list(units.items()):
            crashed = next((name for name, is_done in tests.items() if not is_done), None)
            if crashed is not None:
                tests[crashed] = True
                # To a process that is given a unit without tests, nothing more would be given.
                if all(tests.values()):
                    del units[unit]
                super().remove_node(node)
                return crashed
        ended: str | None = super().remove_node(node)
        return ended


def unit_of(nodeid: str, root: Path) -> str:
    """Return the file of tests that share something, the function with parameters, or the test."""
    file = nodeid.partition("::")[0]
    return file if is_together(root / file) else nodeid.partition("[")[0]


@cache
def is_together(file: Path) -> bool:
    """Return whether one process runs the file."""
    # Where pytest starts in a folder above, names begin with the folders between.
    if file.as_posix().endswith(TOGETHER):
        return True
    return file.is_file() and 'scope="module"' in file.read_text(encoding="utf-8")
