"""Scaling of the features, fitted on the training part alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from mlc.data.base import Dataset
from mlc.data.splits import Rows


@dataclass(frozen=True)
class Scaling:
    """features -> (features - shift) * scale, then 0 where a value is missing. (D,) each, float32."""

    shift: NDArray[np.float32]
    scale: NDArray[np.float32]


def fit_scaling(dataset: Dataset, train: Rows) -> Scaling:
    """Dense numeric columns get mean 0 and variance 1; sparse ones a largest magnitude of 1.

    Columns that hold only zeros and ones stay as they are: standardising makes the rarest words of
    small sparse text the loudest, and costs half the Jaccard index there. What is constant, or
    missing, throughout the training part stays as well.
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
    return Scaling(shift.astype(np.float32), scale.astype(np.float32))
