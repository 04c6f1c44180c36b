"""What a data set is, and what a source of one is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from mlc.config import registry
from mlc.config.errors import DataError
from mlc.config.options import option
from mlc.config.registry import Registry
from mlc.data.weighting import WEIGHTINGS


class Truth(Protocol):
    """The distribution that label sets were drawn from."""

    def joint(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probabilities of all label sets, most significant bit first: (N, D) to (N, 2^K)."""
        ...


@dataclass(frozen=True)
class Vocabulary:
    """Columns that exist because some row holds a value: the words of a text, a column's categories.

    A data set has all of them, which is no more than a list of names. Each run uses those that its
    training rows hold; see `fit_scaling`.

    Attributes:
        columns: (D,), bool: which columns these are.
        min_df: in how many training rows a column must hold something: a share below 1, else a number.
        max_df: in how many it may: a share up to 1, else a number.
        max_features: how many are used, the largest sums first; None is all.
        read_from: the file's columns that they were made of, and how many columns each became.
    """

    columns: NDArray[np.bool_]
    min_df: float = 1
    max_df: float = 1.0
    max_features: int | None = None
    read_from: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """Samples with their label sets.

    Attributes:
        name: what tables and paths call it.
        features: (N, D), float32, dense or CSR; NaN where a value is missing.
        targets: (N, K), bool.
        feature_names: D of them.
        label_names: K of them.
        numeric: (D,), bool: columns on a scale of their own, which is to be standardised.
        parts: row numbers of the parts that are given: "train" and "test", perhaps "val"; empty where
            none are.
        truth: what p(y | x) is, where that is known.
        vocabulary: the columns of which each run uses what its training rows hold, if there are any.
        weighting: how counts enter a network, one of `mlc.data.weighting.WEIGHTINGS`; None where the
            features are no counts.
        notes: what was assumed when it was read, a sentence each; the weightiest first.
        parts_from: where `parts` come from, in words that follow "test part" or "all parts".
        sample_shape: what a row of the features is when unflattened, (channels, height, width) for an
            image; (D,) unless stated.
    """

    name: str
    features: NDArray[np.float32] | csr_matrix
    targets: NDArray[np.bool_]
    feature_names: tuple[str, ...]
    label_names: tuple[str, ...]
    numeric: NDArray[np.bool_]
    parts: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    truth: Truth | None = None
    vocabulary: Vocabulary | None = None
    weighting: str | None = None
    notes: tuple[str, ...] = ()
    parts_from: str = "as given"
    sample_shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.sample_shape:
            object.__setattr__(self, "sample_shape", (self.n_features,))
        n_samples, n_labels = self.targets.shape
        if n_labels == 0:
            raise DataError(f"The data set {self.name!r} has no label: name at least one.")
        if len(set(self.label_names)) < len(self.label_names):
            names = self.label_names
            repeated = next(name for index, name in enumerate(names) if name in names[:index])
            raise DataError(
                f"The data set {self.name!r} has two labels {repeated!r}: name each label once, in"
                " data.labels or in the file."
            )
        if self.features.shape[0] != n_samples or n_samples == 0:
            raise DataError(
                f"The data set {self.name!r} has {self.features.shape[0]} rows of features and"
                f" {n_samples} of labels: both must be the same, and more than 0."
            )
        if math.prod(self.sample_shape) != self.n_features:
            raise DataError(
                f"The data set {self.name!r} has {self.n_features} features, which are no samples of"
                f" shape {self.sample_shape}: state a shape with as many numbers."
            )

    @property
    def n_samples(self) -> int:
        """N."""
        return int(self.targets.shape[0])

    @property
    def n_features(self) -> int:
        """D."""
        return int(self.features.shape[1])

    @property
    def n_labels(self) -> int:
        """K."""
        return int(self.targets.shape[1])

    def with_columns(self, columns: NDArray[np.int64]) -> Dataset:
        """The same rows with these columns of the features alone."""
        vocabulary = self.vocabulary
        if vocabulary is not None:
            vocabulary = replace(vocabulary, columns=vocabulary.columns[columns])
        return replace(
            self,
            features=self.features[:, columns],
            feature_names=tuple(self.feature_names[column] for column in columns),
            numeric=self.numeric[columns],
            vocabulary=vocabulary,
            sample_shape=(),
        )


@dataclass
class DataOptions:
    """What every source takes.

    Attributes:
        val_fraction: share of the training part that is held out for validation.
        absent_labels: whether labels without a positive in some part are kept, with one warning that
            counts them, or are an error.
    """

    val_fraction: float = option(0.2, above=0, below=1)
    absent_labels: str = option("keep", choices=("keep", "error"))


@dataclass
class SplitOptions(DataOptions):
    """What a source takes besides where no split is published.

    Attributes:
        test_fraction: share of the rows to test on.
        split_seed: of that split; null for the run's seed, so that each seed tests on other rows.
        weighting: how counts (the words of texts, and sparse features that are whole numbers, some
            above 1) enter a network: "tfidf" is (1 + log count) times the inverse document frequency
            in the training rows, each row of length 1; "counts" as they are; "binary" as zeros and
            ones; "auto" is tfidf for counts, and leaves all else as it is.
    """

    test_fraction: float = option(0.3, above=0, below=1)
    split_seed: int | None = option(0, at_least=0, at_most=2**32 - 1)
    weighting: str = option("auto", choices=("auto", *WEIGHTINGS))


class DataSource:
    """Where data sets come from: one class with `Options` and `load`."""

    name: ClassVar[str]
    Options: ClassVar[type] = DataOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """The data set that the options describe.

        Raises:
            DataError: a file is missing or cannot be read as what it claims to be.
        """
        raise NotImplementedError


SOURCES: Registry[type[DataSource]] = registry.SOURCES
register_source = SOURCES.register
