import numpy as np
import pytest
from scipy import stats

from mlc.reporting.statistics import holm, mean_interval, paired_difference

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


def test_interval_covers_as_often_as_it_says() -> None:
    covered = [
        abs(interval.mean) < interval.half_width
        for interval in (mean_interval(RNG.normal(size=4)) for _ in range(2000))
    ]
    # Three standard errors of a share of 0.95 among 2,000.
    assert np.mean(covered) == pytest.approx(0.95, abs=0.015)


def test_one_value_has_no_interval() -> None:
    assert str(mean_interval([0.5])) == "0.500"
    assert str(mean_interval([0.5, 0.5])) == "0.500 ±0.000"


def test_paired_test_is_that_of_scipy() -> None:
    a, b = RNG.normal(0.3, size=6), RNG.normal(size=6)
    assert paired_difference(a, b).p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired_difference(a, b).interval.mean == pytest.approx((a - b).mean())


def test_equal_values_give_no_p_value() -> None:
    assert np.isnan(paired_difference([1, 2], [1, 2]).p_value)
    assert paired_difference([2, 3], [1, 2]).p_value == 0


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    adjusted = holm([0.5, np.nan, 0.6])
    assert np.isnan(adjusted[1])
    assert [adjusted[0], adjusted[2]] == pytest.approx([1, 1])
