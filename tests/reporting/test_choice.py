"""A sweep's settings are chosen on validation rows, and compared where they were chosen."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc.reporting.choice import chosen_settings, contestants
from mlc.reporting.collect import collect
from mlc.reporting.summary import summarise
from tests.reporting.test_tables import METRICS, write_run

LONG = ["jaccard_samples", "hamming_loss", "jaccard_samples"]


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    """Validation rows choose 0.1 for sigmoid and 0.2 for powerset; the test rows the other way."""
    values = {
        ("sigmoid", "0.1"): (0.60, 0.50), ("sigmoid", "0.2"): (0.58, 0.59),
        ("powerset", "0.1"): (0.52, 0.57), ("powerset", "0.2"): (0.61, 0.55),
    }  # fmt: skip
    for (head, lr), (val, test) in values.items():
        for seed in range(5):
            write_run(
                tmp_path,
                f"yeast/{head}/seed={seed},optimizer.lr={lr}",
                overrides={"optimizer.lr": lr},
                val=val + 0.001 * seed,
                jaccard=test + 0.001 * seed**2 * (head == "sigmoid") + 0.002 * seed,
                rules={"expected_jaccard": "nothing"},
            )
    return tmp_path


def test_validation_rows_choose(swept: Path) -> None:
    runs = contestants(collect(swept))
    assert chosen_settings(runs, "jaccard_samples") == {
        (name, rule)
        for name in ("sigmoid optimizer.lr=0.1", "powerset optimizer.lr=0.2")
        for rule in ("global", "oracle", "expected_jaccard")
    }
    assert chosen_settings(runs[runs["contestant"].str.contains("0.1")], "jaccard_samples") is None


def test_a_setting_whose_runs_failed_is_not_chosen(swept: Path) -> None:
    for seed in (0, 1):
        (swept / f"yeast/powerset/seed={seed},optimizer.lr=0.2/status.json").unlink()
    chosen = chosen_settings(contestants(collect(swept)), "jaccard_samples")
    assert chosen is not None
    assert ("powerset optimizer.lr=0.1", "global") in chosen


def test_what_is_chosen_is_shown_by_both_parts(swept: Path) -> None:
    text = summarise(collect(swept), LONG, "sigmoid").text()
    assert max(map(len, text.splitlines())) <= 80
    means, choices, differences = (
        text.split("with the best mean")[0],
        text.split("with the best mean")[1].split("less that of")[0],
        text.split("less that of")[1],
    )
    header = means.splitlines()[2].split()
    assert header[2:5] == ["n", "val", "jaccard_samples"]
    rows = [line.split() for line in means.splitlines() if line.startswith("  global")]
    assert [(row[2], row[3].startswith(">")) for row in rows[:4]] == [
        ("0.522", False), (">0.612", True), (">0.602", False), ("0.582", False),
    ]  # fmt: skip
    assert "sigmoid optimizer.lr=0.2" not in choices
    assert "powerset optimizer.lr=0.2  global            5  0.612 ±0.002  0.554 ±0.004" in choices
    assert "oracle" not in choices
    # 0.554 of powerset's chosen setting less 0.510 of sigmoid's.
    assert "+0.044" in differences
    assert "optimizer.lr=0.1" not in differences
    assert "each in the setting that the validation rows choose" in " ".join(text.split())


def test_a_named_setting_is_a_reference(swept: Path) -> None:
    text = summarise(collect(swept), METRICS, "sigmoid optimizer.lr=0.2").text()
    lines = [line for line in text.split("less that of")[1].splitlines() if " 5 " in line]
    # 0.510 of sigmoid's chosen setting and 0.554 of powerset's, less 0.600.
    assert {line.split()[-2 if "undefined" in line else -3] for line in lines} == {
        "-0.090",
        "-0.046",
    }


def test_conditions_of_the_data_are_not_chosen(tmp_path: Path) -> None:
    for n in ("100", "1000"):
        for head in ("sigmoid", "powerset"):
            for seed in range(2):
                name = f"yeast/{head}/seed={seed},data.n_train={n}"
                jaccard = 0.5 + int(n) / 1e4 + 0.01 * seed + 0.02 * (head == "powerset") * seed
                write_run(tmp_path, name, overrides={"data.n_train": n}, jaccard=jaccard)
    text = summarise(collect(tmp_path), METRICS, "sigmoid").text()
    assert "with the best mean" not in text
    # Each is compared under its own condition.
    assert [line.split()[:2] for line in text.splitlines() if "+0.010" in line] == [
        ["powerset", "data.n_train=100"],
        ["powerset", "data.n_train=1000"],
    ]


@pytest.mark.parametrize("n_seeds", [2, 4, 5])
def test_no_p_value_stands_below_five_seeds(n_seeds: int, tmp_path: Path) -> None:
    for seed in range(n_seeds):
        write_run(tmp_path, f"yeast/sigmoid/seed={seed}", jaccard=0.5 + 0.01 * seed)
        write_run(tmp_path, f"yeast/powerset/seed={seed}", jaccard=0.52 + 0.011 * seed)
        write_run(tmp_path, f"yeast/chain/seed={seed}", jaccard=0.52 + 0.01 * seed)
    text = " ".join(summarise(collect(tmp_path), METRICS, "sigmoid").text().split())
    assert "<0.001" in text if n_seeds == 5 else "<0.001" not in text
    assert ("(no p-values below 5 seeds)" in text) == (n_seeds < 5)
    # The chain's differences are all 0.02, which is no reason to put them first.
    assert ("chain global 5 +0.020 undefined" in text) == (n_seeds == 5)
    assert ("undefined where all differences are equal" in text) == (n_seeds == 5)
