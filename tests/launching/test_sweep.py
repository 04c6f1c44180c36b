"""The progress of a launch."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from mlc.launching import sweep
from mlc.launching.sweep import Launch


@pytest.mark.parametrize(
    ("n_runs", "ends", "messages"),
    [
        (16, (30.0, 36.0, 42.0), [
            "1 of 16 runs ended",
            "2 of 16 runs ended, about 5 min left",
            "3 of 16 runs ended, about 4 min left",
        ]),
        # The first run ends after the training of the whole cohort, whose other runs end at once.
        (6, (120.0, 120.3, 126.0), ["1 of 6 runs ended", "3 of 6 runs ended, about 3 min left"]),
    ],
)  # fmt: skip
def test_the_time_left_is_estimated_after_the_first_runs(
    n_runs: int,
    ends: tuple[float, ...],
    messages: list[str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(sweep.time, "monotonic", lambda: clock[0])
    launch = Launch(tmp_path, None, n_runs, is_sweep=True)
    with caplog.at_level(logging.INFO):
        for seconds in ends:
            clock[0] = seconds
            launch.job_ended(failed=False)
    assert caplog.messages == messages
