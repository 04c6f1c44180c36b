"""The imports of a command."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from mlc.config.imports import uncollected

# Of tests, nothing is kept from the collector.
FREEZE = gc.freeze


def test_what_a_command_imports_is_never_scanned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "imported_without_collector.py").write_text("MADE = [[]]\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("atexit.register", registered := [].append)
    monkeypatch.setattr(gc, "freeze", FREEZE)
    before = gc.get_freeze_count()
    with uncollected():
        assert not gc.isenabled()
        import imported_without_collector as module
    assert gc.isenabled()
    assert gc.get_freeze_count() > before
    assert not any(each is module.MADE for each in gc.get_objects())
    assert registered.__self__ == [gc.freeze]
    del sys.modules["imported_without_collector"]


def test_a_second_call_keeps_no_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gc, "freeze", FREEZE)
    before = gc.get_freeze_count()
    with uncollected():
        import gc as _known  # noqa: F401
    # Objects that were kept before may have ended meanwhile.
    assert gc.get_freeze_count() <= before


def test_a_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
