"""Word vectors in the text formats of GloVe, word2vec and fastText."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.texts import listed
from mlc.data.base import Dataset
from mlc.data.cache import remembered
from mlc.data.files import unreadable

# To be raised when files are read otherwise.
_VERSION = "vectors 2"


@dataclass(frozen=True)
class WordVectors:
    """The vectors of some words.

    Attributes:
        vectors: (D, width), float32; 0 for words without one.
        known: (D,), bool: whether the file has a vector of the word.
    """

    vectors: NDArray[np.float32]
    known: NDArray[np.bool_]


def width_of(path: Path) -> int:
    """Return the number of values of each vector, by the first line with one.

    Raises:
        DataError: the file cannot be read, or its first lines are not word vectors.
    """
    return _form_of(*_identity(path))[1]


def read_vectors(path: Path, words: Sequence[str]) -> WordVectors:
    """Read the vectors of words from a text file, in which each line is a word and its numbers.

    A first line of two whole numbers, as word2vec and fastText write it, is skipped. Of a word that
    occurs twice, the first vector counts; without the word itself, the vector of the same word in lower
    case does.

    Raises:
        DataError: the file cannot be read, or a line is malformed, which is named by its number.
    """
    path, *facts = _identity(path)

    def read() -> dict[str, NDArray[np.generic]]:
        result = _read(path, words, _form_of(path, *facts))
        return {"vectors": result.vectors, "known": result.known}

    inputs = [f"{path} {facts}".encode(), "\n".join(words).encode("utf-8", "surrogatepass")]
    stored = remembered(_VERSION, inputs, read)
    return WordVectors(stored["vectors"], stored["known"])


def with_coverage(dataset: Dataset, path: Path) -> Dataset:
    """Return the data set with a note that says how many of its words have a vector.

    Raises:
        DataError: the columns of the data set are not words, or none of them has a vector.
    """
    columns = words_of(dataset)
    if not len(columns):
        raise DataError(
            f"{dataset.name!r} has no columns of words, which {path} could have vectors for: give texts"
            " (data=table data.text=COLUMN)."
        )
    names = [dataset.feature_names[column] for column in columns]
    known = read_vectors(path, names).known
    require_known(known, names, path)
    counts = np.asarray(dataset.features.sum(axis=0)).ravel()[columns]
    missing = np.flatnonzero(~known)
    most_frequent = missing[np.argsort(-counts[missing], kind="stable")]
    without = f"; without: {listed([names[i] for i in most_frequent], 5)}" if len(missing) else ""
    shares = 100 * known.mean(), 100 * counts[known].sum() / counts.sum()
    note = (
        f"{path.name} has vectors of {width_of(path)} numbers for {known.sum():,} of {len(names):,}"
        f" words ({shares[0]:.1f}%, and {shares[1]:.1f}% of their occurrences){without}."
    )
    return replace(dataset, notes=(note, *dataset.notes))


def require_known(known: NDArray[np.bool_], words: Sequence[str], path: Path) -> None:
    """Raise DataError if none of the words has a vector in the file."""
    if not known.any():
        raise DataError(
            f"{path} has a vector for none of {len(words):,} words, such as {listed(words, 3)}: name a"
            " file of the texts' language, in which each line is a word and its numbers, separated by"
            " single blanks."
        )


def words_of(dataset: Dataset) -> NDArray[np.int64]:
    """Return the columns of single words of a text."""
    if dataset.vocabulary is None:
        return np.zeros(0, dtype=np.int64)
    of_text = dataset.vocabulary.columns & dataset.numeric
    single = np.array([" " not in name for name in dataset.feature_names], dtype=bool)
    return np.flatnonzero(of_text & single)


def _identity(path: Path) -> tuple[Path, int, int, int]:
    """Return the file, its size and its times; a copy may bring the old time of its last change."""
    path = path.expanduser()
    try:
        facts = path.stat()
    except OSError as error:
        raise unreadable(path, error) from error
    return path.resolve(), facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


@lru_cache(maxsize=8)
def _form_of(path: Path, size: int, modified: int, changed: int) -> tuple[bool, int]:
    """Return whether the first line is a header, and the number of values of a vector."""
    try:
        with path.open("rb") as file:
            first, second = file.readline(), file.readline()
    except OSError as error:
        raise unreadable(path, error) from error
    first = first.removeprefix(BOM_UTF8)
    parts = first.split()
    has_header = len(parts) == 2 and all(part.isdigit() for part in parts)
    line = second if has_header else first
    width = int(parts[1]) if has_header else len(line.rstrip().split(b" ")) - 1
    if width < 1 or not line.strip():
        raise DataError(
            f"{path}, line {1 + has_header}: there is no word with its numbers, separated by blanks:"
            " name a text file of GloVe, word2vec or fastText."
        )
    return has_header, width


def _read(path: Path, words: Sequence[str], form: tuple[bool, int]) -> WordVectors:
    has_header, width = form
    row_of = {word.encode("utf-8", "surrogatepass"): row for row, word in enumerate(words)}
    lower: dict[bytes, list[int]] = {}
    for row, word in enumerate(words):
        lower.setdefault(word.lower().encode("utf-8", "surrogatepass"), []).append(row)
    vectors = np.zeros((len(words), width), dtype=np.float32)
    exact, known = np.zeros(len(words), dtype=bool), np.zeros(len(words), dtype=bool)
    with path.open("rb") as file:
        for number, content in enumerate(file, 1):
            if number == 1 and has_header:
                continue
            line: bytes = (content.removeprefix(BOM_UTF8) if number == 1 else content).rstrip()
            n_blanks = line.count(b" ")
            if n_blanks < width:
                raise _malformed(path, number, width)
            # A few words of GloVe contain blanks, and none of a data set does.
            if n_blanks > width:
                if b"" in line.rsplit(b" ", width)[1:]:
                    raise _malformed(path, number, width)
                continue
            key, _, values = line.partition(b" ")
            own = row_of.get(key)
            rows = [] if own is None or exact[own] else [own]
            rows += [row for row in lower.get(key, ()) if not known[row] and row != own]
            if not rows:
                continue
            try:
                vectors[rows] = np.array(values.split(b" "), dtype=np.float32)
            except ValueError as error:
                raise _malformed(path, number, width) from error
            if not np.isfinite(vectors[rows[0]]).all():
                raise _malformed(path, number, width)
            known[rows] = True
            if own is not None:
                exact[own] = True
    return WordVectors(vectors, known)


def _malformed(path: Path, number: int, width: int) -> DataError:
    return DataError(
        f"{path}, line {number}: there must be a word and {width} numbers, separated by blanks: correct"
        " the line, or name another file."
    )
