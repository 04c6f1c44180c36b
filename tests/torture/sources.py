"""Malformed files in ARFF's other dialects, in LIBSVM's form, and of arrays."""

from __future__ import annotations

import bz2
import gzip
import importlib.util
import io
import lzma
import random
import zipfile
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
from numpy.lib import format as npy
from safetensors.numpy import save
from scipy.sparse import csr_matrix, issparse, save_npz
from sklearn.datasets import load_svmlight_file

from mlc.data.base import SOURCES, Dataset
from mlc.data.missing_labels import MISSING_LABELS
from tests.torture.inputs import Reader, check, mangled

LIBSVM = (
    b"1,3 1:0.5 7:2 # said\n 2:1\n3 1:1e-3 2:-1\n",
    b"3 8 4\n0,2 0:0.5 4:2\n\n3 7:1.5\n",
)
# What a first line, or a header, may claim of a file of a hundred bytes.
CLAIMS = (0, 1, 3, 4, 10**6, 10**7 + 1, 10**12 - 1, 2**63 - 1, 2**64, -1)


def libsvm_case(draw: random.Random, folder: Path) -> None:
    """A LIBSVM file that is whole, whose first line claims what is not there, or that is mangled."""
    path, kind = folder / "toy.svm", draw.randrange(4)
    if kind == 0:
        _write_and_read_libsvm(draw, path)
        return
    content = draw.choice(LIBSVM)
    if kind == 1:
        claim = " ".join(str(draw.choice(CLAIMS)) for _ in range(3))
        content = claim.encode() + b"\n" + LIBSVM[0]
    path.write_bytes(content if kind == 1 else mangled(content, draw))
    dataset = SOURCES["libsvm"].load(SOURCES.options("libsvm", path=str(path)))
    check(dataset)
    if kind > 1 and not path.read_bytes().split(b"\n")[0].replace(b" ", b"").isdigit():
        _as_sklearn_reads(path, dataset)


def _write_and_read_libsvm(draw: random.Random, path: Path) -> None:
    x, y = _drawn(draw)
    lines = []
    for row, labels in zip(x, y, strict=True):
        pairs = [f"{place}:{value!r}" for place, value in enumerate(row.tolist()) if value]
        lines.append(" ".join([",".join(map(str, np.flatnonzero(labels))), *pairs]))
    lines = [f"{len(x)} {x.shape[1]} {y.shape[1]}", *lines]
    path.write_text(draw.choice(["\n", "\r\n"]).join([*lines, ""]), encoding="utf-8", newline="")
    dataset = SOURCES["libsvm"].load(SOURCES.options("libsvm", path=str(path)))
    _compare(dataset, x, y)


def _as_sklearn_reads(path: Path, dataset: Dataset) -> None:
    """The same entries and label sets, where scikit-learn can read the file too."""
    try:
        x, y = load_svmlight_file(str(path), multilabel=True, zero_based="auto")
    except (ValueError, OverflowError):
        return
    if x.shape[0] == dataset.n_samples:
        width = min(x.shape[1], dataset.features.shape[1])
        same = dataset.features[:, :width] != csr_matrix(x.astype(np.float32))[:, :width]
        assert same.nnz == 0, "the same entries"
        names = np.array(dataset.label_names, dtype=object)
        own = [sorted(map(float, names[row])) for row in dataset.targets]
        assert own == [sorted(row) for row in y], "the same label sets"


def _drawn(draw: random.Random) -> tuple[Any, Any]:
    """Features (N, D), float32, and targets (N, K); no row and no column is empty."""
    n = draw.randint(1, 5)
    x = np.array([[round(draw.uniform(-9, 9), 3) or 1.0 for _ in range(3)] for _ in range(n)])
    y = np.array([[draw.random() < 0.5 for _ in range(4)] for _ in range(n)])
    y[0, 3] = True
    return x.astype(np.float32), y


def _compare(dataset: Dataset, x: Any, y: Any) -> None:
    found = dataset.features.toarray() if issparse(dataset.features) else dataset.features
    np.testing.assert_array_equal(found, x)
    np.testing.assert_array_equal(dataset.targets, y)


def arrays_case(draw: random.Random, folder: Path) -> None:
    """A file of arrays that is whole, claims what is not there, or is odd or mangled."""
    kind = draw.random()
    if kind < 0.25:
        _write_and_read_arrays(draw, folder)
        return
    if kind < 0.4:
        _claim(draw, folder)
        return
    x, y = np.arange(12.0).reshape(4, 3), np.array([[1, 0], [0, 1], [0, 0], [1, 1]])
    if draw.random() < 0.5:
        x = draw.choice([x, x[:3], x[:, :0], x[0], x * 1e38, x[None], x.astype(object), x > 2])
        y = draw.choice(
            [
                y,
                y - 1,
                np.where(y > 0, 1, np.nan),
                y * 3 - 1,
                y[:, 0],
                y[:0],
                y.astype("U"),
                y.astype(object),
                y / 2,
            ]
        )
    form = draw.choice(FORMS)
    path, options = _save(form, x, y, folder)
    if draw.random() < 0.7:
        spoilt = draw.choice([path, *map(Path, options.values())])
        spoilt.write_bytes(_spoilt(spoilt.read_bytes(), draw))
    labels = {"missing_labels": draw.choice(MISSING_LABELS), "soft_labels": draw.random() < 0.3}
    check(SOURCES["arrays"].load(SOURCES.options("arrays", path=str(path), **options, **labels)))


FORMS = (".npz", "packed .npz", ".npy", ".safetensors", "sparse", "train and test")


def _save(form: str, x: Any, y: Any, folder: Path) -> tuple[Path, dict[str, str]]:
    """The file, and the options that name the other one, if there is one."""
    path, y_path = folder / "toy.npz", folder / "toy_y.npy"
    if form == ".npz":
        np.savez(path, X=x, y=y)
    elif form == "packed .npz":
        np.savez_compressed(path, features=x, labels=y)
    elif form == "train and test":
        half = (len(x) + 1) // 2
        np.savez(path, X_train=x[:half], y_train=y[:half], X_test=x[half:], y_test=y[half:])
    elif form == ".safetensors":
        path = path.with_suffix(form)
        held = {"X": np.ascontiguousarray(x), "y": np.ascontiguousarray(y)}
        path.write_bytes(save({name: own for name, own in held.items() if own.dtype.kind in "bif"}))
    else:
        if form == ".npy":
            path = path.with_suffix(form)
            np.save(path, x)
        else:
            save_npz(path, csr_matrix(x if x.ndim == 2 and x.dtype != object else np.eye(4)))
        np.save(y_path, y)
        return path, {"labels_path": str(y_path)}
    return path, {}


def _write_and_read_arrays(draw: random.Random, folder: Path) -> None:
    x, y = _drawn(draw)
    form = draw.choice(FORMS[:5])
    kind = draw.choice(["bool", "int8", "float64", "big-endian", "padded"])
    if kind == "padded":
        held = np.full((len(y), 5), -1)
        for row, labels in enumerate(y):
            places = np.flatnonzero(labels)
            held[row, : len(places)] = places
    else:
        held = y.astype({"big-endian": ">i4"}.get(kind, kind))
    if form == ".safetensors":
        held = held.astype(held.dtype.newbyteorder("="))
    path, options = _save(form, x, held, folder)
    dataset = SOURCES["arrays"].load(SOURCES.options("arrays", path=str(path), **options))
    _compare(dataset, x, y)


def _claim(draw: random.Random, folder: Path) -> None:
    """A file whose header claims another shape than that of what follows."""
    shape = tuple(draw.choice(CLAIMS) for _ in range(draw.randint(1, 3)))
    path, packed = folder / "toy.npz", io.BytesIO()
    x, y = np.ones((4, 3)), np.eye(4)
    form = draw.choice(("header", "sparse", "safetensors"))
    if form == "header":
        header = {"descr": draw.choice(["<f8", "|b1", "<U9", "|V0", "<U0"]), "fortran_order": False}
        npy.write_array_header_1_0(packed, header | {"shape": shape})
        with zipfile.ZipFile(path, "w", draw.choice([0, zipfile.ZIP_DEFLATED])) as archive:
            archive.writestr("X.npy", packed.getvalue() + b"\0" * 96)
            np.save(packed, y)
            archive.writestr("y.npy", packed.getvalue())
        options = {}
    elif form == "sparse":
        path, options = _save("sparse", x, y, folder)
        with np.load(path) as stored:
            held = dict(stored)
        small = [min(own, 2**63 - 1) for own in shape]
        held[draw.choice(["shape", "indptr", "indices"])] = np.array(small, dtype=np.int64)
        np.savez(path, **held)
    else:
        path, options = _save(".safetensors", x, y, folder)
        content = path.read_bytes()
        claimed = content[8:].replace(b"[4,3]", str(list(shape)).encode())
        length = draw.choice([int.from_bytes(content[:8], "little"), abs(shape[0]) % 2**64])
        path.write_bytes(length.to_bytes(8, "little") + claimed)
    check(SOURCES["arrays"].load(SOURCES.options("arrays", path=str(path), **options)))


@cache
def _bombs() -> dict[str, bytes]:
    """Thirty million bytes in few, by the file's name."""
    zeros, table, members = b"0" * 3 * 10**7, io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(members, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", zeros)
    found = {
        "toy.csv.gz": gzip.compress(b"x,tags\n" + zeros, 1),
        "toy.tsv.bz2": bz2.compress(b"x\ttags\n" + zeros, 1),
        "toy.csv.xz": lzma.compress(b"x,tags\n" + zeros, preset=0),
        "toy.svm.gz": gzip.compress(zeros, 1),
        "toy.npz": members.getvalue(),
    }
    if importlib.util.find_spec("pyarrow"):
        pd.DataFrame({"x": np.zeros(2 * 10**6), "tags": 0}).to_parquet(table)
        found["toy.parquet"] = table.getvalue()
    return found


def packed_case(draw: random.Random, folder: Path) -> None:
    """A packed file, cut or mangled; or one that unpacked would not fit into the memory that is free."""
    if draw.random() < 0.1:
        name, content = draw.choice(list(_bombs().items()))
        source = {"svm": "libsvm", "npz": "arrays"}.get(name.split(".")[1], "table")
        path = folder / name
        path.write_bytes(content)
        options: dict[str, Any] = {"labels": ["tags"]} if source == "table" else {}
        # As on a machine with little memory.
        with patch("psutil.virtual_memory", return_value=SimpleNamespace(available=2**24)):
            SOURCES[source].load(SOURCES.options(source, path=str(path), **options))
        raise AssertionError(f"{name} was read")
    ending, pack = draw.choice(
        [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress)]
    )
    path = folder / f"toy.svm{ending}"
    packed = pack(LIBSVM[0])
    cut = packed[: draw.randrange(len(packed))]
    path.write_bytes(draw.choice([packed, cut, mangled(packed, draw), mangled(packed, draw)]))
    check(SOURCES["libsvm"].load(SOURCES.options("libsvm", path=str(path))))


def _spoilt(content: bytes, draw: random.Random) -> bytes:
    """Mangled; mostly the members of an archive are, so that its checksums hold."""
    if content[:2] != b"PK" or draw.random() < 0.3:
        return mangled(content, draw)
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            own = old.read(name)
            new.writestr(name, mangled(own, draw) if draw.random() < 0.5 else own)
    return packed.getvalue()


READERS = {
    "LIBSVM": Reader(libsvm_case, 0.13),
    "arrays": Reader(arrays_case, 0.08),
    "packed files": Reader(packed_case, 0.01),
}
