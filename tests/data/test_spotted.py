"""Notes on what a reader of a table may have overlooked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlc.config.quoting import setting
from mlc.data import load_data
from mlc.data.spotted import alike_labels, empty_texts, repeated_texts


def test_labels_that_differ_by_case_or_blanks_are_named() -> None:
    assert alike_labels(["dog", "cat", "doge"]) == ()
    assert alike_labels(["Dog", "dog", "kitchen sink", "cat", "Kitchensink"]) == (
        "Warning: labels whose names differ only by case or blanks are different labels: 'Dog' and"
        " 'dog', 'kitchen sink' and 'Kitchensink'; write them alike in the file if they are not.",
    )


def test_repeated_texts_are_counted_beyond_the_first() -> None:
    assert repeated_texts({"train": []}) == ()
    assert repeated_texts({"train": ["a", "b", "", " "]}) == ()
    (note,) = repeated_texts({"train": ["a", "b", "a ", "", "", "b", "a"]})
    assert note.startswith(
        "Warning: 3 of 7 texts repeat an earlier one, and may be in another part"
    )
    notes = repeated_texts({"train": ["a", "b"], "val": ["c", "d"], "test": ["b", "b", "", "e"]})
    assert notes == (
        "Warning: 2 of 4 test texts are texts of the training file too: leave them out of one of the"
        " files.",
    )


def test_labels_of_a_row_each_are_no_labels(tmp_path: Path) -> None:
    def notes(label: str) -> list[str]:
        cells = [label.format(k * k / 10, k % 7, k // 2) for k in range(30)]
        rows = [f"{k}.5,{cell}" for k, cell in enumerate(cells)]
        (tmp_path / "t.csv").write_text("\n".join(["x,y", *rows]))
        found = load_data("table", path=str(tmp_path / "t.csv"), labels=["y"]).notes
        return [note for note in found if "such labels cannot be learned" in note]

    (note,) = notes("{}")
    assert note.startswith("Warning: 30 rows have 30 different labels, such as '0.0', each row one")
    assert notes("{1}") == []
    # Each of these classes has two rows.
    assert notes("{2}") == []


def test_columns_of_rare_labels_are_labels(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.eye(30, 20, dtype=int)).add_prefix("y")
    frame.assign(x=np.arange(30) ** 2).to_csv(tmp_path / "t.csv", index=False)
    data = load_data("table", path=str(tmp_path / "t.csv"), labels=[f"y{k}" for k in range(20)])
    assert data.notes == ()


def test_a_dash_among_label_sets_is_no_label(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n" + "1,wet;cold\n2,-\n3,wet\n4,cold-wet\n" * 6)
    data = load_data("table", path=str(tmp_path / "t.csv"), labels=["y"])
    assert data.label_names == ("cold", "cold-wet", "wet")
    assert "'-' in 'y' is taken as no label." in data.notes


@pytest.mark.parametrize(
    ("cells", "counts"),
    [
        ([["a"], [], None, ["b", "a"], None], (2, 1)),
        (['["a"]', "[]", "", '["b", "a"]', "null"], (2, 1)),
        ([["a"], [], ["b"]], None),
        (["a;b", "", "a", None], None),
    ],
)
def test_empty_sets_beside_cells_without_a_value_are_said(
    cells: list[Any], counts: tuple[int, int] | None, tmp_path: Path
) -> None:
    values = [cell for cell in cells for _ in range(4)]
    frame = pd.DataFrame({"x": np.arange(len(values)) ** 1.5, "y": pd.Series(values, dtype=object)})
    frame.to_parquet(tmp_path / "t.parquet")
    data = load_data("table", path=str(tmp_path / "t.parquet"), labels=["y"])
    said = [note for note in data.notes if "have no value" in note]
    if counts is None:
        assert said == []
    else:
        gaps, empty = (4 * n for n in counts)
        assert said[0].startswith(f"Of 'y' {gaps} cells have no value and {empty} an empty set,")


def test_one_empty_text_is_one() -> None:
    (note,) = empty_texts(["a", "", "b"], "posts.csv")
    assert note.startswith("Warning: 1 of 3 texts is empty (data row 2)")


def test_a_table_has_all_these_notes(tmp_path: Path) -> None:
    lines = ["rain on hill;wet", "sun on road;Wet", "rain on hill;warm", ";wet"] * 6
    (tmp_path / "posts.csv").write_text("\n".join(["body;tags", *lines]))
    path = str(tmp_path / "posts.csv")
    notes = load_data("table", path=path, labels=["tags"], text="body").notes
    for words in ("'Wet' and 'wet'", "6 of 24 texts are empty", "16 of 24 texts repeat"):
        assert any(words in note for note in notes), words


def test_numbers_that_name_the_rows_are_no_features(tmp_path: Path) -> None:
    lines = [f"{700 + 3 * k},{9 * k},{k % 5},{k * k},{k % 2}" for k in range(30)]
    (tmp_path / "t.csv").write_text("\n".join(["Customer_ID,SKU,size,area,y", *lines]))
    data = load_data("table", path=str(tmp_path / "t.csv"), labels=["y"])
    assert data.feature_names == ("size", "area")
    assert any("'Customer_ID', 'SKU'" in note and "not features" in note for note in data.notes)


@pytest.mark.parametrize("start", [0, 4_000_000])
def test_distinct_whole_numbers_without_large_gaps_are_named(start: int, tmp_path: Path) -> None:
    """Rows in another order than the numbers, some of them deleted; measured ones would repeat."""
    rng = np.random.default_rng(0)
    numbers = start + rng.permutation(60)[:40]
    frame = pd.DataFrame({"article": numbers, "area": rng.integers(0, 80, 40), "y": numbers % 2})
    frame["wide"] = numbers * 3
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = load_data("table", path=str(tmp_path / "t.csv"), labels=["y"])
    assert data.feature_names == ("article", "area", "wide")
    (note,) = [note for note in data.notes if "seems to number the rows" in note]
    assert note.startswith("Warning: 'article' seems to number the rows, with a different whole")
    assert "in each of 40" in note
    assert "'data.ignore=[article]'" in note


@pytest.mark.parametrize(
    "name", ["patient_id", "patientId", "Patient", "MRN", "customer no", "visits"]
)
@pytest.mark.parametrize("of_text", [False, True])
def test_an_identifier_that_repeats_is_named(name: str, of_text: bool, tmp_path: Path) -> None:
    """With words it would be a feature for each value."""
    value = "P{}" if of_text else "{}"
    lines = [f"{value.format(700 + k // 3)},{k % 4},{k * k},{k % 2}" for k in range(90)]
    (tmp_path / "t.csv").write_text("\n".join([f"{name},kind_id,area,y", *lines]))
    notes = load_data("table", path=str(tmp_path / "t.csv"), labels=["y"]).notes
    said = [note for note in notes if "looks like an identifier" in note]
    if name == "visits":
        assert said == []
        return
    (note,) = said
    assert note.startswith(f"Warning: {name!r} looks like an identifier, of 30 values in 90 rows")
    assert setting("data.ignore", [name]) in note


@pytest.mark.parametrize("how", ["feature", "ignored", "beside a text"])
def test_identifiers_that_two_files_share_are_counted(how: str, tmp_path: Path) -> None:
    """They may be those of patients with rows in both."""

    def write(name: str, first: int, label: str = "patient_id") -> str:
        lines = [f"P{first + k // 2},{k},{k * k % 7},rain {k % 5},{k % 2}" for k in range(60)]
        (tmp_path / name).write_text("\n".join([f"{label},row_id,area,body,y", *lines]))
        return str(tmp_path / name)

    options: dict[str, Any] = {"path": write("train.csv", 100), "labels": ["y"]}
    if how == "ignored":
        options["ignore"] = ["patient_id"]
    elif how == "beside a text":
        options["text"] = "body"
    for first, n in ((125, 10), (200, 0)):
        notes = load_data("table", **options, test_path=write("test.csv", first)).notes
        said = [note for note in notes if "the 'patient_id' of a training row" in note]
        assert [note.startswith(f"Warning: {n} of 60 test rows have") for note in said] == [
            True
        ] * (n > 0)
        assert not any("data.test_path" in note or "'row_id' of" in note for note in notes)
    notes = load_data("table", **options).notes
    (note,) = [note for note in notes if "data.test_path" in note]
    assert "looks like an identifier, of 30 values in 60 rows" in note
    assert ("leave it out" in note) == (how == "feature")


def test_row_numbers_in_any_order_are_shared_by_chance(tmp_path: Path) -> None:
    for name, n in (("train", 60), ("test", 30)):
        numbers = np.random.default_rng(n).permutation(n)
        frame = pd.DataFrame({"id": numbers, "x": numbers % 7 + n, "y": numbers % 2})
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    paths = {"path": str(tmp_path / "train.csv"), "test_path": str(tmp_path / "test.csv")}
    assert not any("'id' of" in note for note in load_data("table", **paths, labels=["y"]).notes)
