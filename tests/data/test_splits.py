from __future__ import annotations

import logging
import re
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from mlc.config.errors import ConfigError, DataError
from mlc.data.base import SOURCES, DataOptions, Dataset
from mlc.data.notices import forget_notices
from mlc.data.splits import hold_out, split_dataset


def dataset(targets: np.ndarray, **parts: np.ndarray) -> Dataset:
    n, n_labels = targets.shape
    return Dataset(
        "made", np.zeros((n, 1), np.float32), targets, ("x",),
        tuple(f"label {k}" for k in range(n_labels)), np.array([True]), parts,
    )  # fmt: skip


def options(**changed: Any) -> SimpleNamespace:
    defaults = {
        "val_fraction": 0.2,
        "test_fraction": 0.3,
        "split_seed": 0,
        "absent_labels": "error",
    }
    return SimpleNamespace(**{**defaults, **changed})


TARGETS = np.random.default_rng(0).random((401, 4)) < [0.5, 0.2, 0.1, 0.05]


def test_parts_are_disjoint_complete_and_of_one_size_for_all_seeds() -> None:
    for seed in range(5):
        split = split_dataset(dataset(TARGETS), options(), seed)
        assert [len(rows) for rows in split.parts().values()] == [225, 56, 120]
        assert_array_equal(np.sort(np.concatenate(list(split.parts().values()))), np.arange(401))


def test_the_seed_moves_the_validation_rows_and_never_the_test_rows() -> None:
    first, second = (split_dataset(dataset(TARGETS), options(), seed) for seed in (0, 1))
    assert not np.array_equal(first.val, second.val)
    assert_array_equal(first.test, second.test)
    again = split_dataset(dataset(TARGETS), options(), 0)
    assert_array_equal(first.val, again.val)


def test_published_parts_are_kept() -> None:
    published = {"train": np.arange(300), "test": np.arange(300, 401)}
    split = split_dataset(dataset(TARGETS, **published), options(), 0)
    assert_array_equal(split.test, published["test"])
    assert_array_equal(np.union1d(split.train, split.val), published["train"])
    published |= {"train": np.arange(200), "val": np.arange(200, 300)}
    split = split_dataset(dataset(TARGETS, **published), options(), 0)
    assert_array_equal(split.val, published["val"])


def test_label_rates_are_kept_better_than_by_chance() -> None:
    rates = TARGETS.mean(axis=0)
    worst = []
    for seed in range(5):
        split = split_dataset(dataset(TARGETS), options(), seed)
        worst.append(abs(TARGETS[split.val].mean(axis=0) - rates).max())
    chance = [
        abs(
            TARGETS[np.random.default_rng(s).choice(401, 56, replace=False)].mean(axis=0) - rates
        ).max()
        for s in range(5)
    ]
    assert np.mean(worst) < np.mean(chance) / 2


@pytest.fixture(autouse=True)
def nothing_said() -> None:
    forget_notices()


def with_absent() -> Dataset:
    """Of ten labels one has its positive in a training row, one in test rows, eight in all parts."""
    targets = np.random.default_rng(1).random((401, 10)) < 0.5
    targets[:, 3] = np.arange(401) == 0
    targets[:, 7] = np.arange(401) >= 398
    parts = {"train": np.arange(200), "val": np.arange(200, 300), "test": np.arange(300, 401)}
    return dataset(targets, **parts)


ABSENT = (
    "made: 2 of 10 labels have no positive in some part (1 in training: 'label 7'; 2 in validation:"
    " 'label 3', 'label 7'; 1 in test: 'label 3'): "
)


def test_absent_labels_are_kept_and_counted_in_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    default = DataOptions().absent_labels
    for seed in range(3):
        split_dataset(with_absent(), options(absent_labels=default), seed)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(ABSENT)
    forget_notices()
    split_dataset(with_absent(), options(absent_labels=default), 0)
    assert len(caplog.records) == 2


def test_absent_labels_may_be_refused() -> None:
    with pytest.raises(DataError, match=re.escape(ABSENT)):
        split_dataset(with_absent(), options(absent_labels="error"), 0)


def test_only_the_first_absent_labels_are_named(caplog: pytest.LogCaptureFixture) -> None:
    targets = np.ones((40, 1), dtype=bool) & (np.arange(6) > 3)
    named = Dataset(**{**vars(dataset(targets)), "label_names": ("x" * 1000, *"abcde")})
    split_dataset(named, options(absent_labels="keep"), 0)
    said = (
        f"4 of 6 labels have no positive in some part (4 in training: '{'x' * 40}', 'a', 'b', ...;"
    )
    assert said in caplog.text
    assert len(caplog.text) < 600


def test_a_label_in_every_part_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    split_dataset(dataset(TARGETS), options(absent_labels="error"), 0)
    assert not caplog.records


def test_split_seed_moves_the_test_rows() -> None:
    first, second = (split_dataset(dataset(TARGETS), options(split_seed=s), 0) for s in (0, 1))
    assert not np.array_equal(first.test, second.test)


def test_without_a_split_seed_each_seed_has_test_rows_of_its_own() -> None:
    first, second = (split_dataset(dataset(TARGETS), options(split_seed=None), s) for s in (3, 4))
    assert not np.array_equal(first.test, second.test)
    stated = split_dataset(dataset(TARGETS), options(split_seed=3), 3)
    assert_array_equal(first.test, stated.test)
    assert_array_equal(first.val, stated.val)


def test_seeds_share_no_more_rows_than_chance_lets_them() -> None:
    """Two draws of 100 from 400 rows share 25 on average, with a standard deviation of 3.8."""
    held = [hold_out(dataset(TARGETS), np.arange(400), 0.25, seed)[1] for seed in range(5)]
    shared = [len(np.intersect1d(a, b)) for a, b in combinations(held, 2)]
    assert 15 < np.mean(shared) < 35


def test_one_label_is_stratified_too() -> None:
    targets = np.arange(400)[:, None] % 10 == 0
    for seed in range(3):
        stay, held = hold_out(dataset(targets), np.arange(400), 0.25, seed)
        assert len(held) == 100
        assert abs(targets[held].mean() - 0.1) <= 0.02
        assert_array_equal(np.union1d(stay, held), np.arange(400))


def test_too_few_rows_are_said() -> None:
    with pytest.raises(
        DataError, match=r"Holding 0.9 of 3 rows of 'made' out leaves an empty part"
    ):
        hold_out(dataset(TARGETS), np.arange(3), 0.9, 0)
    with pytest.raises(DataError, match="leaves an empty part"):
        split_dataset(dataset(TARGETS[:2]), options(test_fraction=0.1), 0)


@pytest.mark.parametrize("source", ["arff", "arrays", "libsvm", "openml", "table"])
def test_a_seed_that_numpy_does_not_take_is_refused(source: str) -> None:
    with pytest.raises(ConfigError, match="split_seed=1099511627776 is out of range"):
        SOURCES.options(source, split_seed=2**40)
