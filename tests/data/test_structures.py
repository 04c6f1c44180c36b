"""The forms of dependence between labels, against their formulas by enumeration and against samples."""

from __future__ import annotations

import math
from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from mlc.config.errors import ConfigError
from mlc.config.options import check
from mlc.data.base import SOURCES
from mlc.data.structures import NAMES, Conjunctions, Mixture, Tree
from mlc.data.world import ExactWorld

HIGHER = [name for name in NAMES if name != "pairs"]


def world(**options: Any) -> ExactWorld:
    return ExactWorld(SOURCES.options("world", **options))


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def drawn(n_labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Energies of labels and features of 3 rows."""
    rng = np.random.default_rng(0)
    return 2 * rng.normal(size=(3, n_labels)) - 1, rng.normal(size=(3, 4))


def enumerated(p: Any, n_labels: int) -> list[float]:
    """Values of p(y) in the order of the label sets, the first label the highest bit."""
    return [p(y) for y in product([0, 1], repeat=n_labels)]


@pytest.mark.parametrize("n_labels", [1, 2, 4])
def test_a_mixture_is_the_sum_of_its_components(n_labels: int) -> None:
    singles, features = drawn(n_labels)
    mixture = Mixture.drawn(n_labels, 2.0, 4, np.random.default_rng(1))
    for f, x, joint in zip(singles, features, mixture.joint(singles, features), strict=True):
        gates = [math.exp(sum(x * column)) for column in mixture.gates.T]

        def p(y: tuple[int, ...], f: Any = f, gates: Any = gates) -> float:
            total = 0.0
            for gate, offsets in zip(gates, mixture.offsets, strict=True):
                term = gate / sum(gates)
                for k, state in enumerate(y):
                    present = sigmoid(f[k] + offsets[k])
                    term *= present if state else 1 - present
                total += term
            return total

        assert joint == pytest.approx(enumerated(p, n_labels), abs=1e-12)


@pytest.mark.parametrize("n_labels", [1, 2, 5])
def test_a_tree_is_the_product_of_its_conditionals(n_labels: int) -> None:
    singles, features = drawn(n_labels)
    tree = Tree.drawn(n_labels, 2.0, 4, np.random.default_rng(3))
    assert all(0 <= parent < k for k, parent in enumerate(tree.parents, start=1))
    for f, x, joint in zip(singles, features, tree.joint(singles, features), strict=True):

        def p(y: tuple[int, ...], f: Any = f, x: Any = x) -> float:
            present = [sigmoid(f[0])]
            for k in range(1, n_labels):
                sign = 1 if y[tree.parents[k - 1]] else -1
                present.append(sigmoid(f[k] + sign * sum(x * tree.effects[:, k])))
            return math.prod(q if state else 1 - q for q, state in zip(present, y, strict=True))

        assert joint == pytest.approx(enumerated(p, n_labels), abs=1e-12)


@pytest.mark.parametrize("n_labels", [2, 3, 7])
def test_conjunctions_leave_marginals_and_pairs_and_add_a_third_moment(n_labels: int) -> None:
    singles, features = drawn(n_labels)
    joint = Conjunctions(0.9).joint(singles, features)
    sets = np.array(list(product([0, 1], repeat=n_labels)))
    assert (joint >= 0).all()
    assert joint.sum(axis=1) == pytest.approx(np.ones(3))
    p = 1 / (1 + np.exp(-singles))
    for row, q in zip(joint, p, strict=True):
        z = (sets - q) / np.sqrt(q * (1 - q))
        for labels in [*combinations(range(n_labels), 1), *combinations(range(n_labels), 2)]:
            assert row @ z[:, labels].prod(axis=1) == pytest.approx(0, abs=1e-9)
        for labels in combinations(range(n_labels), 3):
            third = row @ z[:, labels].prod(axis=1)
            grouped = labels in ((0, 1, 2), (3, 4, 5))
            assert (third > 0.01) if grouped else third == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("p", [(0.5, 0.5, 0.5), (0.2, 0.3, 0.4), (0.9, 0.1, 0.6)])
def test_the_strongest_conjunction_makes_a_label_set_impossible(p: tuple[float, ...]) -> None:
    q = np.array([p])
    (joint,) = Conjunctions(1.0).joint(np.log(q / (1 - q)), np.zeros((1, 1)))
    assert joint.min() == pytest.approx(0, abs=1e-12)
    if p == (0.5, 0.5, 0.5):  # a parity check: an even number of labels never occurs
        odd = [sum(y) % 2 for y in product([0, 1], repeat=3)]
        assert joint == pytest.approx(np.array(odd) / 4)


@pytest.mark.parametrize("structure", HIGHER)
def test_without_dependence_labels_are_independent(structure: str) -> None:
    options = {"n_labels": 3, "cardinality": 1.5, "seed": 3, "signal": 1.0}
    x = np.random.default_rng(0).normal(size=(5, 10))
    none = world(structure=structure, dependence=0.0, **options).joint(x)
    assert none == pytest.approx(world(dependence=0.0, **options).joint(x), abs=1e-9)
    strong = world(structure=structure, dependence=3.0, **options).joint(x)
    assert np.abs(strong - none).max() > 0.05


@pytest.mark.parametrize("structure", HIGHER)
def test_rows_are_drawn_from_the_joint_with_the_frequencies_asked(structure: str) -> None:
    made = world(structure=structure, dependence=3.0, n_labels=3, n_features=3, cardinality=1.5)
    x, y = made.draw(20_000, np.random.default_rng(0))
    counts = np.bincount(y @ [4, 2, 1], minlength=8) / len(y)
    assert counts == pytest.approx(made.joint(x).mean(axis=0), abs=4 * 0.5 / math.sqrt(len(y)))
    assert y.sum(axis=1).mean() == pytest.approx(1.5, abs=0.1)
    # Rows with about the same x have the frequencies of their own joint.
    near = np.abs(x[:, 0] - 1) < 0.3
    of_near = np.bincount(y[near] @ [4, 2, 1], minlength=8) / near.sum()
    expected = made.joint(x[near]).mean(axis=0)
    assert of_near == pytest.approx(expected, abs=4 * 0.5 / math.sqrt(near.sum()))


def test_a_form_of_dependence_that_has_no_attraction_refuses_one() -> None:
    options = SOURCES.schema("world")(structure="tree", attraction=1.0)
    with pytest.raises(
        ConfigError, match=r"data.attraction=1.0 has no meaning with .*structure=tree"
    ):
        check(options, "data.")


@pytest.mark.parametrize(("name", "in_pairs", "fixed"), [
    ("pairs", True, True), ("tree", True, False), ("mixture", False, False),
    ("conjunctions", False, False),
])  # fmt: skip
def test_fixed_energies_of_pairs_express_pairs_alone(
    name: str, in_pairs: bool, fixed: bool
) -> None:
    made = world(structure=name, dependence=2.0, n_labels=3, n_features=3, cardinality=1.5)
    joint = made.joint(np.random.default_rng(1).normal(size=(50, 3)))
    energies = np.log(joint).reshape(-1, 2, 2, 2)
    of_pair = np.diff(np.diff(energies, axis=1), axis=2)[:, 0, 0]
    # Energies of pairs do not change with a third label.
    assert (np.abs(np.diff(of_pair, axis=1)).max() < 1e-9) == in_pairs
    assert (np.abs(of_pair - of_pair[0]).max() < 1e-9) == fixed
