"""The means of a launch beside a table of those that other machines give."""

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks import reproducibility
from mlc.config.errors import ConfigError
from mlc.reporting.collect import Results
from mlc.reporting.expected import check_expected, expected_table, read_expected

REPOSITORY = Path(__file__).parent.parent.parent


def results(values: dict[int, float], overrides: list[str] | None = None) -> Results:
    rows = [
        {"data": "digits", "head": "sigmoid", "rule": "global", "seed": seed, "f1_macro": value}
        for seed, value in values.items()
    ]
    fields = {field.name: {} for field in dataclasses.fields(Results)}
    return Results(**fields | {"runs": pd.DataFrame(rows), "overrides": overrides or []})


@pytest.fixture
def table(tmp_path: Path) -> str:
    path = tmp_path / "table.csv"
    path.write_text(
        "data,head,rule,metric,seeds,mean,tolerance\n"
        "digits,sigmoid,global,f1_macro,0 1,0.5,0.01\n"
        "digits,powerset,global,f1_macro,0 1,0.5,0.01\n"
    )
    return str(path)


@pytest.mark.parametrize(
    ("values", "start"),
    [
        ({0: 0.4, 1: 0.6}, "As expected: all 1 means"),
        ({0: 0.4, 1: 0.619}, "As expected: all 1 means"),
        ({0: 0.4, 1: 0.63}, "Not as expected: 1 of 1 means"),
        ({0: 0.4, 1: 0.6, 2: 0.9}, "As expected: all 1 means"),  # more seeds than the table's
        ({0: 0.5}, "Not compared"),  # a seed is missing
        ({0: 0.5, 1: float("nan")}, "Not as expected: 1 of 1 means"),
    ],
)
def test_a_mean_is_compared_over_the_seeds_of_the_table(
    table: str, values: dict[int, float], start: str
) -> None:
    assert check_expected(results(values), table).startswith(start)


def test_other_settings_are_not_compared_but_other_devices_and_rules_are(table: str) -> None:
    values = {0: 0.4, 1: 0.6}
    text = check_expected(results(values, ["optimizer.lr", "threads"]), table)
    assert text.startswith("Not compared")
    assert "(optimizer.lr)" in text
    assert check_expected(results(values, ["threads", "decisions"]), table).startswith(
        "As expected"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("data,head,rule,metric,seeds,mean\nd,h,r,m,0,1\n", "no column tolerance"),
        ("data,head,rule,metric,seeds,mean,tolerance\nd,h,r,m,a,1,1\n", "invalid literal"),
        ("data,head,rule,metric,seeds,mean,tolerance\nd,h,r,m,,1,1\n", "cannot be read"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(
    tmp_path: Path, content: str | None, message: str
) -> None:
    path = tmp_path / "other.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_expected(str(path))


def test_the_stored_table_is_that_of_its_rows_and_holds_the_stored_results() -> None:
    rows = pd.read_csv(reproducibility.ROWS)
    again = reproducibility.expected(rows).round(6)
    stored = read_expected("compare")
    assert expected_table("compare") == reproducibility.EXPECTED
    pd.testing.assert_frame_equal(again.drop(columns="seeds"), stored.drop(columns="seeds"))
    runs = pd.read_csv(REPOSITORY / "results/compare/results.csv")
    checked = check_expected(dataclasses.replace(results({0: 0.0}), runs=runs), "compare")
    assert checked.startswith(f"As expected: all {len(stored)} means")


def test_the_tolerance_is_a_prediction_interval_for_all_means_together() -> None:
    """One more variant has a mean outside in 1% of the worlds at most, as a simulation shows."""
    generator, outside, n_worlds = np.random.default_rng(0), 0, 1500
    for _ in range(n_worlds):
        means = generator.normal(0, 1, (6, 3))
        another = generator.normal(0, 1, 3)
        outside += (np.abs(another - means.mean(0)) > reproducibility.tolerances(means)).any()
    assert 0.005 < outside / n_worlds < 0.015
    assert (reproducibility.tolerances(np.ones((6, 3))) == reproducibility.LEAST).all()
