"""Columns of numbers with a unit are numbers; codes and other words are categories."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mlc.config.errors import DataError
from mlc.data import load_data
from mlc.data.columns import encode_columns

NUMBERS = {
    "percent": (["12%", "7.5 %", "0", ""], [12, 7.5, 0, None]),
    "dollars": (["$5", "-$1,234.50", "$-2", "$0"], [5, -1234.5, -2, 0]),
    "euros": (["1.234,50 €", "7,5 €", "3 €", "\u22122,25 €"], [1234.5, 7.5, 3, -2.25]),
    "code of money": (["USD 5", "USD 7.5", "usd 1", "n/a"], [5, 7.5, 1, None]),
    "plurals": (["3 lbs", "1 lb", "2 LBS"], [3, 1, 2]),
    "rupees": (["₹1,00,000", "₹12,34,567.50", "₹5"], [100000, 1234567.5, 5]),
    "weights": (["3 kg", "12 kg", "3.5kg", "-"], [3, 12, 3.5, None]),
    "minus of typography": (["\u22121.5", "2", "\u22123", "0"], [-1.5, 2, -3, 0]),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_with_one_unit_are_numbers(kind: str) -> None:
    cells, expected = NUMBERS[kind]
    encoded = encode_columns(pd.DataFrame({"x": cells}, dtype=object), "file")
    assert encoded.numeric.tolist() == [True]
    assert pd.Series(encoded.values[:, 0]).equals(pd.Series(expected, dtype=float))
    said = f"{cells[0]} in 'x' is read as {expected[0]:g}"
    assert any(said in note for note in encoded.notes)
    # New rows are read, and what is assumed of them is said, likewise.
    new = encode_columns(pd.DataFrame({"x": cells[:1]}), "new", encoded.names)
    assert new.values[0, 0] == expected[0]
    assert any(said in note for note in new.notes) or kind.startswith("minus")


@pytest.mark.parametrize(
    "cells",
    [
        ["3 g", "3 kg", "3 g", "3 kg"],
        ["12%", "7", "12%", "7"],
        ["1b", "2b", "1b", "2b"],
        ["2% fat", "3% fat", "2% fat", "3% fat"],
        ["$1-$2", "$3-$4", "$1-$2", "$3-$4"],
        ["$5 USD", "$7 USD", "$5 USD", "$7 USD"],
        ["M1", "M2", "M1", "M2"],
        ["3G", "4G", "3G", "4G"],
        ["$1 M", "$2 M", "$1 M", "$2 M"],
        ["10 M", "12 M", "10 M", "12 M"],
        ["3 mW", "5 MW", "3 mW", "5 MW"],
    ],
)
def test_other_words_are_categories(cells: list[str]) -> None:
    encoded = encode_columns(pd.DataFrame({"x": cells}), "file")
    assert encoded.names == [f"x={cells[0]}", f"x={cells[1]}"]


def test_a_cell_with_another_unit_is_named() -> None:
    plain = [str(row) for row in range(30)]
    for cells in ([*plain, "7%"], [*(f"{cell} kg" for cell in plain[1:]), "7 g"]):
        said = rf"{len(cells) - 1} of {len(cells)} cells .* '{cells[-1]}' in data row {len(cells)}"
        with pytest.raises(DataError, match=said):
            encode_columns(pd.DataFrame({"x": cells}), "file")
    with pytest.raises(DataError, match="'x' is '7%' in data row 2, and must hold numbers"):
        encode_columns(pd.DataFrame({"x": ["5", "7%"]}), "new", ["x"])


def test_codes_that_begin_with_0_are_warned_of() -> None:
    codes = encode_columns(pd.DataFrame({"zip": ["01234", "23456"] * 20}), "file")
    (said,) = codes.notes
    assert said.startswith("Warning: 'zip' holds codes such as 01234, and is taken as numbers")
    for cells in (["01", "12"], ["0.5", "0"], ["0", "1234"], ["0,125", "0,5"]):
        notes = encode_columns(pd.DataFrame({"x": cells * 20}), "file").notes
        assert not any("codes" in note for note in notes)


def test_errors_of_formulas_are_gaps() -> None:
    cells = ["#DIV/0!", "#VALUE!", "1.5", "2"] * 9
    encoded = encode_columns(pd.DataFrame({"x": cells}), "file")
    assert encoded.numeric.tolist() == [True]
    assert int(pd.isna(encoded.values).sum()) == 18
    assert any("18 cells of 'x', such as '#DIV/0!'" in note for note in encoded.notes)


def test_words_among_many_numbers_are_named() -> None:
    cells = [*(str(row / 2) for row in range(20)), *["<5"] * 9]
    said = r"20 of 29 cells of the column 'x' are numbers, and 9 not, such as '<5' in data row 21"
    with pytest.raises(
        DataError, match=rf"{said}: .* or leave the column out by 'data.ignore=\[x\]'"
    ):
        encode_columns(pd.DataFrame({"x": cells, "y": range(29)}), "file")


def test_codes_with_and_without_letters_are_categories() -> None:
    """As tickets of ships and diagnoses, of which most are numbers and many differ."""
    cells = [*(str(row) for row in range(20)), *(f"V{row}" for row in range(8))] * 2
    encoded = encode_columns(pd.DataFrame({"x": cells[:50]}), "file")
    assert len(encoded.names) == 28
    assert "28 different values in 50 rows" in encoded.notes[0]


def test_what_begins_with_0_has_no_thousands() -> None:
    """Beside a column with decimal commas, 0.125 was read as 125."""
    frame = pd.DataFrame({"x": ["0,25", "1,5"], "y": ["0.125", "12.125"]})
    encoded = encode_columns(frame, "file")
    assert encoded.values.tolist() == [[0.25, 0.125], [1.5, 12.125]]
    alone = encode_columns(pd.DataFrame({"x": ["0,125", "12,125"]}), "file")
    assert alone.values[:, 0].tolist() == [0.125, 12.125]


def test_points_that_may_part_thousands_are_warned_of() -> None:
    cells = ["950", "1.200", "12.500", "3.250"]
    (said,) = encode_columns(pd.DataFrame({"x": cells}), "file").notes
    assert said.startswith(
        "Warning: 1.200 in 'x' is read as 1.2, and numbers without a point are below"
    )
    for others in (
        ["1.200", "12.500", "3.250"],
        ["950", "1.25", "1.200", "1.5"],
        ["0.125", "0", "1.250"],
    ):
        assert encode_columns(pd.DataFrame({"x": others}), "file").notes == ()


def test_a_column_named_as_a_category_is_refused() -> None:
    frame = pd.DataFrame({"a": ["u", "v"], "a=u": ["1", "2"]})
    with pytest.raises(
        DataError, match="the column 'a=u' is named as the value 'u' of 'a': rename it"
    ):
        encode_columns(frame, "file")


def test_categories_that_differ_by_case_are_named() -> None:
    encoded = encode_columns(pd.DataFrame({"a": ["red", "Red", "blue"]}), "file")
    (said,) = encoded.notes
    assert said.startswith("Warning: values of 'a' that differ only by case or blanks")
    assert "'Red' and 'red'" in said


def test_missing_numbers_of_databases_are_gaps() -> None:
    encoded = encode_columns(pd.DataFrame({"x": [r"\N", "1.5", "2"]}), "file")
    assert encoded.numeric.tolist() == [True]


def test_a_test_file_in_another_unit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("w,y\n" + "3 kg,a\n2 kg,b\n" * 9)
    test = tmp_path / "test.csv"
    options = {"path": str(tmp_path / "train.csv"), "test_path": str(test), "labels": ["y"]}
    test.write_text("w,y\n3000 g,a\n")
    with pytest.raises(
        DataError, match="the column 'w' is in g, and in kg in the training file: write"
    ):
        load_data("table", **options)
    test.write_text("w,y\n3 KG,a\n")
    assert load_data("table", **options).features[-1].tolist() == [3]


@pytest.mark.parametrize(
    ("training", "new", "said"),
    [
        ("0.05", "5%", "is in %, and without one in the training file"),
        ("5%", "0.05", "has no unit, and in % in the training file"),
    ],
)
def test_a_test_file_with_or_without_a_unit_as_the_training_file_has_none_or_one_is_refused(
    tmp_path: Path, training: str, new: str, said: str
) -> None:
    (tmp_path / "train.csv").write_text("w,y\n" + f"{training},a\n0,b\n" * 9)
    test = tmp_path / "test.csv"
    options = {"path": str(tmp_path / "train.csv"), "test_path": str(test), "labels": ["y"]}
    test.write_text(f"w,y\n{new},a\n")
    with pytest.raises(DataError, match=f"the column 'w' {said}: write both in one unit"):
        load_data("table", **options)
    # What is 0 is so in each unit.
    test.write_text("w,y\n0,a\n")
    assert load_data("table", **options).features[-1].tolist() == [0]
