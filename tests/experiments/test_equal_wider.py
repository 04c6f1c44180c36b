"""Choices among all configurations, and what they gain over sigmoid."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from experiments.equal_budgets import beyond, own_options
from experiments.equal_budgets.runs import METRICS
from experiments.equal_budgets.wider import findings, gains, numbers, open_share, table

HEADS = ("sigmoid", "label_powerset", "weighted_sigmoid")
DATA = ("flags", "emotions", "birds", "scene")


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
    assert dict(numbers(found))["wider_ahead_all_jaccard_samples"] == "1 of 2"
    assert dict(numbers(found))["wider_ahead_search_jaccard_samples"] == "0 of 2"
    assert findings(found)[1].held is False
    assert "subset_accuracy label_powerset" in findings(found)[1].measured
    assert [line[:2] for line in table(found).rows] == [
        ["label_powerset", "4"],
        ["weighted_sigmoid", "4"],
    ]


def test_a_lower_hamming_loss_is_a_gain(found: pd.DataFrame) -> None:
    of_powerset, _ = gains(found, "hamming_loss")["label_powerset"]
    own = found[found["metric"] == "hamming_loss"].set_index(["head", "data"])["before"]
    assert of_powerset.mean == pytest.approx((own["sigmoid"] - own["label_powerset"]).mean())


def test_open_ends_are_the_farthest_rates_and_values(found: pd.DataFrame) -> None:
    assert open_share(found) == 0
    farthest = {name: number for number, name in beyond.NUMBERS.items()}
    for index, name in enumerate(
        ("sixteen times the largest rate", "dropout of 0.9", "eight times the largest rate")
    ):
        found.loc[index, "number"] = farthest[name]
    assert open_share(found) == 2 / len(found)
    last = max(own_options.configurations("label_powerset"))
    found.loc[found.index[found["head"] == "label_powerset"][-1], "number"] = last
    assert open_share(found) == 3 / len(found)
