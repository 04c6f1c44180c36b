"""What every registered decision rule must do."""

from __future__ import annotations

import pytest
import torch

from mlc.config.errors import ConfigError
from mlc.decisions.base import DECISIONS, build_decision
from mlc.heads import build_head
from mlc.heads.label_sets import all_label_sets
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.top_scores import best_threshold
from tests.cases import label_matrices, rule_for, tied_scores

CASES = label_matrices()
BY_SCORES = [name for name in DECISIONS if DECISIONS[name].needs != ("joint",)]
BY_JOINT = [name for name in DECISIONS if "joint" in DECISIONS[name].needs]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", BY_SCORES)
def test_rules_by_scores_decide_every_label_and_treat_runs_apart(name: str, case: str) -> None:
    targets = CASES[case]
    scores = torch.stack([tied_scores(*targets.shape, seed=run) for run in range(3)])
    expected = 3 * torch.rand(3, len(targets)).double()
    rule = rule_for(name, targets.shape[1]).fit(scores, targets.expand(3, -1, -1))
    together = rule.decide(scores, cardinality=expected)
    assert together.shape == scores.shape
    assert together.dtype == torch.bool
    for run in range(3):
        own = rule_for(name, targets.shape[1]).fit(scores[run], targets)
        alone = own.decide(scores[run], cardinality=expected[run])
        assert torch.equal(together[run], alone)


@pytest.mark.parametrize("n_labels", [1, 2, 4])
@pytest.mark.parametrize("name", BY_JOINT)
def test_rules_by_joint_choose_a_label_set(name: str, n_labels: int) -> None:
    label_sets = all_label_sets(n_labels)
    log_joint = torch.randn(3, 5, len(label_sets), dtype=torch.float64).log_softmax(dim=-1)
    decided = build_decision(name).decide(log_joint=log_joint, label_sets=label_sets)
    assert decided.shape == (3, 5, n_labels)
    assert decided.dtype == torch.bool


@pytest.mark.parametrize("name", DECISIONS)
def test_what_is_missing_is_said(name: str) -> None:
    with pytest.raises(ConfigError, match=f"rule '{name}' needs"):
        rule_for(name, 3).decide()


@pytest.mark.parametrize("name", DECISIONS)
def test_says_what_it_is_tuned_on(name: str) -> None:
    assert DECISIONS[name].tuned_on in ("nothing", "validation", "test")


def test_a_tuned_rule_must_be_fitted_first() -> None:
    with pytest.raises(ConfigError, match="fit"):
        build_decision("global").decide(torch.rand(2, 3))


@pytest.mark.parametrize("metric", COUNT_METRICS)
def test_global_takes_the_best_threshold_of_its_metric(metric: str) -> None:
    scores, targets = torch.rand(30, 4, dtype=torch.float64), torch.rand(30, 4) < 0.3
    rule = build_decision("global", metric=metric).fit(scores, targets)
    threshold, value = best_threshold(COUNT_METRICS[metric], scores, targets)
    assert torch.equal(rule.fitted()["threshold"], threshold)
    assert float(COUNT_METRICS[metric](rule.decide(scores), targets)) == pytest.approx(float(value))


def test_fixed_takes_the_heads_natural_threshold_unless_told_otherwise() -> None:
    scores = torch.tensor([[0.2, 0.3, 0.5]])
    assert build_decision("fixed").decide(scores).tolist() == [[False, False, True]]
    natural = build_decision("fixed", natural_threshold=0.25)
    assert natural.decide(scores).tolist() == [[False, True, True]]
    stated = build_decision("fixed", natural_threshold=0.25, threshold=0.1)
    assert stated.decide(scores).tolist() == [[True, True, True]]


def test_mode_is_the_most_probable_set() -> None:
    label_sets = all_label_sets(2)
    log_joint = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.4, 0.1, 0.1]]).log()
    decided = build_decision("mode").decide(log_joint=log_joint, label_sets=label_sets)
    assert decided.int().tolist() == [[1, 1], [0, 0]]


def test_mode_with_at_least_one_label_is_the_most_probable_other_set() -> None:
    label_sets = all_label_sets(2)
    log_joint = torch.tensor([[0.5, 0.1, 0.3, 0.1], [0.1, 0.2, 0.3, 0.4]]).log()
    rule = build_decision("mode", at_least_one=True)
    assert rule.decide(log_joint=log_joint, label_sets=label_sets).int().tolist() == [
        [1, 0],
        [1, 1],
    ]
    only_empty = rule.decide(log_joint=torch.zeros(1, 1), label_sets=torch.zeros(1, 3))
    assert only_empty.int().tolist() == [[1, 0, 0]]


@pytest.mark.parametrize("head_name", ["chain", "sigmoid"])
@pytest.mark.parametrize("name", DECISIONS)
def test_a_prediction_may_still_have_its_gradients(name: str, head_name: str) -> None:
    targets = torch.rand(40, 18) < 0.2
    head = build_head(head_name, n_features=4, n_labels=18, targets=targets)
    outputs = head(torch.randn(40, 4))
    decided = []
    for own in (outputs, outputs.detach()):
        prediction, rule = head.predict(own), rule_for(name, 18)
        if rule.input_from(head.head.provides()) is None:
            return
        decided.append(rule.fit(prediction, targets).decide(prediction))
    assert torch.equal(*decided)
