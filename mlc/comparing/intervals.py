"""Differences between heads, with intervals over splits or seeds and over test rows at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
_DRAWS = 10_000
# Keeps the correlation of two heads with equal decisions positive definite.
_JITTER = 1e-6


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

    The width is NaN where a difference is the same in every row, as in a single one.
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
    """Of a mean difference: what test rows contribute, what splits or seeds do beyond their rows, and
    what of the rows' part shows between splits too."""

    mean: float
    rows: float
    splits: float
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
    """Differences of all heads from the reference; together the intervals hold with this confidence.

    A difference d_si of row i in split s varies with the split (its training rows, the seed), with
    the row, and by chance. The variance of the mean is that of a crossed design: the sum over rows
    of the squared total of each row, plus the excess of the variance between splits over what their
    rows explain (Cameron, Gelbach and Miller 2011, "Robust inference with multiway clustering"). A
    few splits tell little of the latter, so it is drawn towards its mean over the heads, by their
    degrees of freedom (Smyth 2004, "Linear models and empirical Bayes methods", section 3). Degrees
    of freedom are Satterthwaite's, those of the splits for the whole variance between them. The
    level of each interval is such that all cover together: the maximum of correlated normals, with
    the correlation of the heads' rows.

    Args:
        parts: by head, one for each split in the same order, with the same rows.
        reference: the head from which the others are subtracted.
        overlap: test rows over training rows where every split draws its test rows anew, else 0. Such
            splits share training rows, so their variance is raised (Nadeau and Bengio 2003, "Inference
            for the generalization error").
        confidence: of all intervals together.

    Returns:
        By head, without the reference.
    """
    own = {
        head: _variance(of_head, parts[reference])
        for head, of_head in parts.items()
        if head != reference
    }
    if not own:
        return {}
    level = _level_of_each(np.stack([each.shares for each in own.values()]), confidence)
    pooled = float(np.mean([each.splits for each in own.values()]))
    differences = {}
    for head, each in own.items():
        n_free = each.n_splits - 1
        # The heads share the reference, so that they count half.
        of_others = n_free * (len(own) - 1) / 2
        free = n_free + of_others
        shared = (n_free * each.splits + of_others * pooled) / free if n_free else 0.0
        excess = max(0.0, shared) * (1 + each.n_splits * overlap)
        between = excess + each.by_chance
        total = each.rows + excess
        if total <= 0:
            differences[head] = Difference(each.mean, 0.0 if each.mean == 0 else np.nan)
            continue
        spread = each.rows**2 / (len(each.shares) - 1) + (between**2 / free if n_free else 0.0)
        quantile = stats.t.ppf(1 - level / 2, total**2 / spread)
        differences[head] = Difference(each.mean, float(quantile * np.sqrt(total)))
    return differences


def _variance(parts: Sequence[Part], reference: Sequence[Part]) -> _Variance:
    """The components of the variance of a head's mean difference from the reference."""
    n_splits = len(parts)
    values = [own.values - other.values for own, other in zip(parts, reference, strict=True)]
    means = np.array([each.mean() for each in values])
    weighted = [
        (each - mean) / (n_splits * len(each)) for each, mean in zip(values, means, strict=True)
    ]
    numbers = np.concatenate([part.rows for part in parts])
    _, places = np.unique(numbers, return_inverse=True)
    shares: NDArray[np.float64] = np.zeros(int(places.max()) + 1)
    np.add.at(shares, places, np.concatenate(weighted))
    both = sum(float(each @ each) for each in weighted)
    between = float(means.var(ddof=1)) / n_splits if n_splits > 1 else 0.0
    return _Variance(
        float(means.mean()),
        float(shares @ shares),
        between - both if n_splits > 1 else 0.0,
        both,
        shares,
        n_splits,
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
