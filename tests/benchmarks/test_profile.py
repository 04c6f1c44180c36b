"""The profile of a sweep times functions that exist."""

from __future__ import annotations

import pytest

from benchmarks.profile import BEGUN_BY, PHASES, START, owner_of


@pytest.mark.parametrize("path", BEGUN_BY)
def test_a_phase_begins_with_a_function_of_mlc(path: str) -> None:
    owner, name = owner_of(path)
    assert callable(getattr(owner, name))


def test_every_phase_after_the_start_begins_with_some() -> None:
    assert {START, *BEGUN_BY.values()} == set(PHASES)
