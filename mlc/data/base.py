"""Data sets and the sources that load them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from mlc.config import registry
from mlc.config.errors import DataError
from mlc.config.options import option
from mlc.config.registry import Registry
from mlc.data.precision import narrowed
from mlc.data.sparse import canonical, is_sparse
from mlc.data.weighting import WEIGHTINGS

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Truth(Protocol):
    """The distribution p(y | x) that label sets were drawn from."""

    def joint(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return p of all label sets, (N, D) to (N, 2^K); the first label is the highest bit."""
        ...


@dataclass(frozen=True)
class Vocabulary:
    """Feature columns that are derived from values in the rows: words of texts, and categories.

    A data set has the columns of all rows. Each run uses only those that occur in its training rows;
    see `fit_scaling`.

    Attributes:
        columns: (D,), bool: the mask of these columns.
        min_df: least number of training rows with a nonzero value; a share if below 1.
        max_df: largest number of training rows with a nonzero value; a share if at most 1.
        max_features: largest number of columns used, by their sums; None is all.
        read_from: the columns of the file, and how many feature columns each became.
    """

    columns: NDArray[np.bool_]
    min_df: float = 1
    max_df: float = 1.0
    max_features: int | None = None
    read_from: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class RawSamples:
    """The samples that a backbone has turned into the features of a data set.

    Attributes:
        shape: the shape of a sample; () for texts.
        names: the names of the columns of samples that are not texts.
        fingerprint: of the weights and of the preparation.
        samples: what the samples are, as in `Dataset`; "" is unknown.
    """

    shape: tuple[int, ...]
    names: tuple[str, ...]
    fingerprint: str
    samples: str = ""


@dataclass(frozen=True)
class Dataset:
    """Samples with their label sets.

    Attributes:
        name: the name in tables and paths.
        features: (N, D), float32, dense or CSR, where missing values are NaN; float64 if a dense column
            needs it (`mlc.data.precision`). Or integers that are never scaled: pixels as uint8, or
            numbers of tokens in another integer type. Integers may be memory-mapped.
        targets: (N, K), bool; False where not known.
        feature_names: D names; integers may have none.
        label_names: K names.
        numeric: (D,), bool: the columns to standardise.
        parts: row indices of the published parts, "train" and "test", perhaps "val"; empty if the data
            set has none.
        truth: p(y | x), if it is known.
        vocabulary: the columns that each run selects by its training rows, if there are any.
        weighting: the weighting of counts, one of `mlc.data.weighting.WEIGHTINGS`; None if the
            features are not counts.
        notes: assumptions that the reader made, one sentence each, the most important first.
        parts_from: origin of `parts`, in words that follow "test part" or "all parts".
        sample_shape: the shape of one sample, (channels, height, width) for an image; (D,) by default.
        texts: N texts from which the features were counted, if there are any.
        raw: what the features were computed from, if a backbone has computed them before the training.
        digest: a hash of the features, if the source knows it; it saves reading them for a fingerprint.
        known: (N, K), bool, the labels that are known; None if all are.
        soft: (N, K), float32, probabilities of labels as targets of the loss, 0 where not known; the
            targets are then those from 0.5 on. None if there are none.
    """

    name: str
    features: NDArray[Any] | csr_matrix
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
    digest: str = ""
    texts: tuple[str, ...] | None = None
    raw: RawSamples | None = None
    known: NDArray[np.bool_] | None = None
    soft: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if is_sparse(self.features):
            # A reader of entries would take one of 0 for a value, and two of a cell for two.
            object.__setattr__(self, "features", canonical(self.features))
        elif self.samples == "columns":
            object.__setattr__(self, "features", narrowed(np.asarray(self.features)))
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
                f"The data set {self.name!r} has {self.n_features} features, which do not form samples"
                f" of shape {self.sample_shape}: give a shape with as many numbers."
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

    def complete(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of the rows of which all labels are known."""
        return rows if self.known is None else rows[self.known[rows].all(axis=1)]

    def known_of(self, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Return which labels of the rows are known, (n, K); None if all are."""
        return None if self.known is None else self.known[rows]

    @property
    def samples(self) -> str:
        """What a row is: "columns" of a table, "pixels" of an image, or "tokens"."""
        return samples_in(self.features)

    def with_columns(self, columns: NDArray[np.int64]) -> Dataset:
        """Return the data set with only these feature columns."""
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


# What a row of features can be.
SAMPLES = "columns", "pixels", "tokens"


def samples_in(features: Any) -> str:
    """Return what the rows of features are: "columns" of a table, "pixels", or numbers of "tokens"."""
    if is_sparse(features) or features.dtype.kind not in "iu":
        return "columns"
    return "pixels" if features.dtype == np.uint8 else "tokens"


def select_columns(
    path: Path, features: Any, file_names: Sequence[str], names: Sequence[str]
) -> Any:
    """Return the columns of features (N, D) with these names; `file_names` are all D names.

    Raises:
        DataError: a name is missing, or there are no names, as in a damaged run.
    """
    if not len(names):
        raise DataError(f"{path}: the run names no feature to read from it: train the run again.")
    column_of = {name: column for column, name in enumerate(file_names)}
    missing = [name for name in names if name not in column_of]
    if missing:
        attribute, _, value = missing[0].partition("=")
        if any(name.startswith(f"{attribute}=") for name in file_names):
            raise DataError(
                f"{path}: the attribute {attribute!r} has no value {value!r}, which the training had:"
                " add it to its values in the header."
            )
        raise DataError(
            f"{path}: there is no feature {missing[0]!r}, which the training had: add it."
        )
    return features[:, np.array([column_of[name] for name in names])]


@dataclass
class DataOptions:
    """Options of every source.

    Attributes:
        val_fraction: share of the training part that is held out for validation.
        absent_labels: "keep" keeps labels without a positive in some part and warns once; "error"
            refuses them.
    """

    val_fraction: float = option(0.2, above=0, below=1)
    absent_labels: str = option("keep", choices=("keep", "error"))


@dataclass
class HoldOutOptions(DataOptions):
    """Options of sources whose data may have no published split.

    Attributes:
        test_fraction: share of the rows in the test part.
        split_seed: seed of the test part; null is the run's seed, so each seed has other test rows.
    """

    test_fraction: float = option(0.3, above=0, below=1)
    split_seed: int | None = option(0, at_least=0, at_most=2**32 - 1)


@dataclass
class SplitOptions(HoldOutOptions):
    """Options of tables whose data may have no published split.

    Attributes:
        weighting: transformation of counts (words of texts, and sparse features that are integers, some
            above 1): "tfidf" is (1 + log count) times the inverse document frequency in the training
            rows, with rows scaled to length 1; "counts" is the identity; "binary" is 0 or 1; "auto" is
            tfidf for counts and the identity for other features.
    """

    weighting: str = option("auto", choices=("auto", *WEIGHTINGS))


class DataSource:
    """A source of data sets: a class with `Options` and `load`."""

    name: ClassVar[str]
    Options: ClassVar[type] = DataOptions

    @classmethod
    def prepare(cls, options: Any) -> None:
        """Do once, before processes load the data side by side, what they would each do."""

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Load the data set that the options describe.

        Raises:
            DataError: a file is missing or malformed.
        """
        raise NotImplementedError


SOURCES: Registry[type[DataSource]] = registry.SOURCES
register_source = SOURCES.register
