"""docs/defaults.md: its tables of epochs, batches and schedules follow from the rows, as its text."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.defaults_steps import HEADS_SEARCHED, STORED
from benchmarks.defaults_tables import PAGE, blocks

TEXT = PAGE.read_text(encoding="utf-8")
REQUIRED = {"default", "half", "double", "large batches", "small batches"}


@pytest.fixture(scope="module")
def values() -> pd.DataFrame:
    """The mean over seeds by setting, for the finished data sets and heads."""
    rows = pd.read_csv(STORED)
    finished = [
        data
        for data, group in rows.groupby("data")
        if all(set(group[group["head"] == head]["plan"]) >= REQUIRED for head in HEADS_SEARCHED)
    ]
    rows = rows[rows["data"].isin(finished)]
    return rows.groupby(["sparse", "data", "head", "plan", "lr", "weight_decay"])["value"].mean()


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return blocks()


def rows_of(name: str) -> list[list[str]]:
    lines = TEXT.split(f"<!-- table: {name} -->\n")[1].split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def cells(name: str, epochs: str, settings: str, rate: str) -> list[str]:
    return next(row for row in rows_of(name) if row[:3] == [epochs, settings, rate])


def test_the_page_has_the_tables_of_the_rows(written: dict[str, str]) -> None:
    for name, block in written.items():
        expected = f"<!-- {name} -->\n{block}\n"
        assert expected in TEXT, "run python -m benchmarks.defaults_tables"


def test_the_loss_is_counted_from_the_best_setting(values: pd.Series) -> None:
    best = values.groupby(level=["sparse", "data", "head"]).max()
    default = values.xs(("default", 0.003, 0.01), level=["plan", "lr", "weight_decay"])
    for name, is_sparse in (("dense", False), ("sparse", True)):
        losses = (best - default)[is_sparse]
        row = cells(name, "1", "", "0.003")
        assert row[3] == str(losses.index.get_level_values("data").nunique())
        assert float(row[4]) == pytest.approx(losses.mean(), abs=6e-5)
        assert float(row[5]) == pytest.approx(losses.max(), abs=6e-4)


def test_the_difference_is_paired_over_data_sets(values: pd.Series) -> None:
    dense = values[False]
    half, default = (
        dense.xs((plan, 0.003, 0.01), level=["plan", "lr", "weight_decay"])
        for plan in ("half", "default")
    )
    differences = half - default
    row = cells("dense", "0.5", "", "0.003")
    assert row[6].startswith(f"{differences.groupby(level='data').mean().mean():+.3f}")
    assert row[7:10] == [f"{differences.xs(h, level='head').mean():+.3f}" for h in HEADS_SEARCHED]


def test_no_setting_is_better_than_the_default_by_more_than_its_interval() -> None:
    for name in ("dense", "sparse"):
        for row in rows_of(name):
            mean, _, half_width = row[6].partition(" ±")
            assert not half_width or float(mean) <= float(half_width), row


def test_a_shorter_training_would_favour_sigmoid() -> None:
    for row in (cells("dense", "0.5", "", "0.003"), cells("dense", "1", "", "0.001")):
        sigmoid, *others = map(float, row[7:10])
        assert all(other < sigmoid for other in others)
