"""The comparison of `auto` with the rules that it chooses among."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from benchmarks import rules


def judged(gaps: dict[tuple[str, str], np.ndarray], metric: str = "f1_macro") -> pd.DataFrame:
    """Values of ten splits, where `auto` differs from `global` by these gaps."""
    draw = np.random.default_rng(0)
    lines = []
    for (data, head), gap in gaps.items():
        for split, value in enumerate(draw.normal(0.5, 0.1, 10)):
            line = {
                "data": data,
                "head": head,
                "metric": metric,
                "split": split,
                "chosen": "global",
            }
            lines.append(line | {"global": value, "fixed": value - 0.1, "auto": value + gap[split]})
    return pd.DataFrame(lines)


def test_worse_and_better_are_by_a_paired_t_test_beyond_the_least_difference() -> None:
    draw = np.random.default_rng(1)
    means = {"a": -0.03, "b": -0.003, "c": 0.02, "d": 0.0, "e": -0.02}
    noise = {"a": 0.005, "b": 0.0001, "c": 0.01, "d": 0.01, "e": 0.2}
    gaps = {(n, "sigmoid"): means[n] + noise[n] * draw.normal(size=10) for n in means}
    frame = judged(gaps)
    expected = {"worse": 0, "better": 0}
    for (data, _), rows in frame.groupby(["data", "head"]):
        test = ttest_rel(rows["auto"], rows["global"])
        gap = (rows["auto"] - rows["global"]).mean()
        if abs(gap) > rules.WORSE and test.pvalue < 0.05:
            expected["worse" if gap < 0 else "better"] += 1
        assert gap == pytest.approx(gaps[data, "sigmoid"].mean())
    assert expected == {"worse": 1, "better": 1}
    result = rules.compared(frame, "auto")
    assert {name: result[name] for name in expected} == expected
    assert result["losses"] == pytest.approx([-gap.mean() for gap in gaps.values()])
    # A rule that a head cannot take counts as global.
    assert rules.compared(frame, "cardinality")["gains"] == [0] * 5


def test_the_summary_leaves_out_the_data_of_the_design() -> None:
    steady = np.full(10, -0.02) + np.linspace(0, 0.001, 10)
    gaps = {
        ("flags", "sigmoid"): steady,
        ("scene", "sigmoid"): -steady,
        ("yeast", "zlpr"): steady * 0,
    }
    frames = [judged(gaps, metric) for metric in rules.METRICS]
    lines = rules.summary(pd.concat(frames)).rows
    assert [line[:4] for line in lines[:2]] == [
        ["jaccard_samples", "all", "3", "3"],
        ["jaccard_samples", "held out", "2", "2"],
    ]
    assert [line[-2:] for line in lines[:2]] == [["1 (33%)", "1"], ["0 (0%)", "1"]]


def test_only_complete_pairs_are_reported_in_a_fixed_order() -> None:
    gaps = {("yeast", "zlpr"): np.zeros(10), ("flags", "sigmoid"): np.zeros(10)}
    frame = judged(gaps).sample(frac=1, random_state=0)
    result = rules.complete(frame[(frame["data"] != "yeast") | (frame["split"] > 0)])
    assert result["data"].unique().tolist() == ["flags"]
    assert rules.complete(frame)["data"].unique().tolist() == ["flags", "yeast"]
    assert rules.complete(frame)["split"].tolist() == [*range(10), *range(10)]
