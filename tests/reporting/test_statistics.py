import numpy as np
import pytest
from scipy import stats

from mlc.reporting.statistics import Interval, holm, mean_interval, paired_difference

RNG = np.random.default_rng(0)


def test_interval_is_that_of_scipy() -> None:
    sample = RNG.normal(size=7)
    interval = mean_interval(sample)
    low, high = stats.t.interval(0.95, 6, loc=sample.mean(), scale=stats.sem(sample))
    assert (
        interval.mean - interval.half_width,
        interval.mean + interval.half_width,
    ) == pytest.approx((low, high))
    assert interval.n == 7


@pytest.mark.parametrize("n", [*range(2, 12), 31, 100, 1001, 20_000])
def test_the_width_of_an_interval_is_that_of_scipy(n: int) -> None:
    sample = np.random.default_rng(n).normal(size=n)
    expected = stats.t.ppf(0.975, n - 1) * stats.sem(sample)
    assert mean_interval(sample).half_width == pytest.approx(expected, rel=1e-9)


def test_interval_covers_as_often_as_it_says() -> None:
    covered = [
        abs(interval.mean) < interval.half_width
        for interval in (mean_interval(RNG.normal(size=4)) for _ in range(2000))
    ]
    # Three standard errors of a share of 0.95 among 2,000.
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("values", [[0.5], [0.5, 0.5], [0.1 + 0.2, 0.3], [0.0, 0.0, 0.0]])
def test_no_spread_gives_no_interval(values: list[float]) -> None:
    interval = mean_interval(values)
    assert np.isnan(interval.half_width)
    assert str(interval) == f"{values[-1]:.3f}"
    assert interval.signed() == f"{values[-1]:+.3f}"


@pytest.mark.parametrize(
    ("mean", "half_width", "side"),
    [(0.2, 0.1, 1), (-0.2, 0.1, -1), (0.1, 0.1, 0), (0.05, 0.1, 0), (0.2, np.nan, 0)],
)
def test_an_interval_is_clear_if_it_excludes_0(mean: float, half_width: float, side: int) -> None:
    interval = Interval(mean, half_width, 3)
    assert (interval.is_above, interval.is_below) == (side > 0, side < 0)
    assert interval.is_clear == (side != 0)


def test_paired_test_is_that_of_scipy() -> None:
    a, b = RNG.normal(0.3, size=6), RNG.normal(size=6)
    assert paired_difference(a, b).p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired_difference(a, b).interval.mean == pytest.approx((a - b).mean())


def test_equal_values_give_no_p_value() -> None:
    values = np.array([0.51, 0.53, 0.52, 0.57, 0.55])
    for constant in (0, 0.01, 0.02, 0.1):
        # In floating point these differences are equal up to their last digits alone.
        own = paired_difference(values + constant, values)
        assert np.isnan(own.p_value)
        assert own.interval.signed() == f"{constant:+.3f}"
    assert paired_difference(values + 1e-6 * np.arange(5), values).p_value < 0.1


def test_few_pairs_give_no_p_value() -> None:
    for n in (1, 2, 4):
        assert np.isnan(paired_difference(RNG.normal(size=n), RNG.normal(size=n)).p_value)
    assert paired_difference(RNG.normal(size=5), RNG.normal(size=5)).p_value > 0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    adjusted = holm([0.5, np.nan, 0.6])
    assert np.isnan(adjusted[1])
    assert [adjusted[0], adjusted[2]] == pytest.approx([1, 1])
