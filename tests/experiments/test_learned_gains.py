"""Gains on learned features that the pages name, computed from the stored rows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from experiments.harness.running import RESULTS
from mlc.reporting.statistics import Interval

KINDS = ("words", "bag", "frozen", "fine_tuned")
# The rows of enron, cal500 and corel5k by macro F1 are withdrawn.
TABLES = ("flags", "emotions", "birds", "scene", "yeast", "bibtex", "tmc2007-500", "imdb")


def pairwise_less_sigmoid(path: Path) -> Interval:
    """Configuration and rule are those with the best validation value of each seed."""
    rows = pd.read_csv(path, low_memory=False)
    rows["run"] = rows["run"].ffill()
    rows["head"] = rows["run"].str.extract(r"head=(\S+)")[0]
    rows["seed"] = rows["run"].str.extract(r" seed=(\d+)")[0]
    rows = rows[rows["head"].isin(["pairwise", "sigmoid"]) & rows["val_f1_macro"].notna()]
    best = rows.loc[rows.groupby(["head", "seed"])["val_f1_macro"].idxmax()]
    values = best.pivot(index="seed", columns="head", values="f1_macro")
    each = values["pairwise"] - values["sigmoid"]
    half = stats.t.ppf(0.975, len(each) - 1) * stats.sem(each)
    return Interval(float(each.mean()), float(half), len(each))


def test_pairwise_leads_by_macro_f1_on_texts_but_for_frozen_ones() -> None:
    """On GoEmotions with all features but frozen ones, on Reuters with all."""
    gains = {
        kind: pairwise_less_sigmoid(RESULTS / "learned_features" / f"goemotions_{kind}.csv")
        for kind in KINDS
    }
    ahead = [kind for kind, each in gains.items() if each.mean > each.half_width]
    assert ahead == ["words", "bag", "fine_tuned"]
    assert max(gains, key=lambda kind: gains[kind].mean) == "bag"
    page = (RESULTS.parent / "experiments/learned_features/README.md").read_text(encoding="utf-8")
    assert f"GoEmotions, words {gains['words'].signed()}" in page
    reuters = {
        kind: pairwise_less_sigmoid(RESULTS / "learned_features" / f"reuters_{kind}.csv")
        for kind in KINDS[:3]
    }
    assert all(each.mean > each.half_width for each in reuters.values())


@pytest.mark.parametrize("data", TABLES)
def test_pairwise_is_not_ahead_by_macro_f1_on_any_table(data: str) -> None:
    gain = pairwise_less_sigmoid(RESULTS / "league" / f"{data}.csv")
    assert gain.mean < gain.half_width


def test_on_digits_the_leads_change_with_the_number_of_labels() -> None:
    rows = pd.read_csv(RESULTS / "learned_features" / "dials.csv", low_memory=False)
    rows["run"] = rows["run"].ffill()
    for column, key in (("digits", "digits_per_image"), ("head", "head"), ("seed", " seed")):
        rows[column] = rows["run"].str.extract(rf"{key}=([^\s\"]+)")[0]
    rows = rows[rows["val_jaccard_samples"].notna() & rows["rule"].ne("per_label")]
    key = ["digits", "head", "seed"]
    best = rows.loc[rows.groupby(key)["val_jaccard_samples"].idxmax()].set_index(key)
    tuned = best["jaccard_samples"].unstack("head")
    heads = best["val_jaccard_samples"].unstack("head").groupby("digits").mean().idxmax(axis=1)
    one = rows[(rows["head"] == "sigmoid") & (rows["rule"] == "global")]
    one = one.loc[one.groupby(["digits", "seed"])["val_jaccard_samples"].idxmax()]
    threshold = one.set_index(["digits", "seed"])["jaccard_samples"]
    # By the shares of rows without a label and with exactly one.
    leads, picks = {}, {}
    for digits, head in heads.items():
        none, exactly_one = (float(share) for share in str(digits).strip("[]").split(",")[:2])
        leads[none, exactly_one] = tuned.loc[digits, head] - threshold.loc[digits]
        picks[none, exactly_one] = tuned.loc[digits, "pick_one"] - tuned.loc[digits, "sigmoid"]
    shares = [share for none, share in leads if none == 0 for _ in range(3)]
    for of_share in (leads, picks):
        values = pd.concat([each for (none, _), each in of_share.items() if none == 0])
        trend = stats.linregress(shares, values)
        assert trend.slope > 0
        assert trend.pvalue < 0.05
    with_none, without = (
        pd.concat([each for (none, _), each in leads.items() if (none > 0) == is_some])
        for is_some in (True, False)
    )
    assert stats.ttest_ind(with_none, without, equal_var=False).pvalue > 0.05
