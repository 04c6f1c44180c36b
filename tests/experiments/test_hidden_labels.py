"""Which labels the experiment hides, its trials, and what it concludes from rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.harness.study import command_of
from experiments.hidden_labels.analysis import EXPERIMENT, between, by_micro, loss
from experiments.hidden_labels.sources import HiddenOptions, with_hidden
from experiments.hidden_labels.studies import (
    CONDITIONS,
    LEFT_OUT,
    METHODS,
    MICRO,
    Runs,
    condition_of,
    method_of,
    trial_of,
)
from mlc.data.base import Dataset

RNG = np.random.default_rng(0)
N, K = 400, 5
TARGETS = RNG.random((N, K)) < 0.4
PARTS = {"train": np.arange(300), "test": np.arange(300, N)}


def hidden(**options: Any) -> Dataset:
    dataset = Dataset(
        "made", np.zeros((N, 1), np.float32), TARGETS, ("x",), tuple("abcde"), np.ones(1, bool),
        parts=PARTS,
    )  # fmt: skip
    return with_hidden(dataset, HiddenOptions(**options))


def known(dataset: Dataset) -> np.ndarray:
    assert dataset.known is not None
    return dataset.known


class TestHiddenLabels:
    @pytest.mark.parametrize("share", [0.2, 0.8])
    def test_a_share_of_the_training_labels_is_hidden(self, share: float) -> None:
        dataset = hidden(hide="random", share=share)
        train, val, test = (dataset.parts[part] for part in ("train", "val", "test"))
        assert (~known(dataset)[train]).mean() == pytest.approx(share, abs=0.04)
        assert known(dataset)[val].all()
        assert known(dataset)[test].all()
        assert (dataset.targets == (TARGETS & known(dataset))).all()
        with_val = hidden(hide="random", share=share, hide_val=True)
        assert (~known(with_val)[val]).mean() == pytest.approx(share, abs=0.1)
        assert known(with_val)[test].all()

    def test_a_single_positive_of_each_training_row_is_known(self) -> None:
        dataset = hidden(hide="single")
        train = dataset.parts["train"]
        n_known = known(dataset)[train].sum(axis=1)
        assert (n_known == TARGETS[train].any(axis=1)).all()
        assert (dataset.targets[train] == known(dataset)[train]).all()
        assert (TARGETS[train] >= dataset.targets[train]).all()
        # Drawn evenly among the positives of rows with two.
        pairs = TARGETS[train].sum(axis=1) == 2
        first = TARGETS[train][pairs].argmax(axis=1)
        is_first = dataset.targets[train][pairs][np.arange(pairs.sum()), first]
        assert 0.3 < is_first.mean() < 0.7

    def test_as_negatives_they_are_known(self) -> None:
        unknown = hidden(hide="random", hide_val=True)
        assumed = hidden(hide="random", hide_val=True, as_negative=True)
        train, val = assumed.parts["train"], assumed.parts["val"]
        assert known(assumed)[train].all()
        assert (assumed.targets == unknown.targets).all()
        assert (known(assumed)[val] == known(unknown)[val]).all()
        assert hidden(hide="random", as_negative=True).known is None

    def test_a_seed_hides_other_labels_and_draws_other_validation_rows(self) -> None:
        first, second = (hidden(hide="random", hide_seed=seed) for seed in (0, 1))
        assert (known(first) != known(second)).any()
        assert (known(first) == known(hidden(hide="random", hide_seed=0))).all()
        assert not np.array_equal(first.parts["val"], second.parts["val"])

    def test_nothing_is_hidden_by_default(self) -> None:
        assert hidden().known is None
        assert len(hidden().parts["val"]) == 60


def test_each_trial_is_one_and_says_what_it_is() -> None:
    full = [command_of(trial) for trial in Runs().trials("full")]
    assert len(set(full)) == len(full) == 760
    assert set(map(command_of, Runs().trials("quick"))) <= set(full)
    for condition in CONDITIONS:
        for method in METHODS:
            if method not in LEFT_OUT.get(condition, ()):
                trial = trial_of("yeast", condition, method, 3)
                row = dict(part.split("=", 1) for part in command_of(trial).split(" "))
                assert (condition_of(row), method_of(row)) == (condition, method)


def rows_of(values: Any) -> pd.DataFrame:
    """Rows of all trials; `values` gives the Jaccard index by data set, condition, method and rule."""
    rows = []
    for trial in Runs().trials("full"):
        row: dict[str, Any] = {"run": command_of(trial), **trial}
        key = row["data.title"], condition_of(row), method_of(row)
        for rule in ("fixed", "global", MICRO):
            rows.append(
                {
                    **row,
                    "rule": rule,
                    "jaccard_samples": values(*key, rule) + 0.01 * row["seed"],
                    "cardinality_predicted": 1.0 + row["seed"],
                    "test/average_precision_macro": 0.5,
                }
            )
    return pd.DataFrame(rows)


def test_differences_are_paired_by_seed_and_claims_decided_by_them() -> None:
    def values(data: str, condition: str, method: str, rule: str) -> float:
        lost = {"complete": 0.0, "20%": 0.005, "50%": 0.01, "80%": 0.1}.get(condition, 0.03)
        return 0.6 - lost - 0.002 * (method == "AN") + 0.05 * (rule == MICRO)

    frame = rows_of(values)
    report = EXPERIMENT.report({"runs": frame})
    rows = frame.assign(
        condition=frame.apply(condition_of, axis=1), method=frame.apply(method_of, axis=1)
    )
    tuned = rows[rows["rule"] == "global"]
    assert loss(tuned, "sigmoid", "80%")["yeast"].mean == pytest.approx(-0.1)
    assert between(tuned, "80%", "AN", "sigmoid")["enron"].mean == pytest.approx(-0.002)
    assert by_micro(rows, "sigmoid", "80%")["scene"].mean == pytest.approx(0.05)
    held = [finding.held for finding in report.findings]
    # Less than 0.02 is lost up to 50%; AN ranks alike, and predicts as many at 0.5; one positive keeps
    # within 0.05; WAN is like AN; label_powerset is not behind; the validation rows add 0.02.
    assert held == [True, True, False, False, True, True, False, False, True]
    assert report.numbers["known_50"].startswith("emotions -0.010")
    assert set(report.tables) == {"jaccard", "micro", "average_precision", "cardinality"}


def test_a_quick_budget_leaves_claims_open() -> None:
    frame = rows_of(lambda *_: 0.5)
    quick = frame[frame["run"].isin(list(map(command_of, Runs().trials("quick"))))]
    report = EXPERIMENT.report({"runs": quick})
    assert None in [finding.held for finding in report.findings]
    assert report.all_tables()
