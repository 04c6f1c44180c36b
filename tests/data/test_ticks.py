"""Label columns of ticks, of ticks and crosses, and of 1 and -1."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlc.config.errors import DataError
from mlc.data import load_data
from mlc.data.label_columns import Labels, encode_labels

TICKS = ["x", "", "X ", None], [None, "", "", "x"]


def encoded(first: list[Any], second: list[Any], **options: Any) -> Labels:
    return encode_labels(
        pd.DataFrame({"a": first, "b": second}), ["a", "b"], None, "file", **options
    )


def test_ticked_cells_are_labels() -> None:
    found = encoded(*TICKS)
    assert found.targets.T.tolist() == [[True, False, True, False], [False, False, False, True]]
    assert found.known is None
    assert found.notes == ("'X' in a column of a label is taken as 1, an empty cell as 0.",)
    # What the user says of empty cells holds for them.
    found = encoded(*TICKS, missing="mask")
    assert found.known is not None
    assert (found.known == found.targets).all()


@pytest.mark.parametrize("sign", ["✅", "✔\ufe0f", "✓\ufe0e", "X"])
def test_a_single_column_of_ticks_is_the_label_of_its_name(sign: str) -> None:
    frame = pd.DataFrame({"urgent": [sign, "", None, f" {sign}"]})
    found = encode_labels(frame, ["urgent"], None, "file")
    assert (found.names, found.form) == (("urgent",), None)
    assert found.targets[:, 0].tolist() == [True, False, False, True]
    # Several signs, or one that stands for another label, are label sets.
    stars = pd.DataFrame({"stars": ["*", "**", "", "*"]})
    assert encode_labels(stars, ["stars"], None, "file").names == ("*", "**")


@pytest.mark.parametrize("other", ["y", "1", "?", "❌"])
def test_ticks_beside_other_words_are_refused(other: str) -> None:
    first, second = TICKS
    at_fault = rf"the label 'b' is '{re.escape(other)}' in data row 4, and other .* are 'x'"
    with pytest.raises(DataError, match=at_fault):
        encoded(first, [*second[:3], other])


def test_each_column_may_have_a_sign_of_its_own() -> None:
    found = encoded(["X", "", "x"], ["", "✓", "-"])
    assert found.targets.T.tolist() == [[True, False, True], [False, True, False]]
    (note,) = found.notes
    assert note.startswith("One sign in each column of a label, 'X' or '✓', is taken as 1, and its")
    # A cross beside a tick may mean no, and a column of crosses without empty cells as well.
    for cells in (["x", "✓", ""], ["", "✓", "✓"]), (["x", "x"], ["✓", ""]), (["✗", ""], ["✓", ""]):
        with pytest.raises(DataError, match=r"the label '[ab]' is"):
            encoded(*cells)


def test_of_two_signs_neither_is_said_to_be_the_tick() -> None:
    with pytest.raises(DataError, match="and other cells of labels are '×': write 0 or 1"):  # noqa: RUF001
        encoded(["×", "○"], ["○", "×"])  # noqa: RUF001


def test_a_word_beside_ticks_and_crosses_is_named() -> None:
    with pytest.raises(
        DataError, match=r"the label 'b' is '1' in data row 2, and other .* are '✓'"
    ):
        encoded(["✓", "✗"], ["0", "1"])


@pytest.mark.parametrize("nothing", ["-", "–", "0"])  # noqa: RUF001
def test_a_dash_beside_ticks_is_an_empty_cell(nothing: str) -> None:
    found = encoded(["x", nothing, ""], [nothing, "", "x"])
    assert found.targets.T.tolist() == [[True, False, False], [False, False, True]]
    (note,) = found.notes
    assert note == f"'x' in a column of a label is taken as 1, an empty cell or '{nothing}' as 0."


PAIRS = ["✅❌", "✓✗", "✓x", "☑☐", "☑☒", "☒☐", "●○", "+-"]


@pytest.mark.parametrize("pair", PAIRS)
def test_a_cross_or_an_empty_box_beside_a_tick_is_0(pair: str) -> None:
    yes, no = tuple(pair)
    found = encoded([no, yes, no], [yes, no, no])
    assert found.targets.T.tolist() == [[False, True, False], [True, False, False]]
    (note,) = found.notes
    assert note.startswith(f"{yes!r} in a column of a label is taken as 1, ")
    assert f"{no!r} as 0" in note


def test_an_empty_cell_beside_ticks_and_crosses_is_not_known() -> None:
    cells = ["✓", "✗", "-"], ["✗", "", "✓"]
    with pytest.raises(DataError, match="the label 'b' is missing in data row 2"):
        encoded(*cells)
    found = encoded(*cells, missing="mask")
    assert found.known is not None
    assert found.known.T.tolist() == [[True, True, False], [True, False, True]]


def test_a_cross_alone_is_taken_as_a_tick_aloud() -> None:
    found = encoded(["✗", ""], ["", "✗"])
    assert found.targets.tolist() == [[True, False], [False, True]]
    (note,) = found.notes
    assert note.startswith("Warning: '✗' in a column of a label is taken as 1")
    assert "if it means no, write 0" in note


@pytest.mark.parametrize("signs", [("1", "-1"), (1, -1), (1.0, -1.0)])
def test_minus_one_beside_one_is_0(signs: tuple[Any, Any]) -> None:
    yes, no = signs
    found = encoded([yes, no], [no, no])
    assert found.targets.tolist() == [[True, False], [False, False]]
    assert found.notes == ("-1 in a column of a label is taken as 0.",)
    # Beside 0 it may mean an unknown label.
    with pytest.raises(DataError, match=r"is '?-1"):
        encoded([yes, no], [0, no])


def test_signs_of_a_test_file_mean_what_they_do_in_the_training_file(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("x,a\n" + "0.5,✓\n1,✗\n" * 9, encoding="utf-8")
    (tmp_path / "test.csv").write_text("x,a\n2,✗\n3,✗\n0,✓\n", encoding="utf-8")
    paths = {"path": str(tmp_path / "train.csv"), "test_path": str(tmp_path / "test.csv")}
    assert load_data("table", **paths, labels=["a"]).targets[18:, 0].tolist() == [0, 0, 1]
    # Alone, the cross would be taken as a tick.
    (tmp_path / "test.csv").write_text("x,a\n2,✗\n3,✗\n", encoding="utf-8")
    assert load_data("table", **paths, labels=["a"]).targets[18:, 0].tolist() == [0, 0]


@pytest.mark.parametrize(("yes", "no"), [("1", "-1"), ("+", "-"), ("x", ""), ("*", "-")])
def test_a_test_file_may_have_the_sign_for_0_alone(yes: str, no: str, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("x,a\n" + f"0.5,{yes}\n1,{no}\n" * 9)
    (tmp_path / "test.csv").write_text("x,a\n" + f"2,{no}\n3,{no}\n")
    paths = {"path": str(tmp_path / "train.csv"), "test_path": str(tmp_path / "test.csv")}
    assert load_data("table", **paths, labels=["a"]).targets[:, 0].sum() == 9


def test_minus_beside_plus_is_a_sign_of_its_own() -> None:
    found = encoded(["+", "-", ""], ["-", "+", "-"], missing="mask")
    assert found.known is not None
    assert found.known.T.tolist() == [[True, True, False], [True, True, True]]
    with pytest.raises(DataError, match="the label 'a' is missing in data row 3"):
        encoded(["+", "-", ""], ["-", "+", "-"])
    # With a third one, as for no change, each is a class.
    with pytest.raises(DataError, match="is '-' in data row 2, and other cells of labels are"):
        encoded(["+", "-", "0"], ["-", "+", "-"])
    frame = pd.DataFrame({"change": ["+", "-", "0", "+"]})
    found = encode_labels(frame, ["change"], None, "file")
    assert found.names == ("+", "-", "0")
    further = encode_labels(frame[1:3], ["change"], None, "file", found.form)
    assert further.names == ("-", "0")


def test_each_column_may_hold_a_word_of_its_own_as_surveys_do() -> None:
    found = encoded(["Red", "", "red"], ["", "Dark blue", None])
    assert found.targets.T.tolist() == [[True, False, True], [False, True, False]]
    (note,) = found.notes
    assert note.startswith("Each column of a label holds one word, such as 'red', or nothing")
    assert encoded(["Red", ""], ["", ""]).targets.T.tolist() == [[True, False], [False, False]]
    # Words for 1, numbers, several words and columns without an empty cell may mean something else.
    for cells in (["yes", ""], ["", "no"]), (["2", ""], ["", "3"]), (["a", "b"], ["", "c"]):
        with pytest.raises(DataError, match=r"the label '[ab]' is"):
            encoded(*cells)
    with pytest.raises(DataError, match="the label 'a' is 'car' in data row 1"):
        encoded(["car", "car"], ["", "c"])
    # "None" may be the word of a column.
    with pytest.raises(DataError, match="the label 'a' is 'Red'"):
        encoded(["Red", ""], ["", "None"])
    # One word for all columns may say anything, unless forms write it where a box is ticked.
    with pytest.raises(DataError, match="the label 'a' is 'pending' in data row 1"):
        encoded(["pending", ""], ["", "pending"])
    boxes = encoded(["Checked", ""], ["", "checked"])
    assert boxes.targets.tolist() == [[True, False], [False, True]]
    # A word may say that the label is not there.
    for word in ("negative", "Not present", "No.", "absent", "unbekannt"):
        with pytest.raises(DataError, match="the label 'a' is 'positive' in data row 1"):
            encoded(["positive", ""], ["", word])
    # One word in all columns may say anything.
    for word in ("pending", "don't know", "fail", "present"):
        with pytest.raises(DataError, match="the label 'a' is"):
            encoded([word, ""], ["", word])
    # In one column they are classes.
    frame = pd.DataFrame({"a": ["Red", ""]})
    assert encode_labels(frame, ["a"], None, "file").names == ("Red",)


def test_checked_and_unchecked_are_1_and_0() -> None:
    found = encoded(["Checked", "Unchecked"], ["Unchecked", "Checked"])
    assert found.targets.tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("word", ["Checked", "selected"])
def test_checked_beside_empty_cells_is_1_and_they_are_0(word: str) -> None:
    found = encoded([word, ""], ["", word])
    assert found.targets.tolist() == [[True, False], [False, True]]
    (note,) = found.notes
    assert note.startswith(f"'{word}' in a column of a label is taken as 1, an empty cell as 0")
    # Beside unchecked, an empty cell is unknown.
    with pytest.raises(DataError, match="the label 'b' is missing in data row 2"):
        encoded([word, f"un{word}"], [word, ""])
    frame = pd.DataFrame({"a": [word, ""]})
    assert encode_labels(frame, ["a"], None, "file").targets.tolist() == [[True], [False]]
