"""The data card against loops, pandas and scikit-learn."""

from __future__ import annotations

import dataclasses
import io
import itertools
import tracemalloc
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.font_manager import findfont, fontManager
from scipy.sparse import csr_matrix
from scipy.stats import hypergeom
from sklearn.metrics import matthews_corrcoef

from mlc.config.lettering import _characters, lettering
from mlc.config.texts import display_width
from mlc.data.base import Dataset, Vocabulary
from mlc.data.card import WIDTH, Card, describe
from mlc.data.card_figure import draw_card
from mlc.data.dependence import mean_phi
from mlc.data.splits import Split


def dataset(targets: np.ndarray, features: object = None, name: str = "toy") -> Dataset:
    n_rows, n_labels = targets.shape
    values = np.arange(2.0 * n_rows, dtype=np.float32).reshape(n_rows, 2)
    return Dataset(
        name=name,
        features=values if features is None else features,  # type: ignore[arg-type]
        targets=targets,
        feature_names=("a", "b"),
        label_names=tuple(f"label {k}" for k in range(n_labels)),
        numeric=np.array([True, True]),
    )


def split_of(n_rows: int) -> Split:
    rows = np.arange(n_rows)
    return Split(rows[: n_rows // 2], rows[n_rows // 2 : n_rows * 3 // 4], rows[n_rows * 3 // 4 :])


@pytest.mark.parametrize("n_labels", [1, 3, 9])
def test_counts_are_those_of_a_loop(n_labels: int) -> None:
    targets = np.random.default_rng(n_labels).random((40, n_labels)) < 0.4
    split = split_of(40)
    card = describe(dataset(targets), split)
    sets = [tuple(row) for row in targets.tolist()]
    trained = {sets[row] for row in split.train}
    assert card.n_rows == 40
    assert card.parts == {"train": 20, "val": 10, "test": 10}
    assert card.counts == tuple(pd.DataFrame(targets).sum())
    sizes = pd.Series(targets.sum(axis=1)).value_counts()
    assert dict(enumerate(card.sizes)) == {n: sizes.get(n, 0) for n in range(len(card.sizes))}
    assert card.label_sets == len(set(sets))
    assert card.unseen == np.mean([sets[row] not in trained for row in split.val])
    for part, rows in split.parts().items():
        assert card.absent[part] == sum(not targets[rows, k].any() for k in range(n_labels))


def test_dependence_is_the_mean_matthews_correlation() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((60, 5)) < np.array([0.5, 0.3, 0.1, 0.0, 1.0])
    targets[:, 1] |= targets[:, 0]
    pairs = itertools.combinations(range(3), 2)  # the last two do not vary
    expected = [abs(matthews_corrcoef(targets[:, i], targets[:, j])) for i, j in pairs]
    dependence, by_chance = mean_phi(targets)
    assert dependence == pytest.approx(np.mean(expected), abs=1e-12)
    phis = [
        np.abs(np.corrcoef(rng.permuted(targets[:, :3], axis=0).T)[np.triu_indices(3, 1)]).mean()
        for _ in range(4000)
    ]
    assert by_chance == pytest.approx(np.mean(phis), abs=4 * np.std(phis) / len(phis) ** 0.5)


def test_independence_expects_what_the_distribution_of_counts_says() -> None:
    for n_rows, first, second in ((40, 20, 20), (40, 1, 3), (9, 8, 8), (7, 2, 6)):
        targets = np.zeros((n_rows, 2), dtype=bool)
        targets[:first, 0] = targets[:second, 1] = True
        both = hypergeom(n_rows, first, second)
        counts = np.arange(n_rows + 1)
        deviation = both.pmf(counts) @ abs(counts - both.mean())
        spread = np.sqrt(first * (n_rows - first) * second * (n_rows - second))
        assert mean_phi(targets)[1] == pytest.approx(deviation * n_rows / spread, rel=1e-9)
    frequent = np.random.default_rng(0).random((2000, 30)) < 0.5
    assert mean_phi(frequent)[1] == pytest.approx(np.sqrt(2 / (np.pi * 1999)), rel=1e-3)


def test_dependence_of_many_labels_needs_no_matrix_of_all_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5):  # a sparse and a dense product
        targets = rng.random((200, 37)) < share
        whole = mean_phi(targets)
        with monkeypatch.context() as patch:
            patch.setattr("mlc.data.dependence._AT_ONCE", 5 * 37)
            assert mean_phi(targets) == pytest.approx(whole, abs=1e-12)
    many = np.zeros((50, 30_000), dtype=bool)
    many[np.repeat(np.arange(50), 600), np.arange(30_000)] = True
    tracemalloc.start()
    dependence, _ = mean_phi(many)
    assert tracemalloc.get_traced_memory()[1] < 2**30  # a float for each pair takes 7 GB
    tracemalloc.stop()
    # Labels of one row: equal ones (phi = 1) in 600 of 30,000 columns, else phi = -1/49.
    equal = 599 / 29_999
    assert dependence == pytest.approx(equal + (1 - equal) / 49, rel=1e-9)


@pytest.mark.parametrize("n_labels", [1, 2])
def test_without_two_labels_that_vary_there_is_no_dependence(n_labels: int) -> None:
    targets = np.zeros((8, n_labels), dtype=bool)
    targets[::2, 0] = True
    card = describe(dataset(targets), split_of(8))
    assert card.dependence is None
    said = " ".join(card.text().split())
    constant = ": 1 label that no row or every row has" if n_labels == 2 else ""
    assert said.endswith(f"fewer than two labels vary{constant}")


@pytest.mark.parametrize("value", [False, True])
def test_rows_that_all_have_none_or_all_labels(value: bool) -> None:
    card = describe(dataset(np.full((8, 3), value)), split_of(8))
    assert card.label_sets == 1
    assert card.unseen == 0
    share = "0.0%" if value else "100.0%"
    assert f"{share} of the rows have none" in " ".join(card.text().split())


def test_the_text_says_what_the_numbers_are() -> None:
    targets = np.array([[1, 1], [0, 1], [0, 0], [0, 1]] * 4, dtype=bool)
    features = csr_matrix(np.eye(16, 2, dtype=np.float32))
    said = " ".join(describe(dataset(targets, features), split_of(16)).text().split())
    assert said.startswith("toy: 16 rows, 2 labels rows 8 training, 4 validation, 4 test; ")
    assert "1.00 on average, 0 to 2; 25.0% of the rows have none, 50.0% exactly one" in said
    assert "3 distinct; 0.0% of the validation rows have one that no training row has" in said
    assert "rarest label 0: 4 (25.0%); most frequent label 1: 12 (75.0%)" in said
    assert "sparse, 0.1 nonzero values per row" in said


def test_wide_and_odd_names_stay_within_the_width() -> None:
    targets = np.random.default_rng(0).random((20, 40)) < 0.5
    made = dataset(targets, name="x\x1b[31m" * 40)
    for word in ("w", "日本料理", "🐶"):
        names = tuple(f"{word * 200}\n{k}" for k in range(40))
        notes = ("", "beep \x07 \u202e " + word * 100)
        card = describe(
            Dataset(**{**vars(made), "label_names": names, "notes": notes}), split_of(20)
        )
        text = card.text()
        assert max(map(display_width, text.splitlines())) <= WIDTH
        assert text.count("  note  ") == 1
        for sign in "\x1b\x07\u202e":
            assert sign not in text
            assert all(sign not in said for _, said in card.lines())


def test_shares_that_are_not_0_or_1_do_not_look_so() -> None:
    targets = np.zeros((4000, 2), dtype=bool)
    targets[:, 0], targets[0, 1], targets[1, 0] = True, True, False
    said = " ".join(describe(dataset(targets), split_of(4000)).text().split())
    assert "<0.1% of the rows have none, >99.9% exactly one" in said
    assert "rarest label 1: 1 (<0.1%); most frequent label 0: 3,999 (>99.9%)" in said


def test_constant_labels_are_counted_and_equal_ones_named_together() -> None:
    targets = np.zeros((8, 5), dtype=bool)
    targets[::2, 0] = targets[1::2, 1] = targets[:, 2] = True
    said = " ".join(describe(dataset(targets), split_of(8)).text().split())
    assert "mean |phi| of two labels 1.000" in said
    assert said.endswith("; without 3 labels that no row or every row has")
    said = " ".join(describe(dataset(targets[:, :2]), split_of(8)).text().split())
    assert "frequency each of the 2 labels: 4 (50.0%)" in said


def test_parts_are_said_to_be_what_they_are() -> None:
    made = dataset(np.random.default_rng(0).random((16, 3)) < 0.5)
    split = split_of(16)
    without_test = Split(split.train, split.val, split.val[:0])
    assert describe(made, without_test, seed=3).split == "validation drawn (seed=3), stratified"
    said = " ".join(describe(made, without_test).text().split())
    assert "rows 8 training, 4 validation; " in said
    drawn = describe(made, split, SimpleNamespace(split_seed=None), seed=3).split
    assert drawn == "test part and validation drawn (seed=3), both stratified"
    given = {"train": split.train, "test": split.test}
    from_file = Dataset(**{**vars(made), "parts": given, "parts_from": "from t.csv"})
    expected = "test part from t.csv; validation drawn (seed=3), stratified"
    assert describe(from_file, split, seed=3).split == expected


def test_features_are_called_what_they_hold() -> None:
    targets = np.random.default_rng(0).random((16, 3)) < 0.5
    features = np.stack([np.arange(16) / 4, np.arange(16) % 2], axis=1).astype(np.float32)
    made = dataset(targets, features)
    said = describe(made, split_of(16)).features
    assert said == "1 numeric, standardised: a; 1 binary: b"
    as_it_is = Dataset(**{**vars(made), "numeric": np.array([False, False])})
    said = describe(as_it_is, split_of(16)).features
    assert said == "2 numeric from 0 to 3.75, not scaled: a, b"


def test_json_keeps_it_whole_and_other_json_is_none() -> None:
    card = describe(dataset(np.eye(8, 3, dtype=bool)), split_of(8))
    assert Card.from_json(card.as_json()) == card
    for other in (None, [], {}, {"name": "toy"}, {**card.as_json(), "more": 1}):
        assert Card.from_json(other) is None


@pytest.mark.parametrize("n_labels", [1, 3, 30])
def test_the_figure_draws_the_most_frequent_labels(n_labels: int) -> None:
    targets = np.random.default_rng(0).random((50, n_labels)) < 0.3
    card = describe(dataset(targets), split_of(50))
    frequencies, sizes, together, _ = draw_card(card, targets).axes
    n_drawn = min(n_labels, 20)
    counts = sorted(card.counts, reverse=True)[:n_drawn]
    widths = [bar.get_width() for bar in frequencies.patches]
    assert widths == pytest.approx([100 * count / 50 for count in counts])
    assert sum(bar.get_height() for bar in sizes.patches) == pytest.approx(100)
    assert together.images[0].get_array().shape == (n_drawn, n_drawn)


def test_names_in_the_figure_have_glyphs_and_stay_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    targets = np.random.default_rng(0).random((50, 20)) < 0.3
    names = [f"{word * 50}{k}" for k in range(5) for word in ("W", "日本", "🐶", "$x_1$")]
    made = Dataset(**{**vars(dataset(targets)), "label_names": tuple(names)})
    figure = draw_card(describe(made, split_of(50)), targets)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of a glyph that is missing
        figure.savefig(io.BytesIO(), format="png")
    low, high = figure.bbox.min, figure.bbox.max
    for axes in figure.axes:
        for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
            box = text.get_window_extent()
            assert (box.min >= low).all()
            assert (box.max <= high).all()
    shown = {text.get_text() for text in figure.axes[0].get_yticklabels()}
    assert any(text.startswith("$x_1$") for text in shown)


def test_signs_of_another_installed_font_are_drawn_in_it() -> None:
    default = _characters(findfont("DejaVu Sans"))
    (other,) = [font for font in fontManager.ttflist if font.name == "STIXSizeOneSym"
                and font.weight == 400]  # fmt: skip
    sign = min(_characters(other.fname) - default)
    found = lettering(["plain", sign])
    assert len(found.families) == 2
    assert not found.escapes
    nowhere = lettering(["\U000e0fff"])  # a code point that is not assigned
    assert nowhere.fitted("a\U000e0fff", 20) == "a\\U000e0fff"


@pytest.mark.parametrize(
    ("weighting", "said"),
    [("tfidf", "as TF-IDF"), ("counts", "as counts"), ("binary", "as 0 and 1")],
)
def test_a_card_says_how_texts_are_encoded(weighting: str, said: str) -> None:
    counts = csr_matrix(np.arange(16, dtype=np.float32).reshape(8, 2) % 3)
    texts = dataclasses.replace(
        dataset(np.eye(8, 2) > 0, counts),
        feature_names=("salt", "salt oven"),
        vocabulary=Vocabulary(np.array([True, True]), min_df=2, max_df=0.9),
        weighting=weighting,
    )
    card = describe(texts, split_of(8))
    assert card.features.startswith(f"2 words and pairs (min_df 2, max_df 0.9) {said}")


def test_gaps_are_counted_by_the_columns_of_the_file() -> None:
    nan = np.nan
    features = np.array([[nan, 1, 0], [1, 0, 0], [nan, 0, 1], [2, 0, 0]], dtype=np.float32)
    data = dataclasses.replace(
        dataset(np.eye(4, 2, dtype=bool), features),
        feature_names=("age", "kind=a", "kind=b"),
        numeric=np.array([True, False, False]),
        vocabulary=Vocabulary(np.array([False, True, True]), read_from={"kind": 2}),
        sample_shape=(),
    )
    card = describe(data, Split(np.arange(2), np.arange(2, 3), np.arange(3, 4)))
    assert card.missing == {"age": 2, "kind": 2}
    assert "rows without a value: age 2 (50.0%), kind 2 (50.0%)" in card.text()
    assert Card.from_json(card.as_json()) == card
    sparse = csr_matrix(np.array([[nan, 1], [0, 1], [1, 0], [nan, nan]], dtype=np.float32))
    counted = describe(
        dataset(np.eye(4, 2, dtype=bool), sparse),
        Split(np.arange(2), np.arange(2, 3), np.arange(3, 4)),
    )
    assert counted.missing == {"a": 2, "b": 1}
    full = describe(dataset(np.eye(4, 2, dtype=bool)), Split(*np.split(np.arange(4), [2, 3])))
    assert full.missing == {}
    assert "without a value" not in full.text()
