"""Intervals over seeds and test rows, by a bootstrap of row values, and over data sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

# By head: (seeds, rows), whose mean is the metric.
Values = Mapping[str, NDArray[np.float64]]
N_DRAWS = 2000
_LEVEL = 0.05
_POWER = 0.8


@dataclass(frozen=True)
class Draws:
    """Bootstrapped metrics of heads on one data set.

    Attributes:
        heads: their names.
        values: (heads,), the metrics.
        drawn: (draws, heads), the metrics of the resampled seeds and rows.
    """

    heads: tuple[str, ...]
    values: NDArray[np.float64]
    drawn: NDArray[np.float64]

    def of(self, heads: Sequence[str]) -> Draws:
        """Return the same draws of some heads, in this order."""
        index = [self.heads.index(head) for head in heads]
        return Draws(tuple(heads), self.values[index], self.drawn[:, index])


@dataclass(frozen=True)
class Weights:
    """The shares of test rows and seeds in each draw.

    Attributes:
        rows: (draws, rows).
        seeds: (draws, seeds).
    """

    rows: NDArray[np.float64]
    seeds: NDArray[np.float64]

    @classmethod
    def of(cls, rng: np.random.Generator, n_draws: int, n_seeds: int, n_rows: int) -> Self:
        """Draw rows and seeds, each with replacement and independently."""
        return cls(_weights(rng, n_draws, n_rows), _weights(rng, n_draws, n_seeds))


def draw(values: Values, rng: np.random.Generator, n_draws: int = N_DRAWS) -> Draws:
    """Resample seeds and test rows of one data set, as `resample` does.

    Args:
        values: by head, (seeds, rows), the same seeds and rows for all heads.
        rng: the generator.
        n_draws: the number of draws.
    """
    n_seeds, n_rows = next(iter(values.values())).shape
    return resample(values, Weights.of(rng, n_draws, n_seeds, n_rows))


def resample(values: Values, weights: Weights) -> Draws:
    """Return the means of resampled seeds and rows.

    All seeds of a data set have the same test rows, so a draw weights rows for all seeds alike (Owen
    2007, "The pigeonhole bootstrap", which is conservative). The heads share the rows and the seeds of a
    draw, which pairs them: a seed's validation rows and batches are the same for all heads.
    """
    stacked = np.stack(list(values.values()))
    n_heads, n_seeds, n_rows = stacked.shape
    by_seed = weights.rows @ stacked.reshape(-1, n_rows).T
    drawn = np.einsum("dhs,ds->dh", by_seed.reshape(-1, n_heads, n_seeds), weights.seeds)
    return Draws(tuple(values), stacked.mean(axis=(1, 2)), drawn)


@dataclass(frozen=True)
class Gain:
    """A difference from the reference.

    Attributes:
        mean: the difference.
        error: its bootstrapped standard error.
        low, high: the ends of the interval, simultaneous for all heads of the family.
        detectable: the least true difference that this interval shows with a probability of 80%.
    """

    mean: float
    error: float
    low: float
    high: float
    detectable: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    def signed(self) -> str:
        """Return the difference with half its interval as text."""
        return f"{self.mean:+.3f} ±{(self.high - self.low) / 2:.3f}"


def gains(draws: Draws, reference: str) -> dict[str, Gain]:
    """Return the differences from the reference on one data set, with simultaneous intervals.

    The half-width is a multiple of the head's standard error, the same for all: the quantile of the
    largest standardised deviation over the heads (Westfall and Young 1993, "Resampling-based multiple
    testing", single step). An interval leaves out 0 for any equal head in at most 5% of all families.

    Args:
        draws: of the reference and the others.
        reference: its name.
    """
    column = draws.heads.index(reference)
    others = [index for index in range(len(draws.heads)) if index != column]
    means = (draws.values - draws.values[column])[others]
    differences = (draws.drawn - draws.drawn[:, [column]])[:, others]
    errors = differences.std(axis=0, ddof=1)
    scale = np.where(errors > 0, errors, np.inf)
    deviations = np.abs(differences - differences.mean(axis=0)) / scale
    critical = float(np.quantile(deviations.max(axis=1), 1 - _LEVEL)) if others else 0.0
    names = [draws.heads[index] for index in others]
    return _with_intervals(names, means, errors, critical)


def gains_over_sets(
    draws: Sequence[Draws], reference: str, rng: np.random.Generator, n_draws: int = N_DRAWS
) -> dict[str, Gain]:
    """Return the differences from the reference on the mean over data sets, with simultaneous intervals.

    The standard error is that of the mean of the data sets' differences. These have the noise of their
    seeds and test rows, so it is the whole error: seeds and rows that are resampled within resampled
    data sets would count their noise three times (Davison and Hinkley 1997, "Bootstrap methods and their
    application", section 3.8: resample the highest level alone). The half-width is a multiple of it, the
    same for all heads: the quantile of the largest |t| over the heads among draws of as many data sets
    from a normal distribution with the covariance of the differences. For one head that is Student's t.

    Args:
        draws: of each data set, at least two, with the same heads.
        reference: a head.
        rng: the generator.
        n_draws: the number of draws.
    """
    heads, values = draws[0].heads, np.stack([each.values for each in draws])
    others = [index for index, head in enumerate(heads) if head != reference]
    # Equal decisions may differ by rounding.
    differences = (values[:, others] - values[:, [heads.index(reference)]]).round(12)
    means, n_sets = differences.mean(axis=0), len(draws)
    errors = differences.std(axis=0, ddof=1) / np.sqrt(n_sets)
    deviations = (differences - means)[:, errors > 0]
    critical = 0.0
    if deviations.size:
        drawn = rng.normal(size=(n_draws, n_sets, n_sets)) @ deviations
        deviates = np.abs(drawn.mean(axis=1)) / drawn.std(axis=1, ddof=1) * np.sqrt(n_sets)
        critical = float(np.quantile(deviates.max(axis=1), 1 - _LEVEL))
    return _with_intervals([heads[index] for index in others], means, errors, critical)


def _with_intervals(
    names: Sequence[str], means: NDArray[np.float64], errors: NDArray[np.float64], critical: float
) -> dict[str, Gain]:
    """Return the gain of each name, whose half-interval is a multiple of its standard error."""
    least = critical + float(norm.ppf(_POWER))
    return {
        name: Gain(
            float(mean), float(error), float(mean - critical * error),
            float(mean + critical * error), float(least * error),
        )
        for name, mean, error in zip(names, means, errors, strict=True)
    }  # fmt: skip


def rank_intervals(
    draws: Sequence[Draws],
    rng: np.random.Generator,
    higher_is_better: bool = True,
    n_draws: int = N_DRAWS,
) -> dict[str, tuple[float, float, float]]:
    """Return each head's average rank over data sets with the ends of its 95% interval.

    Each draw resamples data sets, whose ranks have the noise of their seeds and rows; seeds and
    rows drawn anew would pull all ranks to the middle. 1 is the best rank.
    """
    sign = -1 if higher_is_better else 1
    of_sets = np.stack([ranks(sign * each.values) for each in draws])
    resampled = _weights(rng, n_draws, len(draws)) @ of_sets
    low, high = np.quantile(resampled, [_LEVEL / 2, 1 - _LEVEL / 2], axis=0)
    return {
        head: (float(average), float(low[index]), float(high[index]))
        for index, (head, average) in enumerate(
            zip(draws[0].heads, of_sets.mean(axis=0), strict=True)
        )
    }


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ranks along the last axis, 1 for the least; equal values share the mean of their ranks.

    Values that differ by rounding are equal: sums of the same numbers in another order.
    """
    values = values.round(12)
    less = (values[..., None, :] < values[..., :, None]).sum(axis=-1)
    equal = (values[..., None, :] == values[..., :, None]).sum(axis=-1)
    result: NDArray[np.float64] = less + (equal + 1) / 2
    return result


def _weights(rng: np.random.Generator, n_draws: int, n: int) -> NDArray[np.float64]:
    """Return the shares of n units in draws of n - 1 with replacement: (draws, n).

    The variance of a mean is then unbiased, also of few units (Rao and Wu 1988, "Resampling inference
    with complex survey data"). One unit is always drawn.
    """
    size = max(n - 1, 1)
    return rng.multinomial(size, np.full(n, 1 / n), size=n_draws) / size
