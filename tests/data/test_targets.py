"""Label sets in every form that they are commonly written in."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from mlc.config.errors import DataError
from mlc.data.label_columns import encode_labels, zero_one_columns
from mlc.data.targets import encode

Y = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]])
SPARSE = [
    getattr(sp, f"{form}_{kind}") for form in ("csr", "coo", "lil") for kind in ("matrix", "array")
]
BINARY: dict[str, Any] = {
    "array": Y,
    "float": Y.astype(float),
    "list": Y.tolist(),
    "tuples": [tuple(row) for row in Y.tolist()],
    "named tuples": list(pd.DataFrame(Y).itertuples(index=False)),
    "arrays": list(Y),
    "column of arrays": pd.Series(list(Y)),
    "frame of one column of arrays": pd.DataFrame({"y": list(Y)}),
    "boolean frame": pd.DataFrame(Y).astype("boolean"),
    "Int64 frame": pd.DataFrame(Y).astype("Int64"),
    "Sparse frame": pd.DataFrame(Y).astype(pd.SparseDtype(int, 0)),
    "objects": Y.astype(object),
    "tensor": torch.tensor(Y),
    "bfloat16": torch.tensor(Y, dtype=torch.bfloat16),
    "sparse tensor": torch.tensor(Y).to_sparse(),
    "tensor with gradient": torch.tensor(Y, dtype=torch.float32, requires_grad=True),
    "list of tensors": list(torch.tensor(Y)),
    **{
        f"{make.__name__} {t.__name__}": make(Y.astype(t))
        for make in SPARSE
        for t in (bool, int, float)
    },
}


@pytest.mark.parametrize("form", BINARY)
def test_zeros_and_ones_of_any_form(form: str) -> None:
    found = encode(BINARY[form])
    assert found.form == "multi_hot"
    assert found.multi_hot.dtype == bool
    np.testing.assert_array_equal(found.multi_hot, Y)
    np.testing.assert_array_equal(found.encoded(BINARY[form]), Y)


def test_words_of_other_languages_are_truths() -> None:
    frame = pd.DataFrame(
        {"a": ["Ja", "Nein"], "b": ["oui", "NON"], "c": ["sí", "no"], "d": ["Sim", "não"]}
    )
    found = encode_labels(frame, list("abcd"), None, "file")
    assert found.targets.tolist() == [[True] * 4, [False] * 4]
    frame = pd.DataFrame(
        {
            "a": ["WAHR", "FALSCH"],
            "b": ["VRAI", "FAUX"],
            "c": ["si\u0301", "na\u0303o"],
            "d": ["J", "N"],
        }
    )
    assert encode_labels(frame, list("abcd"), None, "file").targets.tolist() == [
        [True] * 4,
        [False] * 4,
    ]
    words = [
        "waar nee",
        "так ні",
        "ναι όχι",  # noqa: RUF001
        "da nu",
        "כן לא",
        "예 아니오",
        "có không",
        "да нет",
        "tak nie",
        "ano ne",
        "evet hay\u0131r",
        "EVET HAYIR",
        "はい いいえ",
    ]
    frame = pd.DataFrame({pair: pair.split() for pair in words})
    targets = encode_labels(frame, words, None, "file").targets.tolist()
    assert targets == [[True] * len(words), [False] * len(words)]


WORDS_FOR_BITS = [
    ("yes", "no"),
    ("True", "False"),
    ("Y", "n "),
    ("t", "f"),
    ("1", "0"),
    ("1.0", "0.0"),
]


@pytest.mark.parametrize("words", WORDS_FOR_BITS, ids=str)
@pytest.mark.parametrize("n_columns", [1, 3])
def test_words_for_zeros_and_ones_are_read_as_by_the_commands(
    words: tuple[str, str], n_columns: int
) -> None:
    targets = Y[:, :n_columns]
    frame = pd.DataFrame(
        np.where(targets == 1, *words), columns=["rain", "wind", "sun"][:n_columns]
    )
    by_command = encode_labels(frame, list(frame.columns), None, "new.csv")
    for y in (frame, frame.astype("category"), frame.astype("string"), frame.to_numpy()):
        result = encode(y)
        assert result.form == "multi_hot"
        np.testing.assert_array_equal(result.multi_hot, targets)
        np.testing.assert_array_equal(result.multi_hot, by_command.targets)
        np.testing.assert_array_equal(result.encoded(y), targets)
        names = by_command.names if hasattr(y, "columns") else tuple(range(n_columns))
        assert tuple(result.labels) == names
    mixed = frame.assign(rain=targets[:, 0] == 1)
    np.testing.assert_array_equal(encode(mixed).multi_hot, targets)


def test_columns_in_another_order_are_refused() -> None:
    frame = pd.DataFrame(Y, columns=["rain", "wind", "sun"])
    targets = encode(frame)
    with pytest.raises(
        DataError, match=r"columns \['sun', 'rain', 'wind'\], and fit was given \['rain"
    ):
        targets.encoded(frame[["sun", "rain", "wind"]])
    np.testing.assert_array_equal(targets.encoded(Y), Y)


def test_words_in_one_row_of_values_are_classes() -> None:
    result = encode(pd.Series(["yes", "no", "no"]))
    assert (result.form, result.labels.tolist()) == ("classes", ["no", "yes"])


WORDS = [["b", "a"], ["b"], [], ["c"]]


@pytest.mark.parametrize("make", [list, tuple, set, frozenset, np.array, pd.Series])
@pytest.mark.parametrize("outer", [list, tuple, pd.Series])
def test_label_lists_of_any_form(make: Any, outer: Any) -> None:
    rows = [make(row) if row else make([]) for row in WORDS]
    found = encode(outer(rows))
    assert found.labels.tolist() == ["a", "b", "c"]
    assert found.multi_hot.astype(int).tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert found.decode(found.multi_hot) == [["a", "b"], ["b"], [], ["c"]]


def test_ragged_rows_of_numbers_are_label_lists() -> None:
    found = encode([np.array([0, 2]), np.array([1]), np.array([], dtype=int)])
    assert found.labels.tolist() == [0, 1, 2]
    assert found.multi_hot.astype(int).tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (pd.DataFrame(Y).astype("Int64").mask(Y == 1), "y is <NA> in row 0, column 0"),
        (pd.DataFrame(Y).astype(float).mask(np.eye(4, 3) == 1), "y is nan in row 0, column 0"),
        ([["a"], None, ["b"]], "y has no label set in row 1 but None"),
        ([["a"], "b"], r"y has no label set in row 1 but 'b': write \['b'\]"),
        ([["a"], ["b", None]], "y has the label None in row 1"),
        ([["a"], ["b", float("nan")]], "y has the label nan in row 1"),
        ([["a"], [1]], "y has the label 'a' in row 0 and 1 in row 1"),
        ([["a"], [["b"]]], r"y has the label \['b'\] in row 1, a list"),
        (np.array([["1", "2"]]), "y is '2', a str, in row 0, column 1: .* yes and no"),
        (pd.DataFrame({"a": ["no", "maybe"], "b": "no"}), "'maybe', a str, in row 1, column 'a': .*yes"),
        (Y.astype(str).tolist(), r"y is \['1', '0', '1'\] in row 0, zeros and ones as text: .* array"),
        ([["yes", "no", "no"]] * 2, r"y is \['yes', 'no', 'no'\] in row 0, zeros and ones as text"),
        (pd.DataFrame({"a": ["yes", None], "b": "no"}), "y is (None|nan) in row 1, column 'a' .* gap"),
        (["a", None, "b"], "y is None in row 1"),
        (["a", 1, "b"], "y is 'a' in row 0 and 1 in row 1"),
        (sp.csr_array(Y * 2.0), "y is 2.0 in row 0, column 0"),
        ({"a": [1]}, "y is a dict"),
        ([[1, 0, 1], [0, 2, 0]], r"y is \[1, 0, 1\] in row 0, which repeats a number"),
        ([(1, 0, 1), (0, 1)], r"y is \[1, 0, 1\] in row 0, which repeats a number"),
        ([[1, 10**400], [0, 1]], "a number of more than 64 bits in row 0"),
        (np.array([[1, 10**5000], [0, 1]], dtype=object), "a number of more than 64 bits in row 0"),
        (pd.Series([3, 10**30], dtype=object), "a number of more than 64 bits in row 1"),
        ([["a" * 5000], None], r"^.{,120}$"),
        ([["a"], "b" * 5000], r"^.{,250}$"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_named(y: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode(y)


@pytest.mark.parametrize(
    ("texts", "cure"),
    [
        (["a;b", "b;c", "a", "a;b;c"], "text.split(';')"),
        (["a,b", "b", "a", ""], "text.split(',')"),
        (["['a', 'b']", "['a']", "[]", '["c"]'], "ast.literal_eval"),
        (['{"choices": ["a", "b"]}', "a", "b"], "written as an object: give a list"),
    ],
)
@pytest.mark.parametrize("dtype", [object, str])
def test_label_sets_written_as_texts_are_refused(texts: list[str], cure: str, dtype: type) -> None:
    with pytest.raises(ValueError, match="in row 0, ") as refused:
        encode(np.array(texts, dtype=dtype))
    assert cure in str(refused.value)


def test_the_way_to_split_texts_leaves_no_blanks_and_no_empty_label() -> None:
    texts = ["b; a", "a", "", "b ;c", " ", "a;"]
    with pytest.raises(DataError) as refused:
        encode(texts)
    code = re.search(r"as by (\[.*\]), or classes", str(refused.value))
    assert code is not None
    assert encode(eval(code[1], {"y": texts})).labels.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("form", ["lists", "columns", "classes"])
def test_labels_that_differ_by_blanks_are_named(
    form: str, caplog: pytest.LogCaptureFixture
) -> None:
    """As texts of a column give that are split without more."""
    texts = pd.Series(["Bug; billing", "billing", "", "bug"])
    if form == "classes":
        encode(["bug", "Bug", "", "billing"])
    else:
        encode(list(texts.str.split(";")) if form == "lists" else texts.str.get_dummies(";"))
    assert "'Bug' and 'bug'" in caplog.text
    for said in ("' billing' and 'billing'", "'' is a label of 1 row of y,"):
        assert (said in caplog.text) == (form != "classes")
    caplog.clear()
    encode([["bug", "billing"], [], ["doge"]])
    assert caplog.text == ""


def test_classes_may_hold_a_sign_by_chance() -> None:
    classes = ["Paris, France", "Rome, Italy", "a;b", "plain"]
    assert encode(np.array(classes, dtype=object)).form == "classes"


def test_lists_of_zeros_ones_and_gaps_are_zeros_and_ones() -> None:
    for y in ([[1, None, 0], [0, 1, 1]], [(1.0, np.nan, 0.0), (0, 1, 1)]):
        with pytest.raises(DataError, match=r"in row 0, column 1 .*set missing_labels to 'mask'"):
            encode(y)
        targets = encode(y, "mask")
        assert targets.multi_hot.astype(int).tolist() == [[1, 0, 0], [0, 1, 1]]
        assert targets.known is not None
        assert targets.known.astype(int).tolist() == [[1, 0, 1], [1, 1, 1]]
    with pytest.raises(DataError, match="y has the label None in row 0: leave it out"):
        encode([["a", None], ["b", "a"]], "mask")
    # Of one column, too.
    with pytest.raises(DataError, match=r"in row 1, column 0 .*set missing_labels to 'mask'"):
        encode(np.array([[1.0], [np.nan], [0.0]]))


def test_rows_that_hold_arrays_beside_numbers_are_refused_in_a_sentence() -> None:
    with pytest.raises(DataError, match="y"):
        encode([[np.array([1, 0]), 1], [0, 1]])


@pytest.mark.parametrize("words", ["da no no", "da " * 9 + "no sv", "ja no", "ei tak"])
def test_words_for_yes_and_no_of_two_languages_are_classes(words: str) -> None:
    """They may name languages, as da, no and ja do."""
    frame = pd.DataFrame({"lang": words.split() * 8})
    labels = encode_labels(frame, ["lang"], None, "file")
    assert labels.names == tuple(sorted(set(words.split())))
    assert zero_one_columns(frame) == []
    with pytest.warns(UserWarning, match="column-vector"):
        assert list(encode(frame).labels) == sorted(set(words.split()))


def test_words_of_a_single_column_are_named_where_they_are_not_english() -> None:
    frame = pd.DataFrame({"lang": ["da", "Ne", "ne"] * 8})
    assert encode_labels(frame, ["lang"], None, "file").notes == (
        "The words in 'lang' are taken as yes and no: 'da' as 1 and 'ne' as 0.",
    )
    for words in (["yes", "no"], ["TRUE", "false"], ["1", "0"]):
        assert encode_labels(pd.DataFrame({"y": words}), ["y"], None, "file").notes == ()
