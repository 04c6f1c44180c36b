"""Arrays of every form that label sets come in, and files that state what they do not hold."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from safetensors.numpy import save_file

from mlc.config.errors import DataError
from mlc.data.base import SOURCES, Dataset
from mlc.data.unlabelled import read_features

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4))
Y = RNG.random((12, 3)) < 0.4
Y[:3] = [[1, 1, 1], [0, 0, 0], [0, 0, 1]]


def load(path: Path, **options: Any) -> Dataset:
    return SOURCES["arrays"].load(SOURCES.options("arrays", path=str(path), **options))


def written(folder: Path, name: str = "toy.npz", **arrays: Any) -> Path:
    path = folder / name
    if name.endswith(".safetensors"):
        save_file(arrays, path)
    else:
        np.savez(path, **arrays)
    return path


def padded(targets: np.ndarray) -> np.ndarray:
    rows = [np.flatnonzero(row) for row in targets]
    width = max(map(len, rows))
    return np.array([[*row, *[-1] * (width - len(row))] for row in rows])


FORMS = {
    "booleans": Y,
    "zeros and ones": Y.astype(np.int8),
    "floats": Y.astype(np.float16),
    "filled up": padded(Y),
    "filled up, floats": padded(Y).astype(float),
    "words for 0 and 1": np.where(Y, "yes", "No"),
    "texts": np.where(padded(Y) < 0, "", padded(Y).astype(str)),
    "bytes": np.where(padded(Y) < 0, "", padded(Y).astype(str)).astype("S"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["npz", "npy", "sparse"])
def test_every_form_of_labels(form: str, kind: str, tmp_path: Path) -> None:
    if kind == "npz":
        data = load(written(tmp_path, features=X, labels=FORMS[form]))
    else:
        np.save(tmp_path / "y.npy", FORMS[form])
        if kind == "npy":
            np.save(tmp_path / "X.npy", X)
        else:
            sp.save_npz(tmp_path / "X.npz", sp.csc_array(X))
        name = "X.npy" if kind == "npy" else "X.npz"
        data = load(tmp_path / name, labels_path=str(tmp_path / "y.npy"))
    assert_array_equal(data.targets, Y)
    assert sp.issparse(data.features) == (kind == "sparse")
    features = data.features.toarray() if sp.issparse(data.features) else data.features
    assert_array_equal(features, X.astype(np.float32))
    assert data.label_names == ("0", "1", "2")
    assert data.feature_names == ("0", "1", "2", "3")


@pytest.mark.parametrize("first", ["dense", "sparse"])
def test_files_that_do_not_match_are_told_apart(first: str, tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", Y)
    np.save(tmp_path / "dense.npy", X)
    np.save(tmp_path / "narrow.npy", X[:, :3])
    sp.save_npz(tmp_path / "sparse.npz", sp.csr_matrix(X))
    files = {"dense": tmp_path / "dense.npy", "sparse": tmp_path / "sparse.npz"}
    other = "sparse" if first == "dense" else "dense"

    def refused(test: Path) -> str:
        labels = dict.fromkeys(("labels_path", "test_labels_path"), str(tmp_path / "y.npy"))
        with pytest.raises(DataError) as caught:
            load(files[first], test_path=str(test), **labels)
        return str(caught.value)

    said = refused(files[other])
    assert (
        f"{files[first]} (training rows) is {first} and {files[other]} (test rows) is {other}:"
        in said
    )
    if first == "dense":
        said = refused(tmp_path / "narrow.npy")
        assert "dense.npy (training rows) has 4 and" in said
        assert "narrow.npy (test rows) has 3 features: both must have as many." in said


def test_flat_labels_are_one_label_or_one_class_for_each_row(tmp_path: Path) -> None:
    binary = load(written(tmp_path, X=X, y=Y[:, 0].astype(int)))
    assert_array_equal(binary.targets, Y[:, :1])
    classes = RNG.integers(0, 4, 12)
    classes[:2] = [3, 0]
    assert_array_equal(load(written(tmp_path, X=X, y=classes)).targets, np.eye(4)[classes] > 0)
    words = np.array(["", "b", "a"] * 4)
    found = load(written(tmp_path, X=X, y=words))
    assert found.label_names == ("a", "b")
    assert_array_equal(found.targets[:3], [[0, 0], [0, 1], [1, 0]])


def test_sparse_labels_and_names(tmp_path: Path) -> None:
    sp.save_npz(tmp_path / "y.npz", sp.coo_matrix(Y.astype(int)))
    path = written(
        tmp_path, X=X, feature_names=np.array(list("abcd")), label_names=np.array(["r", "s", "ü"])
    )
    data = load(path, labels_path=str(tmp_path / "y.npz"))
    assert_array_equal(data.targets, Y)
    assert (data.feature_names, data.label_names) == (tuple("abcd"), ("r", "s", "ü"))
    with pytest.raises(DataError, match="2 names of labels, and y has 3 columns"):
        load(written(tmp_path, X=X, y=Y, classes=np.array(["r", "s"])))
    with pytest.raises(DataError, match="two labels 'r'"):
        load(written(tmp_path, X=X, y=Y, label_names=np.array(["r", "s", "r"])))


def test_safetensors_with_names_in_the_metadata(tmp_path: Path) -> None:
    path = tmp_path / "toy.safetensors"
    metadata = {"label_names": json.dumps(["r", "s", "t"])}
    save_file({"X": X.astype(np.float32), "y": Y}, path, metadata=metadata)
    data = load(path)
    assert_array_equal(data.features, X.astype(np.float32))
    assert_array_equal(data.targets, Y)
    assert data.label_names == ("r", "s", "t")


@pytest.mark.parametrize("keys", ["{}_{}", "{1}_{0}", "file"])
def test_published_parts(keys: str, tmp_path: Path) -> None:
    """The test part's labels are numbers, too, although it holds 0 and 1 alone."""
    y = padded(Y)
    parts = {"train": slice(0, 9), "test": slice(9, 12)}
    y[9:] = [[0, 1, -1], [1, -1, -1], [1, 0, -1]]
    if keys == "file":
        path = written(tmp_path, X=X[:9], y=y[:9])
        data = load(path, test_path=str(written(tmp_path, "test.npz", X=X[9:], y=y[9:])))
    else:
        data = load(
            written(
                tmp_path,
                **{keys.format("X", part): X[rows] for part, rows in parts.items()},
                **{keys.format("y", part): y[rows] for part, rows in parts.items()},
            )
        )
    assert {part: rows.tolist() for part, rows in data.parts.items()} == {
        "train": list(range(9)), "test": [9, 10, 11],
    }  # fmt: skip
    assert_array_equal(data.targets[9:], [[1, 1, 0], [0, 1, 0], [1, 1, 0]])
    assert_array_equal(data.features, X.astype(np.float32))


def test_a_missing_feature_is_nan(tmp_path: Path) -> None:
    own = X.copy()
    own[3, 1] = np.nan
    assert_array_equal(load(written(tmp_path, X=own, y=Y)).features, own.astype(np.float32))


def test_new_rows_by_name_or_by_place(tmp_path: Path) -> None:
    options = SOURCES.options("arrays")
    names = ("a", "b", "c", "d")
    path = written(tmp_path, X=X, feature_names=np.array(list("dcba")))
    assert_array_equal(read_features(path, "arrays", options, names, ()), X[:, ::-1])
    np.save(tmp_path / "new.npy", X)
    found = read_features(tmp_path / "new.npy", "arrays", options, names, ())
    assert_array_equal(found, X)
    with pytest.raises(DataError, match="4 columns of features, and the training had 2"):
        read_features(tmp_path / "new.npy", "arrays", options, names[:2], ())
    with pytest.raises(DataError, match="no feature 'e'"):
        read_features(path, "arrays", options, ("e",), ())


def at(value: Any, place: tuple[int, int], array: np.ndarray) -> np.ndarray:
    changed = array.astype(np.result_type(array, type(value)))
    changed[place] = value
    return changed


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no y": ({"X": X}, "toy.npz holds 'X', and no labels"),
    "no X": ({"a": X, "y": Y}, "toy.npz holds 'a', 'y', and no features"),
    "two": ({"X": X, "features": X, "y": Y}, "holds X and features: keep one"),
    "one part": ({"X_train": X, "y_train": Y}, "must hold both X_train"),
    "rows": ({"X": X[:5], "y": Y}, "5 rows of features, and .* 12 of labels"),
    "infinity": ({"X": at(np.inf, (4, 2), X), "y": Y}, "in row 5, column 3"),
    "float32": ({"X": at(1e39, (4, 2), X), "y": Y}, "too large for 32 bits, in row 5, column 3"),
    "images": ({"X": X[:, :, None], "y": Y}, r"shape \(12, 4, 1\): give numbers in the shape"),
    "texts": ({"X": X.astype(str), "y": Y}, "the features are an array of <U"),
    "complex": ({"X": X.astype(complex), "y": Y}, "the features are an array of complex"),
    "a 2": ({"X": X, "y": at(2, (3, 1), Y.astype(int))}, "y is 2 in row 4"),
    "a half": ({"X": X, "y": at(0.5, (3, 1), Y.astype(float))}, "y is 0.5 in row 4"),
    "a NaN": (
        {"X": X, "y": at(np.nan, (3, 1), Y.astype(float))},
        "y is NaN in row 4, column 2: fill it with 0 or 1, or state data.missing_labels=mask, which",
    ),
    "signs": ({"X": X, "y": np.where(Y, 1, -1)}, "-1, 0 and 1 alone"),
    "-2": ({"X": X, "y": at(-2, (2, 1), padded(Y))}, "y is -2 in row 3"),
    "twice": ({"X": X, "y": at(2, (2, 1), padded(Y))}, "a label twice in row 3"),
    "objects": ({"X": X, "y": np.array([[1], []] * 6, dtype=object)}, "Python objects"),
    "a text twice": (
        {"X": X, "y": np.where(Y, "x", "")}, "a label twice in row 1: give 0 and 1"
    ),
    "fields": ({"X": X, "y": np.zeros(12, dtype=[("a", int)])}, "not an array of numbers or texts"),
    "dates": ({"X": X, "y": np.zeros((12, 2), dtype="M8[s]")}, "array of datetime64"),
    "large": ({"X": X, "y": np.array([[10**7, -1]] * 12)}, "at most 10000000 labels"),
    "many": ({"X": X, "y": np.array([[10**15, -1]] * 12)}, "its labels would take 1.2e.07 GB"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_arrays_may_not_hold_is_told(case: str, tmp_path: Path) -> None:
    arrays, message = REFUSED[case]
    with pytest.raises(DataError, match=message):
        load(written(tmp_path, **arrays))


def npy_of(shape: str, content: bytes, kind: str = "<f8") -> bytes:
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header = header.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


def test_a_header_is_held_against_the_file(tmp_path: Path) -> None:
    path = tmp_path / "toy.npy"
    for shape in ("(10**12, 4)", "(1000000000000, 4)", "(2, 5)", "(-1, 4)", "(" * 500 + ")" * 500):
        path.write_bytes(npy_of(shape, b"\0" * 64))
        with pytest.raises(DataError, match=r"toy.npy"):
            load(path, labels_path=str(path))
    path.write_bytes(npy_of("(2, 4)", pickle.dumps([1]), "|O"))
    with pytest.raises(DataError, match="Python objects"):
        load(path, labels_path=str(path))


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "toy.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", npy_of("(1000, 1000)", b"\0" * 8_000_000))
    free = psutil.virtual_memory()._replace(available=4_000_000)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    with pytest.raises(DataError, match=r"its content would take 0.008 GB, and 0.004 GB"):
        load(path)


def test_sparse_files_are_held_against_memory_and_themselves(tmp_path: Path) -> None:
    path, y = tmp_path / "X.npz", tmp_path / "y.npy"
    np.save(y, Y)

    def sparse(**parts: Any) -> None:
        own = {"format": b"csr", "data": np.ones(2), "indices": np.array([0, 0])}
        np.savez(path, **{**own, "indptr": np.array([0, 2] + [2] * 11), "shape": (12, 4), **parts})

    sparse()
    with pytest.raises(DataError, match="states a cell twice"):
        load(path, labels_path=str(y))
    sparse(indices=np.array([0, 9]))
    with pytest.raises(DataError, match=r"cannot be read as a .npz file"):
        load(path, labels_path=str(y))
    rows, columns = np.array([0, 10**14]), np.array([0, 1])
    sparse(format=b"coo", row=rows, col=columns, shape=(10**15, 4))
    with pytest.raises(DataError, match="its sparse matrix would take"):
        load(path, labels_path=str(y))
    sparse(indices=np.array([0, 10**11]), shape=(12, 10**12))
    with pytest.raises(DataError, match="1000000000000 features, and at most"):
        load(path, labels_path=str(y))


@pytest.mark.parametrize("texts", [b"\xff\xfe", b"\xff\xff\xff\x7f", b"\x00\xd8\x00\x00"])
def test_texts_that_are_none_are_refused(texts: bytes, tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", X[:1])
    kind = "|S2" if len(texts) == 2 else "<U1"
    (tmp_path / "y.npy").write_bytes(npy_of("(1,)", texts, kind))
    with pytest.raises(DataError, match=r"y.npy cannot be read as a .npy file"):
        load(tmp_path / "X.npy", labels_path=str(tmp_path / "y.npy"))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.pkl").write_bytes(pickle.dumps(X))
    with pytest.raises(DataError, match="is a pickle, which is never loaded"):
        load(tmp_path / "toy.pkl")
    np.save(tmp_path / "toy.npy", X)
    with pytest.raises(
        DataError, match=r"holds one array: name the file of .* in data.labels_path"
    ):
        load(tmp_path / "toy.npy")
    with pytest.raises(DataError, match="no file"):
        load(tmp_path / "none.npy")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("run.sh", "true")
    (tmp_path / "toy.npz").write_bytes(stream.getvalue())
    with pytest.raises(DataError, match=r"'run.sh', which is not an array"):
        load(tmp_path / "toy.npz")


SETS = ["a,b", "b", "", "a, c", "b,c", "a"] * 2


def test_texts_that_hold_label_sets_are_split_and_this_is_said(tmp_path: Path) -> None:
    found = load(written(tmp_path, X=X, y=np.array(SETS)))
    assert found.label_names == ("a", "b", "c")
    assert_array_equal(found.targets[:4], [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]])
    assert "such as 'a,b': they are split" in found.notes[0]
    parts = {
        "X_train": X,
        "y_train": np.array(SETS),
        "X_test": X[:2],
        "y_test": np.array(["c", "b"]),
    }
    found = load(written(tmp_path, **parts))
    assert_array_equal(found.targets[-2:], [[0, 0, 1], [0, 1, 0]])


def test_lists_that_are_written_as_texts_are_read(tmp_path: Path) -> None:
    lists = np.array([["a", "b"], ["b"], [], ["c", "a"]] * 3, dtype=object)
    found = load(written(tmp_path, X=X, y=np.array(list(map(str, lists)))))
    assert found.label_names == ("a", "b", "c")
    assert_array_equal(found.targets[:4], [[1, 1, 0], [0, 1, 0], [0, 0, 0], [1, 0, 1]])
    assert "The texts of y are lists" in found.notes[0]
    with pytest.raises(DataError, match=r"lists of labels to texts by np\.array\(\[';'\.join"):
        load(written(tmp_path, X=X, y=lists))
    joined = load(written(tmp_path, X=X, y=np.array([";".join(labels) for labels in lists])))
    assert_array_equal(joined.targets, found.targets)


def test_texts_that_are_stated_as_names_are_one_label_each(tmp_path: Path) -> None:
    names = np.array(sorted({text for text in SETS if text}))
    found = load(written(tmp_path, X=X, y=np.array(SETS), label_names=names))
    assert found.label_names == tuple(names)
    assert found.notes == ()
    found = load(written(tmp_path, X=X, y=np.array(SETS)[:, None]))
    assert found.label_names == tuple(names)
    assert found.notes == ()
    found = load(written(tmp_path, X=X, y=np.array(["north, cold", "south"] * 6)))
    assert found.label_names == ("north, cold", "south")
    assert found.notes == ()
