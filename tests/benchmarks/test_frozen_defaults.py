"""The tables of frozen features and of cnn in docs/defaults.md are the stored values."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from benchmarks.frozen_defaults import RATES
from benchmarks.measuring import RESULTS
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs/defaults.md").read_text(encoding="utf-8")
TITLES = {"ucmerced": "UC Merced", "goemotions": "GoEmotions"}


@pytest.fixture(scope="module")
def stored() -> pd.DataFrame:
    return pd.read_csv(RESULTS / "frozen_defaults.csv", keep_default_na=False)


def test_the_table_of_frozen_features_is_the_stored_one(stored: pd.DataFrame) -> None:
    frozen = stored[stored["backbone"] != "cnn"]
    lines = [
        f"| {TITLES[data]} | {widths} | "
        + " | ".join(
            "".join(f"{value:.3f}" for value in group[group["lr"] == rate]["val_jaccard_samples"])
            for rate in RATES
        )
        + " |"
        for (data, widths), group in frozen.groupby(["data", "widths"], sort=False)
    ]
    assert len(lines) == 5
    table = re.findall(r"^\| (?:UC Merced|GoEmotions) \| \[.*$", PAGE, re.MULTILINE)
    assert table == lines


def test_the_defaults_of_frozen_features_lose_little(stored: pd.DataFrame) -> None:
    for _, group in stored[stored["backbone"] != "cnn"].groupby("data"):
        of_default = group[(group["widths"] == "[256, 256]") & (group["lr"] == 0.003)]
        (value,) = of_default["val_jaccard_samples"]
        assert value >= group["val_jaccard_samples"].max() - 0.003


def test_the_sentences_on_cnn_state_the_stored_values(stored: pd.DataFrame) -> None:
    value = {
        (row["lr"], row["batch_size"]): f"{row['val_jaccard_samples']:.3f}"
        for _, row in stored[stored["backbone"] == "cnn"].iterrows()
    }
    text = " ".join(PAGE.split())
    rates = (
        f"{value[0.001, 64]}, {value[0.003, 64]} and {value[0.01, 64]} at the rates 0.001, 0.003"
    )
    assert rates in text
    assert f"{value[0.003, 32]} with 32 rows and {value[0.003, 16]} with 16" in text
