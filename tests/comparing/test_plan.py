"""Heads, rules and configurations of a comparison, by the data and the time."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlc.comparing.budgets import BUDGETS, Budget
from mlc.comparing.plan import (
    LEAST_SPLITS,
    LONGEST,
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
from mlc.comparing.planning import plan_text
from mlc.comparing.stored import add_seconds, read_plan, write_plan
from mlc.comparing.timing import AGAIN, Cost, LinearCost, expected_seconds
from mlc.config.errors import ConfigError, RunFolderError
from mlc.config.registry import DECISIONS, HEADS
from mlc.heads import build_head
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
    of_linear = shortlist(profile(), "linear")
    assert list(of_linear) == ["sigmoid", "squared_hinge", *heads[1:]]
    assert list(chosen_heads(None, profile(), "linear")) == list(of_linear)
    assert "84.0% of the training rows" in shortlist(mostly_one)["softmax_uniform"]
    assert "softmax_uniform" not in shortlist(profile(sizes=(100, 740, 160)))
    assert "label_powerset" not in shortlist(profile(label_sets=900))
    rare = profile(counts=(10, 10, 10, 400, 400))
    assert "3 of 5 are on less than 2.0% of the training" in shortlist(rare)["asymmetric"]
    assert list(shortlist(profile(counts=(500,), sizes=(500, 500)))) == ["sigmoid"]


def test_stated_heads_are_compared_with_sigmoid() -> None:
    assert list(chosen_heads("chain, zlpr", profile())) == ["sigmoid", "chain", "zlpr"]
    every = chosen_heads("all", profile())
    assert set(every) == set(HEADS) - {"grouped", "assume_negative"}
    many = profile(counts=(400,) * 40)
    assert "powerset" not in chosen_heads("all", many)
    with pytest.raises(ConfigError, match="'sigmiod', which is no head: did you mean sigmoid"):
        chosen_heads("sigmiod", profile())
    with pytest.raises(ConfigError, match="'powerset', which does not suit 40 labels"):
        chosen_heads("powerset", many)


@pytest.mark.parametrize("name", ["grouped", "assume_negative"])
def test_a_head_that_would_be_sigmoid_is_refused_and_said_why(name: str) -> None:
    """Compared with sigmoid it would be called as good, whatever it can do with its options."""
    torch.manual_seed(0)
    head = build_head(name, n_features=3, n_labels=4)
    outputs, targets = torch.randn(5, 4), torch.randint(2, (5, 4)).float()
    of_sigmoid = build_head("sigmoid", n_features=3, n_labels=4).loss(outputs, targets)
    torch.testing.assert_close(head.loss(outputs, targets), of_sigmoid)
    with pytest.raises(
        ConfigError, match=f"'{name}', which in a comparison is the same as sigmoid"
    ):
        chosen_heads(f"pairwise,{name}", profile())


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


def cost_of(per_run: float) -> Callable[[int, int, int], float]:
    return lambda n_trials, n_splits, n_more: 10 + per_run * (n_trials * n_splits + n_more)


def test_configurations_are_cut_until_they_fit_the_time() -> None:
    budget = Budget(10, 3, 4)
    assert within(budget, None, cost_of(1)) == (10, 3, 4)
    # 10 s, and 1 s for each of 10 x 3 + 4, of which the longest usual time must fit.
    assert within(budget, LONGEST * 27 / 60, cost_of(1)) == (5, 3, 2)
    assert within(budget, LONGEST * 12.5 / 60, cost_of(1)) == (1, LEAST_SPLITS, 0)
    # 12 s at least, of which the longest usual time is 19.2 s.
    message = (
        "may take 0.32 minutes, and --minutes is 0.29.*: allow --minutes 1, or take a, or take b"
    )
    with pytest.raises(ConfigError, match=message):
        within(budget, LONGEST * 11 / 60, cost_of(1), lambda limit: ["take a", "take b"])


@pytest.mark.parametrize("minutes", [0.5, 0.7, 1.1, 3.0])
def test_the_longest_usual_time_is_within_the_minutes(minutes: float) -> None:
    for budget in BUDGETS.values():
        assert LONGEST * cost_of(1)(*within(budget, minutes, cost_of(1))) <= 60 * minutes


def test_the_wish_of_a_budget_is_no_limit() -> None:
    assert within(BUDGETS["quick"], None, cost_of(1e6)) == (1, LEAST_SPLITS, 0)


def test_the_expected_time_counts_each_split_and_each_network() -> None:
    costs = [Cost(4.0, 1.0), Cost(6.0, 2.0)]
    none = LinearCost()
    one = expected_seconds(costs, 1, 1, 0, 1, none)
    # Two more trials of both heads: (1 + 2) x 2 seconds, and what each network needs beside.
    assert expected_seconds(costs, 3, 1, 0, 1, none) - one == pytest.approx(6 + 4 * 0.15)
    assert expected_seconds(costs, 1, 2, 0, 1, none) - one == pytest.approx(13 + 2 * 0.15)
    assert expected_seconds(costs, 1, 1, 0, 2, none) == pytest.approx(one - 6.5)
    # A further split has one network of each head, in a second launch.
    more = expected_seconds(costs, 3, 1, 2, 1, none) - expected_seconds(costs, 3, 1, 0, 1, none)
    assert more == pytest.approx(AGAIN + 2 * 13 + 4 * 0.15)
    # Each network decides.
    slow = [Cost(4.0, 1.0, 3.0), Cost(6.0, 2.0)]
    assert expected_seconds(slow, 2, 1, 0, 1, none) - expected_seconds(
        costs, 2, 1, 0, 1, none
    ) == pytest.approx(6)


def test_linear_models_are_tuned_on_the_searched_splits_and_fitted_on_the_further_ones() -> None:
    assert LinearCost(5.0, 0.5).seconds(3, 4) == 3 * 5.0 + 4 * 0.5
    # Published parts are the same in every split.
    assert LinearCost(5.0, 0.5, 1).seconds(3, 4) == 5.0


def test_a_plan_is_followed_again_for_the_same_options_alone(tmp_path: Path) -> None:
    plan = Plan({"sigmoid": "why"}, ("fixed", "auto"), 3, 2, 12.5)
    asked = {"labels": ["a", "b"], "metric": "f1_macro", "heads": None}
    assert read_plan(tmp_path, asked) is None
    write_plan(tmp_path, plan, asked)
    assert read_plan(tmp_path, asked) == plan
    message = (
        r"with --labels a b \(now a\), --metric f1_macro \(now hamming_loss\): give the same options to"
        " go on with it"
        r" \(only --margin and --plan may differ\)"
    )
    with pytest.raises(RunFolderError, match=message):
        read_plan(tmp_path, {**asked, "metric": "hamming_loss", "labels": ["a"]})
    add_seconds(tmp_path, 2.5)
    add_seconds(tmp_path, 4)
    assert write_plan(tmp_path, plan, asked) == 6.5
    assert write_plan(tmp_path, plan, asked) == 6.5
    other = tmp_path / "other"
    other.mkdir()
    assert read_plan(other, asked) is None
    (other / "thesis.tex").write_text("")
    with pytest.raises(RunFolderError, match=r"other holds no comparison, but thesis\.tex: name"):
        read_plan(other, asked)
    with pytest.raises(RunFolderError, match=r"thesis\.tex is not a folder"):
        read_plan(other / "thesis.tex", asked)
    (tmp_path / "comparison.json").write_text("[]")
    with pytest.raises(RunFolderError, match="is not the plan of a comparison"):
        read_plan(tmp_path, asked)
    with pytest.raises(RunFolderError, match="not a file that mlc has written"):
        write_plan(tmp_path, plan, asked)


def test_a_comparison_of_other_data_is_named_by_its_data_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_plan(tmp_path, Plan({}, (), 1, 2, 1.0), {"data": "things", "labels": None})
    assert read_plan(tmp_path, {"data": "./things", "labels": None}) is not None
    with pytest.raises(RunFolderError) as refused:
        read_plan(tmp_path, {"data": "things.csv", "labels": ["high"]})
    assert str(refused.value) == (
        f"{tmp_path} holds a comparison of things, not of things.csv: name another --folder."
    )


def test_what_is_one_is_in_the_singular_and_equal_times_are_printed_once() -> None:
    arguments = Namespace(metric="f1_macro", budget="quick", minutes=1.0)
    times = {"sigmoid": 1.01, "pairwise": 1.02}
    plan = Plan({"sigmoid": "why"}, ("fixed",), 1, 2, 0.001, 1, seconds_by_head=times)
    said = " ".join(plan_text(plan, Path("there"), arguments).split())
    assert "on 2 splits, and the best one of each on 1 further split;" in said
    assert "of which 1 minute leaves room for these: one training takes 1.0 s of a core" in said
    assert "It takes about 0.0 s on this machine" in said


def test_a_plan_far_longer_than_its_budget_says_what_shortens_it() -> None:
    arguments = Namespace(metric="f1_macro", budget="quick", minutes=None)
    ways = ("trainer.max_epochs=4", "data.size=32")
    plan = Plan({"sigmoid": "why"}, ("fixed",), 1, 2, 4000.0, shorter=ways)
    said = " ".join(plan_text(plan, Path("there"), arguments).split())
    assert (
        "About 3 minutes are enough with trainer.max_epochs=4, or data.size=32. All files" in said
    )
    assert "1 network: 1 configuration of each of 1 head, " in plan_text(
        replace(plan, n_splits=1), Path("there"), arguments
    )
    short = plan_text(replace(plan, shorter=()), Path("there"), arguments)
    assert "are enough" not in short
