"""What is fitted on a run's training rows alone: which columns are used, and their scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from mlc.config.errors import DataError
from mlc.data.base import Dataset
from mlc.data.splits import Rows


@dataclass(frozen=True)
class Scaling:
    """features -> (features - shift) * scale, then 0 where a value is missing. (D,) each, float32.

    A scale of 0 leaves the column out: the run was trained as if the data did not have it.
    """

    shift: NDArray[np.float32]
    scale: NDArray[np.float32]

    @property
    def used(self) -> NDArray[np.bool_]:
        """The columns that are not left out: (D,)."""
        return np.asarray(self.scale != 0)

    def with_columns(self, columns: NDArray[np.int64]) -> Scaling:
        """Of these columns alone."""
        return Scaling(self.shift[columns], self.scale[columns])


def fit_scaling(dataset: Dataset, train: Rows) -> Scaling:
    """Dense numeric columns get mean 0 and variance 1; sparse ones a largest magnitude of 1.

    Columns that hold only zeros and ones stay as they are: standardising makes the rarest words of
    small sparse text the loudest, and costs half the Jaccard index there. What is constant, or
    missing, throughout the training part stays as well. Words and categories that the training part
    does not hold (often enough) are left out.

    Raises:
        DataError: no column is left.
    """
    features = dataset.features[train]
    shift = np.zeros(dataset.n_features)
    scale = np.ones(dataset.n_features)
    if issparse(features):
        scale = 1 / MaxAbsScaler().fit(features).scale_
    else:
        binary = np.isin(features, (0, 1)) | np.isnan(features)
        columns = np.flatnonzero(dataset.numeric & ~binary.all(axis=0))
        if len(columns):
            scaler = StandardScaler().fit(features[:, columns].astype(np.float64))
            shift[columns], scale[columns] = scaler.mean_, 1 / scaler.scale_
    used = _used_columns(dataset, features)
    return Scaling(
        np.where(used, shift, 0).astype(np.float32), np.where(used, scale, 0).astype(np.float32)
    )


def _used_columns(dataset: Dataset, features: Any) -> NDArray[np.bool_]:
    """As scikit-learn's CountVectorizer, fitted on the training rows `features`, would choose: (D,).

    Of words with equal counts at the limit, those that come first in the alphabet are used.
    """
    used = np.ones(dataset.n_features, dtype=bool)
    vocabulary = dataset.vocabulary
    if vocabulary is None:
        return used
    columns = np.flatnonzero(vocabulary.columns)
    found = features[:, columns]
    n_rows = np.asarray((found != 0).sum(axis=0)).ravel()
    frequent = n_rows >= min(vocabulary.min_count, features.shape[0])
    sums = np.asarray(found.sum(axis=0, dtype=np.float64)).ravel()
    kept = np.flatnonzero(frequent)
    kept = kept[np.argsort(-sums[kept], kind="stable")[: vocabulary.max_columns]]
    used[columns] = False
    used[columns[kept]] = True
    if not used.any():
        raise DataError(
            f"The {features.shape[0]} training rows of {dataset.name!r} hold no word or category in"
            f" at least {vocabulary.min_count} rows: lower data.min_count, or give more rows."
        )
    return used
