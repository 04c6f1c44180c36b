"""The data card against loops, pandas and scikit-learn."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from sklearn.metrics import matthews_corrcoef

from mlc.data.base import Dataset
from mlc.data.card import WIDTH, Card, describe, mean_phi
from mlc.data.card_figure import draw_card
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
    shuffled = []
    for _ in range(2000):
        i, j = (rng.permutation(targets[:, k]) for k in rng.choice(3, 2, replace=False))
        shuffled.append(abs(matthews_corrcoef(i, j)))
    assert by_chance == pytest.approx(np.mean(shuffled), abs=0.01)


@pytest.mark.parametrize("n_labels", [1, 2])
def test_without_two_labels_that_vary_there_is_no_dependence(n_labels: int) -> None:
    targets = np.zeros((8, n_labels), dtype=bool)
    targets[::2, 0] = True
    card = describe(dataset(targets), split_of(8))
    assert card.dependence is None
    assert "no two labels vary" in card.text()


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
    assert "label 0 4 (25.0%) to label 1 12 (75.0%)" in said
    assert "sparse, 0.1 of a row are not 0" in said


def test_wide_and_odd_names_stay_within_the_width() -> None:
    targets = np.random.default_rng(0).random((20, 40)) < 0.5
    made = dataset(targets, name="x\x1b[31m" * 40)
    names = tuple(f"{'w' * 200}\n{k}" for k in range(40))
    card = describe(Dataset(**{**vars(made), "label_names": names}), split_of(20))
    text = card.text()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert "\x1b" not in text


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
