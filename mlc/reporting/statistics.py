"""Means with confidence intervals, and paired differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

CONFIDENCE = 0.95
LEAST_PAIRS = 5  # fewer pairs give no p-value
# Values that differ by less than this, relative to the largest, differ by rounding only: float64 has
# 16 digits, and no test part has enough rows for so small a difference.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Interval:
    """A mean and half the width of its 95% interval.

    The half width is NaN, and not printed, for one value and for values that are all equal: a few
    equal values do not show that further values would be equal. Of no values, the mean is NaN too.
    """

    mean: float
    half_width: float
    n: int

    @property
    def is_above(self) -> bool:
        """Whether the interval lies above 0; False without a half width."""
        return bool(self.mean > self.half_width)

    @property
    def is_below(self) -> bool:
        """Whether the interval lies below 0; False without a half width."""
        return bool(-self.mean > self.half_width)

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0; False without a half width."""
        return self.is_above or self.is_below

    def __str__(self) -> str:
        return f"{self.mean:.3f}{self._spread()}" if self.n else "-"

    def signed(self) -> str:
        """Return the interval of a difference as text, with its sign."""
        return f"{self.mean:+.3f}{self._spread()}"

    def _spread(self) -> str:
        return "" if np.isnan(self.half_width) else f" ±{self.half_width:.3f}"


@dataclass(frozen=True)
class PairedDifference:
    """The mean of paired differences with its interval, and the p-value of the paired t-test."""

    interval: Interval
    p_value: float


def mean_interval(values: ArrayLike) -> Interval:
    """Compute Student's t-interval of the mean: mean +- t_(n-1, 0.975) s / sqrt(n)."""
    sample = np.asarray(values, dtype=np.float64)
    return _interval(sample, np.abs(sample).max(initial=0.0))


def paired_difference(values: ArrayLike, reference: ArrayLike) -> PairedDifference:
    """Compute the mean of values - reference, with the p-value of the paired t-test.

    The p-value is NaN below `LEAST_PAIRS` pairs, and where all differences are equal up to
    `ROUNDING` relative to the largest of the values: the test divides by their spread.
    """
    sample = np.asarray(values, dtype=np.float64)
    other = np.asarray(reference, dtype=np.float64)
    largest = max(np.abs(sample).max(initial=0.0), np.abs(other).max(initial=0.0))
    interval = _interval(sample - other, largest)
    if len(sample) < LEAST_PAIRS or np.isnan(interval.half_width):
        return PairedDifference(interval, np.nan)
    difference = sample - other
    statistic = difference.mean() / _standard_error(difference)
    # Of SciPy's functions: importing scipy.stats takes longer than a report.
    from scipy.special import stdtr

    return PairedDifference(interval, float(2 * stdtr(len(sample) - 1, -abs(statistic))))


def _interval(sample: NDArray[np.float64], largest: float) -> Interval:
    n = len(sample)
    if n == 0:
        return Interval(np.nan, np.nan, 0)
    if n < 2 or np.ptp(sample) <= ROUNDING * largest:
        return Interval(float(sample.mean()), np.nan, n)
    # Imported where it is used: it takes a tenth of the time of a report.
    from scipy.special import stdtrit

    width = stdtrit(n - 1, (1 + CONFIDENCE) / 2) * _standard_error(sample)
    return Interval(float(sample.mean()), float(width), n)


def _standard_error(sample: NDArray[np.float64]) -> float:
    """Compute the standard error of the mean."""
    return float(sample.std(ddof=1) / len(sample) ** 0.5)


def holm(p_values: ArrayLike) -> list[float]:
    """Adjust p-values by Holm's step-down method (Holm 1979); NaN stays NaN and is not counted."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    order = [i for i in np.argsort(p) if not np.isnan(p[i])]
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, float((len(order) - rank) * p[i])))
        adjusted[i] = highest
    return [float(value) for value in adjusted]
