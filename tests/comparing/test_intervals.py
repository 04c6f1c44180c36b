"""Intervals over splits and rows: their parts, and how often they claim what is not there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from benchmarks.interval_coverage import redrawn_coverage
from mlc.comparing import intervals
from mlc.comparing.intervals import Part, simultaneous
from tests.conftest import REPOSITORY

Rows = NDArray[np.int64]


def parts_of(values: NDArray[np.float64], rows: Rows | None = None) -> list[Part]:
    """A part for each split of values (S, n)."""
    numbers = np.arange(values.shape[1]) if rows is None else rows
    return [Part(numbers, own) for own in values]


def test_one_split_and_two_heads_give_the_paired_t_interval() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0.1, 1, (1, 50)), rng.normal(0, 1, (1, 50))
    found = simultaneous({"a": parts_of(one), "b": parts_of(other)}, "b")["a"]
    gap = one[0] - other[0]
    width = stats.t.ppf(0.975, 49) * gap.std() / np.sqrt(50)
    assert found.mean == pytest.approx(gap.mean())
    # The level is found by simulation.
    assert found.half_width == pytest.approx(width, rel=0.02)


def test_rows_that_are_tested_in_each_split_count_once() -> None:
    values = np.random.default_rng(0).normal(size=(1, 80))
    nothing = np.zeros((1, 80))
    once = simultaneous({"a": parts_of(values), "b": parts_of(nothing)}, "b")["a"]
    same = np.repeat(values, 4, axis=0), np.repeat(nothing, 4, axis=0)
    four = simultaneous({"a": parts_of(same[0]), "b": parts_of(same[1])}, "b")["a"]
    assert four.mean == pytest.approx(once.mean)
    assert four.half_width >= once.half_width * 0.99


def test_a_spread_between_seeds_widens_the_interval() -> None:
    rng = np.random.default_rng(0)
    values, shift = rng.normal(size=(3, 500)), np.array([[-0.5], [0.0], [0.5]])
    nothing = parts_of(np.zeros((3, 500)))
    calm = simultaneous({"a": parts_of(values), "b": nothing}, "b")["a"]
    wild = simultaneous({"a": parts_of(values + shift), "b": nothing}, "b")["a"]
    # Student's interval over the three seeds alone.
    between = stats.t.ppf(0.975, 2) * (values + shift).mean(axis=1).std(ddof=1) / np.sqrt(3)
    assert wild.half_width > 5 * calm.half_width
    assert wild.half_width == pytest.approx(between, rel=0.1)


def test_equal_heads_differ_by_nothing() -> None:
    values = np.random.default_rng(0).normal(size=(3, 20))
    found = simultaneous({"a": parts_of(values), "b": parts_of(values)}, "b")["a"]
    assert (found.mean, found.half_width, found.is_clear) == (0, 0, False)


@pytest.mark.parametrize("n_splits", [1, 2, 3])
def test_one_row_has_no_interval_and_claims_nothing(n_splits: int) -> None:
    values = np.array([[1.0], [0.9], [0.8]])[:n_splits]
    one = {"a": parts_of(values), "b": parts_of(np.zeros((n_splits, 1)))}
    found = simultaneous(one, "b")["a"]
    assert found.mean == pytest.approx(values.mean())
    assert np.isnan(found.half_width)
    assert not found.is_clear


@pytest.mark.parametrize("n_splits", [1, 3])
def test_a_difference_that_is_the_same_in_every_row_has_no_interval(n_splits: int) -> None:
    """Rounding leaves differences between the rows of about 1e-17."""
    reference = np.random.default_rng(0).random((n_splits, 50))
    found = simultaneous({"a": parts_of(reference + 0.1), "b": parts_of(reference)}, "b")["a"]
    assert found.mean == pytest.approx(0.1)
    assert np.isnan(found.half_width)
    assert not found.is_clear


@pytest.mark.parametrize(("n_splits", "n_heads"), [(3, 8), (3, 20), (5, 20)])
def test_a_head_far_less_stable_than_the_others_is_covered(
    n_splits: int, n_heads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """benchmarks/interval_coverage.py simulates more of it."""
    monkeypatch.setattr(intervals, "_DRAWS", 1000)
    rng = np.random.default_rng(1)
    spreads = np.array([0.02] * (n_heads - 1) + [0.2])
    covered = 0
    for _ in range(120):
        shifts = rng.normal(0, spreads[:, None, None], (n_heads, n_splits, 1))
        values = shifts + rng.normal(0, 0.02, (n_heads, n_splits, 40))
        heads = {str(head): parts_of(own) for head, own in enumerate(values)}
        gap = simultaneous(heads, "0")[str(n_heads - 1)]
        covered += gap.low <= 0 <= gap.high
    assert covered >= 112  # 93%


def world(rng: np.random.Generator, n_heads: int, redrawn: bool) -> dict[str, list[Part]]:
    """Heads without a true difference: seeds, rows and both vary; test rows may be drawn anew."""
    n_rows, n_splits, every = 100, 3, 400
    numbers = [
        np.sort(rng.choice(every, n_rows, replace=False)) if redrawn else np.arange(n_rows)
        for _ in range(n_splits)
    ]
    parts = {}
    for head in range(n_heads):
        of_rows = rng.normal(0, 0.2, every)
        parts[str(head)] = [
            Part(own, rng.normal(0, 0.02) + of_rows[own] + rng.normal(0, 0.2, n_rows))
            for own in numbers
        ]
    return parts


@pytest.mark.parametrize("spread", [0.0, 0.02])
def test_six_splits_with_test_rows_of_their_own_halve_the_intervals_of_three(
    spread: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And hold as often; benchmarks/interval_coverage.py simulates more of it."""
    monkeypatch.setattr(intervals, "_DRAWS", 1000)
    three, six = (redrawn_coverage(spread, n_splits, 4, 80) for n_splits in (3, 6))
    assert six[2] < 0.62 * three[2]
    assert six[0] >= 0.88
    assert six[1] >= 0.93


@pytest.mark.parametrize("redrawn", [False, True])
def test_of_worlds_without_a_difference_few_have_a_winner(redrawn: bool) -> None:
    rng = np.random.default_rng(3)
    claims = 0
    for _ in range(200):
        found = simultaneous(world(rng, 6, redrawn), "0", overlap=1 / 3 if redrawn else 0)
        claims += any(gap.is_clear for gap in found.values())
    assert claims <= 16  # 8%; each interval for itself would claim one in about every fifth


def test_a_true_difference_is_found() -> None:
    parts = world(np.random.default_rng(0), 4, redrawn=False)
    parts["1"] = [Part(own.rows, own.values + 0.3) for own in parts["1"]]
    found = simultaneous(parts, "0")
    assert found["1"].is_clear
    assert not found["2"].is_clear


def test_a_percentile_bootstrap_over_three_splits_leaves_out_the_truth_in_a_third() -> None:
    """As docs/compare.md says, for normal values, whose mean is 0."""
    draw = np.random.default_rng(0)
    resamples = np.stack(np.meshgrid(*[np.arange(3)] * 3), axis=-1).reshape(-1, 3)
    means = draw.normal(size=(20_000, 3))[:, resamples].mean(axis=-1)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    assert float(((low > 0) | (high < 0)).mean()) == pytest.approx(1 / 3, abs=0.02)
    assert (
        "leave out the truth in a third of the cases"
        in (REPOSITORY / "docs/compare.md").read_text()
    )
