"""Heads, rules and configurations of a comparison, by the data and the time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlc.comparing.plan import (
    BUDGETS,
    LEAST_SPLITS,
    Budget,
    Plan,
    Profile,
    check_names,
    chosen_heads,
    profile_of,
    rule_overrides,
    shortlist,
    suitable_rules,
    within,
)
from mlc.comparing.stored import add_seconds, read_plan, write_plan
from mlc.comparing.timing import Cost, expected_seconds
from mlc.config.errors import ConfigError, RunFolderError
from mlc.config.registry import DECISIONS, HEADS
from mlc.metrics.counts import COUNT_METRICS


def profile(**changed: Any) -> Profile:
    """Of 1,000 rows with five labels, most of them with two."""
    values: dict[str, Any] = {
        "n_rows": 1000,
        "counts": (400,) * 5,
        "sizes": (50, 150, 550, 250),
        "label_sets": 20,
    }
    return Profile(**{**values, **changed})


def test_a_profile_counts_label_sets() -> None:
    targets = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1], [0, 0, 1]], dtype=bool)
    assert profile_of(targets) == Profile(4, (2, 0, 3), (1, 1, 2), 3)


def test_the_shortlist_follows_the_training_rows() -> None:
    heads = ["sigmoid", "pairwise", "label_powerset", "bernoulli_mixture"]
    assert list(shortlist(profile())) == heads
    mostly_one = profile(sizes=(0, 840, 160))
    assert "84.0% of the training rows" in shortlist(mostly_one)["softmax_uniform"]
    assert "softmax_uniform" not in shortlist(profile(sizes=(100, 740, 160)))
    assert "label_powerset" not in shortlist(profile(label_sets=900))
    rare = profile(counts=(10, 10, 10, 400, 400))
    assert "3 of 5 are on less than 2.0% of the training" in shortlist(rare)["asymmetric"]
    assert list(shortlist(profile(counts=(500,), sizes=(500, 500)))) == ["sigmoid"]


def test_stated_heads_are_compared_with_sigmoid() -> None:
    assert list(chosen_heads("chain, zlpr", profile())) == ["sigmoid", "chain", "zlpr"]
    every = chosen_heads("all", profile())
    assert set(every) == set(HEADS)
    many = profile(counts=(400,) * 40)
    assert "powerset" not in chosen_heads("all", many)
    with pytest.raises(ConfigError, match="'sigmiod', which is no head: did you mean sigmoid"):
        chosen_heads("sigmiod", profile())
    with pytest.raises(ConfigError, match="'powerset', which does not suit 40 labels"):
        chosen_heads("powerset", many)


def test_a_column_of_labels_is_named_once() -> None:
    with pytest.raises(ConfigError, match="--labels names 'tags' twice"):
        check_names(None, ["tags", "other", "tags"])
    check_names("all", ["tags"])


@pytest.mark.parametrize("metric", COUNT_METRICS)
def test_every_metric_has_rules_and_their_options_exist(metric: str) -> None:
    rules = suitable_rules(metric, profile())
    assert {"fixed", "global", "auto"} <= set(rules)
    assert "oracle" not in rules
    for override in rule_overrides(metric, rules)[1:]:
        _, rule, option = override.split("=")[0].split(".")
        DECISIONS.options(rule, **{option: override.split("=")[1]})


def cost_of(per_run: float) -> Callable[[int, int], float]:
    return lambda n_trials, n_splits: 10 + per_run * n_trials * n_splits


def test_configurations_are_cut_until_they_fit_the_time() -> None:
    budget = Budget(10, 3)
    assert within(budget, None, cost_of(1)) == (10, 3)
    # 10 s, and 1 s for each of 10 x 3; in 25 s there is room for 5 x 3.
    assert within(budget, 25 / 60, cost_of(1)) == (5, 3)
    # Not even for 1 x 3.
    assert within(budget, 12.5 / 60, cost_of(1)) == (1, LEAST_SPLITS)
    with pytest.raises(ConfigError, match="name fewer --heads, or allow more minutes"):
        within(budget, 11 / 60, cost_of(1))


def test_the_wish_of_a_budget_is_no_limit() -> None:
    assert within(BUDGETS["quick"], None, cost_of(1e6)) == (1, LEAST_SPLITS)


def test_the_expected_time_counts_each_split_and_each_network() -> None:
    costs = [Cost(4.0, 1.0), Cost(6.0, 2.0)]
    one = expected_seconds(costs, 1, 1, 1)
    # Two more trials of both heads: (1 + 2) x 2 seconds, and what each network needs beside.
    assert expected_seconds(costs, 3, 1, 1) - one == pytest.approx(6 + 4 * 0.15)
    assert expected_seconds(costs, 1, 2, 1) - one == pytest.approx(13 + 2 * 0.15)
    assert expected_seconds(costs, 1, 1, 2) == pytest.approx(one - 6.5)
    # Each network decides, and the linear models are fitted on each split.
    slow = [Cost(4.0, 1.0, 3.0), Cost(6.0, 2.0)]
    assert expected_seconds(slow, 2, 1, 1) - expected_seconds(costs, 2, 1, 1) == pytest.approx(6)
    assert expected_seconds(costs, 1, 3, 2, 5.0) - expected_seconds(costs, 1, 3, 2) == 15


def test_a_plan_is_followed_again_for_the_same_options_alone(tmp_path: Path) -> None:
    plan = Plan({"sigmoid": "why"}, ("fixed", "auto"), 3, 2, 12.5)
    asked = {"labels": ["a", "b"], "metric": "f1_macro", "heads": None}
    assert read_plan(tmp_path, asked) is None
    write_plan(tmp_path, plan, asked)
    assert read_plan(tmp_path, asked) == plan
    message = (
        "with --labels a b, --metric f1_macro: give the same options to go on with it"
        r" \(only --margin and --plan may differ\)"
    )
    with pytest.raises(RunFolderError, match=message):
        read_plan(tmp_path, {**asked, "metric": "hamming_loss", "labels": ["a"]})
    add_seconds(tmp_path, 2.5)
    add_seconds(tmp_path, 4)
    assert write_plan(tmp_path, plan, asked) == 6.5
    assert write_plan(tmp_path, plan, asked) == 6.5
    (tmp_path / "comparison.json").write_text("[]")
    with pytest.raises(RunFolderError, match="is not the plan of a comparison"):
        read_plan(tmp_path, asked)
    with pytest.raises(RunFolderError, match="not a file that mlc has written"):
        write_plan(tmp_path, plan, asked)
