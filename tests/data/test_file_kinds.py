"""Files of another kind than the source reads are named, and how they are used."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save

from mlc.config.errors import DataError
from mlc.data import load_data
from mlc.data.__main__ import main
from mlc.data.files import text_bytes
from tests.conftest import Command


def packed(content: bytes, *names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
    return file.getvalue()


def written(kind: str) -> bytes:
    """The content of a file of a kind."""
    file = io.BytesIO()
    if kind == "npz":
        np.savez(file, X=np.eye(3))
    if kind == "npy":
        np.save(file, np.eye(3))
    if kind == "parquet":
        pd.DataFrame({"a": [1, 2]}).to_parquet(file)
    if kind == "safetensors":
        return save({"X": np.eye(3)})
    if kind == "xlsx":
        return packed(b"<cell/>", "[Content_Types].xml", "xl/workbook.xml")
    if kind == "ods":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
            archive.writestr("content.xml", "<table/>")
    if kind == "numbers":
        return packed(b"table", "Index/Document.iwa")
    if kind == "zip":
        return packed(b"a,b", "table.csv")
    if kind == "xls":
        return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(100)
    if kind == "pkl":
        return pickle.dumps([1, 2])
    if kind == "gz":
        return gzip.compress(b"0 1:1")
    return file.getvalue()


SAID = {
    "npz": "data=arrays reads it", "npy": "data=arrays reads it", "parquet": "data=table reads it",
    "safetensors": "data=arrays reads it", "xlsx": "save its sheet as CSV", "ods": "a spreadsheet: save",
    "numbers": "a spreadsheet: save", "zip": "unpack it",
    "xls": "save its sheet as CSV", "pkl": "never loaded", "gz": "let its name end in .gz",
}  # fmt: skip


@pytest.mark.parametrize("kind", SAID)
def test_what_is_no_text_is_named(kind: str, tmp_path: Path, command: Command) -> None:
    for name in (f"rows.{kind}", "rows.csv"):
        path = tmp_path / name
        path.write_bytes(written(kind))
        if kind == "gz" and name == "rows.gz":
            assert text_bytes(path) == b"0 1:1"
            continue
        with pytest.raises(DataError) as caught:
            text_bytes(path)
        said = str(caught.value)
        assert said.startswith(f"{path} is ")
        assert SAID[kind] in said
        assert ("where its name ends in" in said) == (name == "rows.csv" and "reads it" in said)
    ended = command(lambda: main(None), "libsvm", f"data.path={path}")
    assert SAID[kind] in ended.error
    assert ended.error.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("arff", "b.npz", "is no .arff file: data=arrays reads it."),
        ("arff", "b.csv", "is no .arff file: data=table reads it."),
        ("arff", "b.xlsx", "is an Excel workbook: save its sheet as CSV"),
        ("arff", "b", "is no .arff file: name one."),
        ("libsvm", "b.csv", "is no LIBSVM file: data=table reads it."),
        ("libsvm", "b.arff", "is no LIBSVM file: data=arff reads it."),
    ],
)
def test_the_source_that_reads_a_file_is_named(
    source: str, name: str, said: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text("a,b\n1,0\n")
    with pytest.raises(DataError) as caught:
        load_data(source, path=str(path))
    assert str(caught.value).startswith(f"{path} {said}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("posts.xlsx", "posts.xlsx is an Excel workbook: save its sheet as CSV (UTF-8)"),
        ("posts.jsonl", "posts.jsonl is a JSON file: write it as CSV, as pandas.read_json("),
        ("posts.pkl", "posts.pkl is a pickle, which is never loaded"),
        ("posts.ods", "posts.ods is a spreadsheet: save its sheet as CSV (UTF-8)"),
        ("posts.feather", "posts.feather is a table of another program: read it by pandas"),
    ],
)
def test_endings_that_no_source_reads_are_told_what_to_do(
    name: str, said: str, command: Command
) -> None:
    for words in ([name], ["table", f"data.path={name}", "data.labels=[tags]"]):
        ended = command(lambda: main(None), *words)
        assert said in ended.error
        assert ended.error.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "name", "other"),
    [("table", "a.npz", "arrays"), ("table", "a.svm", "libsvm"), ("arrays", "a.csv.gz", "table")],
)
def test_a_source_names_the_one_that_reads_the_file(
    source: str, name: str, other: str, command: Command
) -> None:
    labels = ["data.labels=[tags]"] if source == "table" else []
    ended = command(lambda: main(None), source, f"data.path={name}", *labels)
    assert f"file: data={other} reads it." in ended.error
