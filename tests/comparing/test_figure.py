"""The figure of differences: its axis and its marks."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.image
import pytest

from mlc.comparing.answer import find_answer
from mlc.comparing.figure import axis_limit, draw_differences
from mlc.reporting.collect import collect
from tests.comparing.sweeps import METRIC, write_search


def test_a_head_that_is_far_behind_does_not_squeeze_the_axis(tmp_path: Path) -> None:
    errors = {"sigmoid": 0.1, "pairwise": 0.1, "zlpr": 0.11, "focal": 0.1, "margin": 0.9}
    write_search(tmp_path, errors, dict.fromkeys(errors, 0.5))
    answer = find_answer(collect(tmp_path), tmp_path, METRIC)
    limit = axis_limit(answer)
    near = [answer.differences[head] for head in ("pairwise", "zlpr", "focal")]
    assert answer.differences["margin"].mean < -0.5
    assert limit < 0.5
    assert all(abs(gap.mean) + gap.half_width < limit for gap in near)
    png = draw_differences(answer)
    assert b"tEXtSoftware\0mlc" in png[:512]
    height, width, _ = matplotlib.image.imread(io.BytesIO(png)).shape
    assert width == pytest.approx(975, abs=2)
    assert height < width


def test_the_band_of_equality_is_always_in_view(tmp_path: Path) -> None:
    write_search(tmp_path, {"sigmoid": 0.1}, {"sigmoid": 0.5})
    alone = find_answer(collect(tmp_path), tmp_path, METRIC, margin=0.2)
    assert axis_limit(alone) > 0.2
    draw_differences(alone)
