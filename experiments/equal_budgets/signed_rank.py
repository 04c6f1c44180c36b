"""The Bayesian signed-rank test: is a head better on data sets, worse, or practically equal?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

MARGIN = 0.01
_N_SAMPLES = 20_000
# The weight of the difference 0 before any is seen.
_PRIOR = 0.5
_AT_ONCE = 2**22


@dataclass(frozen=True)
class Verdict:
    """Posterior probabilities that the differences are below, within and above the margin."""

    worse: float
    equal: float
    better: float


def signed_rank(
    differences: ArrayLike,
    margin: float = MARGIN,
    n_samples: int = _N_SAMPLES,
    seed: int = 0,
) -> Verdict:
    """Return the posterior probabilities of three hypotheses on differences over data sets.

    The distribution of a difference z has a Dirichlet process prior of strength 1/2 at z = 0, so that
    its posterior has weights w ~ Dirichlet(1/2, 1, ..., 1) on 0 and the n differences. Each sample of
    weights gives the probabilities that the mean of two differences lies below, within or above the
    margin, sum_ij w_i w_j [...], where a mean at the margin counts half; the hypothesis with the largest
    one wins the sample. The test takes the differences as exact.

    Source: Benavoli, Corani, Demsar and Zaffalon 2017, "Time for a change: a tutorial for comparing
    multiple classifiers through Bayesian analysis", section 4.2.1, with the prior of their library
    baycomp.

    Args:
        differences: (n,), one for each data set.
        margin: half the width of the region of practical equivalence.
        n_samples: samples of the posterior.
        seed: of the samples.
    """
    values = np.concatenate([[0.0], np.asarray(differences, dtype=np.float64).ravel()])
    sums = values[:, None] + values
    above, below = (np.heaviside(each, 0.5) for each in (sums - 2 * margin, -sums - 2 * margin))
    prior = np.ones(len(values))
    prior[0] = _PRIOR
    rng = np.random.default_rng(seed)
    won = np.zeros(3)
    size = max(1, _AT_ONCE // len(values))
    for first in range(0, n_samples, size):
        weights = rng.dirichlet(prior, min(size, n_samples - first))
        better = ((weights @ above) * weights).sum(axis=1)
        worse = ((weights @ below) * weights).sum(axis=1)
        shares = np.stack([worse, 1 - better - worse, better], axis=1)
        won += np.bincount(shares.argmax(axis=1), minlength=3)
    return Verdict(*(won / n_samples).tolist())
