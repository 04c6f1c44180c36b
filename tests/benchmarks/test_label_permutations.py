"""Comparisons on shuffled labels, made small."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import label_permutations, measuring
from benchmarks.label_permutations import PARTS, STORED, counts
from benchmarks.measuring import stored_rows


def test_each_shuffle_is_compared_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_permutations, "STORED", tmp_path / "label_permutations.csv")
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    monkeypatch.setattr(label_permutations, "HEADS_TRIED", ("sigmoid", "zlpr"))
    monkeypatch.setattr(label_permutations, "RULES", ["global"])
    monkeypatch.setattr(label_permutations, "RATES", (0.01,))
    monkeypatch.setattr(label_permutations, "N_SPLITS", 2)
    for _ in range(2):
        label_permutations.main(["--shuffles", "1"])
    rows = stored_rows(label_permutations.STORED)
    assert [row["test_rows"] for row in rows] == list(PARTS)
    assert {row["chosen"] for row in rows} <= {"sigmoid", "zlpr"}
    assert "at most 8%" in (tmp_path / "label_permutations.md").read_text().lower()


def test_claims_are_counted_by_the_test_rows() -> None:
    rows = [
        {
            "test_rows": PARTS[part], "seed": str(seed), "chosen": "zlpr" if seed else "sigmoid",
            "lead": "0.1", "half_width": f"0.{seed}", "claims_a_winner": str(int(seed == 1 + part)),
            "any_head_ahead": str(int(seed > 2)),
        }
        for part in (0, 1)
        for seed in range(4 + part)
    ]  # fmt: skip
    first, second = counts(rows).rows
    assert list(first) == [PARTS[0], "4", "1 (25.0%)", "1 (25.0%)", "3", "0.200"]
    assert list(second) == [PARTS[1], "5", "1 (20.0%)", "2 (40.0%)", "4", "0.250"]


@pytest.mark.parametrize("parts", PARTS)
def test_none_of_the_stored_shuffles_claims_a_winner(parts: str) -> None:
    rows = [row for row in stored_rows(STORED) if row["test_rows"] == parts]
    assert [int(row["seed"]) for row in rows] == list(range(200))
    assert not any(int(row["claims_a_winner"]) for row in rows)
