"""Selection and scaling of columns, fitted on the training rows of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

from mlc.config.errors import DataError
from mlc.data.base import Dataset
from mlc.data.precision import MOST_SPREADS
from mlc.data.splits import Rows
from mlc.data.weighting import weighted

FEW = 0.05  # The share of a column's training values below `Scaling.least`, at most.
_MOST_ROWS = 1000


@dataclass(frozen=True)
class Scaling:
    """The map (features - shift) * scale, with 0 for missing values.

    A column with scale 0 is left out: the run is trained as if the data did not have it. Only a constant
    column, which is always 0 too, keeps its weights.

    Attributes:
        shift: (D,), float64; NaN for a column without a value in the training rows.
        scale: (D,), float32; with "tfidf" the inverse document frequency.
        weighting: weighting of counts, applied before the scale: one of
            `mlc.data.weighting.WEIGHTINGS`, or None. With "tfidf" rows are then scaled to length 1.
        constant: (D,), the columns with one value or none in the training rows; None if not known, as
            for a stored run.
        least: (D,), float64, the magnitude that 95% of a column's training values reach, for checks of
            new rows; None for sparse rows.
    """

    shift: NDArray[np.float64]
    scale: NDArray[np.float32]
    weighting: str | None = None
    constant: NDArray[np.bool_] | None = None
    least: NDArray[np.float64] | None = None

    @property
    def used(self) -> NDArray[np.bool_]:
        """Mask of the columns that are not left out: (D,)."""
        used = np.asarray(self.scale != 0)
        return used if self.constant is None else used | self.constant

    def with_columns(self, columns: NDArray[np.int64]) -> Scaling:
        """Return the scaling of these columns."""
        constant = None if self.constant is None else self.constant[columns]
        least = None if self.least is None else self.least[columns]
        return Scaling(self.shift[columns], self.scale[columns], self.weighting, constant, least)

    @property
    def fine(self) -> NDArray[np.bool_]:
        """Mask of the columns whose differences 32 bits would round away: (D,)."""
        return np.asarray(np.abs(self.shift * self.scale) > MOST_SPREADS)

    def apply(self, features: Any) -> Any:
        """Transform rows (N, D); dense rows give an array of float32, sparse rows CSR.

        Raises:
            ValueError: the rows are sparse, and a column has a shift, after which 0 is no longer 0.
        """
        if not issparse(features):
            centred, (shift,) = shifted(features, [self])
            return np.nan_to_num((centred - shift) * self.scale)
        if self.shift.any():
            raise ValueError("Sparse rows cannot be shifted: give dense rows.")
        scaled = csr_matrix(_with_entries(features, self.weighting).multiply(self.scale))
        scaled.data = np.nan_to_num(scaled.data)
        scaled.eliminate_zeros()
        if self.weighting != "tfidf":
            return scaled
        # scikit-learn takes a second to import, and mlc-report does not need it.
        from sklearn.preprocessing import normalize

        return normalize(scaled)


def shifted(
    features: NDArray[Any], scalings: Sequence[Scaling]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return dense rows (N, D) in 32 bits and the shift that each scaling has left for them, (R, D).

    From columns that need it, `common_shift` is subtracted in 64 bits.
    """
    shifts = np.stack([scaling.shift for scaling in scalings]).astype(np.float64)
    if features.dtype != np.float32 and any(scaling.fine.any() for scaling in scalings):
        centre = common_shift(scalings)
        features, shifts = features - centre, shifts - centre
    with np.errstate(over="ignore"):
        return features.astype(np.float32, copy=False), shifts.astype(np.float32)


def common_shift(scalings: Sequence[Scaling]) -> NDArray[np.float64]:
    """Return what is subtracted in 64 bits for all scalings: (D,), 0 where 32 bits suffice.

    It is the mean shift of those scalings that need it: the shift of another, whose training rows hold a
    value far from the rest, may be so far away that 32 bits would not do after it.
    """
    shifts = np.stack([scaling.shift for scaling in scalings]).astype(np.float64)
    fine = np.stack([scaling.fine for scaling in scalings])
    mean = np.where(fine, shifts, 0).sum(axis=0) / np.maximum(fine.sum(axis=0), 1)
    return np.asarray(mean, dtype=np.float64)


def without_unused(dataset: Dataset, scalings: Sequence[Scaling]) -> tuple[Dataset, list[Scaling]]:
    """Drop the columns that no scaling uses, to save their weights and data."""
    columns = np.flatnonzero(np.any([scaling.used for scaling in scalings], axis=0))
    if len(columns) == dataset.n_features:
        return dataset, list(scalings)
    return dataset.with_columns(columns), [scaling.with_columns(columns) for scaling in scalings]


def fit_scaling(dataset: Dataset, train: Rows, bags: bool = False) -> Scaling:
    """Fit the scaling on the training rows.

    Pixels and tokens are not scaled.

    Dense numeric columns are standardised to mean 0 and variance 1. Sparse columns are divided by their
    largest magnitude; with the weighting "tfidf" they are multiplied by the inverse document frequency
    ln((1 + n) / (1 + df)) + 1, where df of the n training rows are nonzero. With `bags`, for backbones
    with input `Bags`, sparse rows are not scaled.

    Columns of zeros and ones are not scaled: standardising would give rare words the largest values,
    which halves the Jaccard index on small texts. Columns that are constant or missing in the training
    part become 0 in all rows, since nothing is learned of other values. Words and categories that are
    too rare in it are left out.

    Raises:
        DataError: no column is left.
    """
    if dataset.samples != "columns":
        n_features = dataset.n_features
        return Scaling(np.zeros(n_features), np.ones(n_features, np.float32))
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.preprocessing import MaxAbsScaler, StandardScaler

    features: Any = dataset.features[train]
    shift = np.zeros(dataset.n_features)
    scale = np.ones(dataset.n_features)
    constant = np.zeros(dataset.n_features, dtype=bool)
    weighting = dataset.weighting
    if issparse(features) and bags:
        weighting = None if weighting is None else "counts"
    elif issparse(features) and weighting == "tfidf":
        scale = TfidfTransformer().fit(features).idf_
    elif issparse(features):
        # Its scale_ takes columns below 1e-6 for constant ones.
        greatest = MaxAbsScaler().fit(_with_entries(features, weighting)).max_abs_
        scale = _inverse(greatest)
        constant = ~(greatest > 0)
    else:
        binary = np.isin(features, (0, 1)) | np.isnan(features)
        columns = np.flatnonzero(dataset.numeric & ~binary.all(axis=0))
        if len(columns):
            scaler = StandardScaler().fit(features[:, columns].astype(np.float64))
            shift[columns], scale[columns] = scaler.mean_, _inverse(scaler.scale_)
        low, high = np.fmin.reduce(features, axis=0), np.fmax.reduce(features, axis=0)
        constant = dataset.numeric & ~(low < high)
        # The mean of equal numbers may differ from them by a rounding.
        shift[constant] = low[constant]
    used = _used_columns(dataset, features)
    return Scaling(
        np.where(used, shift, 0),
        np.where(used & ~constant, scale, 0).astype(np.float32),
        weighting,
        used & constant,
        None if issparse(features) else _least(features),
    )


def _least(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the magnitude that 95% of the values of each column reach, in some of many rows: (D,)."""
    some = features[:: -(-len(features) // _MOST_ROWS)]
    sizes = np.sort(np.abs(np.ascontiguousarray(some.T)), axis=1)  # NaN at the end.
    ranks = (FEW * np.isfinite(sizes).sum(axis=1)).astype(int)
    return np.take_along_axis(sizes, ranks[:, None], axis=1)[:, 0].astype(np.float64)


def _inverse(spread: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return 1 / spread, and 1 where the spread is 0, missing or too small for a finite inverse."""
    with np.errstate(divide="ignore", over="ignore"):
        inverse = 1 / spread.astype(np.float64)
        is_finite = np.isfinite(inverse.astype(np.float32))
    return np.where(is_finite, inverse, 1.0)


def _with_entries(features: Any, weighting: str | None) -> Any:
    entries = weighted(features.data, weighting)
    return csr_matrix((entries, features.indices, features.indptr), shape=features.shape)


def _used_columns(dataset: Dataset, features: Any) -> NDArray[np.bool_]:
    """Select columns like scikit-learn's CountVectorizer, fitted on the training rows: (D,).

    Among words with equal counts at the limit, the alphabetically first ones are used.
    """
    used = np.ones(dataset.n_features, dtype=bool)
    vocabulary = dataset.vocabulary
    if vocabulary is None:
        return used
    columns = np.flatnonzero(vocabulary.columns)
    counts = features[:, columns]
    n_rows = np.asarray((counts != 0).sum(axis=0)).ravel()
    n = features.shape[0]
    least, most = vocabulary.min_df, vocabulary.max_df
    least = least * n if least < 1 else min(least, n)
    frequent = (n_rows >= least) & (n_rows <= (most * n if most <= 1 else most))
    sums = np.asarray(counts.sum(axis=0, dtype=np.float64)).ravel()
    chosen = np.flatnonzero(frequent)
    chosen = chosen[np.argsort(-sums[chosen], kind="stable")[: vocabulary.max_features]]
    used[columns] = False
    used[columns[chosen]] = True
    if not used.any():
        raise DataError(
            f"The {n} training rows of {dataset.name!r} hold no word or category in at least"
            f" {vocabulary.min_df:g} and at most {vocabulary.max_df:g} rows (a share below 1): change"
            " data.min_df or data.max_df, or give more rows."
        )
    return used
