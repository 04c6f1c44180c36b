"""F1 by the number of positives: the bins, the stored values, the choice of rates, the intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from experiments.harness import Report, Row
from experiments.harness.trainings import configure
from experiments.imbalance.bin_findings import report_bins
from experiments.imbalance.bins import bins_table, choose, compared
from experiments.imbalance.by_positives import (
    BINS,
    HEADS,
    RANKING,
    RATES,
    RULES,
    ByPositives,
    bins,
    f1,
    packed,
    unpacked,
)


def test_labels_are_binned_by_their_positives_and_left_out_without_test_positives() -> None:
    positives = np.array([0, 1, 5, 6, 20, 21, 100, 101, 500, 501, 3])
    counts = np.array([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0])
    result = {name: list(labels) for name, labels in bins(positives, counts)}
    assert result == {
        "1 to 5": [1, 2], "6 to 20": [3, 4], "21 to 100": [5, 6], "101 to 500": [7, 8],
        "more than 500": [9],
    }  # fmt: skip


def test_the_f1_of_each_label_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    decided, targets = rng.random((2, 30, 5)) < 0.3
    targets[:, 2], decided[:, 3] = False, False
    expected = f1_score(targets, decided, average=None, zero_division=0)
    expected[2] = np.nan
    np.testing.assert_allclose(f1(decided, targets), expected)


@pytest.mark.parametrize("values", [[0.25], [0.0, 1.0, 0.333]])
def test_stored_values_are_read_again(values: list[float]) -> None:
    assert list(unpacked(packed(np.array(values)))) == values


def test_a_training_has_the_f1_of_its_labels() -> None:
    trial = {
        "data": "world", "data.n_labels": 4, "data.cardinality": 1.0, "data.n_train": 60,
        "data.n_test": 50, "trainer.max_epochs": 2, "decisions": list(RULES), "head": "hill",
    }  # fmt: skip
    study = ByPositives()
    ((rows),) = study._train([trial], [configure("imbalance", trial)], 1.0)
    assert {row["rule"] for row in rows} == {*RULES, RANKING}
    assert all(set(row) <= set(study.columns) for row in rows)
    for row in rows:
        values = unpacked(row["by_label"])
        assert len(values) == row["labels"]
        assert values.mean() == pytest.approx(row["value"], abs=1e-3)


def rows_of(data: str, gain: float = 0.0, n_seeds: int = 5, n_labels: int = 6) -> pd.DataFrame:
    """Rows of all heads and rates; the rate 0.006 is the best by validation loss."""
    lines: list[Row] = []
    rng = np.random.default_rng(0)
    of_label = rng.random(n_labels) / 2
    for head in HEADS:
        for rate in RATES:
            for seed in range(n_seeds):
                noise = 0.01 * rng.normal(size=n_labels)
                values = of_label + noise + 0.1 + gain * (head == "hill" and rate == 0.006)
                for rule in (*RULES, RANKING):
                    lines.append(
                        {"run": f"{data} {head} {rate} {seed}", "data": data, "head": head,
                         "optimizer.lr": rate, "seed": seed, "rule": rule, "bin": "6 to 20",
                         "labels": n_labels, "test_positives": 30, "value": values.mean(),
                         "by_label": packed(values), "val_loss": abs(rate - 0.006)}
                    )  # fmt: skip
    return pd.DataFrame(lines)


def test_the_rate_is_that_of_the_best_validation_loss_and_partial_data_sets_are_left_out() -> None:
    whole, partial = rows_of("enron"), rows_of("bibtex")
    partial = partial[partial["run"] != partial["run"].iloc[-1]]
    chosen = choose(pd.concat([whole, partial], ignore_index=True))
    assert set(chosen["data"]) == {"enron"}
    assert set(chosen["optimizer.lr"]) == {0.006}
    assert len(chosen) == len(HEADS) * 5 * (len(RULES) + 1)


def test_a_run_that_diverged_is_not_chosen() -> None:
    rows = rows_of("enron")
    failed = rows["run"] == "enron hill 0.006 0"
    rows.loc[failed, ["rule", "val_loss", "by_label"]] = None
    chosen = choose(rows[~failed | ~rows.duplicated("run")])
    rates = chosen[(chosen["head"] == "hill") & (chosen["seed"] == 0)]["optimizer.lr"]
    assert set(rates) == {0.002}


@pytest.mark.parametrize("data", ["enron", "world"])
def test_a_gain_of_every_label_is_found_and_no_other(data: str) -> None:
    cells = compared(choose(rows_of(data, gain=0.1)), "per_label")[data, "6 to 20"]
    assert cells["hill"].mean == pytest.approx(0.1, abs=0.02)
    assert cells["hill"].mean > cells["hill"].half_width
    others = [cells[head] for head in HEADS[1:] if head != "hill"]
    assert sum(abs(each.mean) > each.half_width for each in others) == 0


def test_a_bin_of_few_labels_has_no_interval() -> None:
    cells = compared(choose(rows_of("enron", n_labels=4)), "fixed")["enron", "6 to 20"]
    assert all(np.isnan(cells[head].half_width) for head in HEADS)


def test_the_table_counts_the_labels_of_all_worlds() -> None:
    chosen = choose(rows_of("world"))
    first = bins_table(chosen, compared(chosen, "fixed")).rows[0]
    assert first == ["world", "labels (test positives)", "-", "30 (150)", "-", "-", "-"]


def test_without_rows_the_report_keeps_the_place_of_each_table() -> None:
    report = Report()
    report_bins(report, pd.DataFrame(columns=["run", *ByPositives().columns]))
    assert {f.held for f in report.findings} == {None}
    assert all(not table.rows for _, table in report.tables.values())
    assert set(BINS) == {name.removesuffix(" positives") for name in
                         report.tables["bins_fixed"][1].header[2:]}  # fmt: skip
