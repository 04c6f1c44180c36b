"""Rules that count, and thresholds by label."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mlc.config.errors import ConfigError
from mlc.decisions import counting, thresholds
from mlc.decisions.base import DECISIONS, DecisionRule, build_decision
from mlc.decisions.counting import highest
from mlc.heads.base import HEADS
from mlc.metrics.counts import COUNT_METRICS
from mlc.training.rules import build_rules
from tests.exact import exact


class Noted(Tensor):
    """Notes the most numbers that any operation on it returns."""

    most = 0

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = super().__torch_function__(func, types, args, kwargs or {})
        if isinstance(found, Tensor):
            cls.most = max(cls.most, found.numel())
        return found


def test_the_highest_are_taken_and_the_first_of_equals() -> None:
    scores = torch.tensor([[0.1, 0.5, 0.5, 0.2]] * 4)
    taken = highest(scores, torch.tensor([0, 1, 3, 4])).int().tolist()
    assert taken == [[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]]


@pytest.mark.parametrize("metric", ["jaccard_samples", "hamming_loss"])
def test_top_k_takes_the_best_number_on_validation(metric: str) -> None:
    torch.manual_seed(0)
    scores, targets = torch.rand(50, 5), torch.rand(50, 5) < 0.4
    rule = build_decision("top_k", metric=metric).fit(scores, targets)
    values = []
    for k in range(6):
        fixed = build_decision("top_k", k=k).fit(scores, targets)
        values.append(float(COUNT_METRICS[metric](fixed.decide(scores), targets)))
    chosen = max(values) if COUNT_METRICS[metric].higher_is_better else min(values)
    assert values[int(rule.fitted()["k"])] == chosen
    assert rule.decide(scores).sum(dim=1).unique().tolist() == [int(rule.fitted()["k"])]


@pytest.mark.parametrize("metric", COUNT_METRICS)
def test_top_k_is_the_smallest_of_the_best_numbers(metric: str) -> None:
    draw = torch.Generator().manual_seed(5)
    for trial in range(30):
        n, k = int(torch.randint(1, 9, (), generator=draw)), 1 + trial % 6
        scores = torch.randint(0, 7, (n, k), generator=draw).double() / 7
        targets = torch.rand(n, k, generator=draw) < 0.4
        tried = []
        for size in range(k + 1):
            decided = build_decision("top_k", k=size).fit(scores, targets).decide(scores)
            tried.append(exact(metric, decided.tolist(), targets.tolist()))
        best = max(tried) if COUNT_METRICS[metric].higher_is_better else min(tried)
        rule = build_decision("top_k", metric=metric).fit(scores, targets)
        assert int(rule.fitted()["k"]) == tried.index(best)


@pytest.mark.parametrize("metric", ["jaccard_samples", "f1_micro", "recall_macro"])
def test_top_k_is_tuned_without_holding_every_number_at_once(metric: str) -> None:
    scores, targets = torch.rand(2, 60, 30), torch.rand(2, 60, 30) < 0.2
    Noted.most = 0
    build_decision("top_k", metric=metric).fit(scores.as_subclass(Noted), targets)
    assert 2 * 60 * 30 <= Noted.most <= 2 * (60 + 1) * (30 + 1)


def test_cardinality_takes_as_many_as_expected() -> None:
    scores = torch.tensor([[0.9, 0.2, 0.6]] * 4)
    decided = build_decision("cardinality").decide(
        scores, cardinality=torch.tensor([0.4, 0.5, 1.6, 9])
    )
    assert decided.sum(dim=1).tolist() == [0, 1, 2, 3]
    assert decided[2].tolist() == [True, False, True]


def test_each_label_has_the_threshold_that_is_best_for_it() -> None:
    torch.manual_seed(0)
    scores, targets = torch.rand(40, 3).double(), torch.rand(40, 3) < 0.3
    rule = build_decision("per_label", fallback=0).fit(scores, targets)
    f1 = COUNT_METRICS["f1_micro"]
    for k in range(3):
        own, true = scores[:, k : k + 1], targets[:, k : k + 1]
        values = [float(f1(own >= t, true)) for t in own.flatten()]
        found = own >= rule.fitted()["threshold"][k]
        assert float(f1(found, true)) == pytest.approx(max(values))
        assert torch.equal(rule.decide(scores)[:, k], found[:, 0])


def test_a_label_with_too_little_evidence_has_its_highest_score_as_threshold() -> None:
    scores = torch.linspace(0, 1, 101).double().unsqueeze(1).repeat(1, 2)
    targets = torch.zeros(101, 2, dtype=torch.bool)
    # The one positive of the first label lies low: its best F1 is 2 / 92.
    targets[10, 0] = targets[100, 1] = True
    rule = build_decision("per_label", fallback=0.1).fit(scores, targets)
    assert rule.fitted()["threshold"][0] == 1
    trusting = build_decision("per_label", fallback=0).fit(scores, targets)
    assert trusting.fitted()["threshold"][0] < 0.11


@pytest.mark.parametrize("metric", ["f1", "jaccard"])
@pytest.mark.parametrize("n_labels", [1, 3])
def test_a_label_without_a_validation_positive_has_its_highest_score_as_threshold(
    metric: str, n_labels: int
) -> None:
    torch.manual_seed(0)
    scores, targets = torch.rand(2, 12, n_labels).double(), torch.rand(2, 12, n_labels) < 0.5
    targets[0, :, 0] = False
    found = build_decision("per_label", metric=metric).fit(scores, targets).fitted()["threshold"]
    assert found[0, 0] == scores[0, :, 0].max()
    assert found[1, 0] < scores[1, :, 0].max()
    # Without the fallback it is never predicted on these rows, for that is no worse than any cut.
    trusting = build_decision("per_label", metric=metric, fallback=0).fit(scores, targets)
    assert trusting.fitted()["threshold"][0, 0] > scores[0, :, 0].max()


def in_each_way(scores: torch.Tensor, targets: torch.Tensor) -> list[DecisionRule]:
    """`per_label` by each of the ways in which its thresholds are tuned."""
    return [
        build_decision("per_label").fit(scores, targets),
        build_decision("per_label", at_least_one=True).fit(scores, targets),
        build_decision("per_label").fit(scores, targets, torch.ones_like(targets)),
    ]


@pytest.mark.parametrize("constant", [0.0, 0.1, 1.0])
def test_a_label_that_is_never_positive_and_has_one_score_for_all_rows_is_predicted_for_none(
    constant: float,
) -> None:
    torch.manual_seed(0)
    scores, targets = torch.rand(12, 2), torch.rand(12, 2) < 0.5
    scores[:, 0], targets[:, 0] = constant, False
    for rule in in_each_way(scores, targets):
        passed = scores.double() >= rule.fitted()["threshold"]
        assert not passed[:, 0].any()
        assert passed[:, 1].any()


@pytest.mark.parametrize("constant", [1e-3, 0.1, 0.9])
@pytest.mark.parametrize("is_on", [False, True])
def test_a_label_with_one_score_is_decided_alike_where_the_score_is_rounded_otherwise(
    is_on: bool, constant: float
) -> None:
    torch.manual_seed(0)
    scores, targets = torch.rand(12, 2), torch.rand(12, 2) < 0.5
    scores[:, 0], targets[:, 0] = constant, is_on
    for rule in in_each_way(scores, targets):
        threshold = rule.fitted()["threshold"]
        for rounded in (scores, scores * (1 + 2e-7), scores * (1 - 2e-7)):
            assert ((rounded.double() >= threshold)[:, 0] == is_on).all()
        assert abs(threshold.ravel()[0] - constant) < 1e-4
        # Of other labels it is one of their scores.
        assert threshold.ravel()[1] in scores[:, 1].double()


@pytest.mark.parametrize("metric", ["f1", "jaccard"])
def test_each_threshold_is_that_of_a_loop_with_empty_sets_counting_zero(metric: str) -> None:
    draw = torch.Generator().manual_seed(8)
    for _ in range(25):
        scores = torch.randint(0, 8, (9, 4), generator=draw).double() / 8
        targets = torch.rand(9, 4, generator=draw) < torch.tensor([0.0, 0.1, 0.4, 1.0])
        rule = build_decision("per_label", metric=metric, fallback=0.35).fit(scores, targets)
        for k, found in enumerate(rule.fitted()["threshold"]):
            own, true = scores[:, k], targets[:, k : k + 1].tolist()
            cuts = [float(own.max()) + 1, *sorted(own.unique().tolist(), reverse=True)]
            values = [exact(f"{metric}_macro", (own[:, None] >= t).tolist(), true) for t in cuts]
            best = cuts[values.index(max(values))] if max(values) >= 0.35 else float(own.max())
            assert torch.equal(own >= found, own >= best)


def test_impossible_pairs_say_what_is_missing() -> None:
    class Stated:
        decisions: tuple[str, ...] = ("mode", "cardinality")
        decision = {name: DECISIONS.options(name) for name in DECISIONS}  # noqa: RUF012
        head = HEADS.options("pick_one")

    with pytest.raises(ConfigError, match=r"mode needs a distribution .*, cardinality needs an"):
        build_rules(Stated(), HEADS["pick_one"], 3)  # type: ignore[arg-type]


@pytest.mark.parametrize("rule", DECISIONS)
@pytest.mark.parametrize("head", HEADS)
def test_every_pair_is_possible_or_known_not_to_be(head: str, rule: str) -> None:
    chosen = DECISIONS[rule].input_from(HEADS[head].provides())
    if chosen is None:
        assert rule in ("mode", "cardinality", "expected_jaccard", "expected_f1")
    else:
        assert chosen in HEADS[head].provides()


def test_with_many_labels_fewer_sizes_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    scores, targets = torch.rand(2, 9, 12), torch.rand(2, 9, 12) < 0.2
    for name in ("jaccard_samples", "f1_macro", "f1_micro"):
        metric = COUNT_METRICS[name]
        every = counting.values_by_size(metric, scores, targets)
        with monkeypatch.context() as patch:
            patch.setattr(counting, "MANY_LABELS", 12)
            patch.setattr(counting, "n_kept", lambda most: 4)
            torch.testing.assert_close(
                counting.values_by_size(metric, scores, targets), every[..., :5]
            )


def test_thresholds_of_labels_that_are_tuned_in_chunks_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    torch.manual_seed(0)
    scores, targets = torch.rand(2, 9, 7), torch.rand(2, 9, 7) < 0.4
    together = build_decision("per_label").fit(scores, targets).fitted()["threshold"]
    monkeypatch.setattr(thresholds, "_AT_ONCE", 2 * 9 * 3)
    assert torch.equal(
        build_decision("per_label").fit(scores, targets).fitted()["threshold"], together
    )
