"""The exact world against its own formula."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest

from mlc.config.errors import ConfigError
from mlc.config.options import check
from mlc.data.base import SOURCES
from mlc.data.world import ExactWorld


def world(**options: Any) -> ExactWorld:
    return ExactWorld(SOURCES.options("world", **options))


@pytest.mark.parametrize("energies", ["linear", "network"])
@pytest.mark.parametrize("n_labels", [1, 2, 4])
def test_the_joint_is_the_formula(n_labels: int, energies: str) -> None:
    options = {"cardinality": n_labels / 3, "energies": energies, "attraction": -0.7}
    made = world(n_labels=n_labels, dependence=2.0, **options)
    x = np.random.default_rng(0).normal(size=(5, 10))
    output, hidden = made._weights
    f = 2 * ((x if hidden is None else np.tanh(x @ hidden)) @ output) + made._intercepts
    rng = np.random.default_rng([0, 1])
    pairs = (rng.standard_normal((n_labels, n_labels)) * 2 - 0.7) / math.sqrt(n_labels)
    for row, joint in zip(f, made.joint(x), strict=True):
        weights = []
        for y in product([0, 1], repeat=n_labels):
            energy = sum(a * b for a, b in zip(row, y, strict=True))
            for j in range(n_labels):
                for k in range(j + 1, n_labels):
                    energy += pairs[j, k] * y[j] * y[k]
            weights.append(math.exp(energy))
        assert joint == pytest.approx(np.array(weights) / sum(weights), abs=1e-12)


def test_noise_flips_each_label_apart() -> None:
    clean, noisy = world(n_labels=3), world(n_labels=3, noise=0.1)
    x = np.random.default_rng(0).normal(size=(4, 10))
    sets = list(product([0, 1], repeat=3))
    kept = [[sum(a == b for a, b in zip(u, v, strict=True)) for v in sets] for u in sets]
    channel = 0.9 ** np.array(kept) * 0.1 ** (3 - np.array(kept))
    assert noisy.joint(x) == pytest.approx(clean.joint(x) @ channel, abs=1e-12)


@pytest.mark.parametrize("dependence", [0.0, 3.0])
def test_labels_are_as_frequent_as_asked(dependence: float) -> None:
    options = {"cardinality": 1.5, "imbalance": 3.0, "dependence": dependence}
    _, targets = world(**options).draw(40_000, np.random.default_rng(0))
    frequencies = targets.mean(axis=0)
    assert frequencies.sum() == pytest.approx(1.5, abs=0.06)
    odds = frequencies / (1 - frequencies)
    assert math.log(odds[0] / odds[-1]) == pytest.approx(3, abs=0.25)


def test_attraction_spreads_the_number_of_labels_and_leaves_their_frequencies() -> None:
    sizes = np.array([sum(y) for y in product([0, 1], repeat=6)])
    x = np.random.default_rng(0).normal(size=(2000, 10))
    spreads = []
    for attraction in (-3.0, 0.0, 3.0):
        joint = world(attraction=attraction, dependence=0.0).joint(x)
        mean = joint @ sizes
        assert mean.mean() == pytest.approx(2, abs=0.1)
        spreads.append(math.sqrt((joint @ sizes**2 - mean**2).mean()))
    assert spreads[0] < spreads[1] - 0.1 < spreads[2] - 0.3


def test_rows_are_drawn_from_the_joint() -> None:
    made = world(n_labels=3, n_features=2)
    x, y = made.draw(60_000, np.random.default_rng(0))
    drawn = np.bincount(y @ [4, 2, 1], minlength=8) / len(y)
    assert drawn == pytest.approx(made.joint(x).mean(axis=0), abs=4 * 0.5 / math.sqrt(len(y)))


def test_the_data_set_keeps_its_truth() -> None:
    options = SOURCES.options("world", n_train=50, n_test=20)
    data, again = SOURCES["world"].load(options), SOURCES["world"].load(options)
    assert np.array_equal(data.features, again.features)
    assert np.array_equal(data.targets, again.targets)
    assert {part: len(rows) for part, rows in data.parts.items()} == {"train": 50, "test": 20}
    assert data.truth is not None
    assert data.truth.joint(data.features).sum(axis=1) == pytest.approx(np.ones(70))


def test_more_labels_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"data.cardinality=6.0 must be below data.n_labels=4"):
        check(SOURCES.schema("world")(n_labels=4, cardinality=6.0), "data.")
