"""What a launch reports of runs that have ended."""

from __future__ import annotations

import logging

import pytest

from mlc.launching.ending import finished_runs_folded


@pytest.mark.parametrize("n_runs", [5, 6, 40])
def test_of_many_finished_runs_few_are_named(n_runs: int, caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("test.folded")
    with (
        caplog.at_level(logging.INFO, "test.folded"),
        finished_runs_folded(["test.folded"], "was finished before"),
    ):
        for index in range(n_runs):
            log.info("run %d was finished before", index)
        log.info("another failed: why")
    more = [f"{n_runs - 5} more runs were finished before"] if n_runs > 5 else []
    named = [f"run {index} was finished before" for index in range(5)]
    assert caplog.messages == [*named, "another failed: why", *more]
