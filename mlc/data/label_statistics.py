"""Statistics of the label sets of a data set."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlc.data.label_sets import distinct_rows


@dataclass(frozen=True)
class LabelStatistics:
    """Label statistics that do not depend on the split.

    Attributes:
        numbers: (N,), the index of the label set of each row among the distinct ones.
        dependence: as in `Card`.
        by_chance: as in `Card`.
    """

    numbers: NDArray[np.int64]
    dependence: float | None
    by_chance: float | None


def label_statistics(targets: NDArray[np.bool_]) -> LabelStatistics:
    """Compute the statistics of label sets (N, K)."""
    # Imports scipy, which a report that shows a stored card does not need.
    from mlc.data.dependence import mean_phi

    _, numbers, _ = distinct_rows(targets)
    return LabelStatistics(numbers, *mean_phi(targets))
