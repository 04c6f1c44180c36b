"""Heads, rules and configurations of a comparison, by the data and the time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mlc.comparing.plan import (
    BUDGETS,
    LEAST_SPLITS,
    Budget,
    Plan,
    chosen_heads,
    rule_overrides,
    shortlist,
    suitable_rules,
    within,
)
from mlc.comparing.stored import read_plan, write_plan
from mlc.comparing.timing import Cost, expected_seconds
from mlc.config.errors import ConfigError, RunFolderError
from mlc.config.registry import DECISIONS, HEADS
from mlc.data.card import Card
from mlc.metrics.counts import COUNT_METRICS


def card(**changed: Any) -> Card:
    """Of 1,000 rows with five labels, most of them with two."""
    values: dict[str, Any] = {
        "name": "toy",
        "parts": {"train": 600, "val": 200, "test": 200},
        "split": "",
        "features": "",
        "labels": tuple("abcde"),
        "counts": (400,) * 5,
        "sizes": (50, 150, 550, 250),
        "label_sets": 20,
        "unseen": 0.0,
        "absent": {},
        "dependence": 0.1,
        "by_chance": 0.03,
    }
    return Card(**{**values, **changed})


def test_the_shortlist_follows_the_data() -> None:
    assert list(shortlist(card())) == ["sigmoid", "pairwise", "label_powerset", "bernoulli_mixture"]
    mostly_one = card(sizes=(0, 840, 160))
    assert "84.0% of the rows" in shortlist(mostly_one)["softmax_uniform"]
    assert "softmax_uniform" not in shortlist(card(sizes=(100, 740, 160)))
    assert "label_powerset" not in shortlist(card(label_sets=900))
    rare = card(counts=(10, 10, 10, 400, 400))
    assert "3 of 5 are on less than 2.0% of the rows" in shortlist(rare)["asymmetric"]
    assert list(shortlist(card(labels=("a",), counts=(500,), sizes=(500, 500)))) == ["sigmoid"]


def test_stated_heads_are_compared_with_sigmoid() -> None:
    assert list(chosen_heads("chain, zlpr", card())) == ["sigmoid", "chain", "zlpr"]
    every = chosen_heads("all", card())
    assert set(every) == set(HEADS)
    many = card(labels=tuple(map(str, range(40))))
    assert "powerset" not in chosen_heads("all", many)
    with pytest.raises(ConfigError, match="'sigmiod', which is no head: did you mean sigmoid"):
        chosen_heads("sigmiod", card())
    with pytest.raises(ConfigError, match="'powerset', which does not suit 40 labels"):
        chosen_heads("powerset", many)


@pytest.mark.parametrize("metric", COUNT_METRICS)
def test_every_metric_has_rules_and_their_options_exist(metric: str) -> None:
    rules = suitable_rules(metric, card())
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


def test_a_plan_is_followed_again_for_the_same_options_alone(tmp_path: Path) -> None:
    plan = Plan({"sigmoid": "why"}, ("fixed", "auto"), 3, 2, 12.5)
    asked = {"metric": "f1_macro", "heads": None, "labels": ["a", "b"]}
    assert read_plan(tmp_path, asked) is None
    write_plan(tmp_path, plan, asked)
    assert read_plan(tmp_path, asked) == plan
    with pytest.raises(RunFolderError, match="holds a comparison with --metric f1_macro"):
        read_plan(tmp_path, {**asked, "metric": "hamming_loss"})
    write_plan(tmp_path, plan, asked)
    (tmp_path / "comparison.json").write_text("[]")
    with pytest.raises(RunFolderError, match="is not the plan of a comparison"):
        read_plan(tmp_path, asked)
    with pytest.raises(RunFolderError, match="not a file that mlc has written"):
        write_plan(tmp_path, plan, asked)
