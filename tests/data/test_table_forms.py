"""Tables as people have them read as what they are, or are refused in a sentence."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlc.config.errors import ConfigError, DataError
from mlc.data.base import SOURCES, Dataset
from mlc.data.unlabelled import read_features

TEXTS = ("rain on hill", "sun on hill", "fog on road")
OF_TEXT = {"labels": ["tags"], "text": "text", "min_df": 1}


def sets_of(dataset: Dataset, rows: int) -> list[list[str]]:
    return [
        [dataset.label_names[k] for k in np.flatnonzero(dataset.targets[row])]
        for row in range(rows)
    ]


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def write_and_load(content: str | bytes, name: str = "posts.csv", **options: Any) -> Dataset:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return SOURCES["table"].load(SOURCES.options("table", path=str(path), **options))

    return write_and_load


def posts(*cells: str) -> str:
    rows = [f"{TEXTS[k % 3]},{cell}\n" for k, cell in enumerate(cells)] * 12
    return "text,tags\n" + "".join(rows)


CASES: dict[str, tuple[str | bytes, list[list[str]]]] = {
    "labels as JSON": (
        posts('"[""wet"", ""cold""]"', '"[""warm""]"', "[]"), [["cold", "wet"], ["warm"], []],
    ),
    "blanks": (
        posts("haze primary", "clear primary water", "clear"),
        [["haze", "primary"], ["clear", "primary", "water"], ["clear"]],
    ),
    "NaN": (posts("wet;cold", "NaN", "None"), [["cold", "wet"], [], []]),
    "Windows": (posts("“wet”", "5€").encode("cp1252"), [["“wet”"], ["5€"]]),
    "UTF-16": (posts("wet;cold", "warm").encode("utf-16"), [["cold", "wet"], ["warm"]]),
    "UTF-16, no mark": (posts("wet;cold", "warm").encode("utf-16-be"), [["cold", "wet"], ["warm"]]),
    "tabs": (posts("wet;cold", "warm").replace(",", "\t"), [["cold", "wet"], ["warm"]]),
    "quotes after blanks": (posts(' "wet;cold"', ' "warm"'), [["cold", "wet"], ["warm"]]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_posts_are_read_whatever_their_form(case: str, load: Any) -> None:
    content, expected = CASES[case]
    assert sets_of(load(content, **OF_TEXT), len(expected)) == expected


FASTTEXT = "__label__wet __label__cold rain on hill\n__label__warm sun on hill\nfog on road\n" * 3
COLUMNS = "wet cold\train on hill\nwarm\tsun on hill\n\tfog on road\n" * 3


@pytest.mark.parametrize("options", [{}, {"labels": ["tags"], "text": "text"}])
@pytest.mark.parametrize("form", ["fastText", "two columns", "three columns"])
def test_files_of_labelled_texts(
    form: str, options: dict[str, Any], load: Any, tmp_path: Path
) -> None:
    numbered = "".join(f"{k}\t{line}\n" for k, line in enumerate(COLUMNS.splitlines()))
    content = {"fastText": FASTTEXT, "two columns": COLUMNS, "three columns": numbered}[form]
    dataset = load(content, "cooking.txt", min_df=1, **options)
    assert sets_of(dataset, 3) == [["cold", "wet"], ["warm"], []]
    assert dataset.feature_names == ("fog", "hill", "on", "rain", "road", "sun")
    assert "'s form" in dataset.notes[0]
    stated = SOURCES.options("table", path="x", min_df=1, **options)
    new = tmp_path / "new.txt"
    new.write_text("__label__wet sun on road\n")
    found = read_features(new, "table", stated, dataset.feature_names, dataset.label_names)
    assert found.toarray().tolist() == [[0, 0, 1, 0, 1, 1]]


NUMERALS = {
    "decimal commas": ("1,5", "2,25", "3", [1.5, 2.25, 3]),
    "German": ("1.234,5", "12.002,25", "3", [1234.5, 12002.25, 3]),
    "English": ("1,234.5", "12,002.25", "3", [1234.5, 12002.25, 3]),
    "blanks": ("1 234", "12 002,25", "3", [1234, 12002.25, 3]),
}


@pytest.mark.parametrize("case", NUMERALS)
def test_decimal_commas_and_thousands(case: str, load: Any) -> None:
    *written, expected = NUMERALS[case]
    dataset = load(
        "a;y\n" + "".join(f"{cell};{k % 2}\n" for k, cell in enumerate(written)), labels=["y"]
    )
    np.testing.assert_allclose(dataset.features[:, 0], expected)


def test_further_labels_are_noticed(load: Any) -> None:
    content = "size,worn,hot,leak\n" + "1.5,0,1,0\n2.5,1,0,1\n" * 9
    (note,) = load(content, labels=["worn"]).notes
    assert note.startswith("Warning: hot, leak hold 0 and 1")
    assert load(content, labels=["worn"], binary_features=True).notes == ()
    assert load(content, labels=["worn"], ignore=["hot", "leak"]).notes == ()
    ticked = "size,worn,hot,leak,kind\n" + "1.5,x,,1,+\n2.5,,X,0,\n" * 9
    note, _ = load(ticked, labels=["worn"]).notes
    assert note.startswith("Warning: hot, leak hold 'x' (or 0 and 1) as the labels do")


def test_a_null_within_a_list_is_no_label(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"a": range(3), "tags": [["wet", None], [], None]})
    frame.to_parquet(tmp_path / "p.parquet")
    options = SOURCES.options("table", path=str(tmp_path / "p.parquet"), labels=["tags"])
    assert sets_of(SOURCES["table"].load(options), 3) == [["wet"], [], []]


REFUSED = {
    "a gap": ("a,y\n1,0\n2,\n3,1\n", {"labels": ["y"]}, "label 'y' is missing in data row 2: fill it"),
    "a two": ("a,y\n" + "1,0\n2,1\n" * 9 + "3,2\n", {"labels": ["y"]}, "'2' in data row 19"),
    "a line": ("a,y\n\n\n1,0\n2,\n", {"labels": ["y"]}, r"data row 2 \(line 5\)"),
    "no header": (posts("wet;cold", "warm")[10:], OF_TEXT, "has no header with .* text,tags|tags,text"),
    "another file": (
        "id,body\nT-1,rain\nT-2,wind\n", {"labels": ["tags"], "text": "text"},
        r"no header with '\w+', '\w+': give a file with these columns, or write .* above 'id', 'body'",
    ),
    "a forgotten text": (
        "text,tags\n" + "".join(f"rain on hill {k},wet\n" for k in range(20)),
        {"labels": ["tags"]},
        r"words of the column 'text' are no categories \(20 of 20 rows differ\): name it in data.text",
    ),
    "dates": (
        "on,tags\n" + "".join(f"2024-03-{day:02} 10:00,wet\n" for day in range(1, 25)),
        {"labels": ["tags"]},
        r"'on' are no categories \(24 .*: write dates as numbers, .* or name it in data.text",
    ),
    "texts and identifiers": (
        "title,body,code,tags\n" + "".join(f"t{k},rain on {k},{k % 2}x{k},wet\n" for k in range(20)),
        {"labels": ["tags"]},
        r"words of 3 columns are no categories: 'title' \(20 of 20 rows differ\), 'body' .*, 'code' .*:"
        r" name one in data.text if .* by 'data.ignore=\[title,body,code\]'",
    ),
    "a long cell": (
        "a,y,z\n1,0,0\n2,[" + "1 " * 900 + "],1\n", {"labels": ["y", "z"]},
        r"'\[1 1 [1 ]{,60}\.\.\.[1 ]{,60}\]' in data row 2",
    ),
    "a name with a comma": (
        'a,"b, c",d\n1,0,1\n2,1,0\n', {"labels": ["b", "c"]},
        r"no column 'b', but 'b, c': quote a name that has a comma, as in \"data.labels=\['b, c'\]\"",
    ),
    "a comma": ("a;y\n1,234;0\n2,345;1\n", {"labels": ["y"]}, "'1,234' .* may be decimal or"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_unsure_is_refused(case: str, load: Any) -> None:
    content, options, message = REFUSED[case]
    with pytest.raises(DataError, match=message):
        load(content, **options)


def test_figures_of_other_scripts_are_words(load: Any) -> None:
    dataset = load("a,y\n\u0661\u0662,0\n1.5,1\n", labels=["y"])
    assert dataset.feature_names == ("a=1.5", "a=\u0661\u0662")


@pytest.mark.parametrize(("key", "value"), [("separator", ""), ("encoding", "utf-9")])
def test_options_that_mean_nothing_are_refused(key: str, value: str, load: Any) -> None:
    with pytest.raises(ConfigError, match=f"{key}="):
        load(posts("a;b"), **OF_TEXT, **{key: value})


@pytest.mark.parametrize("digits", ["9" * 5000, "-" + "9" * 5000, "1e400"])
def test_numbers_of_any_length_are_taken_or_refused_by_row(digits: str, load: Any) -> None:
    """Python converts at most 4,300 digits to a whole number."""
    with pytest.raises(DataError, match=r"column 'x' is infinite, or too large .* data row 1"):
        load(f"x,y\n{digits},1\n2,0\n3,1\n", labels=["y"])
    cells = f'x,tags\n1,"[{digits}]"\n2,"[2]"\n3,"[2]"\n'
    if digits == "1e400":
        with pytest.raises(DataError, match="'tags' in data row 1 holds a number that is infinite"):
            load(cells, labels=["tags"])
    else:
        assert load(cells, labels=["tags"]).label_names == tuple(sorted(("2", digits)))


def numbers_with(*words: str) -> str:
    """A table of 100 rows, of which the first hold these words in the place of a number."""
    cells = [*words, *(f"{row}.5" for row in range(100 - len(words)))]
    return "a,b,tags\n" + "".join(
        f"{cell},{k % 7}.5,{'xy'[k % 2]}\n" for k, cell in enumerate(cells)
    )


@pytest.mark.parametrize(
    "word", ["n/a", "N/A", "#N/A", "<NA>", "-", ".", "missing", "NULL", "nan", "-1.#IND"]
)
def test_a_word_for_a_gap_leaves_a_column_of_numbers(word: str, load: Any) -> None:
    dataset = load(numbers_with(word), labels=["tags"])
    assert dataset.feature_names == ("a", "b")
    assert dataset.numeric.all()
    assert np.isnan(dataset.features[:, 0]).tolist() == [True] + [False] * 99
    assert f"Gaps among numbers: 1 cell of 'a', such as {word!r}." in dataset.notes


def test_a_few_words_among_numbers_are_named_by_row_and_value(load: Any) -> None:
    with pytest.raises(DataError, match="98 of 100 cells of the column 'a' are numbers, and 2 not"):
        load(numbers_with("ca. 3", "4?"), labels=["tags"])
    few = "a,b,tags\n" + "".join(
        f"{'old' if k == 4 else k % 3},{k % 7}.5,{'xy'[k % 2]}\n" for k in range(60)
    )
    (note, *_) = load(few, labels=["tags"]).notes
    assert "59 of 60 cells of the column 'a' are numbers, and 1 not, such as 'old' in" in note


@pytest.mark.parametrize("case", ["pandas", "Unnamed: 0", "shuffled", "from 0", "from 1"])
def test_row_numbers_are_no_features(case: str, load: Any) -> None:
    name = {"pandas": "", "shuffled": "", "Unnamed: 0": case}.get(case, "id")
    numbers = np.arange(40) + (case == "from 1")
    if case == "shuffled":
        numbers = np.random.default_rng(0).permutation(numbers)
    rows = [f"{number},{k % 7}.5,{'xy'[k % 2]}\n" for k, number in enumerate(numbers)]
    dataset = load(f"{name},b,tags\n" + "".join(rows), labels=["tags"])
    assert dataset.feature_names == ("b",)
    assert f"Row numbers or identifiers, which are not features: {name!r}." in dataset.notes


def test_numbers_that_do_not_number_the_rows_are_features(load: Any) -> None:
    rows = [f"{k * 2},{k % 5},{k % 7}.5,{'xy'[k % 2]}\n" for k in range(40)]
    dataset = load("even,,b,tags\n" + "".join(rows), labels=["tags"])
    assert dataset.feature_names == ("even", "", "b")


def test_a_text_that_is_the_labels_is_refused(load: Any) -> None:
    with pytest.raises(ConfigError, match="text=tags is also in labels"):
        load(posts("wet;cold", "warm"), labels=["tags"], text="tags")


@pytest.mark.parametrize("cell", [[0.5, 1.5], {"x": 1, "y": 2}])
def test_nested_columns_of_parquet_are_refused(cell: Any, load: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({"v": [cell] * 4, "a": range(4), "tags": ["x;y", "x", "y", "x"]})
    frame.to_parquet(tmp_path / "made.parquet")
    content = (tmp_path / "made.parquet").read_bytes()
    with pytest.raises(DataError, match=r"the column 'v' holds .* in data row 1, no single value"):
        load(content, "nested.parquet", labels=["tags"])
    assert load(content, "nested.parquet", labels=["tags"], ignore=["v"]).feature_names == ("a",)


@pytest.mark.parametrize("mark", [",", ";"])
def test_several_names_in_one_are_taken_as_meant_unless_a_column_is_called_so(
    load: Any, mark: str
) -> None:
    rows = "a,b,c\n1,0,1\n2,1,0\n".replace(",", mark)
    taken = load(rows, labels=["b, c"])
    assert (taken.feature_names, taken.label_names) == (("a",), ("b", "c"))
    assert "There is no label column 'b, c'; it is taken as b and c." in taken.notes
    named = 'a,"b,c",b,c\n1,0,1,1\n2,1,0,1\n3,1,0,0\n'.replace(",", mark).replace("b;c", "b,c", 1)
    exact = load(named, labels=["b,c"])
    assert exact.label_names == ("b,c",)
    assert exact.feature_names == ("a", "b", "c")


@pytest.mark.parametrize("name", ["toy.csv", "toy.parquet"])
@pytest.mark.parametrize(("labels", "taken"), [
    (["a,b,"], ("a", "b")), (["a,", "b"], ("a", "b")), ([" b ,, a"], ("b", "a")),
    (["a,a"], ("a",)), (["a,b", "b"], ("a", "b")), (["x, y,a"], ("x, y", "a")),
    (["a,x, y"], ("a", "x, y")), (["x, y", "a,b"], ("x, y", "a", "b")),
])  # fmt: skip
def test_commas_within_names_and_behind_the_last_one(
    load: Any, name: str, labels: list[str], taken: tuple[str, ...]
) -> None:
    assert load(_columns(name), name, labels=labels).label_names == taken


@pytest.mark.parametrize("name", ["toy.csv", "toy.parquet"])
@pytest.mark.parametrize("labels", [["a,zz"], ["zz , b"], ["x, y,zz"], ["a,b", "a,zz"]])
def test_of_several_names_in_one_the_unknown_is_named(
    load: Any, name: str, labels: list[str]
) -> None:
    within = re.escape(repr(labels[-1]))
    with pytest.raises(
        DataError, match=rf"there is no column 'zz' \(of {within}\): data.labels may"
    ):
        load(_columns(name), name, labels=labels)


def test_a_text_among_several_names_in_one_is_refused(load: Any) -> None:
    for labels in (["a,text"], ["text,"]):
        with pytest.raises(ConfigError, match=r"data\.text=text is also in data.labels"):
            load("text,a\nx y,0\ny z,1\n", labels=labels, text="text")


def _columns(name: str) -> Any:
    text = 'f,"x, y",a,b\n1,0,1,0\n2,1,0,1\n3,1,1,0\n'
    if name.endswith("csv"):
        return text
    frame = pd.read_csv(io.StringIO(text))
    content = io.BytesIO()
    frame.to_parquet(content)
    return content.getvalue()
