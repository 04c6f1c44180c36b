"""A launch leaves the garbage collector of its process as it was."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlc.launching import fused
from mlc.train import main
from tests.conftest import Command


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the collector was told, in order."""
    told: list[str] = []
    monkeypatch.setattr(gc, "freeze", lambda: told.append("freeze"))
    monkeypatch.setattr(gc, "unfreeze", lambda: told.append("unfreeze"))
    return told


class StoppedError(Exception):
    """Stands for any error, or for Ctrl-C."""


def stop(*_: Any) -> None:
    raise StoppedError


@pytest.mark.parametrize("where", ["configure_log", "_compose", "_train"])
def test_the_heap_is_not_frozen_after_a_launch(
    where: str,
    calls: list[str],
    command: Command,
    write_arff: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user's process, or a sweeper that launches again, would keep all its garbage until then."""
    launch, inside = fused.launch, list[str]()

    def watched(*arguments: Any) -> Any:
        calls.clear()
        try:
            return launch(*arguments)
        finally:
            inside.extend([*calls, "ended"])

    monkeypatch.setattr(fused, "launch", watched)
    monkeypatch.setattr(fused, where, stop)
    with pytest.raises(StoppedError):
        command(main, "-m", "data=arff", f"data.path={write_arff()}", "hydra.sweep.dir=s")
    assert inside in (["ended"], ["freeze", "unfreeze", "ended"])
