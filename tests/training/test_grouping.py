"""Cohorts stay whole unless a cut makes the sweep end earlier, and then they are cut well."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from mlc.backbones.base import BACKBONES
from mlc.config.registry import SOURCES
from mlc.config.schema import Config
from mlc.heads.base import HEADS
from mlc.training.grouping import Piece, cohorts, cut, end, n_weights
from mlc.training.stacked import OPTIMIZERS

OVERHEAD = 1.0


class Costs:
    """A fixed cost and one for each run, by kind."""

    def __init__(self, *each: float, overhead: float = OVERHEAD) -> None:
        self.each, self.overhead = each, overhead

    def __call__(self, kind: int, n_runs: int) -> float:
        return self.overhead + n_runs * self.each[kind]


def partitions(n: int, most: int) -> Iterator[list[int]]:
    """All ways to write n as a sum of parts of at most `most`, in falling order."""
    if n == 0:
        yield []
    for part in range(min(n, most), 0, -1):
        yield from ([part, *rest] for rest in partitions(n - part, part))


def every_cut(sizes: Sequence[int], max_runs: int) -> Iterator[list[Piece]]:
    for parts in itertools.product(*(list(partitions(size, max_runs)) for size in sizes)):
        yield [(kind, part) for kind, own in enumerate(parts) for part in own]


def schedule(pieces: Sequence[Piece], costs: Costs, n_workers: int) -> float:
    """When the last worker ends: each in turn takes the longest cohort left, told by a loop."""
    ends = [0.0] * n_workers
    for seconds in sorted((costs(*piece) for piece in pieces), reverse=True):
        ends[ends.index(min(ends))] += seconds
    return max(ends)


def uncut(sizes: Sequence[int], max_runs: int) -> list[Piece]:
    """The fewest cohorts of each kind, of about equal sizes."""
    shares = [np.array_split(np.arange(size), -(-size // max_runs)) for size in sizes]
    return [(kind, len(share)) for kind, own in enumerate(shares) for share in own]


def test_runs_of_lbfgs_are_trained_one_by_one() -> None:
    configs = [
        Config(
            SOURCES.options("digits"),
            BACKBONES.options("linear"),
            HEADS.options("sigmoid"),
            OPTIMIZERS.options(optimizer),
            seed=seed,
        )
        for optimizer in ("lbfgs", "adamw")
        for seed in range(3)
    ]
    groups = cohorts(configs, max_runs=64, n_workers=1)
    assert sorted(map(sorted, groups)) == [[0], [1], [2], [3, 4, 5]]


def test_two_heads_of_two_seeds_are_two_cohorts() -> None:
    pieces = cut([2, 2], Costs(0.3, 0.35), max_runs=64, n_workers=2)
    assert sorted(pieces) == [(0, 2), (1, 2)]


def configured(head: str, widths: Sequence[int], seed: int, backbone: str = "mlp") -> Config:
    options = {"widths": list(widths)} if backbone == "mlp" else {}
    return Config(
        SOURCES.options("digits"),
        BACKBONES.options(backbone, **options),
        HEADS.options(head),
        OPTIMIZERS.options("adamw"),
        seed=seed,
    )


def test_seeds_with_test_rows_of_their_own_are_trained_apart() -> None:
    """A head knows the labels outside the test part, which are others for each seed."""

    def of_table(seed: int, split_seed: int | None) -> Config:
        data = SOURCES.options("table", path="t.csv", labels=["y"], split_seed=split_seed)
        config = configured("pairwise", [8], seed)
        config.data = data
        return config

    drawn = [of_table(seed, None) for seed in (0, 0, 1)]
    assert sorted(map(sorted, cohorts(drawn, 64, 1))) == [[0, 1], [2]]
    stated = [of_table(seed, 0) for seed in (0, 0, 1)]
    assert sorted(map(sorted, cohorts(stated, 64, 1))) == [[0, 1, 2]]


def test_expensive_outputs_are_divided_and_cheap_ones_are_not() -> None:
    cheap = [configured(head, [64], seed) for head in ("sigmoid", "pick_one") for seed in (0, 1)]
    assert sorted(map(sorted, cohorts(cheap, 64, n_workers=2))) == [[0, 1], [2, 3]]
    # 512 x 2^10 weights cost far more than a step's operations.
    wide = [configured("powerset", [512, 512], seed) for seed in range(4)]
    assert sorted(map(len, cohorts(wide, 64, n_workers=2))) == [2, 2]
    assert sorted(map(len, cohorts(wide, 64, n_workers=4))) == [1, 1, 1, 1]


def test_the_weights_of_known_shapes() -> None:
    model = configured("sigmoid", [64, 32], 0)
    assert n_weights(model) == 100 * 64 + 64 * 32 + 32 * 10
    assert n_weights(configured("powerset", [], 0)) == 100 * 2**10
    # Heads and backbones whose shape only the data tells have a default.
    assert n_weights(configured("label_powerset", [64], 0)) == 100 * 64 + 64 * 100
    assert n_weights(configured("sigmoid", [], 0, backbone="cnn")) > 0


def test_a_cut_is_never_later_and_mostly_best() -> None:
    rng = np.random.default_rng(0)
    best_found = total = 0
    for _ in range(150):
        sizes = [int(n) for n in rng.integers(1, 6, size=rng.integers(1, 4))]
        costs = Costs(*np.exp(rng.normal(-1, 1.5, size=len(sizes))))
        n_workers, max_runs = int(rng.integers(1, 5)), int(rng.choice([3, 64]))
        pieces = cut(sizes, costs, max_runs, n_workers)
        found = schedule(pieces, costs, n_workers)
        assert found == pytest.approx(end(pieces, costs, n_workers))
        for kind, size in enumerate(sizes):
            assert sum(n for own, n in pieces if own == kind) == size
        assert max(n for _, n in pieces) <= max_runs
        ends = [schedule(own, costs, n_workers) for own in every_cut(sizes, max_runs)]
        not_cut = uncut(sizes, max_runs)
        later = schedule(not_cut, costs, n_workers)
        assert found <= later * (1 + 1e-9)
        # A cut that gains nothing is not made.
        assert len(pieces) == len(not_cut) or found < later
        best = min(ends)
        assert best <= found * (1 + 1e-9)
        best_found += found <= 1.02 * best
        total += 1
    assert best_found >= 0.9 * total, best_found


def test_one_worker_cuts_nothing() -> None:
    assert sorted(cut([5, 3], Costs(4, 1), 64, n_workers=1)) == [(0, 5), (1, 3)]
    assert sorted(cut([5], Costs(4), 2, n_workers=1)) == [(0, 1), (0, 2), (0, 2)]


def test_more_workers_than_runs() -> None:
    assert cut([3], Costs(5), 64, n_workers=8) == [(0, 1)] * 3
    # At an overhead of a hundred runs, a cut still ends earlier by the share of the runs that left.
    assert cut([3], Costs(0.001), 64, n_workers=8) == [(0, 3)]
    assert cut([], Costs(), 64, n_workers=2) == []


def test_the_longest_cohort_is_taken_first() -> None:
    assert cut([2, 1, 3], Costs(1, 30, 2), 64, n_workers=2)[0] == (1, 1)
    # A single expensive run cannot be cut, and the others fill the second worker whole.
    assert len(cut([2, 1, 3], Costs(1, 30, 2), 64, n_workers=2)) == 3


def test_uneven_cuts_fill_an_idle_worker() -> None:
    pieces = cut([10, 4], Costs(1, 1, overhead=0.1), 64, n_workers=2)
    assert sorted(pieces) == [(0, 3), (0, 7), (1, 4)]


def test_large_sweeps_are_cut_at_once() -> None:
    rng = np.random.default_rng(0)
    sizes = [int(n) for n in rng.integers(1, 100, size=200)]
    started = time.perf_counter()
    pieces = cut(sizes, Costs(*rng.exponential(size=200)), 64, n_workers=16)
    assert time.perf_counter() - started < 5
    assert sum(n for _, n in pieces) == sum(sizes)
