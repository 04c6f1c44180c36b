"""Intervals and tests of the project on thousands of samples with known means.

Each function is the vectorised form of one of the project's functions; tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.stats import rankdata, studentized_range

from experiments.powerset_samples.crossings import coefficient_intervals
from mlc.reporting.statistics import CONFIDENCE, LEAST_PAIRS, ROUNDING

Values = NDArray[np.float64]
# For each sample, whether a result is printed, and whether the result is wrong: an interval that misses
# the true value, or a false alarm of a test.
RunResult = tuple[NDArray[np.bool_], NDArray[np.bool_]]
Rng = np.random.Generator

LEVEL = 1 - CONFIDENCE
N_HEADS = 20
_MEAN, _SPREAD = 0.5, 0.01  # of a metric over seeds
# Values as in the reports on the league and on the worlds in which powerset passes sigmoid.
_LABELS, _DEPENDENCE, _RULE, _NOISE = (4, 6, 8), (1.0, 3.0), (7.1, 0.66, 2.1), 0.7


def rounded(values: Values, step: float, rng: Rng) -> Values:
    """Round to multiples of a step plus a random offset: (R, ...), one offset for each of R."""
    offset = rng.random((len(values), *[1] * (values.ndim - 1)))
    return step * (np.floor(values / step + offset + 0.5) - offset)


# Draw mean 0 and standard deviation 1 (before rounding); the last axis of the shape is the seeds.
SAMPLES: dict[str, Callable[[tuple[int, ...], Rng], Values]] = {
    "normal": lambda shape, rng: rng.standard_normal(shape),
    "skewed": lambda shape, rng: rng.standard_gamma(4, shape) / 2 - 2,
    "very skewed": lambda shape, rng: rng.standard_exponential(shape) - 1,
    "ties": lambda shape, rng: rounded(rng.standard_normal(shape), 1, rng),
    "many ties": lambda shape, rng: rounded(rng.standard_normal(shape), 2, rng),
    "constant": lambda shape, rng: np.broadcast_to(rng.standard_normal((*shape[:-1], 1)), shape),
}
BOTH_SKEWED, OTHERS_DIFFER, CENSORED = (
    "both very skewed", "half of the heads differ", "normal, censored",
)  # fmt: skip
DIFFERENCE_SKEWED = {
    "skewed differences": "skewed", "very skewed differences": "very skewed",
}  # fmt: skip


def t_interval(sample: Values, largest: Values) -> tuple[Values, Values]:
    """Vectorised `mean_interval`: mean and half width (NaN if none) of (..., N), (...) each."""
    n = sample.shape[-1]
    half = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * sample.std(axis=-1, ddof=1) / np.sqrt(n)
    return sample.mean(axis=-1), np.where(
        np.ptp(sample, axis=-1) <= ROUNDING * largest, np.nan, half
    )


def t_test(difference: Values, largest: Values) -> Values:
    """Vectorised p-value of `paired_difference` (NaN if none): (..., N) to (...)."""
    n = difference.shape[-1]
    mean, half = t_interval(difference, largest)
    if n < LEAST_PAIRS:
        return np.full(mean.shape, np.nan)
    t = mean / half * stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)
    return np.asarray(2 * stats.t.sf(np.abs(t), n - 1))


def holm_adjusted(p: Values) -> Values:
    """Apply `holm` to each row: (R, M) to (R, M)."""
    order = np.argsort(p, axis=1)  # NaN last
    ranked = np.take_along_axis(p, order, axis=1)
    remaining = (~np.isnan(p)).sum(axis=1, keepdims=True) - np.arange(p.shape[1])
    highest = np.maximum.accumulate(np.minimum(1, remaining * ranked), axis=1)
    adjusted = np.empty_like(p)
    np.put_along_axis(adjusted, order, highest, axis=1)
    return adjusted


def friedman_p(ranks: Values) -> Values:
    """Vectorised p-value of `scipy.stats.friedmanchisquare`: ranks (R, data sets, heads) to (R,)."""
    _, n, k = ranks.shape
    ordered = np.sort(ranks, axis=2)
    # A group of t equal ranks reduces the scale of the statistic by t^3 - t.
    same = (ordered[..., :, None] == ordered[..., None, :]).sum(axis=3)
    tied = (same.astype(float) ** 2 - 1).sum(axis=(1, 2))
    scale = 1 - tied / (k * (k**2 - 1) * n)
    squares = (ranks.sum(axis=1) ** 2).sum(axis=1)
    statistic = (12 / (k * n * (k + 1)) * squares - 3 * n * (k + 1)) / scale
    return np.asarray(stats.chi2.sf(statistic, k - 1))


def nemenyi_separates(ranks: Values) -> NDArray[np.bool_]:
    """Return whether Nemenyi's test separates any pair at 5%: (R, data sets, heads) to (R,)."""
    _, n, k = ranks.shape
    critical = studentized_range.ppf(1 - LEVEL, k, np.inf) / np.sqrt(2)
    return np.ptp(ranks.mean(axis=1), axis=1) > critical * np.sqrt(k * (k + 1) / (6 * n))


def judge_mean(case: str, n: int, repetitions: int, rng: Rng) -> RunResult:
    """Simulate intervals of means over n seeds."""
    sample = _MEAN + _SPREAD * SAMPLES[case]((repetitions, n), rng)
    mean, half = t_interval(sample, np.abs(sample).max(axis=1))
    return ~np.isnan(half), np.abs(mean - _MEAN) > half


def _pairs(case: str, shape: tuple[int, ...], rng: Rng) -> tuple[Values, Values]:
    """Draw differences with mean 0; return them and the largest absolute values."""
    first = _MEAN + _SPREAD * rng.standard_normal(shape)
    if case == BOTH_SKEWED:
        first = _MEAN + _SPREAD * SAMPLES["very skewed"](shape, rng)
        other = _MEAN + _SPREAD * SAMPLES["very skewed"](shape, rng)
    else:
        other = first - _SPREAD * SAMPLES[case](shape, rng)
    return first - other, np.maximum(np.abs(first), np.abs(other)).max(axis=-1)


def judge_difference(case: str, n: int, repetitions: int, rng: Rng) -> RunResult:
    """Simulate intervals of paired differences over n seeds."""
    mean, half = t_interval(*_pairs(case, (repetitions, n), rng))
    return ~np.isnan(half), np.abs(mean) > half


def judge_p(case: str, n: int, repetitions: int, rng: Rng) -> RunResult:
    """Simulate p-values of single comparisons, without correction."""
    p = t_test(*_pairs(case, (repetitions, n), rng))
    return ~np.isnan(p), p < LEVEL


def judge_holm(case: str, n: int, repetitions: int, rng: Rng) -> RunResult:
    """Simulate false alarms among 19 heads compared with a reference, with Holm's correction."""
    kind = DIFFERENCE_SKEWED.get(case, "normal" if case == OTHERS_DIFFER else case)
    values = _MEAN + _SPREAD * SAMPLES[kind]((repetitions, N_HEADS, n), rng)
    if case in DIFFERENCE_SKEWED:
        values[:, 0] = _MEAN
    n_alike = N_HEADS - 1
    if case == OTHERS_DIFFER:
        n_alike = (N_HEADS - 1) // 2
        values[:, 1 + n_alike :] += 1
    difference = values[:, 1:] - values[:, :1]
    p = holm_adjusted(t_test(difference, np.abs(values).max(axis=(1, 2))[:, None]))
    alike = p[:, :n_alike]
    return ~np.isnan(alike).all(axis=1), (alike < LEVEL).any(axis=1)


def _ranks(case: str, n: int, repetitions: int, rng: Rng) -> Values:
    return rankdata(SAMPLES[case]((repetitions, n, N_HEADS), rng), axis=2)


def judge_friedman(case: str, n: int, repetitions: int, rng: Rng) -> RunResult:
    """Simulate Friedman's test over n data sets with equal heads."""
    return np.ones(repetitions, bool), friedman_p(_ranks(case, n, repetitions, rng)) < LEVEL


def judge_nemenyi(case: str, n: int, repetitions: int, rng: Rng) -> RunResult:
    """Simulate Nemenyi's test over n data sets with equal heads."""
    return np.ones(repetitions, bool), nemenyi_separates(_ranks(case, n, repetitions, rng))


def judge_rule(case: str, n: int, repetitions: int, rng: Rng) -> RunResult:
    """Simulate intervals of the coefficients of the rule of thumb, from worlds with n seeds."""
    k, dependence = (v.ravel() for v in np.meshgrid(_LABELS, _DEPENDENCE))
    x = np.tile(np.column_stack([np.ones(k.size), k, -np.log(dependence)]), (n, 1))
    kind = "normal" if case == CENSORED else case
    y = x @ _RULE + _NOISE * SAMPLES[kind]((repetitions, len(x)), rng)
    limit = np.log(1e5) if case == CENSORED else np.inf
    if case != CENSORED:
        missed = _least_squares_misses(x, y)
    else:
        intervals = [
            coefficient_intervals(x, np.minimum(values, limit), values > limit) for values in y
        ]
        missed = np.array([np.abs(b - _RULE) > half for b, half in intervals])
    return np.ones(missed.size, bool), missed.ravel()


def _least_squares_misses(x: Values, y: Values) -> NDArray[np.bool_]:
    n_free = x.shape[0] - x.shape[1]
    coefficients = y @ np.linalg.pinv(x).T
    variance = ((y - coefficients @ x.T) ** 2).sum(axis=1, keepdims=True) / n_free
    errors = np.sqrt(variance * np.diag(np.linalg.inv(x.T @ x)))
    half: Any = stats.t.ppf((1 + CONFIDENCE) / 2, n_free) * errors
    return np.asarray(np.abs(coefficients - _RULE) > half)
