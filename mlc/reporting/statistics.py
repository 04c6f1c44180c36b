"""Means with intervals, and differences in pairs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean and half the width of its 95% interval, NaN where one value is all there is."""

    mean: float
    half_width: float
    n: int

    def __str__(self) -> str:
        if np.isnan(self.half_width):
            return f"{self.mean:.3f}"
        return f"{self.mean:.3f} ±{self.half_width:.3f}"

    def signed(self) -> str:
        """As text for a difference, with its sign."""
        return f"{self.mean:+.3f} ±{self.half_width:.3f}"


@dataclass(frozen=True)
class PairedDifference:
    """The mean of paired differences with its interval, and the p-value of the paired t-test."""

    interval: Interval
    p_value: float


def mean_interval(values: ArrayLike) -> Interval:
    """Student's t-interval of the mean: mean +- t_(n-1, 0.975) s / sqrt(n)."""
    sample = np.asarray(values, dtype=np.float64)
    n = len(sample)
    if n < 2:
        return Interval(float(sample.mean()), np.nan, n)
    width = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * stats.sem(sample)
    return Interval(float(sample.mean()), float(width), n)


def paired_difference(values: ArrayLike, reference: ArrayLike) -> PairedDifference:
    """values - reference, entry by entry; the p-value is NaN where it is not defined."""
    difference = np.asarray(values, dtype=np.float64) - np.asarray(reference, dtype=np.float64)
    interval = mean_interval(difference)
    if len(difference) < 2:
        return PairedDifference(interval, np.nan)
    if np.ptp(difference) == 0:
        return PairedDifference(interval, np.nan if difference[0] == 0 else 0.0)
    return PairedDifference(interval, float(stats.ttest_1samp(difference, 0).pvalue))


def holm(p_values: ArrayLike) -> list[float]:
    """Holm's step-down adjustment (Holm 1979); NaN stays NaN and does not count."""
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    order = [i for i in np.argsort(p) if not np.isnan(p[i])]
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, float((len(order) - rank) * p[i])))
        adjusted[i] = highest
    return [float(value) for value in adjusted]
