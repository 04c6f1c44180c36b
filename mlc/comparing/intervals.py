"""Differences between heads, with intervals over splits or seeds and over test rows at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

CONFIDENCE = 0.95
_DRAWS = 10_000
# Keeps the correlation of two heads with equal decisions positive definite.
_JITTER = 1e-6
# Of the error, for several differences and splits: Satterthwaite's degrees of freedom are estimates.
# A variance is an outlier if chance makes one as large with this probability.
_OUTLIER = 0.001
_SHARE = 0.8
# Half-widths below this share of the largest difference are those of rounding.
_ROUNDING = 1e-9
# Variances of no less than this share of the largest have a logarithm in the prior's moments.
_LEAST = 1e-10


@dataclass(frozen=True)
class Part:
    """The judged test rows of one split.

    Attributes:
        rows: (n,), their numbers in the data set, each once.
        values: (n,), whose mean is the metric.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A mean difference from the reference, and half the width of its interval.

    The width is NaN where it is not known, as for a difference that is the same in every row.
    """

    mean: float
    half_width: float

    @property
    def low(self) -> float:
        """The lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """The upper end."""
        return self.mean + self.half_width

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return abs(self.mean) > self.half_width


@dataclass(frozen=True)
class _Variance:
    """The components of the variance of a mean difference.

    Attributes:
        mean: the mean difference.
        scale: the largest difference of a row.
        rows: the variance by the choice of test rows.
        between: the variance between splits, divided by their number; 0 for one split.
        by_chance: the part of `between` that the choice of the splits' rows explains.
        shares: the contribution of each distinct row, (rows,).
        n_splits: the number of splits.
    """

    mean: float
    scale: float
    rows: float
    between: float
    by_chance: float
    shares: NDArray[np.float64]
    n_splits: int


def simultaneous(
    parts: Mapping[str, Sequence[Part]],
    reference: str,
    *,
    overlap: float = 0.0,
    confidence: float = CONFIDENCE,
) -> dict[str, Difference]:
    """Compute the differences of all heads from the reference, with simultaneous intervals.

    A difference d_si of row i in split s varies with the split (its training rows, the seed), with
    the row, and by chance. The variance of the mean is that of a crossed design: the sum over rows
    of the squared total of each row, plus the excess of the variance between splits over what their
    rows explain (Cameron, Gelbach and Miller 2011, "Robust inference with multiway clustering").
    Degrees of freedom are Satterthwaite's. A few splits tell little of the variance between them, so
    each interval is the widest of three:

    - with the variance between splits drawn to its mean over the heads, without those that are far less
      stable than the median head;
    - with this variance drawn to a prior whose weight is small where the heads' variances differ
      (moments of log variances; Smyth 2004, "Linear models and empirical Bayes methods");
    - with the head's own variance alone, so that a head that is less stable than the others is covered:
      for this head alone, or, where it is not pooled, together with all others.

    The error of the first two, and of the third for heads that are not pooled, is such that all
    intervals cover together: the maximum of correlated normals, with the correlation of the heads' rows.

    Args:
        parts: by head, one for each split in the same order, with the same rows.
        reference: the head that is subtracted from the others.
        overlap: test rows over training rows where every split draws its test rows anew, else 0. Such
            splits share training rows, so their variance is raised (Nadeau and Bengio 2003, "Inference
            for the generalization error").
        confidence: of all intervals together.

    Returns:
        By head, without the reference. The half-width is NaN where it cannot be estimated: a split has
        one row, or the difference is the same in all rows and splits, but not 0.
    """
    by_head = {
        head: _variance(of_head, parts[reference])
        for head, of_head in parts.items()
        if head != reference
    }
    if not by_head:
        return {}
    variances = list(by_head.values())
    if len(variances) > 1 and len(parts[reference]) > 1:
        confidence = 1 - _SHARE * (1 - confidence)
    level = _level_of_each(np.stack([each.shares for each in variances]), confidence)
    if min(len(part.rows) for part in parts[reference]) < 2:
        widths = np.array([0.0 if each.scale == 0 else np.nan for each in variances])
    else:
        widths = _half_widths(variances, overlap, level, 1 - confidence)
    return {
        head: Difference(each.mean, float(width))
        for (head, each), width in zip(by_head.items(), widths, strict=True)
    }


def _half_widths(
    variances: Sequence[_Variance], overlap: float, level: float, own_level: float
) -> NDArray[np.float64]:
    """The widest of the three half-widths, by head; see `simultaneous`."""
    rows, between, by_chance = (
        np.array([getattr(each, name) for each in variances])
        for name in ("rows", "between", "by_chance")
    )
    n_splits, n_rows = variances[0].n_splits, len(variances[0].shares)

    def half_width(variance: Any, freedom: float, error: Any) -> NDArray[np.float64]:
        raised = 1 + n_splits * overlap
        excess = np.maximum(0.0, variance - by_chance) * raised
        spread = rows**2 / (n_rows - 1)
        if n_splits > 1:
            spread = spread + (excess + by_chance) ** 2 / freedom
        else:
            excess = np.zeros_like(rows)
        total = rows + excess
        freedoms = np.divide(total**2, spread, out=np.ones_like(total), where=spread > 0)
        if n_splits > 1:
            # What is subtracted must not leave fewer degrees of freedom than the splits have.
            freedoms = np.maximum(freedoms, freedom)
        width: NDArray[np.float64] = stats.t.ppf(1 - error / 2, freedoms) * np.sqrt(total)
        return width

    own = n_splits - 1
    alike = _alike(between, own)
    # The heads share the reference, so each of the others counts half.
    most = own * (int(alike.sum()) - 1) / 2
    # Chance differs between heads and is known, so the mean is one of the excess.
    mean_excess = float((between - by_chance)[alike].mean())
    pooled = by_chance + _drawn(between - by_chance, own, mean_excess, most)
    location, weight = _prior(between, own)
    weight = min(weight, most)
    of_pooled = half_width(pooled, own + most, level)
    of_prior = half_width(_drawn(between, own, location, weight), own + weight, level)
    widths = np.maximum(of_pooled, of_prior)
    if len(variances) > 1:
        alone = np.where(alike, own_level, level)
        widths = np.maximum(widths, half_width(between, own, alone))
    scale = np.array([each.scale for each in variances])
    # Differences that are equal in all rows and splits have no more than the variance of rounding.
    return np.where((widths <= _ROUNDING * scale) & (scale > 0), np.nan, widths)


def _alike(variances: NDArray[np.float64], freedom: float) -> NDArray[np.bool_]:
    """Return which heads are pooled: not those whose variance is far above what the median explains.

    Such a head has an interval of its own variance, and would only widen those of all others.
    """
    if freedom < 1:
        return np.ones(len(variances), dtype=bool)
    typical = np.median(variances) * freedom / stats.chi2.median(freedom)
    alike: NDArray[np.bool_] = variances * freedom <= typical * stats.chi2.isf(_OUTLIER, freedom)
    return alike


def _drawn(
    variances: NDArray[np.float64], freedom: float, location: float, weight: float
) -> NDArray[np.float64]:
    """Variances drawn to a location; both weights are degrees of freedom."""
    if freedom + weight == 0:
        return variances
    return (freedom * variances + weight * location) / (freedom + weight)


def _prior(variances: NDArray[np.float64], freedom: float) -> tuple[float, float]:
    """The location and the degrees of freedom of a scaled inverse chi-squared prior of variances.

    Moments of log variances (Smyth 2004, section 6.2). The degrees of freedom are infinite where the
    variances differ no more than estimates with `freedom` degrees of freedom do by chance, and 0 where
    there are fewer than two variances.
    """
    if freedom < 1 or len(variances) < 2 or variances.max() <= 0:
        return 0.0, 0.0
    logs = np.log(np.maximum(variances, _LEAST * variances.max()))
    logs += np.log(freedom / 2) - special.digamma(freedom / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, freedom / 2))
    if excess <= 0:
        return float(np.exp(logs.mean())), np.inf
    # trigamma falls from infinity to 0.
    half = optimize.brentq(lambda value: special.polygamma(1, value) - excess, 1e-8, 1e8)
    location = np.exp(logs.mean() + special.digamma(half) - np.log(half))
    return float(location), float(2 * half)


def _variance(parts: Sequence[Part], reference: Sequence[Part]) -> _Variance:
    """The components of the variance of a head's mean difference from the reference."""
    n_splits = len(parts)
    values = [one.values - other.values for one, other in zip(parts, reference, strict=True)]
    means = np.array([each.mean() for each in values])
    weighted = [
        (each - mean) / (n_splits * len(each)) for each, mean in zip(values, means, strict=True)
    ]
    numbers = np.concatenate([part.rows for part in parts])
    _, indices = np.unique(numbers, return_inverse=True)
    shares: NDArray[np.float64] = np.zeros(int(indices.max()) + 1)
    np.add.at(shares, indices, np.concatenate(weighted))
    rows, between, by_chance = float(shares @ shares), 0.0, 0.0
    if n_splits > 1:
        between = float(means.var(ddof=1)) / n_splits
        # The sum over rows of the variance of what each contributes to the means of the splits. A row
        # that contributes the same to all of them does not make them differ.
        contributed = sum(float(each @ each) for each in weighted)
        by_chance = max(0.0, n_splits * contributed - rows) / (n_splits - 1)
    return _Variance(
        mean=float(means.mean()),
        scale=max(float(np.abs(each).max()) for each in values),
        rows=rows,
        between=between,
        by_chance=by_chance,
        shares=shares,
        n_splits=n_splits,
    )


def _level_of_each(shares: NDArray[np.float64], confidence: float) -> float:
    """The error of each interval by which all cover together: shares (heads, rows)."""
    norms = np.sqrt((shares**2).sum(axis=1, keepdims=True))
    scaled = shares / np.where(norms > 0, norms, 1)
    correlation = scaled @ scaled.T
    np.fill_diagonal(correlation, 1.0)
    factor = np.linalg.cholesky(correlation + _JITTER * np.eye(len(correlation)))
    normals = np.random.default_rng(0).standard_normal((_DRAWS, len(factor)))
    highest = np.abs(normals @ factor.T).max(axis=1)
    return float(2 * stats.norm.sf(np.quantile(highest, confidence)))
