"""Malformed files in ARFF's other dialects, in LIBSVM's form, and of arrays."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import numpy as np
from safetensors.numpy import save
from scipy.sparse import csr_matrix, issparse, save_npz

from mlc.data import arff
from mlc.data.base import SOURCES, Dataset
from tests.torture.inputs import Case, mangled

DIALECTS = (
    b"@relation 'toy: -C -2' % two\r\n@attribute x real [0, 9.5]\r\n"
    b'@attribute\tkind{a \'b c\' "d\\"e"}\r\n@attribute y1 {0,1} % last but one\r\n'
    b"@attribute y2{NO\tYES}\r\n@data\r\n1.5\ta 0\tYES\r\n? , 'b c' , 1 , NO % done\r\n"
    b'{1 "d\\"e", 2 1} {1}\r\n',
    b"@relation 'toy: -C 1'\r@attribute y {0 1}\r@attribute w INTEGER 0..9\r@attribute v numeric\r"
    b"@data\r{0 1 1 3}\r{1\t.5e1 , 2 2}\r{}\r",
)
LIBSVM = (
    b"1,3 1:0.5 7:2 # said\n 2:1\n3 1:1e-3 2:-1\n",
    b"3 8 4\n0,2 0:0.5 4:2\n\n3 7:1.5\n",
)


def dialect_case(draw: random.Random, folder: Path) -> None:
    """An ARFF file in Weka's other ways to write one, mangled."""
    path = folder / "toy.arff"
    path.write_bytes(mangled(draw.choice(DIALECTS), draw))
    arrays = arff._parse({"all": path})
    assert np.isfinite(arrays["features"][~np.isnan(arrays["features"])]).all(), "finite or missing"
    assert arrays["targets"].dtype == bool, "labels of 0 and 1"


def libsvm_case(draw: random.Random, folder: Path) -> None:
    """A LIBSVM file with or without a first line "N D K", mangled."""
    path = folder / "toy.svm"
    path.write_bytes(mangled(draw.choice(LIBSVM), draw))
    check(SOURCES["libsvm"].load(SOURCES.options("libsvm", path=str(path))))


def arrays_case(draw: random.Random, folder: Path) -> None:
    """A file of arrays whose bytes, shapes, types or values are mangled."""
    kind, path, y_path = draw.randrange(4), folder / "toy.npz", folder / "y.npy"
    x, y = np.arange(12.0).reshape(4, 3), np.array([[1, 0], [0, 1], [0, 0], [1, 1]])
    if draw.random() < 0.5:
        x = draw.choice([x, x[:3], x[:, :0], x[0], x * 1e38, x[None], x.astype(object), x > 2])
        y = draw.choice(
            [y, y - 1, y * 3 - 1, y[:, 0], y[:0], y.astype("U"), y.astype(object), y / 2]
        )
    options: dict[str, str] = {}
    if kind == 0:
        np.savez(path, X=x, y=y)
    elif kind == 1:
        np.savez_compressed(path, X_train=x, y_train=y, X_test=x, y_test=y)
    elif kind == 2:
        path = folder / "toy.safetensors"
        held = {"X": np.ascontiguousarray(x), "y": np.ascontiguousarray(y)}
        path.write_bytes(save({name: own for name, own in held.items() if own.dtype.kind in "bif"}))
    else:
        save_npz(path, csr_matrix(np.eye(4)))
        np.save(y_path, y)
        options = {"labels_path": str(y_path)}
    if draw.random() < 0.7:
        spoilt = y_path if options and draw.random() < 0.5 else path
        spoilt.write_bytes(_spoilt(spoilt.read_bytes(), draw))
    check(SOURCES["arrays"].load(SOURCES.options("arrays", path=str(path), **options)))


def check(dataset: Dataset) -> None:
    """What every data set must be."""
    n_samples, n_features = dataset.features.shape
    assert dataset.targets.shape == (n_samples, len(dataset.label_names)), "a label for each column"
    assert dataset.targets.dtype == bool, "labels of 0 and 1"
    assert len(dataset.feature_names) == len(dataset.numeric) == n_features, "a name for each"
    values = dataset.features.data if issparse(dataset.features) else dataset.features
    assert np.isfinite(values[~np.isnan(values)]).all(), "finite or missing"


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


# By what is read: a case, and its share of the inputs.
READERS: dict[str, tuple[Case, float]] = {
    "ARFF, other dialects": (dialect_case, 0.2),
    "LIBSVM": (libsvm_case, 0.1),
    "arrays": (arrays_case, 0.1),
}
