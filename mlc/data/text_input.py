"""Texts as the estimator's input."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from mlc.config.errors import DataError
from mlc.config.options import check, require_known
from mlc.data.base import Dataset
from mlc.data.feature_rows import as_texts
from mlc.data.missing_labels import SOFT_NOTE
from mlc.data.targets import Targets
from mlc.data.text import TextOptions, count_words
from mlc.data.weighting import weighting_of


def text_options(values: Mapping[str, Any]) -> TextOptions:
    """Build and check `TextOptions`.

    Raises:
        ConfigError: there is no such option, or a value is out of range.
    """
    known = [field.name for field in dataclasses.fields(TextOptions)]
    require_known("text_options", values, known)
    options = TextOptions(**values)
    check(options, "text_options.")
    return options


class TextInput:
    """A list of texts, or the column of a frame, as counts of words.

    Args:
        column: of a frame, which holds the texts; None where `X` itself is the texts.
        options: how they are counted.
    """

    def __init__(self, column: str | None, options: TextOptions) -> None:
        self.column, self.options = column, options
        self.names: Sequence[str] | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether `counts` has chosen the words."""
        return self.names is not None

    def texts(self, X: Any) -> list[str] | None:
        """Return the texts of `X`; None if it holds none.

        Raises:
            DataError: the text column is missing, is there twice, or does not hold texts.
        """
        if self.column is None:
            return as_texts(X)
        if self.column not in getattr(X, "columns", ()):
            raise DataError(
                f"X has no column {self.column!r}: give a data frame that has, or leave text out where"
                " X is a list of texts."
            )
        column = X[self.column]
        if hasattr(column, "columns"):
            raise DataError(f"X has several columns {self.column!r}: rename all but one.")
        texts = as_texts(list(column))
        if texts is None:
            raise DataError(f"X has no text in the column {self.column!r}: name another in text.")
        return texts

    def counts(self, texts: Sequence[str]) -> csr_matrix:
        """Count words, (N, D); the first call, on the training rows, chooses the words."""
        counts, names = count_words(texts, self.options, "X", self.names)
        if self.names is None:
            self.names = names
        return counts

    def dataset(
        self, features: Any, targets: Targets, names: Iterable[Any], weighting: str
    ) -> Dataset:
        """Build a data set of features (N, D), after a fit the `counts` of texts, and targets.

        `names` are the names of features other than words; `weighting` is as in `SplitOptions`.
        """
        n_features = features.shape[1]
        if self.is_fitted and weighting == "auto":
            weighting = "tfidf"
        return Dataset(
            name="X",
            features=features,
            targets=targets.multi_hot,
            known=targets.known,
            soft=targets.soft,
            notes=() if targets.soft is None else (SOFT_NOTE,),
            feature_names=tuple(map(str, names if self.names is None else self.names)),
            label_names=tuple(map(str, targets.labels)),
            numeric=np.ones(n_features, dtype=bool),
            vocabulary=(
                self.options.vocabulary(n_features, self.column) if self.is_fitted else None
            ),
            weighting=weighting_of(features, weighting, "X"),
        )
