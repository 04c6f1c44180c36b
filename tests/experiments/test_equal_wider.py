"""Choices among all configurations, and what they gain over sigmoid."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from experiments.equal_budgets import beyond, own_options
from experiments.equal_budgets.runs import METRICS
from experiments.equal_budgets.spaces import N_CONFIGURATIONS, drawn, network_spaces
from experiments.equal_budgets.wider import findings, gains, numbers, open_share, table

HEADS = ("sigmoid", "label_powerset", "weighted_sigmoid")
DATA = ("flags", "emotions", "birds", "scene")
ALL = tuple(beyond.MEASURED)


@pytest.fixture
def found() -> pd.DataFrame:
    """Choices with random values, of which powersets of label sets are the better ones afterwards."""
    rng = np.random.default_rng(0)
    rows = [
        {"data": data, "head": head, "metric": metric, "number": 0, "before": rng.random(),
         "after": 2 * (head == "label_powerset") + rng.random()}
        for metric in METRICS for data in DATA for head in HEADS
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_gains_are_paired_by_data_set(found: pd.DataFrame) -> None:
    own = found[found["metric"] == "f1_macro"].set_index(["head", "data"])
    for name, pair in gains(found, "f1_macro").items():
        for stage, gain in zip(("before", "after"), pair, strict=True):
            values = own.loc[name, stage] - own.loc["sigmoid", stage]
            assert (gain.mean, gain.n) == (pytest.approx(values.mean()), len(DATA))
            (low, high) = ttest_1samp(values, 0).confidence_interval()
            assert gain.half_width == pytest.approx((high - low) / 2)
    quoted = dict(numbers(found, ALL))
    assert quoted["wider_ahead_all_jaccard_samples"] == "1 of 2"
    assert quoted["wider_ahead_search_jaccard_samples"] == "0 of 2"
    _, order = findings(found, ALL)
    assert order.held is False
    assert "subset_accuracy label_powerset" in order.measured
    assert [line[:2] for line in table(found).rows] == [
        ["label_powerset", "4"],
        ["weighted_sigmoid", "4"],
    ]


def test_a_lower_hamming_loss_is_a_gain(found: pd.DataFrame) -> None:
    of_powerset, _ = gains(found, "hamming_loss")["label_powerset"]
    own = found[found["metric"] == "hamming_loss"].set_index(["head", "data"])["before"]
    assert of_powerset.mean == pytest.approx((own["sigmoid"] - own["label_powerset"]).mean())


@pytest.mark.parametrize(
    ("studies", "n_open"), [(list(ALL), 3), (["beyond", "farther"], 4), (["beyond"], 5)]
)
def test_open_ends_are_the_farthest_rates_and_values(
    found: pd.DataFrame, studies: list[str], n_open: int
) -> None:
    """With the last study open: 16 times, .95 and half; before it also .9, and 8 times before both."""
    assert open_share(found, studies) == 0
    numbers_of = {name: number for number, name in beyond.NUMBERS.items()}
    for index, name in enumerate(beyond.FARTHEST["last"]):
        found.loc[index, "number"] = numbers_of[name]
    measured = (
        "sixteen times the largest rate", "dropout of 0.9", "eight times the largest rate",
    )  # fmt: skip
    for index, name in enumerate(measured, start=2):
        found.loc[index, "number"] = numbers_of[name]
    assert open_share(found, studies) == n_open / len(found)
    last = max(own_options.configurations("label_powerset"))
    found.loc[found.index[found["head"] == "label_powerset"][-1], "number"] = last
    assert open_share(found, studies) == (n_open + 1) / len(found)


def test_the_lowest_drawn_rate_is_open_until_half_of_it_is_tried(found: pd.DataFrame) -> None:
    spaces = network_spaces("sigmoid")
    rates = {n: float(drawn(spaces, n)["optimizer.lr"]) for n in range(1, N_CONFIGURATIONS)}
    index = found.index[found["head"] == "sigmoid"][0]
    found.loc[index, "number"] = min(rates, key=lambda number: rates[number])
    assert open_share(found, ["beyond", "farther"]) == 1 / len(found)
    assert open_share(found, ALL) == 0
