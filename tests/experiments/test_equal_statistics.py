"""The bootstraps and the signed-rank test of equal_budgets against closed forms, loops and a library."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, rankdata
from scipy.stats import t as student

from experiments.equal_budgets.bootstrap import (
    Draws,
    draw,
    gains,
    gains_over_sets,
    rank_intervals,
    ranks,
)
from experiments.equal_budgets.signed_rank import signed_rank
from experiments.equal_budgets.tables import gains_of


def random_values(n_seeds: int, n_rows: int, seed: int = 0) -> np.ndarray:
    """Rows and seeds both matter."""
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(n_seeds, n_rows))
        + rng.normal(size=n_rows)
        + 0.5 * rng.normal(size=(n_seeds, 1))
    )


@pytest.mark.parametrize(("n_seeds", "n_rows"), [(1, 7), (5, 9), (4, 1)])
def test_the_variance_of_a_draw_is_that_of_independent_multinomial_weights(
    n_seeds: int, n_rows: int
) -> None:
    values = random_values(n_seeds, n_rows)

    def second_moment(n: int) -> np.ndarray:
        """E[w w'] of the shares of n units in n - 1 draws."""
        size = max(n - 1, 1)
        return (np.eye(n) / n - np.ones((n, n)) / n**2) / size + np.ones((n, n)) / n**2

    weights = np.kron(second_moment(n_seeds), second_moment(n_rows))
    exact = values.ravel() @ weights @ values.ravel() - values.mean() ** 2
    drawn = draw({"a": values, "b": values + 1}, np.random.default_rng(1), 40_000)
    assert drawn.values == pytest.approx([values.mean(), values.mean() + 1])
    assert drawn.drawn[:, 0].mean() == pytest.approx(values.mean(), abs=0.02)
    assert drawn.drawn[:, 0].var() == pytest.approx(exact, rel=0.05, abs=1e-12)
    # The rows and seeds of a draw are the same for all heads.
    assert drawn.drawn[:, 1] - drawn.drawn[:, 0] == pytest.approx(np.ones(40_000))


def test_the_variance_over_seeds_is_that_of_their_mean() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=(5, 1)), 30, axis=1)
    drawn = draw({"a": values}, np.random.default_rng(1), 40_000).drawn
    assert drawn.var() == pytest.approx(values[:, 0].var(ddof=1) / 5, rel=0.05)


def sets_of(differences: np.ndarray) -> list[Draws]:
    """Data sets with the differences (data sets, heads) from the reference "r", which is 0."""
    heads = ("r", *(f"h{index}" for index in range(differences.shape[1])))
    values = np.hstack([np.zeros((len(differences), 1)), differences])
    return [Draws(heads, own, own[None]) for own in values]


def test_the_error_over_data_sets_has_the_noise_within_them_once() -> None:
    """Seeds and rows that are drawn anew within drawn data sets had it three times."""
    errors, spread = [], []
    for repetition in range(60):
        rng = np.random.default_rng(repetition)
        # Nothing but rows and seeds varies.
        each = [
            draw({head: random_values(3, 10, rng.integers(10**9)) for head in "ra"}, rng, 20)
            for _ in range(11)
        ]
        gain = gains_over_sets(each, "r", rng, 20)["a"]
        errors.append(gain.error**2)
        spread.append(gain.mean)
    assert np.mean(errors) == pytest.approx(np.var(spread), rel=0.4)


@pytest.mark.parametrize("n_sets", [3, 11])
def test_one_interval_over_data_sets_is_students(n_sets: int) -> None:
    differences = np.random.default_rng(n_sets).normal(size=(n_sets, 1))
    gain = gains_over_sets(sets_of(differences), "r", np.random.default_rng(0), 20_000)["h0"]
    exact = student.ppf(0.975, n_sets - 1) * differences.std(ddof=1) / n_sets**0.5
    assert gain.mean == pytest.approx(differences.mean())
    assert (gain.high - gain.low) / 2 == pytest.approx(exact, rel=0.05)


def test_the_intervals_over_data_sets_hold_together_in_95_of_100_cases() -> None:
    """Ten correlated heads; 0.95 ± three standard errors of 400 cases."""
    held = 0
    for repetition in range(400):
        rng = np.random.default_rng(repetition)
        differences = rng.normal(size=(11, 10)) + rng.normal(size=(11, 1))
        by_head = gains_over_sets(sets_of(differences), "r", rng, 200)
        held += all(gain.low <= 0 <= gain.high for gain in by_head.values())
    assert 0.917 <= held / 400 <= 0.983


def test_heads_that_equal_the_reference_on_all_data_sets_have_no_width() -> None:
    differences = np.array([[0, 0.1], [1e-17, 0.2], [0, 0.4]])
    by_head = gains_over_sets(sets_of(differences), "r", np.random.default_rng(0))
    assert by_head["h0"].low == by_head["h0"].high == 0
    assert by_head["h1"].high > by_head["h1"].mean == pytest.approx(0.7 / 3)
    none = gains_over_sets(sets_of(differences[:, :1]), "r", np.random.default_rng(0))
    assert none["h0"].low == none["h0"].high == 0


def test_intervals_are_simultaneous_and_a_detectable_gain_is_detected_four_times_in_five() -> None:
    rng = np.random.default_rng(0)
    errors = np.array([1.0, 3.0, 0.1, 2.0])
    drawn = np.hstack([np.zeros((100_000, 1)), errors * rng.normal(size=(100_000, 4))])
    by_head = gains(Draws(tuple("rabcd"), np.arange(5.0), drawn + np.arange(5)), "r")
    critical = norm.ppf((1 + 0.95**0.25) / 2)
    for head, mean, error in zip("abcd", (1, 2, 3, 4), errors, strict=True):
        gain = by_head[head]
        assert gain.mean == mean
        assert gain.error == pytest.approx(error, rel=0.02)
        assert [gain.low, gain.high] == pytest.approx(
            [mean - critical * error, mean + critical * error], rel=0.02, abs=0.03
        )
        estimates = gain.detectable + error * rng.normal(size=100_000)
        assert (estimates > gain.high - mean).mean() == pytest.approx(0.8, abs=0.01)


def test_a_contestant_that_equals_the_reference_in_every_row_has_no_width() -> None:
    values = random_values(3, 20)
    by_head = gains(draw({"r": values, "same": values}, np.random.default_rng(0), 500), "r")
    assert by_head["same"].mean == by_head["same"].low == by_head["same"].high == 0
    assert gains(draw({"r": values}, np.random.default_rng(0), 500), "r") == {}


def test_the_intervals_of_one_data_set_cover() -> None:
    """Rows, seeds and both together are drawn anew; the truth is 0."""
    covered = 0
    for repetition in range(150):
        rng = np.random.default_rng(repetition)
        shared = rng.normal(size=80)
        values = {
            head: shared
            + rng.normal(size=80)
            + 0.1 * rng.normal(size=(8, 1))
            + rng.normal(size=(8, 80))
            for head in "rab"
        }
        by_head = gains(draw(values, rng, 400), "r")
        covered += all(gain.low <= 0 <= gain.high for gain in by_head.values())
    assert 0.92 <= covered / 150 <= 1


@pytest.mark.parametrize("n_sets", [3, 11])
def test_an_interval_over_few_data_sets_is_as_wide_as_that_of_students_t(n_sets: int) -> None:
    differences = np.random.default_rng(n_sets).normal(size=n_sets)
    # Nothing varies within a data set.
    draws = {
        str(index): draw(
            {"sigmoid": np.zeros((2, 4)), "a": np.full((2, 4), difference)},
            np.random.default_rng(index),
        )
        for index, difference in enumerate(differences)
    }
    gain = gains_of(draws).pooled["a"]
    exact = student.ppf(0.975, n_sets - 1) * differences.std(ddof=1) / n_sets**0.5
    assert (gain.high - gain.low) / 2 == pytest.approx(exact, rel=0.1)


def test_ranks_are_those_of_scipy() -> None:
    values = np.random.default_rng(0).integers(0, 4, size=(50, 6)).astype(float)
    assert np.array_equal(ranks(values), rankdata(values, axis=-1))


def test_rank_intervals_are_those_of_a_loop_over_draws() -> None:
    rng = np.random.default_rng(0)
    # Noise within data sets is in their values.
    draws = [
        Draws(tuple("abc"), values, values + 9 * rng.normal(size=(10, 3)))
        for values in rng.normal(size=(6, 3))
    ]
    by_head = rank_intervals(draws, np.random.default_rng(5))
    of_sets = np.stack([rankdata(-each.values) for each in draws])
    other = np.random.default_rng(6)
    # As many as data sets less one, as in all bootstraps here.
    resampled = [of_sets[other.integers(6, size=5)].mean(axis=0) for _ in range(3000)]
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    for column, head in enumerate("abc"):
        assert by_head[head][0] == pytest.approx(of_sets.mean(axis=0)[column])
        assert by_head[head][1:] == pytest.approx((low[column], high[column]), abs=0.21)
    lower = rank_intervals(draws, np.random.default_rng(5), higher_is_better=False)
    assert lower["a"][0] == pytest.approx(4 - by_head["a"][0])


# By baycomp 1.0.3, SignedRankTest.sample(0, y, rope=0.01, nsamples=200000): the shares of the winners.
BY_BAYCOMP = {
    "mixed": (
        [0.031, 0.004, -0.012, 0.022, 0.015, -0.003, 0.009, 0.041, 0.002, -0.02, 0.013],
        (0.0007, 0.5978, 0.4014),
    ),
    "equal": ([0.001, -0.002, 0.004, 0.003, 0.0], (0, 1, 0)),
    "worse": ([-0.05, -0.03, -0.08, -0.011], (0.989, 0.011, 0)),
    "at the margin": ([0.01, 0.01, -0.03, 0.05], (0.0579, 0.4048, 0.5373)),
}  # fmt: skip


@pytest.mark.parametrize("case", BY_BAYCOMP)
def test_the_signed_rank_test_is_that_of_baycomp(case: str) -> None:
    differences, expected = BY_BAYCOMP[case]
    verdict = signed_rank(differences)
    assert (verdict.worse, verdict.equal, verdict.better) == pytest.approx(expected, abs=0.012)


def test_the_signed_rank_test_of_one_difference_or_none_is_a_closed_form() -> None:
    # It is better unless the weight of 0, which is Beta(1/2, 1), exceeds the root of 1/2.
    assert signed_rank([0.05]).better == pytest.approx(0.5**0.25, abs=0.009)
    assert signed_rank([]).equal == 1
    mirrored = signed_rank([-0.05])
    assert mirrored.worse == pytest.approx(0.5**0.25, abs=0.009)
    assert mirrored.better == 0
