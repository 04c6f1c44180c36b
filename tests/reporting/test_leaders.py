"""The best rule of each head by its validation values."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlc.reporting.choice import contestants
from mlc.reporting.collect import collect
from mlc.reporting.leaders import gaps, leaders, reference_of
from tests.reporting.test_tables import write_run


@pytest.fixture
def found(tmp_path: Path) -> Path:
    """The head powerset is best on validation rows with lr=0.2, and on test rows with lr=0.1."""
    for seed in range(2):
        write_run(tmp_path, f"yeast/sigmoid/seed={seed},lr=0.1", jaccard=0.5, val=0.4,
                  overrides={"optimizer.lr": "0.1"})  # fmt: skip
        for lr, test, val in (("0.1", 0.9, 0.5), ("0.2", 0.6 + 0.1 * seed, 0.6)):
            write_run(tmp_path, f"yeast/powerset/seed={seed},lr={lr}", jaccard=test, val=val,
                      overrides={"optimizer.lr": lr}, rules={"per_label": "validation"})  # fmt: skip
    return tmp_path


def test_validation_rows_choose_and_test_rows_judge(found: Path) -> None:
    results = collect(found)
    best = leaders(contestants(results), "jaccard_samples", results.tuned_on)
    assert [(b.name, b.rule) for b in best] == [
        ("powerset optimizer.lr=0.2", "global"), ("sigmoid optimizer.lr=0.1", "global"),
    ]  # fmt: skip
    assert (best[0].validation, best[0].test.mean) == pytest.approx((0.6, 0.65))
    base = reference_of(best, "sigmoid")
    assert base is best[1]
    (gap,) = gaps(best, base, "jaccard_samples")
    # The differences 0.1 and 0.2.
    assert (gap.mean, gap.half_width) == pytest.approx((0.15, 12.7062 * 0.05), abs=1e-4)
    # The loss of 0.35 less that of 0.5; more is better.
    best = leaders(contestants(results), "hamming_loss", results.tuned_on)
    assert gaps(best, best[1], "hamming_loss")[0].mean == pytest.approx(0.15)


def test_a_rule_that_is_chosen_already_stays(found: Path) -> None:
    results = collect(found)
    rules = {"powerset": "per_label", "sigmoid": "mode"}
    best = leaders(contestants(results), "jaccard_samples", results.tuned_on, rules)
    assert [b.rule for b in best] == ["per_label", "global"]


def test_a_reference_with_several_settings_is_named_with_its_setting(found: Path) -> None:
    results = collect(found)
    best = leaders(contestants(results), "jaccard_samples", results.tuned_on)
    assert reference_of(best, "powerset optimizer.lr=0.2") is best[0]
    assert reference_of(best, "absent") is None
