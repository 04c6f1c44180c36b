"""The random numbers of an epoch."""

from __future__ import annotations

import pytest
import torch

from mlc.training.draws import EpochDraws

SEEDS = [0, 1, 2]
ROWS = torch.arange(120).reshape(3, 40).flip(1)


def test_each_epoch_has_every_row_once_and_numbers_of_its_own() -> None:
    draws = EpochDraws(SEEDS, ROWS, torch.float64)
    (first, noise), (second, others) = draws.next(), draws.next()
    for rows in (first, second):
        assert torch.equal(rows.sort().values, ROWS.sort().values)
    assert not torch.equal(first, second)
    assert noise is not None
    assert others is not None
    assert not torch.equal(noise, others)
    assert EpochDraws(SEEDS, ROWS, None).next()[1] is None


def test_those_drawn_ahead_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = EpochDraws(SEEDS, ROWS, torch.float64)
    expected = [plain.next() for _ in range(3)]
    monkeypatch.setattr(EpochDraws, "_is_ahead", True)
    monkeypatch.setattr(EpochDraws, "_moved", lambda self, drawn: drawn)
    ahead = EpochDraws(SEEDS, ROWS, torch.float64)
    for drawn in expected:
        for found, own in zip(ahead.next(), drawn, strict=True):
            assert found is not None
            assert own is not None
            assert torch.equal(found, own)
        ahead.draw_ahead()


@pytest.mark.parametrize("dtype", [None, torch.float32, torch.float64])
def test_the_bytes_of_a_run(dtype: torch.dtype | None, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = EpochDraws(SEEDS, ROWS, dtype)
    drawn = sum(part.nbytes for part in draws.next() if part is not None)
    order = ROWS.nbytes
    assert len(SEEDS) * draws.bytes_of_run == ROWS.nbytes + order + drawn
    monkeypatch.setattr(EpochDraws, "_is_ahead", True)
    assert len(SEEDS) * draws.bytes_of_run == ROWS.nbytes + order + 2 * drawn
