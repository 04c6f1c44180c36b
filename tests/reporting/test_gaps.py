"""The figure of differences on the page."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.metrics.names import largest_difference
from mlc.reporting.gaps import Gap, axis_limit, drawn, known_width


def gap(mean: float, half_width: float = float("nan"), name: str = "a") -> Gap:
    return Gap(name, "global", mean, half_width, is_chosen=False)


def test_one_head_far_off_does_not_squeeze_the_axis() -> None:
    assert axis_limit([0.01, 0.02, 0.03, 0.9], 0.01) == pytest.approx(2.5 * 0.025 * 1.05)
    assert axis_limit([0.001], 0.01) == pytest.approx(0.03 * 1.05)
    assert axis_limit([], 0.0) == pytest.approx(1.05e-3)


def test_positions_are_percent_of_the_width_and_the_far_head_is_an_arrow() -> None:
    figure = drawn([gap(0.021, 0.0105), gap(-0.5), gap(0.0)], 0.01)
    limit = 2.5 * 0.0315 * 1.05
    first, second, third = figure["rows"]
    assert first["at"] == pytest.approx(50 + 50 * 0.021 / limit, abs=0.01)
    assert first["low"] == pytest.approx(50 + 50 * 0.0105 / limit, abs=0.01)
    assert first["low"] + first["width"] == pytest.approx(50 + 50 * 0.0315 / limit, abs=0.02)
    assert (first["beyond"], second["beyond"]) == (0, -1)
    assert (third["at"], third["width"]) == (50, 0)
    width = 100 * 0.01 / limit
    assert figure["band"] == pytest.approx((50 - width / 2, width), abs=0.01)
    assert [text for _, text in figure["ticks"]] == ["-0.05", "0", "+0.05"]


def test_without_an_interval_the_mean_stands_alone() -> None:
    assert gap(-0.0123).text() == "-0.012"
    assert gap(0.05, 0.02).text() == "+0.050 [+0.030, +0.070]"


def test_an_interval_ends_where_the_metric_does_and_zero_has_no_sign() -> None:
    assert gap(-0.0004, 0.0003).text() == "0.000 [-0.001, 0.000]"
    assert Gap("a", "global", 0.9, 0.3, is_chosen=False, most=1.0).text() == (
        "+0.900 [+0.600, +1.000]"
    )
    assert np.isnan(known_width(4.1, largest_difference("jaccard_samples")))
    assert known_width(4.1, largest_difference("coverage_error")) == 4.1
    assert known_width(0.99, 1.0) == 0.99
