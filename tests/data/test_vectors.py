"""Word vectors: their file formats, malformed lines, and how many words of a data set they cover."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlc import MultiLabelClassifier
from mlc.config.errors import DataError
from mlc.data.__main__ import main
from mlc.data.loading import load_data
from mlc.data.vectors import read_vectors, width_of, with_coverage
from tests.conftest import Command

GLOVE = "good 1 2.5 -3\nbad 0 0 1\ngood 9 9 9\nMoon 4 5 6\nin the sky 7 7 7\nmoon 1 1 1\n"
WORD2VEC = "3 2\ngood 1 2\nbad 3 4\nmoon 5 6\n"
FASTTEXT = "2 3\n</s> 0 0 0 \ngood 1e-1 2 3 \n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "vectors.txt"


@pytest.mark.parametrize(
    ("content", "words", "expected"),
    [
        (GLOVE, ["bad", "good", "oven"], [[0, 0, 1], [1, 2.5, -3], None]),
        (GLOVE, ["moon", "Moon", "MOON", "Good"], [[1, 1, 1], [4, 5, 6], [1, 1, 1], [1, 2.5, -3]]),
        (GLOVE, ["in", "sky"], [None, None]),
        (WORD2VEC, ["moon", "3", "good"], [[5, 6], None, [1, 2]]),
        (FASTTEXT, ["good"], [[0.1, 2, 3]]),
        # Editors of Windows write a mark at the beginning.
        ("\ufeff" + GLOVE, ["good", "bad"], [[1, 2.5, -3], [0, 0, 1]]),
        ("\ufeff" + FASTTEXT, ["good"], [[0.1, 2, 3]]),
    ],
)
def test_formats(
    path: Path, content: str, words: list[str], expected: list[list[float] | None]
) -> None:
    path.write_text(content, encoding="utf-8")
    file = read_vectors(path, words)
    assert file.known.tolist() == [row is not None for row in expected]
    for row, vector in zip(expected, file.vectors, strict=True):
        np.testing.assert_allclose(vector, 0 if row is None else row)
    assert width_of(path) == file.vectors.shape[1]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("good 1 2 3\nbad 1 2\n", "line 2"),
        ("2 3\ngood 1 2 3\nbad 1 2 x\n", "line 3"),
        ("good 1 2 3\n\nbad 1 2 3\n", "line 2"),
        ("good 1 2 3\nbad 1 nan 3\n", "line 2"),
        ("2 3\ngood 1 2 3\nbad  1  2  3\n", "line 3"),
        ("2 3\ngood\t1 2 3\n", "line 2"),
        ("", "line 1"),
        ("good\n", "line 1"),
        ("2 3\n", "line 2"),
    ],
)
def test_a_malformed_line_is_named(path: Path, content: str, line: str) -> None:
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=rf"{path}, {line}: "):
        read_vectors(path, ["good", "bad"])


def test_a_changed_file_is_read_again(path: Path) -> None:
    path.write_text("good 1 2\n", encoding="utf-8")
    assert read_vectors(path, ["good"]).vectors.tolist() == [[1, 2]]
    path.write_text("good 1 2 3\n", encoding="utf-8")
    assert read_vectors(path, ["good"]).vectors.tolist() == [[1, 2, 3]]
    path.unlink()
    with pytest.raises(DataError, match=r"vectors\.txt"):
        read_vectors(path, ["good"])


def test_another_file_of_the_same_size_and_time_is_read_again(path: Path) -> None:
    path.write_text("good 1 2\n", encoding="utf-8")
    before = path.stat()
    np.testing.assert_array_equal(read_vectors(path, ["good"]).vectors, [[1, 2]])
    path.write_text("good 3 4\n", encoding="utf-8")
    # A copy may bring the time of the last change; a file system may count in milliseconds.
    while path.stat().st_ctime_ns == before.st_ctime_ns:
        path.touch()
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    np.testing.assert_array_equal(read_vectors(path, ["good"]).vectors, [[3, 4]])


def test_the_card_says_how_many_words_have_a_vector(command: Command, path: Path) -> None:
    texts = ["good good good", "good bad", "bad oven", "oven good"] * 3
    frame = pd.DataFrame({"text": texts, "tags": ["a", "b", "a;b", ""] * 3})
    frame.to_csv("texts.csv", index=False)
    path.write_text(GLOVE, encoding="utf-8")
    ended = command(main, "texts.csv", "--labels", "tags", "--text", "text", "--vectors", str(path))
    assert ended.status == 0, ended.error
    # good 15 times, bad 6, oven 6.
    said = " ".join(ended.out.split())
    assert (
        "vectors of 3 numbers for 2 of 3 words (66.7%, and 77.8% of their occurrences);"
        " without: oven"
    ) in said


@pytest.mark.parametrize("content", ["gut 1 2 3\n", "good\t1 2 3\nbad\t1 2 3\n"])
def test_a_file_without_any_of_the_words_is_refused(
    tmp_path: Path, path: Path, content: str
) -> None:
    path.write_text(content, encoding="utf-8")
    table = tmp_path / "texts.csv"
    table.write_text("text,tags\n" + "good bad,a\nbad good,b\n" * 6)
    data = load_data("table", path=str(table), labels=["tags"], text="text")
    with pytest.raises(DataError, match=r"vectors\.txt has a vector for none of 2 words, such as"):
        with_coverage(data, path)
    classifier = MultiLabelClassifier(
        backbone="embedding_bag", backbone_options={"vectors": str(path)}
    )
    texts, labels = ["good bad", "bad good"] * 6, [["a"], ["b"]] * 6
    with pytest.raises(DataError, match="has a vector for none of 2 words, such as bad, good"):
        classifier.fit(texts, labels)


def test_columns_of_numbers_are_no_words(path: Path) -> None:
    path.write_text(GLOVE, encoding="utf-8")
    with pytest.raises(DataError, match="no columns of words"):
        with_coverage(load_data("digits", n_train=10, n_test=5), path)
