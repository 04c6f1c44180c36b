"""Conversion of texts to counts of words and n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, hstack

from mlc.config.errors import ConfigError, DataError
from mlc.config.options import option
from mlc.data.base import Vocabulary

_TOKENS = {
    "words": r"(?u)\b\w\w+\b", "whitespace": r"\S+", "characters": r"(?u)[^\W_]",
}  # fmt: skip


@dataclass
class TextOptions:
    """Options of text features, named as in scikit-learn's TfidfVectorizer.

    Attributes:
        tokens: "words" are lower-case tokens of at least two letters or digits; "whitespace" splits at
            blanks and keeps the case, like fastText; "characters" are single letters and digits in
            lower case, for texts without blanks between words, as in Chinese and Japanese, with
            ngram_range=[1, 2] or [1, 3].
        ngram_range: the shortest and the longest n-gram; [1, 2] is words and pairs.
        min_df: least number of a run's training texts with a word; a share if below 1.
        max_df: largest number of a run's training texts with a word; a share if at most 1.
        max_features: number of words used, the most frequent in the run's training texts; null is all.
        buckets: number of hash buckets for n-grams of two words and more; 0 gives each a feature.
    """

    tokens: str = option("words", choices=tuple(_TOKENS))
    ngram_range: list[int] = option([1, 1], at_least=1, at_most=10)
    min_df: float = option(2.0, above=0)
    max_df: float = option(1.0, above=0)
    max_features: int | None = option(20_000, at_least=1)
    buckets: int = option(0, at_least=0)

    def validate(self, prefix: str) -> None:
        """Check the range, which must start with words if longer n-grams are hashed."""
        if len(self.ngram_range) != 2 or self.ngram_range[0] > self.ngram_range[1]:
            raise ConfigError(
                f"{prefix}ngram_range={self.ngram_range} must be the shortest and the longest sequence"
                " of words, as in [1, 2]."
            )
        if self.buckets and self.ngram_range[0] != 1:
            raise ConfigError(
                f"{prefix}ngram_range={self.ngram_range} must begin with 1 where {prefix}buckets hash"
                " the longer sequences."
            )

    def n_buckets(self) -> int:
        """Return the number of columns for hashed n-grams."""
        return self.buckets if self.ngram_range[1] > 1 else 0

    def vocabulary(self, n_columns: int, column: str | None = None) -> Vocabulary:
        """Return the words among the columns of `count_words`; `column` held the texts."""
        n_words = n_columns - self.n_buckets()
        read_from = {} if column is None else {column: n_words}
        words = np.arange(n_columns) < n_words
        return Vocabulary(words, self.min_df, self.max_df, self.max_features, read_from)


def token_kind(options: TextOptions) -> dict[str, Any]:
    """Return the regular expression and the case of tokens, as scikit-learn's CountVectorizer."""
    return {
        "token_pattern": _TOKENS[options.tokens], "lowercase": options.tokens != "whitespace"
    }  # fmt: skip


def count_words(
    texts: Sequence[str], options: TextOptions, where: str, names: Sequence[str] | None = None
) -> tuple[csr_matrix, list[str]]:
    """Count words and n-grams; return the counts (N, D) in CSR and the names, buckets last.

    `names` are those of an earlier call; None takes the words that are frequent enough, by `min_df`, for
    some part of the texts.

    Raises:
        DataError: no word is left.
    """
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

    kind = token_kind(options)
    shortest, longest = options.ngram_range
    n_buckets = options.n_buckets()
    least = int(min(max(options.min_df, 1), len(texts)))
    try:
        counter = CountVectorizer(
            **kind,
            ngram_range=(1, 1) if n_buckets else (shortest, longest),
            vocabulary=None if names is None else list(names)[: len(names) - n_buckets],
            min_df=least if names is None else 1,
        )
        counts = counter.fit_transform(texts) if names is None else counter.transform(texts)
    except ValueError as error:
        raise DataError(
            f"{where}: no word is left ({error}): lower min_df (in a config, data.min_df; 1 keeps all),"
            " or give other texts; texts without blanks between words need tokens=characters"
            " (data.tokens=characters 'data.ngram_range=[1,2]')."
        ) from error
    blocks, column_names = [counts], [str(name) for name in counter.get_feature_names_out()]
    if n_buckets:
        hashing = HashingVectorizer(
            **kind, ngram_range=(2, longest), n_features=n_buckets, alternate_sign=False, norm=None
        )
        blocks.append(hashing.transform(texts))
        column_names += [f"bucket {number}" for number in range(n_buckets)]
    return csr_matrix(hstack(blocks, format="csr"), dtype="float32"), column_names
