"""LIBSVM's form, against scikit-learn's reader, and what is said when it is broken."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import dump_svmlight_file, load_svmlight_file
from sklearn.preprocessing import MultiLabelBinarizer

from mlc.config.errors import DataError
from mlc.data.base import SOURCES, Dataset
from mlc.data.unlabelled import read_features


def load(path: Path, **options: Any) -> Dataset:
    return SOURCES["libsvm"].load(SOURCES.options("libsvm", path=str(path), **options))


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def to(text: str, name: str = "toy.svm") -> Path:
        (tmp_path / name).write_bytes(text.encode())
        return tmp_path / name

    return to


Write = Callable[..., Path]


@pytest.mark.parametrize("first", [0, 1])
def test_it_reads_what_scikit_learn_reads(first: int, write: Write) -> None:
    rng = np.random.default_rng(0)
    lines = ["# made"]
    for _ in range(50):
        labels = np.sort(rng.choice(9, rng.integers(0, 4), replace=False))
        columns = np.sort(rng.choice(20, rng.integers(1, 9), replace=False)) + first
        pairs = [f"{j}:{value:.4g}" for j, value in zip(columns, rng.normal(size=9), strict=False)]
        lines.append(f"{','.join(map(str, labels))} {' '.join(pairs)}  # said")
    path = write("\r\n".join([*lines, f"8 {first}:1 {first + 20}:1e-3", ""]))
    expected, sets = load_svmlight_file(str(path), multilabel=True)
    found = load(path)
    assert_array_equal(found.features.toarray(), expected.toarray().astype(np.float32))
    encoder = MultiLabelBinarizer().fit(sets)
    assert_array_equal(found.targets, encoder.transform(sets).astype(bool))
    assert found.label_names == tuple(f"{label:g}" for label in encoder.classes_)
    assert found.feature_names == tuple(map(str, range(first, first + 21)))


def test_the_extreme_classification_form_counts_from_0(write: Write) -> None:
    """All K labels and D features are there; an empty line is a row without both."""
    found = load(write("4 5 4\n0,2 1:0.5 4:2\n1 1:1\n\n 3:1.5\n\n"))
    expected = [[0, 0.5, 0, 0, 2], [0, 1, 0, 0, 0], [0] * 5, [0, 0, 0, 1.5, 0]]
    assert_array_equal(found.features.toarray(), expected)
    assert_array_equal(found.targets, [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert found.label_names == ("0", "1", "2", "3")
    assert found.feature_names == ("0", "1", "2", "3", "4")


def test_comments_may_stand_before_the_header_and_behind(write: Write) -> None:
    rows = "0,2 1:0.5 4:2\n1 1:1\n\n"
    plain = load(write(f"3 5 4\n{rows}"))
    found = load(write(f"# rows, features, labels\n3 5 4  # of all\n{rows}"))
    assert found.label_names == plain.label_names == ("0", "1", "2", "3")
    assert_array_equal(found.features.toarray(), plain.features.toarray())
    assert_array_equal(found.targets, plain.targets)


def test_a_line_of_blanks_is_a_row_as_scikit_learn_writes_it(write: Write) -> None:
    features = np.array([[0, 1.5], [0, 0], [2, 0], [0, 0]])
    labels = np.array([[1, 0], [0, 0], [0, 1], [0, 0]])
    path = write("")
    dump_svmlight_file(features, labels, str(path), multilabel=True)
    found = load(path)
    assert_array_equal(found.features.toarray(), features)
    assert_array_equal(found.targets, labels)
    rows = read_features(path, "libsvm", SOURCES.options("libsvm"), ("0", "1"), ("0", "1"))
    assert_array_equal(rows.toarray(), features)


def test_empty_lines_at_the_end_are_no_rows(write: Write) -> None:
    assert len(load(write("0 1:1\n1 2:1\n\n\n")).targets) == 2
    assert len(load(write("3 2 2\n0 0:1\n1 1:1\n\n")).targets) == 3


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_a_test_file_shares_columns_and_labels(
    ending: str, pack: Callable[[bytes], bytes], write: Write
) -> None:
    train, test = write("7 1:1\n3 2:1\n", "train"), write("")
    test = test.with_name(f"test.svm{ending}")
    test.write_bytes(pack(b"5,7 4:2\n"))
    found = load(train, test_path=str(test))
    assert {part: rows.tolist() for part, rows in found.parts.items()} == {
        "train": [0, 1], "test": [2],
    }  # fmt: skip
    assert found.label_names == ("3", "5", "7")
    assert_array_equal(found.targets, [[0, 0, 1], [1, 0, 0], [0, 1, 1]])
    assert_array_equal(found.features.toarray(), [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 2]])


def test_new_rows_have_the_columns_of_training(write: Write) -> None:
    trained = load(write("1 1:1 3:1\n0 2:1\n"))
    options = SOURCES.options("libsvm")
    new = write("2:5\n9 3:1\n", "new.svm")
    found = read_features(new, "libsvm", options, trained.feature_names, trained.label_names)
    assert_array_equal(found.toarray(), [[0, 5, 0], [0, 0, 1]])
    with pytest.raises(
        DataError, match=r"new.svm, line 2: the index 4 is none of the features from 1 to 3"
    ):
        read_features(write("1:1\n4:1\n", "new.svm"), "libsvm", options, ("1", "2", "3"), ())


BROKEN = {
    "0 1:1\n1 2:1 2:3\n": "line 2: the index 2 occurs twice",
    "0 1:1\n1 3:1 2:3\n": "line 2: the index 2 follows after 3",
    "0 1:1\n1 2:1e39\n": "line 2: the value 1e39 is infinite, or too large",
    "0 1:1\n1 2:nan\n": "line 2: it must be labels and then index:value",
    "0 1:1\n1 2:1_0\n": "line 2: it must be",
    "0 1:1\n1 2:1e\n": "line 2: an index or a value is out of range",
    "0 1:1\n1 2: 1\n": "line 2: it must be",
    "0 1:1\n1 1:2:3\n": "line 2: it must be",
    "0 1:1\n1,1 2:1\n": "line 2: it has a label twice",
    "0 1:1\n1 qid:3 2:1\n": "line 2: qid is of ranking data",
    "+1 1:1\n-1 2:1\n": "line 1: a label has a sign",
    "sport 1:1\n": "line 1: it must be",
    "3 2 2\n0 0:1\n1 1:1\n": "states the number of rows as 3, and it is 2:",
    "1 2 2\n0 0:1\n1 1:1\n": "states the number of rows as 1, and it is 2:",
    "1 2 2\n0 2:1\n": "line 2: the index 2 is none of the features from 0 to 1",
    "1 2 2\n2 0:1\n": "line 2: the label 2 is none of the 2 from 0",
    "0 99999999999:1\n": "at most 10000000 can be used",
    "0 9999999999999999999999:1\n": "line 1: an index or a value is out of range",
    "1 9 999999999999\n0 1:1\n": "999999999999 labels, and at most",
    "1:1\n2:1\n": "no row has a label",
    "0\n1\n": "no row has a feature",
    "0 1:1\n\n1 2:1\n": "line 2 is empty: remove it, or write a blank into it if it is a row",
    "# nothing\n": "has no row",
    "": "has no row",
}  # fmt: skip


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_broken_is_told_by_its_line(text: str, write: Write) -> None:
    with pytest.raises(DataError, match=f"toy.svm.*{BROKEN[text]}"):
        load(write(text))


def test_the_first_index_may_be_stated(write: Write) -> None:
    path = write("0 1:1\n1 2:1\n")
    assert load(path).n_features == 2
    assert load(path, first_index="0").n_features == 3
    with pytest.raises(DataError, match=r"line 1: the index 0 is none of the features from 1"):
        load(write("0 0:1\n1 1:1\n"), first_index="1")
    with pytest.raises(DataError, match="different numbers of features"):
        load(write("1 3 2\n0 0:1\n"), test_path=str(write("1 4 2\n0 0:1\n", "test")))
