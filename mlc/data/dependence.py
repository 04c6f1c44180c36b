"""The strength of dependence between labels: the mean |phi| over pairs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.special import gammaln

# Pairs of labels whose counts are in memory at a time.
_AT_ONCE = 2**22
# A step of a sparse product takes about as long as this many steps of a dense one.
_DENSE_STEPS = 50


def mean_phi(targets: NDArray[np.bool_]) -> tuple[float | None, float | None]:
    """Compute the mean |phi| over pairs of non-constant labels, and its value under independence.

    phi is Pearson's correlation of two binary labels. The expectation over independent permutations of
    each label's rows is exact, and about sqrt(2 / (pi N)) unless labels are rare. Memory is O(N K).

    Args:
        targets: (N, K).

    Returns:
        Both None if fewer than two labels vary.
    """
    n_rows = len(targets)
    counts = targets.sum(axis=0)
    varies = (counts > 0) & (counts < n_rows)
    counts = counts[varies]
    n_pairs = len(counts) * (len(counts) - 1) / 2
    if not n_pairs:
        return None, None
    spreads = np.sqrt(counts * (n_rows - counts.astype(np.float64)))
    # Two labels without a common row have |phi| = apart[i] * apart[j].
    apart = counts / spreads
    total = (apart.sum() ** 2 - (apart**2).sum()) / 2
    for i, j, both in _together(targets if varies.all() else targets[:, varies]):
        covariance = n_rows * both.astype(np.float64) - counts[i] * counts[j].astype(np.float64)
        total += (np.abs(covariance) / (spreads[i] * spreads[j]) - apart[i] * apart[j]).sum()
    return float(total / n_pairs), _by_chance(counts, n_rows) / n_pairs


def _together(targets: NDArray[np.bool_]) -> Iterator[tuple[Any, Any, Any]]:
    """Yield blocks of pairs i < j of labels that occur together, and their numbers of common rows."""
    n_rows, n_labels = targets.shape
    sizes = targets.sum(axis=1, dtype=np.float64)
    dense = _DENSE_STEPS * (sizes**2).sum() > n_rows * n_labels**2
    # Counts up to 2^24 are exact in float32.
    rows: Any = targets.astype(np.float32) if dense else csr_array(targets, dtype=np.int32)
    columns = rows.T if dense else rows.T.tocsr()
    step = max(1, _AT_ONCE // n_labels)
    for first in range(0, n_labels, step):
        both = coo_array(columns[first : first + step] @ rows)
        i, j = both.coords
        above = first + i < j
        yield first + i[above], j[above], both.data[above]


def _by_chance(counts: NDArray[np.int64], n_rows: int) -> float:
    """Sum E|phi| over pairs, with the rows of both labels drawn independently.

    The number of common rows is hypergeometric. Its mean absolute deviation has a closed form, like
    that of the binomial (Diaconis and Zabell 1991, "Closed form summation for classical distributions").
    """
    log_factorial = gammaln(np.arange(n_rows + 1) + 1.0)

    def log_choose(n: Any, k: Any) -> Any:
        return log_factorial[n] - log_factorial[k] - log_factorial[n - k]

    values, multiplicity = np.unique(counts.astype(np.int64), return_counts=True)
    spreads = np.sqrt(values * (n_rows - values.astype(np.float64)))
    total = 0.0
    for index, count in enumerate(values):
        others = values[index:]
        above = count * others // n_rows + 1  # the smallest number above the mean
        log_p = log_choose(others, above) + log_choose(n_rows - others, count - above)
        p = np.exp(log_p - log_choose(n_rows, count))
        deviation = 2 * above * (n_rows - count - others + above) / n_rows * p
        pairs = multiplicity[index] * multiplicity[index:].astype(np.float64)
        pairs[0] = multiplicity[index] * (multiplicity[index] - 1) / 2
        total += float((pairs * deviation * n_rows / (spreads[index] * spreads[index:])).sum())
    return total
