from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.datasets import load_digits

from mlc.config.errors import ConfigError
from mlc.data.base import SOURCES, Dataset
from mlc.data.digits import label_set_distribution

SIZES = [0.1, 0.3, 0.3, 0.2, 0.1]


def load(**options: Any) -> Dataset:
    return SOURCES["digits"].load(SOURCES.options("digits", n_train=200, n_test=100, **options))


def test_the_same_options_give_the_same_images() -> None:
    assert_array_equal(load().features, load().features)
    assert not np.array_equal(load().targets, load(seed=1).targets)


def test_every_digit_on_the_canvas_is_a_label_and_comes_from_its_parts_own_pool() -> None:
    images, digits = load_digits(return_X_y=True)
    known = {(image / 16).astype(np.float32).tobytes(): i for i, image in enumerate(images)}
    data = load(digits_per_image=[0.2, 0.2, 0.2, 0.2, 0.2], canvas=[16, 16])
    used: dict[str, set[int]] = {}
    for part, rows in data.parts.items():
        used[part] = set()
        for row in rows:
            canvas = data.features[row].reshape(16, 16)
            cells = [canvas[y : y + 8, x : x + 8] for y in (0, 8) for x in (0, 8)]
            found = [known[np.ascontiguousarray(cell).tobytes()] for cell in cells if cell.any()]
            assert set(digits[found]) == set(np.flatnonzero(data.targets[row]))
            used[part].update(found)
    for a, b in combinations(used.values(), 2):
        assert not a & b


def test_spare_pixels_shift_the_cells() -> None:
    data = load(canvas=[11, 18], digits_per_image=[0.0, 1.0])
    assert data.sample_shape == (1, 11, 18)
    first_rows = data.features.reshape(-1, 11, 18).sum(axis=2)
    assert (first_rows[:, :3].sum(axis=1) == 0).any()
    assert (first_rows[:, -3:].sum(axis=1) == 0).any()


@pytest.mark.parametrize("dependence", [-1.0, 0.0, 2.0])
def test_label_sets_follow_the_stated_distribution(dependence: float) -> None:
    sets, probabilities = label_set_distribution(SIZES, dependence)
    for label_set, probability in zip(sets[:64], probabilities[:64], strict=True):
        assert probability == pytest.approx(by_hand(label_set, dependence))
    by_size = [probabilities[sets.sum(axis=1) == n].sum() for n in range(5)]
    assert by_size == pytest.approx(SIZES)


def by_hand(label_set: np.ndarray, dependence: float) -> float:
    def weight(members: tuple[int, ...]) -> float:
        pairs = combinations(members, 2)
        return float(np.exp(dependence * sum(1 if (j - k) % 2 == 0 else -1 for j, k in pairs)))

    members = tuple(int(k) for k in np.flatnonzero(label_set))
    if len(members) >= len(SIZES):
        return 0.0
    everything = sum(weight(other) for other in combinations(range(10), len(members)))
    return SIZES[len(members)] * weight(members) / everything


def test_dependence_is_a_dial() -> None:
    together = []
    for dependence in (0.0, 1.0, 3.0):
        sets, p = label_set_distribution(SIZES, dependence)
        even_given_even = p[sets[:, 0] & sets[:, 2]].sum() / p[sets[:, 0]].sum()
        odd_given_even = p[sets[:, 0] & sets[:, 3]].sum() / p[sets[:, 0]].sum()
        together.append(even_given_even - odd_given_even)
    assert together[0] == pytest.approx(0)
    assert together[0] < together[1] < together[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"canvas": [8, 8], "digits_per_image": [0.5, 0.2, 0.3]}, "room for 1"),
        ({"canvas": [16]}, "a height and a width"),
        ({"digits_per_image": [0.5, 0.2]}, "must sum to 1"),
        ({"canvas": [7, 16]}, "at least 8"),
    ],
)
def test_impossible_images_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(**options)
