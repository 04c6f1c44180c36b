"""The time of a comparison from a first piece of its work."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mlc.comparing import timing
from mlc.comparing.timing import cost_by_head
from mlc.config.schema import parse, register_configs
from mlc.launching.composing import composed
from mlc.training.defaults import resolve
from tests.benchmarks.toy import toy


def test_trainings_that_share_no_steps_are_timed_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """L-BFGS refuses several; its epochs are the values of C, of which there are fewer than 60."""
    dataset, (split, _) = toy()
    settings = "backbone=linear", "optimizer.C=[0.1,1,10]", "decisions=[global]"
    register_configs()
    config = resolve(parse(composed([*settings, "head=squared_hinge"])))
    assert config.trainer.max_epochs == 60
    clock = iter(range(100))
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    (cost,) = cost_by_head({"squared_hinge": config}, dataset, split).values()
    # One second from the first value of C to the second one, and one for the decisions.
    assert (cost.fixed, cost.each) == (0, 3)
    assert cost.deciding == 1
