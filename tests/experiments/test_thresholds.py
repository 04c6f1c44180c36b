"""What counts as one rule being ahead of another."""

from __future__ import annotations

import pandas as pd

from experiments.thresholds.analysis import clear_counts


def test_only_differences_beyond_their_interval_count() -> None:
    gains = {
        "ahead": (0.02, 0.021, 0.019),
        "behind": (-0.03, -0.031, -0.029),
        "unclear": (0.05, -0.02, 0.01),
        "constant": (0.01, 0.01, 0.01),
    }
    rows = pd.DataFrame(
        {"data": data, "seed": seed, "rule": rule, "f1_macro": value}
        for data, own in gains.items()
        for seed, gain in enumerate(own)
        for rule, value in (("global f1_macro", 0.5), ("per_label", 0.5 + gain))
    )
    assert clear_counts(rows) == "ahead on 1 of 4, behind on 1"
