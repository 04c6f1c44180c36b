"""ARFF in every form it comes in, and what is said when it is broken."""

from __future__ import annotations

import bz2
import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from scipy.sparse import issparse

from mlc.config.errors import DataError
from mlc.data import load_features
from mlc.data.base import SOURCES, Dataset

Write = Callable[..., Path]

# From the data sets' own README.
COUNTS: dict[str, tuple[str, int, int, int, float, int, int, dict[str, int]]] = {
    "flags": ("flags/flags", 194, 19, 7, 3.392, 54, 0, {"train": 129, "test": 65}),
    "cal500": ("cal500/cal500", 502, 68, 174, 26.044, 502, 0, {}),
    "emotions": ("emotions/emotions", 593, 72, 6, 1.868, 27, 0, {"train": 391, "test": 202}),
    "birds": ("birds/birds", 645, 260, 19, 1.014, 133, 294, {"train": 322, "test": 323}),
    "enron": ("enron/enron", 1702, 1001, 53, 3.378, 753, 0, {"train": 1123, "test": 579}),
    "scene": ("scene/scene", 2407, 294, 6, 1.074, 15, 0, {"train": 1211, "test": 1196}),
    "yeast": ("yeast/yeast", 2417, 103, 14, 4.237, 198, 0, {"train": 1500, "test": 917}),
    "corel5k": ("corel5k/Corel5k", 5000, 499, 374, 3.522, 3175, 0, {"train": 4500, "test": 500}),
    "bibtex": ("bibtex/bibtex", 7395, 1836, 159, 2.402, 2856, 0, {"train": 4880, "test": 2515}),
    "tmc2007-500": (
        "tmc2007-500/tmc2007-500", 28596, 500, 22, 2.158, 1341, 0, {"train": 21519, "test": 7077},
    ),
    "imdb": ("imdb/imdb", 120919, 1001, 28, 2.000, 4503, 0, {}),
}  # fmt: skip


def load(path: Path | str, **options: Any) -> Dataset:
    return SOURCES["arff"].load(SOURCES.options("arff", path=str(path), **options))


def dense(data: Dataset) -> np.ndarray:
    return data.features.toarray() if issparse(data.features) else data.features


@pytest.mark.parametrize("name", COUNTS)
def test_counts_of_the_benchmarks(name: str, benchmarks: Path) -> None:
    path, n, n_attributes, n_labels, cardinality, n_sets, n_empty, parts = COUNTS[name]
    data = load(path, root=str(benchmarks))
    attributes = {feature.partition("=")[0] for feature in data.feature_names}
    assert (data.n_samples, len(attributes), data.n_labels) == (n, n_attributes, n_labels)
    assert round(data.targets.sum(axis=1).mean(), 3) == cardinality
    assert len(np.unique(data.targets, axis=0)) == n_sets
    assert (~data.targets.any(axis=1)).sum() == n_empty
    assert {part: len(rows) for part, rows in data.parts.items()} == parts


HEADER = r"""
% a comment
@RELATION 'toy: -C 2'
@Attribute 'it\'s, a {label}' {NO, YES}
@attribute second {1,0}
@attribute "size %" REAL
@attribute colour {'dark red','o\'blue',green}
@attribute flag {true,false}
""".strip()


def test_dense_with_quotes_nominals_and_missing_values(write_arff: Write) -> None:
    rows = ["YES,0,1.5,'dark red',true", "% between", "NO,1,?,'o\\'blue',false", "NO,0,-2e3,?,?"]
    data = load(write_arff(rows=rows, header=HEADER))
    assert data.label_names == ("it's, a {label}", "second")
    assert data.feature_names == (
        "size %",
        "colour=dark red",
        "colour=o'blue",
        "colour=green",
        "flag",
    )
    assert_array_equal(data.targets, [[True, False], [False, True], [False, False]])
    expected = [[1.5, 1, 0, 0, 1], [np.nan, 0, 1, 0, 0], [-2000, 0, 0, 0, np.nan]]
    assert_array_equal(data.features, np.array(expected, dtype=np.float32))
    assert_array_equal(data.numeric, [True, False, False, False, False])


def test_nominal_values_that_mean_the_same_stay_apart(write_arff: Write) -> None:
    """n and f are words for 0, and here letters for kinds."""
    header = "@relation 'x: -C 1'\n@attribute a {0,1}\n@attribute kind {y,n,f}"
    data = load(write_arff("kinds", header=header, rows=["0,y", "1,n", "1,f"]))
    assert data.feature_names == ("kind=y", "kind=n", "kind=f")
    assert dense(data).tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_sparse_means_what_the_dense_form_means(write_arff: Write) -> None:
    sparse = ["{0 YES, 1 0, 2 1.5}", "{3 green, 4 false}", "{2 ?, 3 ?}", "{}"]
    full = [
        "YES,0,1.5,'dark red',true",
        "NO,1,0,green,false",
        "NO,1,?,?,true",
        "NO,1,0,'dark red',true",
    ]
    packed = load(write_arff("sparse", rows=sparse, header=HEADER))
    plain = load(write_arff("dense", rows=full, header=HEADER))
    assert issparse(packed.features)
    assert_array_equal(dense(packed), plain.features)
    assert_array_equal(packed.targets, plain.targets)
    assert packed.feature_names == plain.feature_names


def test_labels_at_the_end_are_counted_from_there(write_arff: Write) -> None:
    header = "@relation 'x: -C -1'\n@attribute x numeric\n@attribute y {0,1}"
    assert load(write_arff(rows=["2,1", "3,0"], header=header)).label_names == ("y",)


def test_mulan_names_labels_in_xml_wherever_they_stand(write_arff: Write) -> None:
    header = "@relation x\n@attribute b {0,1}\n@attribute x numeric\n@attribute a {0,1}"
    base = write_arff(rows=["1,5,0", "0,6,1"], header=header)
    base.with_suffix(".xml").write_text(
        '<labels xmlns="http://mulan.sourceforge.net/labels">'
        '<label name="a"><label name="b"/></label></labels>'
    )
    data = load(base)
    assert data.label_names == ("a", "b")
    assert_array_equal(data.targets, [[False, True], [True, False]])
    assert data.feature_names == ("x",)


@pytest.mark.parametrize(("ending", "pack"), [(".gz", gzip.compress), (".bz2", bz2.compress)])
def test_packed_files(write_arff: Write, ending: str, pack: Callable[[bytes], bytes]) -> None:
    base = write_arff()
    expected = load(base)
    plain = base.with_suffix(".arff")
    plain.with_name(f"toy.arff{ending}").write_bytes(pack(plain.read_bytes()))
    plain.unlink()
    assert_array_equal(load(base).features, expected.features)


def test_published_split_and_other_case_are_found(write_arff: Write) -> None:
    write_arff("Toy-TRAIN", n=40)
    base = write_arff("Toy-test", n=20).with_name("toy")
    data = load(base)
    assert data.name == "toy"
    assert {part: len(rows) for part, rows in data.parts.items()} == {"train": 40, "test": 20}


def test_relative_paths_start_at_the_root(
    write_arff: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_arff().parent
    assert load("toy", root=str(folder)).n_samples == 60
    monkeypatch.setenv("MLC_DATA", str(folder))
    assert load("toy").n_samples == 60
    monkeypatch.delenv("MLC_DATA")
    monkeypatch.chdir(folder)
    assert load("toy.arff").n_samples == 60


def test_second_load_comes_from_the_cache_until_the_file_changes(
    write_arff: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = write_arff()
    first = load(base)
    with monkeypatch.context() as patch:
        patch.setattr("mlc.data.arff.read_arff", lambda path: pytest.fail("parsed again"))
        assert_array_equal(load(base).features, first.features)
    write_arff(n=30)
    assert load(base).n_samples == 30


def test_a_cache_that_cannot_be_written_costs_time_only(
    write_arff: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load(write_arff()).n_samples == 60


BROKEN = {
    "no data": ([], "no row after @data"),
    "cut off": (["1,0,0.5,0.5", "0,1,0."], "data row 2 cannot be read"),
    "not a number": (["1,0,0.5,x"], "data row 1 cannot be read"),
    "not binary": (["1,0,0.5,0.5", "2,0,0.1,0.2"], "data row 2 cannot be read"),
    "NaN": (["1,0,0.5,0.5", "0,1,NaN,1"], "attribute 'x' is nan in data row 2"),
    "infinity": (["1,0,0.5,0.5", "0,1,1,-inf"], "attribute 'y' is -inf in data row 2"),
    "missing label": (["1,?,0.5,0.5"], "label 'large' is missing in data row 1"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_row_is_named(case: str, write_arff: Write) -> None:
    rows, message = BROKEN[case]
    with pytest.raises(DataError, match=f"toy.arff: .*{message}"):
        load(write_arff(rows=rows))


@pytest.mark.parametrize(
    ("declaration", "row", "message"),
    [
        ("{low,high}", "low,1", "label 'a' is not binary, it can be low, high"),
        ("numeric", "3,1", "label 'a' is 3 in data row 1"),
    ],
)
def test_a_label_that_is_not_binary_is_named(
    declaration: str, row: str, message: str, write_arff: Write
) -> None:
    header = f"@relation 'x: -C 1'\n@attribute a {declaration}\n@attribute x numeric"
    with pytest.raises(DataError, match=message):
        load(write_arff(rows=[row], header=header))


def test_what_else_can_be_wrong_with_files(write_arff: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no .*nowhere.arff.*: fetch it there"):
        load(tmp_path / "nowhere", obtain="fetch it there")
    with pytest.raises(DataError, match=r"half-train.arff is there and half-test.arff is not"):
        load(write_arff("half-train").with_name("half"))
    base = write_arff(
        "plain", header="@relation x\n@attribute a {0,1}\n@attribute x numeric", rows=["1,2"]
    )
    with pytest.raises(DataError, match="does not say which attributes are labels"):
        load(base)
    base.with_suffix(".xml").write_text("<labels><label name='b'/></labels>")
    with pytest.raises(DataError, match="no attribute 'b'"):
        load(base)
    base.with_suffix(".xml").write_text("<labels><label")
    with pytest.raises(DataError, match="not valid XML"):
        load(base)
    with pytest.raises(DataError, match="'-C 9' in @relation"):
        load(
            write_arff(
                "c",
                header="@relation 'x -C 9'\n@attribute a {0,1}\n@attribute x numeric",
                rows=["1,2"],
            )
        )
    with pytest.raises(DataError, match="type STRING"):
        load(
            write_arff(
                "s",
                header="@relation 'x -C 1'\n@attribute a {0,1}\n@attribute x string",
                rows=["1,2"],
            )
        )
    (tmp_path / "packed.arff.gz").write_bytes(gzip.compress(b"@relation x" * 100)[:-20])
    with pytest.raises(DataError, match="cut off"):
        load(tmp_path / "packed")
    (tmp_path / "unpacked.arff.gz").write_bytes(b"@relation x")
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / "unpacked")
    write_arff("two-train")
    write_arff(
        "two-test",
        header="@relation 'x -C 1'\n@attribute a {0,1}\n@attribute x numeric",
        rows=["1,2"],
    )
    with pytest.raises(DataError, match="same attributes"):
        load(tmp_path / "two")


WEKA = {
    "no blank before a brace": "@attribute a{0,1}\n@attribute b{ 0 , 1 }\n@attribute x numeric\n",
    "comments": "@attribute a {0,1} % first\n% {\n\n@attribute b {0,1}%'\n@attribute x real % 'x\n",
    "ranges": "@attribute a {0,1}\n@attribute b {0,1}\n@attribute x INTEGER [0, 9.5] {\n",
    "tabs": "\t@attribute\ta\t{0\t1}\n @ATTRIBUTE b  {0 1}\n@Attribute\t'x'\tReal\n",
    "quoted values": "@attribute 'a'{'0',\"1\"}\n@attribute \"b\" {'0' '1'}\n@attribute x 'numeric'\n",
}


@pytest.mark.parametrize("declared", WEKA)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_header_is_read_as_weka_reads_it(declared: str, end: str, tmp_path: Path) -> None:
    text = f"% first\n@RELATION 'x: -C 2' % named\n{WEKA[declared]}@DATA % rows\n1,0,2.5\n0,1,3\n"
    (tmp_path / "x.arff").write_bytes(text.replace("\n", end).encode())
    found = load(tmp_path / "x")
    assert (found.label_names, found.feature_names) == (("a", "b"), ("x",))
    assert_array_equal(found.targets, [[True, False], [False, True]])
    assert_array_equal(found.features, np.array([[2.5], [3]], dtype=np.float32))


@pytest.mark.parametrize(
    "row",
    [
        "1,2.5,'dark red'", "1 2.5 'dark red'", "1\t2.5\t\"dark red\"", " 1 , 25e-1 ,'dark red' % done",
        "1,+2.5f,'dark\\040red'", "'1','2.5','dark red'", "1,2.5,'dark red',{1}", "1,2.5,'dark red',",
        "{0 1,1 2.5,2 'dark red'}", "{ 0 1 , 1\t2.5 , 2 \"dark red\" } % done",
        "{2 'dark red',0 1,1 2.5}",
        "{0 1 1 2.5 2 'dark red'} {1.0}",
    ],
)  # fmt: skip
def test_a_row_is_read_as_weka_reads_it(row: str, write_arff: Write) -> None:
    header = (
        "@relation 'x: -C 1'\n@attribute y {0,1}\n@attribute size integer\n"
        "@attribute colour {green,'dark red'}"
    )
    found = load(write_arff(header=header, rows=[row, "0,7,green", "{1 7}"]))
    assert_array_equal(dense(found), np.array([[2.5, 0, 1], [7, 1, 0], [7, 1, 0]]))
    assert_array_equal(found.targets, [[True], [False], [False]])


def test_what_quotes_hold_has_javas_escapes(write_arff: Write) -> None:
    header = r"""@relation 'x: -C 1'
@attribute 'y\'s \"\\' {0,1}
@attribute 'tab\there \x41\101' {'a,b','{c}',"% d",it\'s}"""
    rows = ["1,'a,b'", "0,'{c}'", '0,"% d"', r"1,'it\'s'", r"1,it\'s"]
    found = load(write_arff(header=header, rows=rows))
    name = "tab\there x41A"
    assert found.label_names == ("y's \"\\",)
    assert found.feature_names == tuple(f"{name}={v}" for v in ("a,b", "{c}", "% d", "it's"))
    assert_array_equal(found.features.argmax(axis=1), [0, 1, 2, 3, 3])


REFUSED_HEADERS = {
    "@attribute y {0,1}\n@attribute x date 'yyyy-MM-dd'": "type DATE.*line 3",
    "@attribute y {0,1}\n@attribute x relational": "type RELATIONAL",
    "@attribute y {0,1}\n@attribute x float": "unknown type 'float'.*line 3",
    "@attribute y {0,1}\n@attribute y numeric": "two attributes 'y'",
    "@attribute y {0,1,0}\n@attribute x numeric": "values of 'y' must be different",
    "@attribute y {}\n@attribute x numeric": "values of 'y' must be different",
    "@attribute y {0,,1}\n@attribute x numeric": "a value is empty",
    "@attribute y {0,1\n@attribute x numeric": "not closed by a }.*line 2",
    "@attribute y {0,1} 2\n@attribute x numeric": "after the }",
    "@attribute 'y {0,1}\n@attribute x numeric": "quote is not closed",
    "@attribute y {it's,that's}\n@attribute x numeric": "a quote is inside a value",
    "@attribute y\n@attribute x numeric": "name and a type",
    "@relation again\n@attribute y {0,1}": "@attribute must stand here",
}


@pytest.mark.parametrize("declared", REFUSED_HEADERS)
def test_what_a_header_may_not_hold_is_told_by_its_line(declared: str, write_arff: Write) -> None:
    base = write_arff(header=f"@relation 'x: -C 1'\n{declared}", rows=["1,2"])
    with pytest.raises(DataError, match=f"header cannot be read: .*{REFUSED_HEADERS[declared]}"):
        load(base)


REFUSED_ROWS = {
    "{0 1,0 0,2 1}": "it has the index 0 twice",
    "{0 1,2 1,2 1}": "it has the index 2 twice",
    "{0 1,4 1}": "'4' is not an index from 0 to 3",
    "{0 1,-1 1}": "'-1' is not an index",
    "{0 1,2}": "pairs of an index and a value",
    "{0 1": "not closed",
    "1,0,,2": "a value is empty",
    "1,0,1_0,2": "'1_0' is not a number",
    "1,0,\u0661,2": "is not a number",
    "1,0,0x10,2": "is not a number",
    "1,0,'?',2": r"'\?' is not a number",
    "1,0,1,2,{0.5}": "weight 0.5",
    "1,0,1,2,3": "5 values, and there are 4",
    "1,0,1,2 {1} 3": "follows after|weight|{",
    "1,0,it's,that's": "a quote is inside",
}


@pytest.mark.parametrize("row", REFUSED_ROWS)
def test_what_a_row_may_not_hold_is_told_by_its_number(row: str, write_arff: Write) -> None:
    first = "{0 1}" if row.startswith("{") else "0,1,2,3"
    with pytest.raises(DataError, match=f"data row 2 cannot be read .*{REFUSED_ROWS[row]}"):
        load(write_arff(rows=[first, row]))


@pytest.mark.parametrize("row", ["1,0,1,1e39", "{0 1,3 1e39}", "1,0,1,-3.5e38"])
def test_a_number_over_32_bits_is_refused_by_row(row: str, write_arff: Write) -> None:
    first = "{0 1}" if row.startswith("{") else "0,1,2,3"
    with pytest.raises(DataError, match=r"attribute 'y' is .*e\+3. in data row 2, too large"):
        load(write_arff(rows=[first, row]))


def test_a_label_that_the_xml_names_twice_is_refused(write_arff: Write) -> None:
    base = write_arff()
    base.with_suffix(".xml").write_text("<labels><label name='even'/><label name='even'/></labels>")
    with pytest.raises(DataError, match=r"toy.xml names the label 'even' twice"):
        load(base)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        ("9" * 5000, "does not fit its 2 attributes"),
        ("-" + "9" * 5000, "does not fit its 2 attributes"),
        ("1_0", "does not say which attributes are labels"),
        ("1.5", "does not say which attributes are labels"),
        ("\u0661", "does not say which attributes are labels"),
    ],
)
def test_a_count_of_labels_that_is_none_is_refused(
    count: str, message: str, tmp_path: Path
) -> None:
    """Python converts at most 4,300 digits, and reads 1_0 as 10."""
    lines = (
        f"@relation 'toy: -C {count}'\n@attribute y {{0,1}}\n@attribute x real\n@data\n0,1\n1,2\n"
    )
    (tmp_path / "toy.arff").write_text(lines, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        SOURCES["arff"].load(SOURCES.options("arff", path=str(tmp_path / "toy")))


def test_new_rows_without_a_nominal_value_are_told_which(tmp_path: Path) -> None:
    head = "@relation 'toy: -C 1'\n@attribute y {0,1}\n@attribute c "
    (tmp_path / "toy.arff").write_text(f"{head}{{red,'dark blue'}}\n@data\n0,red\n1,'dark blue'\n")
    (tmp_path / "new.arff").write_text(f"{head}{{red}}\n@data\n0,red\n")
    data = load(tmp_path / "toy")
    with pytest.raises(DataError, match="the attribute 'c' has no value 'dark blue', which the tr"):
        load_features(tmp_path / "new.arff", data, "arff", path=str(tmp_path / "toy"))
