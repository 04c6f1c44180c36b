"""Whatever dialect a file is written in, what was written is read back exactly."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix, issparse

from mlc.config.errors import DataError
from mlc.data.arff import _parse, find_files
from mlc.data.base import SOURCES
from mlc.data.label_cells import join_labels

# No line breaks or tabs in ARFF's names, and no control characters anywhere: XML has none.
LETTERS = st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp"))


NAMES = st.text(LETTERS, min_size=1, max_size=8).filter(
    lambda name: name == name.strip() and name.isprintable()
)
NUMBERS = st.floats(-1e6, 1e6, width=32, allow_subnormal=False).map(lambda x: x + 0.0)


@st.composite
def data(draw: st.DrawFn) -> dict[str, Any]:
    """Names, a matrix with missing values, targets."""
    n_features, n_labels = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    n_rows = draw(st.integers(1, 5))
    total = n_features + n_labels
    folded = NAMES.map(str)
    names = draw(st.lists(folded, min_size=total, max_size=total, unique=True))
    cells = st.one_of(st.none(), NUMBERS)
    row = st.lists(cells, min_size=n_features, max_size=n_features)
    labels = st.lists(st.booleans(), min_size=n_labels, max_size=n_labels)
    return {
        "features": names[:n_features],
        "labels": names[n_features:],
        "rows": draw(st.lists(row, min_size=n_rows, max_size=n_rows)),
        "targets": draw(st.lists(labels, min_size=n_rows, max_size=n_rows)),
    }


DIALECT = st.fixed_dictionaries(
    {
        "end": st.sampled_from(["\n", "\r\n", "\r"]),
        "between": st.sampled_from([",", ", ", "\t", " ", "  ,\t"]),
        "kind": st.sampled_from(["numeric", "REAL [-1, 1]", "Integer", "real % no more"]),
        "blank": st.booleans(),
        "weight": st.sampled_from(["", " {1}", ",{1.0} % one"]),
        "quote": st.sampled_from("'\""),
        "upper": st.booleans(),
        "comments": st.booleans(),
        "sparse": st.booleans(),
        "packed": st.booleans(),
        "words": st.sampled_from(
            ["{0,1}", "{1,0}", "{NO,YES}", "{false, true}", "{0 1}", "numeric"]
        ),
        "bom": st.booleans(),
    }
)


def quoted(name: str, quote: str) -> str:
    return quote + name.replace("\\", "\\\\").replace(quote, "\\" + quote) + quote


def write_arff(made: dict[str, Any], dialect: dict[str, Any], folder: Path) -> None:
    def declared(word: str) -> str:
        return f"@{word.upper() if dialect['upper'] else word}"

    positive = {"{NO,YES}": ("NO", "YES"), "{false, true}": ("false", "true")}
    words = positive.get(dialect["words"], ("0", "1"))
    lines = [f"{declared('relation')} {quoted('made by a test', dialect['quote'])}", ""]
    lines += ["% a comment, with 'quotes' and {braces}"] if dialect["comments"] else []
    for name in made["features"]:
        lines.append(f"{declared('attribute')} {quoted(name, dialect['quote'])} {dialect['kind']}")
    for name in made["labels"]:
        blank = "" if dialect["blank"] and dialect["words"] != "numeric" else " "
        own = quoted(name, dialect["quote"])
        lines.append(f"{declared('attribute')}\t{own}{blank}{dialect['words']}")
    lines += [declared("data")]
    for row, labels in zip(made["rows"], made["targets"], strict=True):
        cells = ["?" if value is None else repr(value) for value in row]
        cells += [words[label] for label in labels]
        if dialect["sparse"]:
            # What is not named is 0, or the first of the nominal values.
            first = ["0.0"] * len(row) + [
                "1" if dialect["words"] == "{1,0}" else words[0] for _ in labels
            ]
            kept = [f"{j} {cell}" for j, cell in enumerate(cells) if cell != first[j]]
            lines.append("{" + dialect["between"].join(kept) + "}" + dialect["weight"])
        else:
            lines.append(dialect["between"].join(cells) + dialect["weight"])
        lines += ["% between rows"] if dialect["comments"] else []
    text = dialect["end"].join(lines) + dialect["end"]
    content = (b"\xef\xbb\xbf" if dialect["bom"] else b"") + text.encode()
    for left in folder.glob("toy*"):
        left.unlink()
    if dialect["packed"]:
        (folder / "toy.arff.gz").write_bytes(gzip.compress(content))
    else:
        (folder / "toy.arff").write_bytes(content)
    labels = "".join(f"<label name={quoteattr(name)}></label>" for name in made["labels"])
    (folder / "toy.xml").write_text(f'<labels xmlns="http://x">{labels}</labels>', "utf-8")


@given(made=data(), dialect=DIALECT)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_dialect_of_arff_reads_back(
    made: dict[str, Any], dialect: dict[str, Any], tmp_path_factory: Any
) -> None:
    folder = tmp_path_factory.getbasetemp()
    write_arff(made, dialect, folder)
    arrays = _parse(find_files(folder / "toy"))
    assert arrays["feature_names"].tolist() == made["features"]
    assert arrays["label_names"].tolist() == made["labels"]
    np.testing.assert_array_equal(arrays["targets"], np.array(made["targets"]))
    expected = np.array(
        [[np.nan if value is None else value for value in row] for row in made["rows"]]
    )
    features = arrays["features"]
    if "indptr" in arrays:
        features = csr_matrix(
            (features, arrays["indices"], arrays["indptr"]), expected.shape
        ).toarray()
    np.testing.assert_array_equal(features, expected.astype(np.float32))


@given(
    made=data(), end=st.sampled_from(["\n", "\r\n"]), everything=st.booleans(), bom=st.booleans()
)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_dialect_of_csv_reads_back(
    made: dict[str, Any], end: str, everything: bool, bom: bool, tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "toy.csv"
    stream = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if everything else csv.QUOTE_MINIMAL
    writer = csv.writer(stream, lineterminator=end, quoting=quoting)
    writer.writerow([*made["features"], *made["labels"]])
    for row, labels in zip(made["rows"], made["targets"], strict=True):
        writer.writerow(
            ["" if v is None else repr(v) for v in row] + [int(label) for label in labels]
        )
    path.write_bytes((b"\xef\xbb\xbf" if bom else b"") + stream.getvalue().encode())
    expected = np.array([[np.nan if v is None else v for v in row] for row in made["rows"]])
    options = SOURCES.options("table", path=str(path), labels=made["labels"])
    if np.isnan(expected).all():
        with np.testing.assert_raises_regex(DataError, "no column is left"):
            SOURCES["table"].load(options)
        return
    dataset = SOURCES["table"].load(options)
    assert not issparse(dataset.features)
    kept = ~np.isnan(expected).all(axis=0)
    assert dataset.feature_names == tuple(np.array(made["features"], dtype=object)[kept])
    np.testing.assert_array_equal(dataset.features, expected[:, kept].astype(np.float32))
    np.testing.assert_array_equal(dataset.targets, np.array(made["targets"]))


def test_names_that_differ_in_escaping_alone_are_the_same(tmp_path: Path) -> None:
    (tmp_path / "toy.arff").write_text(
        "@relation toy\n@attribute 'R&amp;B' {0,1}\n@attribute Rock\\'n\\'Roll {0,1}\n"
        "@attribute x numeric\n@data\n1,0,2\n0,1,3\n"
    )
    (tmp_path / "toy.xml").write_text(
        """<labels><label name="R&amp;B"/><label name="Rock'n'Roll"/></labels>"""
    )
    arrays = _parse(find_files(tmp_path / "toy"))
    assert arrays["targets"].tolist() == [[1, 0], [0, 1]]
    assert arrays["feature_names"].tolist() == ["x"]


def test_entity_bombs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.arff").write_text("@relation toy\n@attribute x numeric\n@data\n1\n")
    (tmp_path / "toy.xml").write_text(
        '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><labels><label name="&b;"/></labels>'
    )
    with np.testing.assert_raises_regex(DataError, "is not valid XML"):
        _parse(find_files(tmp_path / "toy"))


@given(
    sets=st.lists(
        st.lists(st.sampled_from(["wet", "naß", "cold day", "x;y"]), max_size=3, unique=True),
        min_size=1,
        max_size=6,
    ).filter(any),
    numbers=st.lists(
        st.floats(-1e6, 1e6, width=32).map(lambda x: round(x, 3)), min_size=6, max_size=6
    ),
    mark=st.sampled_from(",;\t|"),
    form=st.sampled_from([";", "|", "json", "python"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"]),
    everything=st.booleans(),
)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_dialect_of_label_cells_reads_back(
    sets: list[list[str]], numbers: list[float], mark: str, form: str, encoding: str,
    everything: bool, tmp_path_factory: Any,
) -> None:  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "cells.csv"
    writers = {"json": json.dumps, "python": repr}
    join = writers.get(form, lambda labels: join_labels(labels, form))
    stream = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if everything else csv.QUOTE_MINIMAL
    writer = csv.writer(stream, delimiter=mark, quoting=quoting)
    rows = [[str(x), join(labels)] for x, labels in zip(numbers, sets, strict=False)]
    for row in (["a", "tags"], *rows):
        writer.writerow(row)
    path.write_bytes(stream.getvalue().encode(encoding))
    separator = form if len(form) == 1 else None
    options = SOURCES.options("table", path=str(path), labels=["tags"], separator=separator)
    dataset = SOURCES["table"].load(options)
    found = [
        {name for name, own in zip(dataset.label_names, row, strict=True) if own}
        for row in dataset.targets
    ]
    assert found == [set(labels) for labels in sets]
    np.testing.assert_allclose(dataset.features[:, 0], np.float32(numbers[: len(sets)]))
