"""Tables and texts: what is read, and what is refused in a sentence."""

from __future__ import annotations

import gzip
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import issparse

from mlc.config.errors import ConfigError, DataError
from mlc.data.base import SOURCES, Dataset
from mlc.data.card import describe
from mlc.data.splits import split_dataset
from mlc.data.table import TableOptions
from mlc.data.unlabelled import read_features

NUMBERS = "size,colour,round,red\n1.5,blue,1,0\n2,red,0,1\n,red,1,1\n-3e2,,0,0\n"
TEXTS = (
    'body,tags\n"salt, oven",cooking\nGoal and match,sport; league\n'
    "match on the Moon,\nsalt,cooking\n"
)


def load(path: Path, **options: Any) -> Dataset:
    return SOURCES["table"].load(SOURCES.options("table", path=str(path), **options))


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def put(content: str, name: str = "toy.csv") -> Path:
        (tmp_path / name).write_bytes(content.encode())
        return tmp_path / name

    return put


def test_numbers_categories_and_columns_of_labels(write: Any) -> None:
    for ending in ("\n", "\r\n"):
        dataset = load(write(NUMBERS.replace("\n", ending)), labels=["round", "red"])
        assert dataset.name == "toy"
        assert dataset.label_names == ("round", "red")
        assert dataset.feature_names == ("size", "colour=blue", "colour=red")
        assert dataset.numeric.tolist() == [True, False, False]
        expected = [[1.5, 1, 0], [2, 0, 1], [np.nan, 0, 1], [-300, 0, 0]]
        np.testing.assert_array_equal(dataset.features, np.float32(expected))
        assert dataset.targets.tolist() == [[1, 0], [0, 1], [1, 1], [0, 0]]


def test_a_column_of_label_sets_and_a_text(write: Any) -> None:
    dataset = load(write(TEXTS), labels=["tags"], text="body", min_df=1)
    assert dataset.label_names == ("cooking", "league", "sport")
    assert dataset.targets.tolist() == [[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 0, 0]]
    assert issparse(dataset.features)
    assert "moon" in dataset.feature_names
    salt = dataset.feature_names.index("salt")
    assert dataset.features[:, [salt]].toarray().ravel().tolist() == [1, 0, 0, 1]


def test_sequences_of_words_are_hashed(write: Any) -> None:
    path = write(TEXTS)
    options = {"labels": ["tags"], "text": "body", "min_df": 1, "tokens": "whitespace"}
    words = load(path, **options)
    assert "Moon" in words.feature_names
    pairs = load(path, ngram_range=[1, 2], buckets=8, **options)
    assert pairs.n_features == words.n_features + 8
    # A text of n words has n - 1 pairs.
    n_words = [2, 3, 4, 1]
    assert pairs.features[:, words.n_features :].toarray().sum(axis=1).tolist() == [
        n - 1 for n in n_words
    ]


def test_texts_without_blanks_between_words_are_read_by_characters(write: Any) -> None:
    path = write("tags,body\na,我喜欢足球\nb,他喜欢音乐\na,足球很好\nb,A音乐\n")
    with pytest.raises(DataError, match=r"data\.tokens=characters 'data\.ngram_range=\[1,2\]'"):
        load(path, labels=["tags"], text="body")
    options = {"tokens": "characters", "ngram_range": [1, 2], "min_df": 1}
    dataset = load(path, labels=["tags"], text="body", **options)
    counts = dict(zip(dataset.feature_names, dataset.features.toarray().T.tolist(), strict=True))
    assert counts["足 球"] == counts["足"] == [1, 0, 1, 0]
    assert counts["喜 欢"] == [1, 1, 0, 0]
    assert counts["a"] == [0, 0, 0, 1]
    card = describe(dataset, split_dataset(dataset, TableOptions(val_fraction=0.25), seed=0))
    assert "characters and pairs of body" in card.features


def test_parquet_keeps_types_and_lists(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {"x": [1, 2, 3], "kind": ["a", "b", None], "tags": [["p"], [], ["p", "q"]]}
    )
    frame.to_parquet(tmp_path / "toy.parquet")
    dataset = load(tmp_path / "toy.parquet", labels=["tags"])
    assert dataset.feature_names == ("x", "kind=a", "kind=b")
    assert dataset.targets.tolist() == [[1, 0], [0, 0], [1, 1]]


def test_a_test_file_is_read_as_the_training_file(write: Any) -> None:
    path, test = write(NUMBERS), write("red,round,colour,size\n1,1,green,7\n", "test.csv")
    dataset = load(path, test_path=str(test), labels=["round", "red"])
    assert {part: rows.tolist() for part, rows in dataset.parts.items()} == {
        "train": [0, 1, 2, 3],
        "test": [4],
    }
    assert dataset.features[4].tolist() == [7, 0, 0]


def test_a_validation_file_is_read_as_the_training_file(write: Any) -> None:
    path, test = write(NUMBERS), write("red,round,colour,size\n1,1,green,7\n", "test.csv")
    val = write("size,colour,round,red\n8,green,0,1\n9,green,1,0\n", "val.csv")
    labels = ["round", "red"]
    dataset = load(path, test_path=str(test), val_path=str(val), labels=labels)
    split = split_dataset(dataset, TableOptions(), seed=3)
    assert {part: rows.tolist() for part, rows in split.parts().items()} == {
        "train": [0, 1, 2, 3],
        "val": [4, 5],
        "test": [6],
    }
    assert dataset.features[4:, 0].tolist() == [8, 9, 7]
    assert dataset.targets[4:].tolist() == [[0, 1], [1, 0], [1, 1]]
    card = describe(dataset, split)
    assert card.split == f"all parts from {path.name}, val.csv, test.csv"
    with pytest.raises(ConfigError, match=r"val_path=.* needs .*test_path"):
        load(path, val_path=str(val), labels=labels)


def test_a_test_files_labels_are_in_the_training_files_order(write: Any) -> None:
    path = write(TEXTS)
    test = write("tags,body\nsport,salt\n,\ncooking; league,salt oven unheard\n", "test.csv")
    options = {"labels": ["tags"], "text": "body", "min_df": 1, "ngram_range": [1, 2], "buckets": 4}
    dataset = load(path, test_path=str(test), **options)
    assert dataset.label_names == ("cooking", "league", "sport")
    assert dataset.targets[4:].tolist() == [[0, 0, 1], [0, 0, 0], [1, 1, 0]]
    assert "unheard" not in dataset.feature_names
    alone = load(path, **options)
    assert dataset.feature_names == alone.feature_names
    np.testing.assert_array_equal(dataset.features[:4].toarray(), alone.features.toarray())
    # The last text has pairs of words, and the one before is empty.
    pairs = dataset.features[4:, dataset.n_features - 4 :].toarray().sum(axis=1)
    assert pairs.tolist() == [0, 0, 2]
    write("tags,body\nfishing,salt\n", "test.csv")
    with pytest.raises(
        DataError, match="the label 'fishing' in data row 1 is not in the training file"
    ):
        load(path, test_path=str(test), **options)


@pytest.mark.parametrize("name", ["toy.csv", "toy.CSV", "toy.tsv", "toy.txt", "toy.csv.gz"])
def test_separators_packed_files_blank_lines_and_names(name: str, tmp_path: Path) -> None:
    content = b"\n x , y \n\n1,0\n\n2,1\n"
    if ".csv" not in name.lower():
        content = content.replace(b",", b"\t")
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    dataset = load(tmp_path / name, labels=["y"], title="stated")
    assert (dataset.name, dataset.feature_names) == ("stated", ("x",))
    assert dataset.features.tolist() == [[1], [2]]
    assert dataset.targets.tolist() == [[False], [True]]


def test_a_file_must_be_named() -> None:
    with pytest.raises(DataError, match=r"needs data.path=FILE and data.labels"):
        SOURCES["table"].load(SOURCES.options("table", labels=["a"]))


def test_an_absent_text_has_no_words(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"body": ["salt none", None], "y": [0, 1]})
    frame.to_parquet(tmp_path / "toy.parquet")
    dataset = load(tmp_path / "toy.parquet", labels=["y"], text="body", min_df=1)
    assert dataset.feature_names == ("none", "salt")
    assert dataset.features.toarray().tolist() == [[1, 1], [0, 0]]


def test_features_of_new_rows_are_found_by_their_names(write: Any, tmp_path: Path) -> None:
    dataset = load(write(NUMBERS), labels=["round", "red"])
    options = SOURCES.options("table", path="x", labels=["round", "red"])
    new = write("colour,more,size\nred,?,4\n", "new.csv")
    found = read_features(new, "table", options, dataset.feature_names, dataset.label_names)
    assert found.tolist() == [[4, 0, 1]]
    lacking = write("colour\nred\n", "lacking.csv")
    with pytest.raises(DataError, match="there is no column 'size', which the training had"):
        read_features(lacking, "table", options, dataset.feature_names, dataset.label_names)
    lacking = write("size\n1\n", "words.csv")
    with pytest.raises(DataError, match=r"there is no column 'colour' \(or 'colour=red'\), which"):
        read_features(lacking, "table", options, ["size", "colour=red"], dataset.label_names)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_an_accent_may_be_a_character_of_its_own(ending: str, write: Any, tmp_path: Path) -> None:
    """Names of macOS have such accents; they stay as they are written."""
    one, two = "nass\u00fc", "nassu\u0308"
    for written, given in ((one, two), (two, one)):
        content = f"{written}x,{written}f,{written}\n1.5,{written},1\n2,{written},0\n"
        path = write(content)
        if ending == "parquet":
            pytest.importorskip("pyarrow")
            pd.read_csv(path).to_parquet(tmp_path / "toy.parquet")
            path = tmp_path / "toy.parquet"
        data = load(path, labels=[given])
        assert (data.feature_names, data.label_names) == (
            (f"{written}x", f"{written}f={written}"), (written,),
        )  # fmt: skip
        options = SOURCES.options("table", path="x", labels=[given])
        names = [f"{given}x", f"{given}f={given}"]
        assert read_features(path, "table", options, names, []).tolist() == [[1.5, 1], [2, 1]]


def test_what_new_rows_have_otherwise_is_named_by_row_and_value(
    write: Any, caplog: pytest.LogCaptureFixture
) -> None:
    options = SOURCES.options("table", path="x", labels=["round"])
    names = ["size", "colour=red", "colour=blue"]

    def read(content: str) -> Any:
        return read_features(write(content, "new.csv"), "table", options, names, ["round"])

    for content, message in {
        "size,colour\n1,red\nlarge,red\n": "'size' is 'large' in data row 2, and must hold numbers",
        "Size,colour\n1,red\n": "no column 'size', which the training had: rename 'Size'",
    }.items():
        with pytest.raises(DataError, match=message):
            read(content)
    assert read("size,colour\n1,red\nn.a.,\n").tolist()[0] == [1, 1, 0]
    assert caplog.messages == []
    assert read("size,colour\n1,red\n2,Red\n3,green\n")[:, 1:].tolist() == [[1, 0], [0, 0], [0, 0]]
    (said,) = caplog.messages
    caplog.clear()
    assert "Warning: 2 of 3 rows have a value of 'colour' that the training has not" in said
    assert "where it has 'red', such as 'Red' in data row 2" in said
    assert read("size,colour\n,\n-,\n")[:, 1:].tolist() == [[0, 0], [0, 0]]
    (said,) = caplog.messages
    assert said.startswith("Warning: the columns 'colour', 'size' are empty in all 2 rows")


def test_the_column_of_the_texts_of_new_rows_is_named(write: Any) -> None:
    options = SOURCES.options("table", path="x", labels=["tags"], text="body")
    with pytest.raises(
        DataError, match="no column 'body': the training had its texts there; rename the"
    ):
        read_features(write("title\nhi\n"), "table", options, ["hi"], [])


def test_new_values_in_a_test_file_are_on_the_card(write: Any) -> None:
    test_path = write("size,colour,more,round,red\n1,green,2,0,1\n", "test.csv")
    notes = load(write(NUMBERS), labels=["round", "red"], test_path=str(test_path)).notes
    assert any(
        n.startswith("Test file: Warning: 1 of 1 row has a value of 'colour'") for n in notes
    )


@pytest.mark.parametrize(
    ("written", "cure"),
    [
        ("Wet", "write it as 'wet', as there"),
        ("wet|cold", "with the same separator"),
        ("dry", "remove it"),
    ],
)
def test_a_label_of_a_test_file_alone_is_refused_with_what_it_may_be(
    written: str, cure: str, write: Any
) -> None:
    train, test = ("a,tags\n1,wet;cold\n2,cold\n", f"a,tags\n1,wet\n2,{written}\n")
    with pytest.raises(DataError, match=f"in data row 2 is not in the training file: .*{cure}"):
        load(write(train), labels=["tags"], test_path=str(write(test, "test.csv")))


BAD = {
    "no labels named": (NUMBERS, {}, "has the columns .*: name the one that holds label sets"),
    "no labels named beside a text": (
        TEXTS,
        {"text": "body"},
        "has the columns body, tags: name the one that holds label sets",
    ),
    "no such column": (
        NUMBERS,
        {"labels": ["shape"]},
        "there is no column 'shape': data.labels may",
    ),
    "no binary label": (
        NUMBERS,
        {"labels": ["round", "size"]},
        r"the label 'size' is '1.5' in data row 1: labels must be 0 or 1",
    ),
    "two columns that name a label each": (
        "size,colour,kind\n1,red,shirt\n2,blue,shoe\n",
        {"labels": ["colour", "kind"]},
        r"where cells name labels, join those of a row in one column, as red\|shirt\.",
    ),
    "no row": ("a,b\n", {"labels": ["a"]}, "has no row after its first line"),
    "nothing": ("", {"labels": ["a"]}, "toy.csv is empty: give a file with"),
    "quotes and blanks between columns": (
        '"x" "y"\n"1" 2 "a"\n',
        {"labels": ["y"]},
        "are separated by blanks: separate",
    ),
    "blanks between columns": (
        "a  b\n1  0\n",
        {"labels": ["b"]},
        "are separated by blanks: separate",
    ),
    "carets between columns": ("a^b\n1^0\n", {"labels": ["b"]}, r"are separated by '\^': separate"),
    "columns in other letters": (
        NUMBERS,
        {"labels": ["Round", "Red"]},
        "no header with 'Round', 'Red': write 'round', 'red' as the file does, or rename it there",
    ),
    "a file without its labels": (
        "size,more\nbig,1\nsmall,0\n",
        {"labels": ["round", "red"]},
        "no header with 'round', 'red': give a file with these columns, or .* if that is a row of data",
    ),
    "probabilities": (
        "a,y,z\n1,0.3,0\n2,1,0\n",
        {"labels": ["y", "z"]},
        "data.soft_labels=true takes probabilities",
    ),
    "JSON lines": ('{"a": 1, "b": 0}\n' * 9, {"labels": ["b"]}, "is a JSON file: write it as CSV"),
    "a list of JSON": (
        '[\n{"a": 1, "b": 0}]',
        {"labels": ["b"]},
        "is a JSON file: write it as CSV",
    ),
    "a slip in what to leave out": (
        NUMBERS,
        {"labels": ["round"], "ignore": ["rde"]},
        "no column 'rde': data.ignore may name size,",
    ),
    "a short row": ("a,b\n1,0\n1\n", {"labels": ["b"]}, "in line 3 has 1 field, .* names 2"),
    "a long row": ("a,b\n1,0\n1,2,3\n", {"labels": ["b"]}, "in line 3 has 3 fields, .* names 2"),
    "an open quote": (
        'a,b\n1,"0\n',
        {"labels": ["b"]},
        "begins in line 1, and line 2 is read as .* end of data",
    ),
    "a column twice": ("a,a,b\n1,2,0\n", {"labels": ["b"]}, "two columns 'a': rename one"),
    "infinity": ("a,b\ninf,1\n2,0\n", {"labels": ["b"]}, "'a' is infinite.* in data row 1"),
    "too large": ("a,b\n1e300,1\n2,0\n", {"labels": ["b"]}, "'a' is infinite, or too large"),
    "no feature": ("b,c\n1,0\n", {"labels": ["b", "c"]}, "no column is left for features"),
    "no label": ("a,b\nx,\ny,;\n", {"labels": ["b"]}, "no row of the column 'b' has a label"),
    "no such text": (TEXTS, {"labels": ["tags"], "text": "title"}, "there is no column 'title'"),
    "no word": ("t,b\n!,1\n?,0\n", {"labels": ["b"], "text": "t"}, "no word is left"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_used_is_told(case: str, write: Any) -> None:
    content, options, message = BAD[case]
    with pytest.raises(DataError, match=message):
        load(write(content), **options)


def test_what_is_no_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no file"):
        load(tmp_path / "none.csv", labels=["a"])
    (tmp_path / "toy.doc").write_text("a,b\n1,0\n")
    with pytest.raises(DataError, match=r"is no .csv, .tsv or .parquet file: name"):
        load(tmp_path / "toy.doc", labels=["a"])
    (tmp_path / "toy.parquet").write_text("nonsense")
    with pytest.raises(DataError, match=r"cannot be read as a Parquet file: .*\w\.$"):
        load(tmp_path / "toy.parquet", labels=["a"])


def test_parquet_is_read_as_far_as_memory_and_unicode_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pd.DataFrame({"a": ["wet"] * 9, "y": 0}).to_parquet(tmp_path / "toy.parquet", compression=None)
    content = (tmp_path / "toy.parquet").read_bytes()
    (tmp_path / "toy.parquet").write_bytes(content.replace(b"wet", b"w\x94t"))
    with pytest.raises(DataError, match=r"toy.parquet cannot be read as a Parquet file: .*w.t"):
        load(tmp_path / "toy.parquet", labels=["y"])
    pd.DataFrame({"a": np.zeros(10**5), "y": 0}).to_parquet(tmp_path / "toy.parquet")
    assert (tmp_path / "toy.parquet").stat().st_size < 10**4
    free = SimpleNamespace(available=10**6)
    monkeypatch.setattr("psutil.virtual_memory", lambda: free)
    with pytest.raises(DataError, match=r"its table would take 0\.0016 GB, and 0\.001 GB"):
        load(tmp_path / "toy.parquet", labels=["y"])


def test_a_column_of_mostly_different_words_is_named_on_the_card(tmp_path: Path) -> None:
    rows = [f"2024-{k % 12 + 1:02}-{k % 15 + 1:02},{k % 3},{k % 2}" for k in range(80)]
    (tmp_path / "t.csv").write_text("\n".join(["joined,a,y", *rows]) + "\n", encoding="utf-8")
    options = SOURCES.options("table", path=str(tmp_path / "t.csv"), labels=["y"])
    (note,) = [note for note in SOURCES["table"].load(options).notes if "joined" in note]
    assert "60 dates in 80 rows" in note
    assert "'data.ignore=[joined]'" in note


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ([f"ward {k % 30}" for k in range(120)], "30 different values in 120 rows"),
        ([f"2024-03-{k % 24 + 1:02}" for k in range(600)], "24 dates in 600 rows"),
        (pd.date_range("2024-03-01", periods=24).tolist() * 20, "24 dates in 480 rows"),
        ([f"2024-03-{k % 12 + 1:02}" for k in range(600)], None),
        ([f"ward {k % 30}" for k in range(150)], None),
    ],
)
def test_categories_with_few_rows_each_and_dates_are_named(
    cells: list[Any], said: str | None, tmp_path: Path
) -> None:
    """A network learns little of a value with few rows, and new rows have other dates."""
    frame = pd.DataFrame(
        {"c": cells, "a": np.arange(len(cells)) % 3, "y": np.arange(len(cells)) % 2}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    options = SOURCES.options("table", path=str(tmp_path / "t.parquet"), labels=["y"])
    notes = [
        note for note in SOURCES["table"].load(options).notes if "each of them a feature" in note
    ]
    assert [said in note and "data.ignore=[c]" in note for note in notes] == [True] * bool(said)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_without_stated_labels_names_its_columns(ending: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"size": [1, 2], "red": [0, 1], "round": [1, 0]})
    path = tmp_path / f"t.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    with pytest.raises(
        DataError, match=r"has the columns size, red, round: name .* --labels COLUMN"
    ):
        SOURCES["table"].load(SOURCES.options("table", path=str(path)))


def test_the_word_none_is_no_separator_of_a_table(write: Any) -> None:
    path = write("a,tags\n" + "1,x;y\n2,x\n3,y\n" * 4)
    given = load(path, labels=["tags"], separator="none")
    assert given.label_names == ("x", "y")


def test_bytes_in_parquet_are_texts_or_refused_by_row(tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "toy.parquet"

    def load(labels: list[object], **columns: object) -> Dataset:
        tags = pa.array(
            labels, pa.list_(pa.binary()) if isinstance(labels[0], list) else pa.binary()
        )
        arrays = {name: pa.array(own, pa.binary()) for name, own in columns.items()}
        parquet.write_table(pa.table({**arrays, "tags": tags}), path)
        text = {"text": "body"} if "body" in columns else {}
        ignore = [name for name in columns if name == "picture"]
        options = SOURCES.options(
            "table", path=str(path), labels=["tags"], ignore=ignore, min_df=1, **text
        )
        return SOURCES["table"].load(options)

    picture = [b"\xff\xd8", b"\xff\xd8", None]
    sets = [[b"wet", "naß".encode()], [b"wet"], []]
    data = load(sets, colour=[b"red", "grün".encode(), None], picture=picture)
    assert data.label_names == ("naß", "wet")
    assert data.targets.tolist() == [[True, True], [False, True], [False, False]]
    assert set(data.feature_names) == {"colour=grün", "colour=red"}
    texts = load([b"a;b", b"b", b""], body=[b"rain", b"sun rain", b"sun"])
    assert texts.feature_names == ("rain", "sun")
    assert texts.targets.tolist() == [[True, True], [False, True], [False, False]]
    bad = [b"red", b"\xffx", b"red"]
    for columns, labels, named in (
        ({"colour": bad}, sets, "'colour'"),
        ({"body": bad}, sets, "'body'"),
        ({"colour": [b"red"] * 3}, bad, "'tags'"),
        ({"colour": [b"red"] * 3}, [[b"a"], [b"b", b"\xffx"], []], "'tags'"),
    ):
        with pytest.raises(DataError, match=rf"{named} holds the bytes .*\\xffx.* in data row 2"):
            load(labels, **columns)
