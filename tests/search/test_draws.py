"""Draws depend on the search's seed, the trial and the option alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest

from mlc.config.options import Choice, Interval
from mlc.search.draws import as_text, configuration, drawn, short

RATE = Interval(1e-4, 1e-1, log=True)
SHARED = {"optimizer.lr": RATE, "backbone.dropout": Interval(0, 0.7)}


def test_what_is_shared_is_the_same_beside_whatever_else_is_drawn() -> None:
    more = {"head.gamma": Interval(0, 6), **SHARED, "head.form": Choice("a", "b", "c")}
    for trial in range(1, 30):
        alone, beside = configuration(SHARED, 3, trial), configuration(more, 3, trial)
        assert {key: beside[key] for key in SHARED} == alone
        assert list(beside) == list(more)


def test_trial_0_is_the_defaults() -> None:
    assert configuration(SHARED, 5, 0) == {}


def test_trials_seeds_and_options_draw_different_values() -> None:
    values = {
        drawn(RATE, seed, trial, key)
        for seed in range(5)
        for trial in range(1, 20)
        for key in ("optimizer.lr", "optimizer.eps")
    }
    # At least three digits over three decades: 190 draws of some thousands seldom coincide.
    assert len(values) > 170


def test_the_draws_of_a_release_stay_those_of_the_next() -> None:
    # A search that is resumed by a later version must draw the same again.
    assert configuration(SHARED, 0, 1) == {"optimizer.lr": "0.000354", "backbone.dropout": "0.448"}


@pytest.mark.parametrize(
    ("space", "as_uniform"),
    [
        (Interval(2, 5), lambda x: (x - 2) / 3),
        (RATE, lambda x: np.log(x / 1e-4) / np.log(1e3)),
        (Interval(0.9, 0.9999), lambda x: (x - 0.9) / 0.0999),
    ],
)
def test_intervals_are_uniform(space: Interval, as_uniform: object) -> None:
    values = np.array([float(drawn(space, 0, trial, "x")) for trial in range(2000)])
    assert values.min() >= space.low
    assert values.max() <= space.high
    assert kstest(as_uniform(values), "uniform").pvalue > 0.01  # type: ignore[operator]


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (Choice("a", None, True), ["a", "null", "true"]),
        (Interval(1, 4, step=1), ["1", "2", "3", "4"]),
        (Interval(1, 4, step=2), ["1", "3"]),
        (Interval(0.0, 0.3, step=0.1), ["0.0", "0.1", "0.2", "0.3"]),
    ],
)
def test_each_value_is_as_frequent_as_the_others(
    space: Choice | Interval, expected: list[str]
) -> None:
    values = [drawn(space, 0, trial, "x") for trial in range(2000)]
    counts = [values.count(value) / len(values) for value in expected]
    assert sum(counts) == pytest.approx(1)
    # Four standard deviations of a share.
    np.testing.assert_allclose(counts, 1 / len(expected), atol=4 * 0.5 / 2000**0.5)


def test_whole_numbers_are_uniform_in_the_logarithm() -> None:
    space = Interval(1, 8, log=True, step=1)
    values = [int(drawn(space, 0, trial, "x")) for trial in range(4000)]
    ends = np.log(np.arange(0.5, 9))
    shares = np.diff(ends) / (ends[-1] - ends[0])
    counts = np.bincount(values, minlength=9)[1:] / 4000
    np.testing.assert_allclose(counts, shares, atol=4 * 0.5 / 4000**0.5)


def test_rounding_never_leaves_the_interval_nor_its_width() -> None:
    assert short(0.99987, Interval(0.9, 0.9999)) == 0.9999
    assert short(0.123456, Interval(0, 1)) == 0.123
    assert short(0.99991234, Interval(0.9999, 0.99999)) == 0.9999123
    assert short(123.456, Interval(1, 1000, log=True)) == 123
    assert short(0.5, Interval(0.5, 0.5)) == 0.5


def test_values_are_written_as_hydra_reads_them() -> None:
    assert as_text([1, 2.5, None, False]) == "[1,2.5,null,false]"
    assert as_text("[64,64]") == "[64,64]"
