"""Numbers that stand for missing values are named, and ordinary columns have none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mlc.data.__main__ import main
from mlc.data.arff import Arff, ArffOptions
from mlc.data.sentinels import note_on_sentinels, sentinels
from tests.conftest import Command

RNG = np.random.default_rng(0)
HEIGHTS = RNG.normal(175, 7, 500)
TIMES = RNG.uniform(1.6e9, 1.7e9, 500)


@pytest.mark.parametrize(
    ("column", "codes"),
    [
        (HEIGHTS, [0]), (HEIGHTS, [-999]), (HEIGHTS, [9999]), (HEIGHTS, [-1, 9999]), (TIMES, [0]),
        (RNG.integers(1990, 2020, 500), [0]), (RNG.poisson(20, 500), [-9999]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("share", [0.01, 0.3])
def test_numbers_for_gaps_are_found(column: np.ndarray, codes: list[float], share: float) -> None:
    column = column.astype(float)
    n = int(share * len(column))
    expected = [(code, n, *np.percentile(column[n * len(codes) :], [0, 100])) for code in codes]
    for index, code in enumerate(codes):
        column[index * n : (index + 1) * n] = code
    column[-1] = np.nan
    assert sorted(sentinels(column))[0][:2] == expected[0][:2]
    assert [each[:2] for each in sentinels(column)] == [each[:2] for each in expected]


@pytest.mark.parametrize("seed", range(20))
def test_ordinary_columns_have_none(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for column in (
        rng.random(300) < 0.02,
        rng.poisson(0.1, 300),
        rng.poisson(5, 300),
        rng.geometric(0.02, 300),
        np.round(rng.pareto(0.7, 300)),
        np.round(rng.lognormal(2, 2, 300)),
        np.where(rng.random(300) < 0.9, 0, rng.exponential(10, 300)),
        np.where(rng.random(300) < 0.5, 0, rng.uniform(2, 5, 300)),
        np.minimum(rng.exponential(1, 300), 4),
        # A code among few others is a category.
        np.where(rng.random(300) < 0.1, 99, rng.integers(1, 6, 300)),
        # One row may be right.
        np.append(rng.normal(size=300), 1000),
        # A 0 in most rows stands for none.
        (rng.random(300) < 0.1) * rng.normal(5, 0.2, 300),
    ):
        assert sentinels(np.asarray(column, dtype=float)) == []


@pytest.mark.parametrize("name", ["emotions", "birds", "cal500", "flags"])
def test_the_benchmarks_have_none(name: str, benchmarks: Path) -> None:
    data = Arff.load(ArffOptions(path=f"{name}/{name}", root=str(benchmarks)))
    assert note_on_sentinels(data) == ()


def test_the_card_says_what_to_do(tmp_path: Path, command: Command) -> None:
    rows = [
        f"{0 if k < 6 else 1.7 + k / 500},{k % 9},{9999 if k < 2 else k / 3:.3f},{k % 2}"
        for k in range(60)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["height,size,age,y", *rows]))
    ended = command(lambda: main(None), "t.csv", "--labels", "y")
    said = " ".join(ended.out.split())
    assert (
        "Warning: 'height' is 0 in 6 rows and otherwise 1.712 to 1.818; 'age' is 9999 in 2 rows and"
        " otherwise 0.667 to 19.667: a number that stands for a missing value hides the differences of"
        " the others; leave its cell empty (nan in arrays, ? in ARFF), which is read as missing."
    ) in said
