"""Labels that are missing in files: refused, masked, or taken as negative."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.exceptions import DataConversionWarning

from mlc.config.errors import ConfigError, DataError
from mlc.data.base import SOURCES, Dataset
from mlc.data.card import Card, describe
from mlc.data.loading import load_data
from mlc.data.missing_labels import require_known
from mlc.data.splits import Split
from mlc.data.targets import encode
from mlc.runs.provenance import fingerprint

CSV = "size,round,red\n1,1,0\n2,,1\n3,0,?\n4,NaN,NA\n5,yes,no\n"
KNOWN = [[1, 1], [0, 1], [1, 0], [0, 0], [1, 1]]
TARGETS = [[1, 0], [0, 1], [0, 0], [0, 0], [1, 0]]
ARFF = """@relation 'toy: -C 2'
@attribute round {0,1}
@attribute red {no,yes}
@attribute size numeric
@data
1,no,1
?,yes,2
0,?,3
?,?,4
1,no,5
"""
SPARSE = """@relation 'toy: -C 2'
@attribute round {0,1}
@attribute red {0,1}
@attribute size numeric
@data
{0 1,2 1}
{0 ?,1 1,2 2}
{1 ?,2 3}
{0 ?,1 ?,2 4}
{0 1,2 5}
"""
Y = np.where(np.array(KNOWN) == 1, np.array(TARGETS, dtype=float), np.nan)
X = np.arange(1.0, 6.0)[:, None]


def written(kind: str, folder: Path) -> tuple[str, dict[str, Any]]:
    """The name of a source and its options, of a file with these labels."""
    if kind == "csv":
        (folder / "toy.csv").write_text(CSV, encoding="utf-8")
        return "table", {"path": str(folder / "toy.csv"), "labels": ["round", "red"]}
    if kind == "parquet":
        frame = pd.DataFrame({"size": X[:, 0], "round": Y[:, 0], "red": Y[:, 1]})
        frame["red"] = frame["red"].astype("Int64")
        frame.to_parquet(folder / "toy.parquet")
        return "table", {"path": str(folder / "toy.parquet"), "labels": ["round", "red"]}
    if kind in ("arff", "sparse arff"):
        (folder / "toy.arff").write_text(ARFF if kind == "arff" else SPARSE, encoding="utf-8")
        return "arff", {"path": str(folder / "toy")}
    np.savez(folder / "toy.npz", X=X, y=Y, label_names=np.array(["round", "red"]))
    return "arrays", {"path": str(folder / "toy.npz")}


def as_text(gap: str) -> Any:
    """The labels as texts, with this one where a label is missing."""
    return np.where(np.isnan(Y), gap, np.where(Y == 1, "1", "0"))


REFUSALS = {
    "csv": r"toy\.csv: the label 'round' is missing in data row 2: fill it with 0 or 1",
    "parquet": r"toy\.parquet: the label 'round' is missing in data row 2: fill it",
    "arff": r"toy\.arff: the label 'round' is missing in data row 2: fill it",
    "sparse arff": r"toy\.arff: the label 'round' is missing in data row 2: fill it",
    "arrays": r"toy\.npz: y is NaN in row 2, column 1: fill it",
}


@pytest.mark.parametrize("kind", REFUSALS)
class TestEachKindOfFile:
    def test_a_missing_label_is_refused_with_the_choices(self, kind: str, tmp_path: Path) -> None:
        source, options = written(kind, tmp_path)
        choices = ".*data.missing_labels=mask, which leaves it unknown, or negative, which takes it"
        for given in ({}, {"missing_labels": "refuse"}):
            with pytest.raises(DataError, match=REFUSALS[kind] + choices):
                load_data(source, **options, **given)

    def test_masked_it_is_unknown(self, kind: str, tmp_path: Path) -> None:
        source, options = written(kind, tmp_path)
        dataset = load_data(source, **options, missing_labels="mask")
        assert dataset.label_names == ("round", "red")
        assert dataset.known is not None
        assert dataset.known.astype(int).tolist() == KNOWN
        assert dataset.targets.astype(int).tolist() == TARGETS

    def test_negative_it_is_zero_and_noted(self, kind: str, tmp_path: Path) -> None:
        source, options = written(kind, tmp_path)
        dataset = load_data(source, **options, missing_labels="negative")
        assert dataset.known is None
        assert dataset.targets.astype(int).tolist() == TARGETS
        assert "4 of 10 labels are missing and taken as negative." in dataset.notes


@pytest.mark.parametrize("missing", ["refuse", "mask", "negative"])
def test_without_missing_labels_the_choice_changes_nothing(missing: str, tmp_path: Path) -> None:
    (tmp_path / "toy.csv").write_text("size,round,red\n1,1,0\n2,0,1\n", encoding="utf-8")
    options = {"path": str(tmp_path / "toy.csv"), "labels": ["round", "red"]}
    dataset = load_data("table", **options, missing_labels=missing)
    assert dataset.known is None
    assert dataset.notes == load_data("table", **options).notes


def test_a_test_file_has_missing_labels_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("size,round,red\n1,1,0\n2,0,1\n", encoding="utf-8")
    (tmp_path / "test.csv").write_text("size,red,round\n1,1,\n2,0,1\n", encoding="utf-8")
    options: dict[str, Any] = {
        "path": str(tmp_path / "train.csv"),
        "test_path": str(tmp_path / "test.csv"),
        "labels": ["round", "red"],
    }
    with pytest.raises(DataError, match=r"test\.csv: the label 'round' is missing in data row 1"):
        load_data("table", **options)
    dataset = load_data("table", **options, missing_labels="mask")
    assert dataset.known is not None
    assert dataset.known.astype(int).tolist() == [[1, 1], [1, 1], [0, 1], [1, 1]]
    assert dataset.targets.astype(int).tolist() == [[1, 0], [0, 1], [0, 1], [1, 0]]
    noted = load_data("table", **options, missing_labels="negative").notes
    assert "Test file: 1 of 4 labels is missing and taken as negative." in noted


def test_of_two_arff_files_the_message_names_the_right_one(tmp_path: Path) -> None:
    complete = ARFF.replace("?", "0").replace("0,0,4", "0,no,4").replace("0,0,3", "0,no,3")
    (tmp_path / "toy-train.arff").write_text(complete, encoding="utf-8")
    (tmp_path / "toy-test.arff").write_text(ARFF, encoding="utf-8")
    with pytest.raises(
        DataError, match=r"toy-test\.arff: the label 'round' is missing in data row 2"
    ):
        load_data("arff", path=str(tmp_path / "toy"))
    dataset = load_data("arff", path=str(tmp_path / "toy"), missing_labels="mask")
    assert dataset.known is not None
    assert dataset.known[5:].astype(int).tolist() == KNOWN
    assert dataset.known[:5].all()


def test_another_value_is_still_refused(tmp_path: Path) -> None:
    (tmp_path / "toy.csv").write_text("size,round,red\n1,1,\n2,2,1\n", encoding="utf-8")
    with pytest.raises(DataError, match="the label 'round' is '2' in data row 2: labels must be 0"):
        load_data(
            "table",
            path=str(tmp_path / "toy.csv"),
            labels=["round", "red"],
            missing_labels="mask",
        )
    np.savez(tmp_path / "toy.npz", X=X, y=np.where(np.isnan(Y), np.nan, 3 * Y))
    with pytest.raises(DataError, match=r"y is 3.0 in row 1: labels must be 0 or 1"):
        load_data("arrays", path=str(tmp_path / "toy.npz"), missing_labels="mask")
    with pytest.raises(ConfigError, match="missing_labels"):
        SOURCES.options("table", missing_labels="drop")


class TestTheY:
    def test_gaps_are_refused_masked_or_negative(self) -> None:
        frames: list[Any] = [
            Y,
            Y.astype(object),
            np.where(np.isnan(Y), None, Y),
            pd.DataFrame(Y, columns=["round", "red"]).astype("Int64"),
            np.ma.masked_array(np.array(TARGETS), ~np.array(KNOWN, dtype=bool)),
            Y.astype(str),
            pd.DataFrame(as_text("")),
            np.where(as_text("?") == "1", "yes", np.where(as_text("?") == "0", "no", "?")),
        ]
        for y in frames:
            with pytest.raises(DataError, match=r"in row 1, column .*set missing_labels to 'mask'"):
                encode(y)
            masked = encode(y, "mask")
            assert masked.known is not None
            assert masked.known.astype(int).tolist() == KNOWN
            assert masked.multi_hot.astype(int).tolist() == TARGETS
            negative = encode(y, "negative")
            assert negative.known is None
            assert negative.multi_hot.astype(int).tolist() == TARGETS

    def test_a_column_of_zeros_ones_and_gaps_is_a_single_label(self) -> None:
        masked = encode(Y[:, :1], "mask")
        assert masked.form == "multi_hot"
        assert masked.known is not None
        assert masked.known[:, 0].astype(int).tolist() == [1, 0, 1, 0, 1]

    def test_words_for_gaps_in_lists_are_no_labels(self) -> None:
        with pytest.raises(DataError, match="in row 2, zeros and ones as text"):
            encode([["1", ""], ["", "0"], ["0", "0"]], "mask")
        # A class, unless gaps are said to have a meaning.
        kinds = np.array([["yes"], ["no"], ["none"]])
        with pytest.warns(DataConversionWarning):
            assert encode(kinds).form == "classes"
        assert encode(kinds, "mask").form == "multi_hot"

    def test_another_value_is_still_refused(self) -> None:
        with pytest.raises(DataError, match=r"y is 0.5 in row 0, column 0"):
            encode(np.array([[0.5, np.nan], [1.0, 0.0]]), "mask")


def dataset(known: Any, **options: Any) -> Dataset:
    return Dataset(
        name="toy",
        features=X.astype(np.float32),
        targets=np.array(TARGETS, dtype=bool),
        feature_names=("size",),
        label_names=("round", "red"),
        numeric=np.ones(1, dtype=bool),
        known=None if known is None else np.array(known, dtype=bool),
        **options,
    )


SPLIT = Split(np.array([0, 1, 4]), np.array([2]), np.array([3]))


def test_the_card_states_the_share_of_missing_labels_of_each_label() -> None:
    card = describe(dataset(KNOWN), SPLIT)
    assert card.unknown == (2, 2)
    text = " ".join(card.text().split())
    assert "unknown 40.0% of the labels are missing (round 40.0%, red 40.0%); the numbers" in text
    assert Card.from_json(card.as_json()) == card
    assert describe(dataset(None), SPLIT).unknown == ()
    assert "unknown" not in describe(dataset(None), SPLIT).text()


def test_the_fingerprint_depends_on_what_is_known() -> None:
    everything = np.ones((5, 2))
    marks = [fingerprint(dataset(known)) for known in (None, KNOWN, everything)]
    assert len(set(marks)) == 3


def test_a_part_without_a_known_label_is_refused() -> None:
    known = np.array(KNOWN, dtype=bool)
    with pytest.raises(DataError, match="No label of the test rows is known"):
        require_known(known, [SPLIT])
    require_known(known, [Split(SPLIT.train, SPLIT.val, SPLIT.test[:0])])


def test_complete_rows_have_all_labels() -> None:
    rows = np.arange(5)
    assert dataset(KNOWN).complete(rows).tolist() == [0, 4]
    assert dataset(None).complete(rows).tolist() == rows.tolist()


def test_a_sparse_array_has_missing_labels_too(tmp_path: Path) -> None:
    from scipy.sparse import save_npz

    save_npz(tmp_path / "y.npz", csr_matrix(Y))
    np.save(tmp_path / "X.npy", X)
    options = {"path": str(tmp_path / "X.npy"), "labels_path": str(tmp_path / "y.npz")}
    with pytest.raises(DataError, match="y is NaN in row 2, column 1: fill it"):
        load_data("arrays", **options)
    masked = load_data("arrays", **options, missing_labels="mask")
    assert masked.known is not None
    assert masked.known.astype(int).tolist() == KNOWN
    assert masked.targets.astype(int).tolist() == TARGETS
    negative = load_data("arrays", **options, missing_labels="negative")
    assert negative.known is None
    assert negative.targets.astype(int).tolist() == TARGETS


@pytest.mark.parametrize("gap", ["", "nan", "?", "None"])
def test_an_array_of_words_has_missing_labels_too(gap: str, tmp_path: Path) -> None:
    # A word that stands twice in a row is no label of a set.
    y = np.hstack([as_text(gap), [["0"], ["1"], ["1"], [gap], ["1"]]])
    np.savez(tmp_path / "toy.npz", X=X, y=y, label_names=np.array(["round", "red", "new"]))
    with pytest.raises(DataError, match="y is NaN in row 2, column 1: fill it"):
        load_data("arrays", path=str(tmp_path / "toy.npz"))
    masked = load_data("arrays", path=str(tmp_path / "toy.npz"), missing_labels="mask")
    assert masked.known is not None
    assert masked.known.astype(int).tolist() == [
        [*known, new] for known, new in zip(KNOWN, [1, 1, 1, 0, 1], strict=True)
    ]
    assert masked.targets[:, :2].astype(int).tolist() == TARGETS


def test_in_a_column_of_label_sets_the_choice_does_nothing_and_the_card_says_so(
    tmp_path: Path,
) -> None:
    (tmp_path / "toy.csv").write_text("size,tags\n1,red;blue\n2,\n3,blue\n", encoding="utf-8")
    options: dict[str, Any] = {"path": str(tmp_path / "toy.csv"), "labels": ["tags"]}
    plain, masked = (
        load_data("table", **options),
        load_data("table", **options, missing_labels="mask"),
    )
    assert masked.known is None
    assert masked.targets.tolist() == plain.targets.tolist()
    (note,) = set(masked.notes) - set(plain.notes)
    assert note.startswith(
        "An empty cell of 'tags' is a row without labels: data.missing_labels=mask"
    )
    (tmp_path / "toy.csv").write_text("size,tags\n1,red;blue\n3,blue\n", encoding="utf-8")
    assert load_data("table", **options, missing_labels="mask").notes == plain.notes
