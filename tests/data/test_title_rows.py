"""A header below the title of an export is named, and Excel's statement of the delimiter is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc.config.errors import DataError
from mlc.data import load_data
from mlc.data.base import Dataset

ROWS = [f"{k}.5,{k * k},{k % 2},{int(k % 3 == 0)}" for k in range(40)]
TITLES = {
    "a line": (["Export of 2024"], 2),
    "a padded line": (["Export of 2024,,,"], 2),
    "two lines and a blank one": (["Export of 2024", "by me, in May", ""], 4),
    "the notes of an instrument": ([f"note {k}: Export of 2024" for k in range(12)], 13),
    "a comment": (["# Export of 2024"], 2),
}


def load(path: Path, *lines: str, sep: str = ",") -> Dataset:
    path.write_text("\n".join(line.replace(",", sep) for line in lines), encoding="utf-8")
    return load_data("table", path=str(path), labels=["a", "b"])


@pytest.mark.parametrize("sep", [",", ";", "\t"])
@pytest.mark.parametrize("title", TITLES)
def test_a_title_above_the_header_is_named(title: str, sep: str, tmp_path: Path) -> None:
    lines, number = TITLES[title]
    said = rf"line {number} names the columns size, area, a, b, and above it is '.*Export of 2024'"
    with pytest.raises(DataError, match=rf"{said}: remove what is above line {number}\.$"):
        load(tmp_path / "t.csv", *lines, "size,area,a,b", *ROWS, sep=sep)


def test_without_names_of_labels_a_title_is_named_too(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["Export", "size,area,a,b", *ROWS]))
    with pytest.raises(DataError, match=r"line 2 names the columns size, area, a, b"):
        load_data("table", path=str(tmp_path / "t.csv"))


def test_other_errors_stay_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 4 has 5 fields"):
        load(tmp_path / "t.csv", "size,area,a,b", *ROWS[:2], ROWS[2] + ",1", *ROWS)
    with pytest.raises(DataError, match="has no header with 'a', 'b'"):
        load(tmp_path / "t.csv", *ROWS)
    with pytest.raises(DataError, match="line 2 has 4 fields, and the first line names 3"):
        load(tmp_path / "t.csv", "size,a,b", *ROWS)


def test_a_statement_of_the_delimiter_is_no_header(tmp_path: Path) -> None:
    data = load(tmp_path / "t.csv", "sep=;", "size,area,a,b", *ROWS, sep=";")
    assert data.label_names == ("a", "b")
    # The lines keep their numbers.
    with pytest.raises(DataError, match=r"data row 1 \(line 3\)"):
        load(tmp_path / "t.csv", "sep=;", "size,area,a,b", "1,1,7,0", *ROWS, sep=";")
