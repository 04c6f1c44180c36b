"""The simulated lead of the chosen head, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import jaccard_score

from benchmarks import chosen_lead, measuring
from benchmarks.chosen_lead import draw, fit, jaccard, simulated, splits_of
from benchmarks.measuring import stored_rows
from mlc.comparing.words import EXCESS, OF_ROWS
from tests.conftest import REPOSITORY


def test_a_head_is_the_ridge_regression_without_its_feature() -> None:
    rng = np.random.default_rng(0)
    x, y = draw(rng, rng.normal(size=(15, 4)), 200)
    slopes, intercepts = fit(x, y)
    for head in (0, 8):
        columns = np.arange(15) != head
        ridge = Ridge(alpha=20.0, fit_intercept=False).fit(x[:, columns], y - y.mean(axis=0))
        np.testing.assert_allclose(slopes[head][columns], ridge.coef_.T, atol=1e-6)
        np.testing.assert_allclose(slopes[head][head], 0, atol=1e-5)
        decisions = x @ slopes[head] + intercepts >= 0.5
        expected = jaccard_score(y, decisions, average="samples", zero_division=1.0)
        assert jaccard(decisions, y).mean() == pytest.approx(expected)


@pytest.mark.parametrize("redrawn", [False, True])
def test_the_parts_of_a_split_are_all_rows(redrawn: bool) -> None:
    splits = splits_of(np.random.default_rng(0), 60, 3, redrawn)
    assert len({tuple(test) for *_, test in splits}) == (3 if redrawn else 1)
    for parts in splits:
        assert sorted(np.concatenate(parts)) == list(range(60))
        assert list(map(len, parts)) == [32, 8, 20]


def test_each_case_is_simulated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chosen_lead, "STORED", tmp_path / "chosen_lead.csv")
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    monkeypatch.setattr(chosen_lead, "CASES", ((60, 3, True), (60, 3, False)))
    for _ in range(2):
        chosen_lead.main(["--worlds", "2"])
    assert [row["test_rows"] for row in stored_rows(chosen_lead.STORED)] == ["redrawn", "shared"]
    assert "| 60 " in (tmp_path / "chosen_lead.md").read_text()


def test_what_is_said_of_the_lead_is_that_of_the_stored_rows() -> None:
    (row,) = (
        row
        for row in stored_rows(chosen_lead.STORED)
        if (row["rows"], row["splits"], row["test_rows"]) == (str(OF_ROWS), "6", "redrawn")
    )
    excess = float(row["measured_lead"]) - float(row["true_lead"])
    assert round(excess, 3) == EXCESS
    # A hundredth of the worlds gives the same within their error.
    again = simulated((OF_ROWS, 6, True), 40)
    assert float(str(again["deviation"])) == pytest.approx(float(row["deviation"]), rel=0.2)
    assert float(str(again["half_width"])) == pytest.approx(float(row["half_width"]), rel=0.1)
    page = " ".join((REPOSITORY / "docs/compare.md").read_text().split())
    assert (
        f"by {EXCESS:g} in a simulation of nine ridge regressions with true leads of at most 0.005"
        in page
    )
    assert round(float(row["largest_true_lead"]), 3) == 0.005
    assert (
        f"in {float(row['all_hold']):.0%} of the worlds, with a half-width of"
        f" {float(row['half_width']):.3f} where the standard deviation of a measured difference was"
        f" {float(row['deviation']):.3f}" in page
    )
