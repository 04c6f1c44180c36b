"""Where `pairwise` is ahead of sigmoid by macro F1, from the stored rows."""

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


def test_pairwise_leads_by_macro_f1_on_goemotions() -> None:
    gains = {
        kind: pairwise_less_sigmoid(RESULTS / "learned_features" / f"goemotions_{kind}.csv")
        for kind in KINDS
    }
    assert all(each.mean > each.half_width for each in gains.values())
    assert max(gains, key=lambda kind: gains[kind].mean) == "bag"
    page = (RESULTS.parent / "experiments/learned_features/README.md").read_text(encoding="utf-8")
    assert f"GoEmotions, words {gains['words'].signed()}" in page
    reuters = {
        kind: pairwise_less_sigmoid(RESULTS / "learned_features" / f"reuters_{kind}.csv")
        for kind in KINDS[:3]
    }
    assert [kind for kind, each in reuters.items() if each.mean > each.half_width] == ["bag"]


@pytest.mark.parametrize("data", TABLES)
def test_pairwise_is_not_ahead_by_macro_f1_on_any_table(data: str) -> None:
    gain = pairwise_less_sigmoid(RESULTS / "league" / f"{data}.csv")
    assert gain.mean < gain.half_width
