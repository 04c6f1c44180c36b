"""The order in which the processes of pytest-xdist take the tests."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

# Files whose tests share what takes long to make: one process runs them all, and first.
TOGETHER = ("tests/experiments/test_reports.py",)


class FilesTogether(LoadScopeScheduling):
    """Tests one by one, but those of the files of `TOGETHER` in one process.

    xdist's groups need pytest to allow another name for a test, which pytest 9.2 does not.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        # From a folder above, names begin with the folders between.
        return file if file.endswith(TOGETHER) else nodeid
