"""Bayes values, limits and regrets against enumeration."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlc.bayes.optimum import Optimum, add_regrets, limit
from mlc.bayes.population import Population, _alone, _fit
from mlc.data.base import SOURCES, Dataset
from mlc.data.splits import Split
from mlc.decisions.base import build_decision
from mlc.evaluation.judging import Evaluation
from mlc.heads.base import HEADS, Head, KnownLabels
from mlc.heads.label_sets import all_label_sets
from mlc.metrics.final import decision_metrics, ranking_metrics


def optimum(n_labels: int = 4, rows: int = 30, **options: Any) -> Optimum:
    dataset = SOURCES["world"].load(
        SOURCES.options(
            "world", n_labels=n_labels, cardinality=1.2, n_train=20, n_test=rows, **options
        )
    )
    split = Split(np.arange(15), np.arange(15, 20), np.arange(20, 20 + rows))
    result = Optimum.of(dataset, split)
    assert result is not None
    return result


def head_for(name: str, n_labels: int = 4, **options: Any) -> Head:
    known = KnownLabels(all_label_sets(n_labels), torch.arange(2**n_labels)[None])
    return HEADS[name](3, n_labels, HEADS.options(name, **options), [0], known)


def expected(joint: Tensor, decisions: Tensor, metric: str) -> float:
    """The expectation of scikit-learn's metric over every label set of every sample."""
    total = 0.0
    n_labels = decisions.shape[1]
    for p, decided in zip(joint, decisions, strict=True):
        for q, y in zip(p, product([False, True], repeat=n_labels), strict=True):
            metrics = decision_metrics(decided.numpy()[None], np.array([y]))
            total += float(q) * metrics[metric]
    return total / len(joint)


def test_expected_values_agree_with_enumeration() -> None:
    world = optimum(3, rows=6)
    decisions = torch.rand(6, 3) < 0.5
    for metric, value in world.of_decisions(decisions).items():
        assert value == pytest.approx(expected(world.joint, decisions, metric), abs=1e-12)


def test_the_bayes_value_is_the_best_of_all_decisions() -> None:
    world = optimum(3, rows=6)
    bayes = world.bayes()
    for metric in ("subset_accuracy", "hamming_loss", "jaccard_samples", "f1_samples"):
        best = 0.0
        for p in world.joint:
            values = [expected(p[None], one[None], metric) for one in all_label_sets(3)]
            best += (min if metric == "hamming_loss" else max)(values)
        assert bayes[metric] == pytest.approx(best / 6, abs=1e-12)


def test_precision_and_recall_at_k_agree_with_simulation() -> None:
    world = optimum(4, rows=40)
    scores = torch.rand(40, 4).double()
    n_draws = 4000
    drawn = torch.multinomial(
        world.joint, n_draws, replacement=True, generator=torch.Generator().manual_seed(0)
    )
    targets = world.label_sets[drawn].flatten(0, 1).numpy()
    measured = ranking_metrics(scores.repeat_interleave(n_draws, dim=0).numpy(), targets)
    for key, value in world.of_scores(scores).items():
        assert value == pytest.approx(measured[key], abs=0.01)
        assert value <= world.bayes()[key] + 1e-12


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in HEADS),
        *(("distribution_cardinality", {"form": form}) for form in ("mse", "product")),
        ("regression", {"outputs": "sigmoid"}),
        ("unnormalised_kl", {"link": "softplus"}),
        ("rakel", {"size": 2}),
    ],
)
def test_closed_forms_agree_with_minimisation(name: str, options: dict[str, Any]) -> None:
    world, head = optimum(rows=8), head_for(name, **options)
    closed = head.double().minimiser(world.joint)
    if closed is None:
        return
    fitted = _fit(_alone(head, 0), world.joint)
    assert closed.shape == fitted.shape
    # The loss at its minimum, and the scores there, for the outputs may have a direction to spare.
    every = world.label_sets.double().repeat(len(fitted), 1).unsqueeze(0)

    def loss(outputs: Tensor) -> Tensor:
        repeated = outputs.repeat_interleave(len(world.label_sets), dim=0).unsqueeze(0)
        return (head.expected_loss(repeated, every).view(len(outputs), -1) * world.joint).sum(dim=1)

    assert (loss(closed) <= loss(fitted) + 1e-6).all()
    torch.testing.assert_close(
        head.scores(closed[None]), head.scores(fitted[None]), atol=2e-3, rtol=0
    )


@pytest.mark.parametrize("name", ["pairwise", "powerset", "label_powerset"])
def test_heads_that_can_express_the_world_reach_the_bayes_value(name: str) -> None:
    world = optimum(4, rows=60, dependence=3.0)
    rules = {rule: build_decision(rule) for rule in ("mode", "expected_jaccard", "expected_f1")}
    values = limit(world, Population(head_for(name), world.joint).of_run(0), rules)
    bayes = world.bayes()
    for rule, metric in zip(
        rules, ("subset_accuracy", "jaccard_samples", "f1_samples"), strict=True
    ):
        assert values[f"{rule}/{metric}"] == pytest.approx(bayes[metric], abs=2e-4)
    for k in (1, 3):
        assert values[f"precision_at_{k}"] == pytest.approx(bayes[f"precision_at_{k}"], abs=1e-4)


def test_each_reduction_is_best_for_its_consistent_metric() -> None:
    world = optimum(6, rows=300, dependence=4.0)
    bayes, limits = world.bayes(), {}
    for name in ("sigmoid", "softmax_all", "pick_one", "ova_n"):
        limits[name] = limit(world, Population(head_for(name, 6), world.joint).of_run(0), {})
    for k in (1, 3):
        precision, recall = f"precision_at_{k}", f"recall_at_{k}"
        for name in ("sigmoid", "softmax_all"):
            assert limits[name][precision] == pytest.approx(bayes[precision], abs=1e-12)
        for name in ("pick_one", "ova_n"):
            assert limits[name][recall] == pytest.approx(bayes[recall], abs=1e-12)
            assert limits[name][precision] < bayes[precision]
        assert limits["sigmoid"][recall] < bayes[recall]


@pytest.mark.parametrize("name", ["two_way", "margin"])
def test_a_head_that_is_not_identifiable_has_no_limit(name: str) -> None:
    world = optimum()
    assert Population(head_for(name), world.joint).of_run(0) is None


def test_the_margin_loss_does_not_change_with_a_constant() -> None:
    head, outputs = head_for("margin"), torch.randn(1, 5, 4)
    targets = (torch.rand(1, 5, 4) < 0.4).float()
    torch.testing.assert_close(head.loss(outputs, targets), head.loss(outputs + 3, targets))


def test_regret_is_the_sum_of_unreachable_and_avoidable() -> None:
    world = optimum(4, rows=30)
    rule = build_decision("fixed")
    evaluation = Evaluation()
    evaluation.scores["test"] = world.marginals.numpy() ** 2
    evaluation.decisions["test"] = {"fixed": evaluation.scores["test"] >= 0.5}
    add_regrets([evaluation], world, head_for("sigmoid"), [{"fixed": rule}])
    metrics = evaluation.metrics
    for metric in ("jaccard_samples", "hamming_loss", "subset_accuracy"):
        parts = metrics[f"unreachable/fixed/{metric}"] + metrics[f"avoidable/fixed/{metric}"]
        assert metrics[f"regret/fixed/{metric}"] == pytest.approx(parts)
        assert metrics[f"unreachable/fixed/{metric}"] >= -1e-12
    # A threshold of 0.5 on the marginals is Hamming's optimum.
    assert metrics["unreachable/fixed/hamming_loss"] == pytest.approx(0, abs=1e-12)
    assert metrics["regret/fixed/hamming_loss"] > 0


def test_a_limit_does_not_depend_on_other_runs() -> None:
    known = KnownLabels(
        torch.rand(50, 4) < 0.4, torch.stack([torch.randperm(50)[:40] for _ in "abc"])
    )
    world, rules = optimum(), {"global": build_decision("global")}
    for name in ("rakel", "weighted_sigmoid", "pairwise"):
        options = HEADS.options(name)
        together = HEADS[name](3, 4, options, [5, 6, 7], known)
        known_alone = KnownLabels(known.targets, known.rows[1:2])
        alone = HEADS[name](3, 4, options, [6], known_alone)
        assert limit(world, Population(together, world.joint).of_run(1), rules) == pytest.approx(
            limit(world, Population(alone, world.joint).of_run(0), rules)
        )


def test_the_limit_of_several_chains_uses_each_runs_orders() -> None:
    world = optimum(3, rows=2)
    options = HEADS.options("chain", n_chains=2)
    together = HEADS["chain"](3, 3, options, [5, 6])
    alone = Population(HEADS["chain"](3, 3, options, [6]), world.joint).of_run(0)
    minimiser = Population(together, world.joint).of_run(1)
    assert minimiser is not None
    assert alone is not None
    torch.testing.assert_close(minimiser[0].scores(minimiser[1]), alone[0].scores(alone[1]))
    assert torch.equal(minimiser[0]._orders[0], together._orders[1])


def test_data_without_a_truth_has_no_optimum() -> None:
    names = tuple("ab")
    data = Dataset("d", np.ones((4, 2)), np.eye(4, 2) > 0, names, names, np.ones(2, dtype=bool))
    assert Optimum.of(data, Split(np.arange(2), np.arange(2, 3), np.arange(3, 4))) is None
