"""The league's tests, figures and published numbers."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy.stats import studentized_range, wilcoxon

from experiments.league.pooled import best_ensembles
from experiments.league.published import PUBLISHED, published_table
from experiments.league.significance import least_wilcoxon_holm, n_separated, nemenyi_p
from experiments.league.standings import ranks, select
from tests.conftest import REPOSITORY

_DRAW = """
import hashlib, io
import numpy as np, pandas as pd
from experiments.league.significance import ranks_figure

rng = np.random.default_rng(0)
rows = [
    {"data": f"d{d}", "head": f"head_{h}", "seed": 0, "jaccard_samples": h / 20 + rng.random()}
    for d in range(8)
    for h in range(12)
]
stream = io.BytesIO()
ranks_figure(pd.DataFrame(rows), "jaccard_samples").savefig(stream, metadata={"Software": None})
print(hashlib.sha256(stream.getvalue()).hexdigest())
"""


def test_the_ranks_are_drawn_alike_whatever_order_sets_have() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", _DRAW],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in (0, 1, 3)
    ]
    drawn = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(set(drawn)) == 1


def _random_league(n_data_sets: int, n_heads: int, step: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"data": f"d{d}", "head": f"h{h}", "seed": 0, "jaccard_samples": step * h + rng.random()}
        for d in range(n_data_sets)
        for h in range(n_heads)
    )


def test_nemenyi_is_the_studentized_range_of_the_rank_differences() -> None:
    n_data_sets, n_heads = 11, 6
    tuned = _random_league(n_data_sets, n_heads, 0.1)
    found, average = (
        nemenyi_p(tuned, "jaccard_samples"),
        ranks(tuned, "jaccard_samples").mean(axis=1),
    )
    for a in average.index:
        for b in average.index.drop(a):
            error = np.sqrt(n_heads * (n_heads + 1) / (12 * n_data_sets))
            q = abs(average[a] - average[b]) / error
            assert found.loc[a, b] == pytest.approx(
                studentized_range.sf(q, n_heads, np.inf), abs=1e-3
            )


def test_pairs_that_are_told_apart_are_counted_once() -> None:
    assert n_separated(nemenyi_p(_random_league(10, 3, 10), "jaccard_samples")) == 1
    assert n_separated(nemenyi_p(_random_league(40, 3, 10), "jaccard_samples")) == 3


@pytest.mark.parametrize("n_data_sets", [5, 7, 11])
def test_the_least_p_of_wilcoxon_is_that_of_differences_of_one_sign(n_data_sets: int) -> None:
    differences = np.arange(1.0, n_data_sets + 1)
    assert least_wilcoxon_holm(n_data_sets, 2) == wilcoxon(differences).pvalue
    assert least_wilcoxon_holm(n_data_sets, 4) == min(1, 6 * wilcoxon(differences).pvalue)


def test_published_values_stand_beside_those_that_were_chosen_on_validation_rows() -> None:
    rows = pd.DataFrame(
        [
            {"data": "emotions", "head": head, "seed": 0, "rule": rule,
             "val_hamming_loss": validation, "hamming_loss": test,
             "val_subset_accuracy": 1 - validation, "subset_accuracy": 1 - test}
            for head, rule, validation, test in [
                ("sigmoid", "fixed", 0.3, 0.31), ("sigmoid", "global", 0.2, 0.21),
                ("zlpr", "fixed", 0.1, 0.4), ("logistic_regression", "fixed", 0.0, 0.0),
            ]
        ]
    )  # fmt: skip
    table = published_table(rows, pd.DataFrame())
    assert len(table.rows) == len(PUBLISHED)
    _, _, _, _, sigmoid, best, its_value, _ = table.rows[0]
    assert (sigmoid, best, its_value) == ("0.210", "zlpr", "0.400")
    _, _, _, _, sigmoid, best, its_value, _ = table.rows[1]
    assert (sigmoid, best, its_value) == ("0.790", "zlpr", "0.600")
    assert all(row[4:7] == ["-", "-", "-"] for row in table.rows[2:])


def test_thresholds_by_label_are_chosen_for_f1_macro_alone() -> None:
    metrics = ("jaccard_samples", "f1_macro")
    rows = pd.DataFrame(
        {"data": "d", "head": "sigmoid", "seed": 0, "rule": rule,
         **{f"{part}{metric}": value for metric in metrics for part in ("val_", "")}}
        for rule, value in (("fixed", 0.1), ("global", 0.5), ("per_label", 0.9))
    )  # fmt: skip
    assert select(rows, "jaccard_samples")["rule"].tolist() == ["global"]
    assert select(rows, "f1_macro")["rule"].tolist() == ["per_label"]
    assert len(select(rows, "jaccard_samples", by_rule=True)) == 3
    assert best_ensembles(rows).loc["d", "chosen"] == ("sigmoid", "global")
    assert best_ensembles(rows).loc["d", "oracle"] == ("sigmoid", "per_label")
