"""Texts as counts of words and hashed n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

from mlc.config.errors import DataError
from mlc.config.options import option

_TOKENS = {"words": r"(?u)\b\w\w+\b", "whitespace": r"\S+"}


@dataclass
class TextOptions:
    """How a text becomes counts.

    Attributes:
        tokens: "words" are two letters or digits and more, in lower case; "whitespace" is what stands
            between blanks, as it stands there, which is fastText's way.
        max_words: how many words are used: those most frequent in the run's training texts.
        min_count: in how many of the run's training texts a word must be to be used.
        ngrams: the longest sequence of words that is counted; 1 is words alone.
        buckets: how many numbers the sequences of two words and more are hashed to.
    """

    tokens: str = option("words", choices=tuple(_TOKENS))
    max_words: int = option(20_000, at_least=1)
    min_count: int = option(2, at_least=1)
    ngrams: int = option(1, at_least=1, at_most=10)
    buckets: int = option(2**14, at_least=1)

    def n_buckets(self) -> int:
        """Columns for sequences."""
        return self.buckets if self.ngrams > 1 else 0


def count_words(
    texts: Sequence[str], options: TextOptions, where: str, words: Sequence[str] | None = None
) -> tuple[csr_matrix, list[str]]:
    """Counts (N, D) in CSR, and the names of the columns: words, then the buckets.

    `words` are those of an earlier call; None finds all that any part of the texts could hold
    `min_count` times.

    Raises:
        DataError: no word is left.
    """
    kind: dict[str, Any] = {
        "token_pattern": _TOKENS[options.tokens],
        "lowercase": options.tokens == "words",
    }
    try:
        counter = CountVectorizer(
            **kind,
            vocabulary=words,
            min_df=min(options.min_count, len(texts)) if words is None else 1,
        )
        counts = counter.transform(texts) if words is not None else counter.fit_transform(texts)
    except ValueError as error:
        raise DataError(
            f"{where}: no word is left ({error}): lower data.min_count, or name another data.text."
        ) from error
    blocks, names = [counts], [str(name) for name in counter.get_feature_names_out()]
    if options.n_buckets():
        hashing = HashingVectorizer(
            **kind,
            ngram_range=(2, options.ngrams),
            n_features=options.buckets,
            alternate_sign=False,
            norm=None,
        )
        blocks.append(hashing.transform(texts))
        names += [f"bucket {number}" for number in range(options.buckets)]
    return csr_matrix(hstack(blocks, format="csr"), dtype="float32"), names
