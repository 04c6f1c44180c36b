"""Label sets in cells: what is read, and what is refused by its row."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlc.config.errors import DataError
from mlc.data.label_cells import join_labels, read_cells, read_cells_as
from mlc.data.label_separators import combined_by
from mlc.data.locations import FileName

FORMS: dict[str, tuple[list[Any], list[list[str]]]] = {
    "semicolons": (["wet; cold", "warm;"], [["wet", "cold"], ["warm"]]),
    "bars": (["wet|cold", "warm"], [["wet", "cold"], ["warm"]]),
    "tabs": (["wet\tcold", "warm"], [["wet", "cold"], ["warm"]]),
    "lines": (["wet\ncold", "warm"], [["wet", "cold"], ["warm"]]),
    "commas": (["wet, cold", "wet", "cold"], [["wet", "cold"], ["wet"], ["cold"]]),
    "signs": (["wet#cold", "wet", "cold"], [["wet", "cold"], ["wet"], ["cold"]]),
    "strokes": (["wet/cold", "wet", "cold"], [["wet", "cold"], ["wet"], ["cold"]]),
    "blanks": (["a b", "b c a", "a"], [["a", "b"], ["b", "c", "a"], ["a"]]),
    "names": (["New York", "Los Angeles"], [["New York"], ["Los Angeles"]]),
    "signs of names": (["C#", "F#", "C"], [["C#"], ["F#"], ["C"]]),
    "strokes of names": (["AC/DC", "rock"], [["AC/DC"], ["rock"]]),
    "JSON": (['["a, b", "c"]', "[null]", "[]"], [["a, b", "c"], [], []]),
    "Python": (["['a', \"b's\"]", "('c',)", "{'d'}", "set()"], [["a", "b's"], ["c"], ["d"], []]),
    "numpy": (["['a' 'b']", "array(['a'], dtype='<U1')"], [["a", "b"], ["a"]]),
    "scalars of numpy": (["[np.str_('a, b'), np.str_('c')]", "[np.str_('d')]"], [["a, b", "c"], ["d"]]),
    "integers of numpy": (["[np.int64(0), np.int64(12)]", "[np.int64(3)]"], [["0", "12"], ["3"]]),
    "words in brackets": (["[wet, cold]", "[New York]"], [["wet", "cold"], ["New York"]]),
    "numbers of numpy": (["[0 2]", "[1]"], [["0", "2"], ["1"]]),
    "vectors": (["[1, 0, 1]", "[0, 0, 0]"], [["0", "2"], []]),
    "arrays": ([np.array([True, False]), np.array([True, True])], [["0"], ["0", "1"]]),
    "vectors in text": (["0 1 0", "1 0 1", "0 0 0"], [["1"], ["0", "2"], []]),
    "vectors with commas": (["0,1", "1, 0"], [["1"], ["0"]]),
    "strings of bits": (["010", "101", "000"], [["1"], ["0", "2"], []]),
    "numbers of 0 and 1": (["10", "11", "101"], [["10"], ["11"], ["101"]]),
    "ideographic commas": (["雨、風", "雨"], [["雨", "風"], ["雨"]]),
    "wide commas": (["雨，風", "雨", "風"], [["雨", "風"], ["雨"], ["風"]]),  # noqa: RUF001
    "wide semicolons": (["雨；風", "雨"], [["雨", "風"], ["雨"]]),  # noqa: RUF001
    "words for gaps": (["a;b", "N/A", "#N/A", "<NA>", "n/a"], [["a", "b"]] + [[]] * 4),
    "padded": (["[0, 2, -1]", "[-1, -1, -1]"], [["0", "2"], []]),
    "padded with a label twice": (["[1, 1, -1]", "[0, 2, -1]"], [["1", "1"], ["0", "2"]]),
    "lists": ([["wet", None, float("nan")], (), None], [["wet"], [], []]),
    "no label": (["a;b", "NaN", "None", "null", " ", "[]", None], [["a", "b"]] + [[]] * 6),
    "objects": (['{"choices":["a, b","c"]}', "a, b", "", '{"":[]}'], [["a, b", "c"], ["a, b"], [], []]),
    "objects of Parquet": ([{"choices": np.array(["a"])}, None], [["a"], []]),
    "Microsoft's lists": (["wet;#cold", "wet", ";#cold;#"], [["wet", "cold"], ["wet"], ["cold"]]),
    "hashtags": (["#wet;#cold", "#wet"], [["#wet", "#cold"], ["#wet"]]),
    "Arabic commas": (["مطر، ريح", "مطر", "ريح"], [["مطر", "ريح"], ["مطر"], ["ريح"]]),
    "wide bars": (["雨｜風", "雨"], [["雨", "風"], ["雨"]]),  # noqa: RUF001
    "quoted": (['"a;b"; c', '"say ""x"""'], [["a;b", "c"], ['say "x"']]),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str) -> None:
    values, expected = FORMS[form]
    sets, found = read_cells(values, None, "toy.csv", "tags")
    assert [sorted(labels) for labels in sets] == [sorted(labels) for labels in expected]
    again = read_cells_as(values, found, "toy.csv", "tags")
    assert again == sets
    assert all("\n" not in note for note in found.notes)


def test_what_was_taken_is_stated() -> None:
    assert "separated by blanks" in read_cells(["a b", "b c a", "a"], None, "t", "tags")[1].notes[0]
    (note,) = read_cells(["New York", "Bonn"], None, "t", "c")[1].notes
    assert note == (
        "Each cell of 'c' is one label, such as 'New York'; data.separator=blank would split it."
    )
    # Lists that are lists need no note; texts that are read as lists do.
    assert read_cells([["a"], ["b", "c"]], None, "t", "tags")[1].notes == ()
    assert read_cells(["['a']", "['b', 'c']"], None, "t", "tags")[1].notes != ()
    assert read_cells(["a", "b"], None, "t", "tags")[1].notes == ()
    assert read_cells(["a b", "[c]"], " ", "t", "tags")[0] == [["a", "b"], ["[c]"]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["['a']", "b"], r"'b' of 'tags' in data row 2 \(line 9\) is no list"),
        (["[1, 0, 1]", "[1, 0]"], "no vector of 3 zeros and ones"),
        (["[1, 0, 1]", None], r"data row 2 \(line 9\) is no vector"),
        (["[['a']]", "['b']"], "data row 1 is no plain list"),
        ([{"a": 1}, ["b"]], "data row 1 is no list"),
        (
            ["[1, 0, 1]", "[1, 0, 2]"],
            r"\[1, 0, 1\] of 'tags' in data row 1 has a number twice",
        ),
        (["[0, 1, -1]", "['a', 1, -1]"], "has a number twice or below 0"),
        (["[1, -1, 1]", "[-1, 1, -1]"], "has a number twice or below 0"),
        (["[0, 1, -1]", "[0, 0, -1]"], "has a number twice or below 0"),
        (["[0, -1]", "[-2, 0]"], "has a number twice or below 0"),
        (["[0, -1]", "[1, 2, -1]"], "has a number twice or below 0"),
        (["['a' 'b', ...]", "['b']"], "data row 1 is no plain list"),
    ],
)
def test_another_form_is_refused_by_its_row(values: list[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_cells(values, None, FileName("toy.csv", [2, 9]), "tags")


LABELS = st.text(
    st.sampled_from('ab;"\' ,|[]\\é'), min_size=1, max_size=6
).filter(lambda label: bool(label.strip()))  # fmt: skip


@given(
    sets=st.lists(st.lists(LABELS | st.sampled_from(["none", "NaN", "[]"]), max_size=3), min_size=1)
)
@settings(max_examples=300, deadline=None)
def test_what_is_joined_is_read_back(sets: list[list[str]]) -> None:
    cells = [join_labels(labels) for labels in sets]
    assert read_cells(cells, ";", "t", "tags")[0] == sets


@pytest.mark.parametrize("sign", ["·", "+", "&", " and ", "<br>"])
def test_a_rare_separator_is_proposed(sign: str) -> None:
    cells = [sign.join(own) for own in (("a", "b"), ("b", "c"), ("a", "b", "c"), ("a",))]
    sets, form = read_cells(cells, None, "t", "tags")
    assert sets == [[cell] for cell in cells]
    (note,) = form.notes
    assert note.startswith("Warning: each cell of 'tags' is one label")
    assert f"data.separator='{sign}' would split it" in note
    assert read_cells(cells, sign, "t", "tags")[0][2] == ["a", "b", "c"]


def test_hashtags_are_no_choices_in_classes_either() -> None:
    assert combined_by(["#a;#b;#c", "#b;#a;#c", "#c;#b"]) == ";"
    assert combined_by(["a;#b", "b;#a", "a"]) == ";#"


def test_sets_of_the_labels_0_and_1_are_no_vectors() -> None:
    cells = [join_labels(labels) for labels in (["0", "1"], ["0", "1"])]
    assert read_cells(cells, None, "t", "tags")[0] == [["0", "1"]] * 2
    assert read_cells(["0;1", "1;0"], ";", "t", "tags")[0] == [["0", "1"], ["1", "0"]]
    assert read_cells(["010", "101"], ";", "t", "tags")[0] == [["010"], ["101"]]


def test_one_label_in_each_cell_is_read_as_in_a_file_with_objects() -> None:
    _, form = read_cells(['{"choices": ["a", "b"]}', "a"], None, "train", "y")
    assert form.notes[0].startswith("Cells of 'y' such as")
    assert read_cells_as(["b", '{"choices": ["a", "b"]}'], form, "test", "y") == [["b"], ["a", "b"]]
    _, form = read_cells(["a", "b"], None, "train", "y")
    assert read_cells_as(['{"choices": ["a", "b"]}'], form, "test", "y") == [["a", "b"]]


def test_a_character_of_two_escapes_is_one() -> None:
    sets, _ = read_cells([json.dumps(["\U0001f923", "a"]), json.dumps(["é"])], None, "file", "y")
    assert sorted(map(sorted, sets)) == [["a", "\U0001f923"], ["é"]]
