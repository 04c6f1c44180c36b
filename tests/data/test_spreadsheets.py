"""Exports of spreadsheets hold empty rows and columns, which are no samples and no features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlc.config.errors import DataError
from mlc.data import load_data, load_features
from mlc.data.base import Dataset

ROWS = ["1,wet", "2,dry", "3,wet;dry"] * 8


@pytest.fixture
def load(tmp_path: Path) -> Any:
    def write_and_load(rows: list[str], **options: Any) -> Dataset:
        path = tmp_path / "sheet.csv"
        path.write_text("".join(f"{row}\n" for row in rows))
        return load_data("table", path=str(path), **{"labels": ["tags"], **options})

    return write_and_load


def test_empty_rows_at_the_end_are_no_samples(load: Any) -> None:
    dataset = load(["size,tags", *ROWS, ",", " ,"])
    assert dataset.targets.shape == (24, 2)
    assert "2 empty rows are left out at the end of the file." in dataset.notes
    ticked = load(["size,wet,dry", "1,x,", "2,,x", ",,"], labels=["wet", "dry"])
    assert ticked.targets.tolist() == [[True, False], [False, True]]
    assert "1 empty row is left out at the end of the file." in ticked.notes


def test_empty_rows_elsewhere_are_warned_of(load: Any) -> None:
    dataset = load(["size,tags", ",", *ROWS])
    assert len(dataset.targets) == 25
    said = "Warning: 1 of 25 rows is empty in all columns, such as data row 1: remove what is no sample."
    assert said in dataset.notes
    # In a file of texts alone an empty text is a row.
    assert not any("empty in all" in note for note in load(["size,tags", *ROWS]).notes)


def test_new_rows_are_all_predicted(load: Any, tmp_path: Path) -> None:
    dataset = load(["size,tags", *ROWS])
    new = tmp_path / "new.csv"
    new.write_text("size,tags\n1,\n,\n")
    options = {"path": str(tmp_path / "sheet.csv"), "labels": ["tags"]}
    assert load_features(new, dataset, "table", **options).shape == (2, 1)


def test_empty_columns_without_a_name_are_none(load: Any) -> None:
    dataset = load(["size,tags,,", *(f"{row},, " for row in ROWS)])
    assert dataset.feature_names == ("size",)
    with pytest.raises(DataError, match=r"two columns without a name: name them in its first line"):
        load(["size,tags,,", *(f"{row},5,6" for row in ROWS)])


@pytest.mark.parametrize("later", ["", '"dry",wet'])
def test_an_open_quote_is_named_by_the_line_where_it_opens(later: str, load: Any) -> None:
    said = r"a quote is opened in the row that begins in line 3, and line \d+ is read as part of it"
    with pytest.raises(DataError, match=said):
        load(["size,tags", "1,wet", '"2,dry', *ROWS, later])


def test_rows_between_two_open_quotes_are_warned_of(load: Any) -> None:
    rows = [
        "size,body,tags",
        "1,sun,wet",
        '2,"rain,dry',
        *["3,fog,wet"] * 4,
        '4,sun",dry',
        "5,a,wet",
    ]
    dataset = load(rows, text="body", min_df=1)
    assert len(dataset.targets) == 3
    (said,) = [note for note in dataset.notes if "quote is open" in note]
    assert said.startswith(
        "Warning: a field in quotes in data row 2 (line 8) holds 4 lines with as many"
    )
    # Lines of a text are none.
    letter = '1,"Hello,\nhow are you, and you?\nGood, bye",wet'
    notes = load(["size,body,tags", letter, "2,fog,dry"], text="body", min_df=1).notes
    assert not any("quote" in note for note in notes)
