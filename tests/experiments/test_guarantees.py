"""Intervals over worlds that share their draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.guarantees.analysis import over_seeds


def test_settings_of_one_seed_are_one_value() -> None:
    by_seed = np.array([0.1, 0.4, 0.2, 0.7])
    values = pd.Series(
        {
            (setting, seed): by_seed[seed] + setting
            for setting in (0.0, 1.0, 2.0)
            for seed in range(4)
        }
    ).rename_axis(["data.dependence", "data.seed"])
    found = over_seeds(values)
    low, high = stats.t.interval(0.95, 3, by_seed.mean() + 1, stats.sem(by_seed))
    assert found.n == 4
    assert (found.mean - found.half_width, found.mean + found.half_width) == pytest.approx(
        (low, high)
    )
