"""What makes a comparison fit into a time: each way is tried, and is the most that fits."""

from __future__ import annotations

import re
from argparse import Namespace
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlc.comparing.plan import LEAST_SPLITS
from mlc.comparing.planning import work_of
from mlc.comparing.shorter import Work
from mlc.comparing.timing import EACH, START, Cost, LinearCost
from mlc.launching.workers import n_cores

WORK = Work(
    {"sigmoid": Cost(0.0, 40.0), "chain": Cost(0.0, 80.0), "zlpr": Cost(0.0, 20.0)},
    LinearCost(60.0, 5.0),
    n_workers=1,
    n_epochs=60,
    n_rows=5000,
    side=128,
)


def seconds(work: Work) -> float:
    """The least work on one core: a network of each head on two splits, and linear models on both."""
    networks = sum(cost.fixed + cost.each + cost.deciding + EACH for cost in work.costs.values())
    return START + LEAST_SPLITS * (networks + work.linear.tuning)


def test_the_least_work_is_that_of_the_estimate() -> None:
    assert WORK.least_seconds() == pytest.approx(seconds(WORK))


@pytest.mark.parametrize("limit", [150.0, 200.0, 260.0, 300.0, 400.0])
def test_each_way_fits_and_a_little_more_does_not(limit: float) -> None:
    ways = " ".join(WORK.ways_to(limit))
    for pattern, smaller, step in [
        (r"max_epochs=(\d+)", lambda n: WORK.trained(n / 60), 1),
        (r"data\.size=(\d+)", lambda n: WORK.fed((n / 128) ** 2), 1),
        (r"with ([\d,]+) of the 5,000 rows", lambda n: WORK.fed(n / 5000), 1),
    ]:
        match = re.search(pattern, ways)
        if match is None:
            assert pattern.startswith("max_epochs")
            # The linear models alone take 120 s.
            assert seconds(WORK.trained(1 / 60)) > limit
            continue
        number = int(match[1].replace(",", ""))
        assert seconds(smaller(number)) <= limit < seconds(smaller(number + step))
    heads = re.search(r"--heads (\S+)", ways)
    assert (heads is not None) == (limit >= seconds(replace(WORK, costs=of("sigmoid", "zlpr"))))
    if heads is not None:
        assert heads[1] == "sigmoid,zlpr"
    without = replace(WORK, linear=LinearCost())
    assert ("report.yardsticks=false" in ways) == (seconds(without) <= limit)


def of(*heads: str) -> dict[str, Cost]:
    return {head: WORK.costs[head] for head in heads}


def test_nothing_is_offered_where_nothing_is_short_enough() -> None:
    assert WORK.ways_to(START) == []
    assert not any("size" in way for way in replace(WORK, side=0).ways_to(300))


@pytest.mark.parametrize(
    ("shape", "backbone", "side"),
    [((3, 64, 48), "cnn", 64), ((3, 64, 48), "resnet", 0), ((7,), "mlp", 0)],
)
def test_the_work_is_that_of_the_data_and_of_the_launcher(
    shape: tuple[int, ...], backbone: str, side: int
) -> None:
    configs: Any = {
        head: SimpleNamespace(
            trainer=SimpleNamespace(max_epochs=n), backbone=SimpleNamespace(name=backbone)
        )
        for head, n in (("sigmoid", 25), ("zlpr", 60))
    }
    data: Any = SimpleNamespace(sample_shape=shape, n_samples=70)
    for settings, n_workers in [
        ([], n_cores()),
        (["hydra.launcher.n_workers=3"], 3),
        (["hydra.launcher.n_workers=null"], n_cores()),
    ]:
        work = work_of(Namespace(settings=settings), configs, {}, LinearCost(), data)
        assert (work.n_workers, work.n_epochs, work.n_rows, work.side) == (n_workers, 60, 70, side)
