"""Rules that are tuned on rows with missing labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.isotonic import IsotonicRegression
from torch import Tensor

from mlc.config.errors import ConfigError, DataError
from mlc.decisions.base import DECISIONS, DecisionRule, build_decision
from mlc.metrics.counts import COUNT_METRICS
from tests.cases import rule_for

N_ROWS, N_LABELS = 40, 4
REFUSE = {"conformal", "micro_macro"}
TUNED = [name for name in DECISIONS if DECISIONS[name].tuned_on != "nothing"]
MASKS = [name for name in TUNED if name not in REFUSE]
SETS = torch.tensor([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]) > 0


def case(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    targets = torch.rand(N_ROWS, N_LABELS, generator=draw) < 0.4
    noise = torch.rand(N_ROWS, N_LABELS, generator=draw, dtype=torch.float64)
    scores = (0.5 * targets + noise).clamp(max=1.4) / 1.5
    known = torch.rand(N_ROWS, N_LABELS, generator=draw) < 0.6
    known[3] = False
    return scores, targets, known


def rule_of(name: str, **options: Any) -> DecisionRule:
    rule = rule_for(name, N_LABELS, **options)
    if rule.uses_training_sets:
        rule.training_sets = SETS
    return rule


@pytest.mark.parametrize("name", MASKS)
class TestEveryRuleThatCanBeTuned:
    def test_values_at_unknown_labels_change_nothing(self, name: str) -> None:
        scores, targets, known = case()
        decisions = []
        for other in (targets, torch.where(known, targets, ~targets)):
            rule = rule_of(name).fit(scores, other, known)
            decisions.append(rule.decide(scores))
        assert torch.equal(*decisions)

    def test_without_missing_labels_it_is_tuned_as_ever(self, name: str) -> None:
        scores, targets, known = case()
        plain = rule_of(name).fit(scores, targets)
        masked = rule_of(name).fit(scores, targets, torch.ones_like(known))
        assert repr(masked) == repr(plain)
        assert masked.described() == plain.described()

    def test_runs_are_tuned_by_themselves(self, name: str) -> None:
        cases = [case(seed) for seed in (1, 2)]
        together = rule_of(name).fit(*(torch.stack(parts) for parts in zip(*cases, strict=True)))
        scores = torch.stack([scores for scores, _, _ in cases])
        for run, alone in enumerate(cases):
            decided = rule_of(name).fit(*alone).decide(alone[0])
            assert torch.equal(together.decide(scores)[run], decided)


@pytest.mark.parametrize("name", sorted(REFUSE))
def test_other_rules_refuse(name: str) -> None:
    scores, targets, known = case()
    with pytest.raises(ConfigError, match=f"'{name}' cannot be tuned on rows with missing labels"):
        rule_of(name).fit(scores, targets, known)


@pytest.mark.parametrize("name", [name for name in DECISIONS if name not in TUNED])
def test_rules_that_learn_nothing_take_any_rows(name: str) -> None:
    scores, targets, known = case()
    rule_of(name).fit(scores, targets, known)


@pytest.mark.parametrize("metric", ["jaccard_samples", "f1_macro", "hamming_loss"])
def test_the_number_of_labels_is_the_best_by_the_known_ones(metric: str) -> None:
    scores, targets, known = case()
    rule = build_decision("top_k", metric=metric).fit(scores, targets, known)
    values = []
    for k in range(N_LABELS + 1):
        decided = torch.zeros_like(targets)
        decided.scatter_(1, scores.argsort(dim=1, descending=True)[:, :k], True)
        values.append(COUNT_METRICS[metric].sign * COUNT_METRICS[metric](decided, targets, known))
    assert int(rule.fitted()["k"]) == int(torch.stack(values).argmax())


@pytest.mark.parametrize("some", [False, True])
def test_a_label_is_tuned_on_the_rows_where_it_is_known(some: bool) -> None:
    scores, targets, known = case()
    known[:, 2] = False
    rule = build_decision("per_label", at_least_one=some).fit(scores, targets, known)
    thresholds = rule.fitted()["threshold"]
    for label in (0, 1, 3):
        rows = known[:, label]
        parts = scores[rows, label, None], targets[rows, label, None]
        alone = build_decision("per_label", fallback=0.0).fit(*parts)
        expected = float(alone.fitted()["threshold"])
        assert float(thresholds[label]) == pytest.approx(expected, abs=1e-12)
    # As a label without a positive.
    assert thresholds[2] == scores[:, 2].max()


def test_the_map_of_scores_is_fitted_to_the_known_pairs() -> None:
    scores, targets, known = case()
    rule: Any = build_decision("calibrated", calibration="isotonic").fit(scores, targets, known)
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    fitted.fit(scores[known].numpy(), targets[known].double().numpy())
    expected = fitted.predict(scores.numpy().ravel()).reshape(scores.shape)
    np.testing.assert_allclose(rule.probabilities(scores), expected, atol=1e-12)
    assert "ece_before" not in rule.described()


def test_seen_sets_are_those_of_complete_training_rows() -> None:
    scores, targets, known = case()
    rule = rule_of("seen").fit(scores, targets, known)
    assert torch.equal(rule.fitted()["label_sets"], SETS.unique(dim=0))
    with pytest.raises(
        ConfigError, match="label sets of training rows with all labels, and there i"
    ):
        build_decision("seen").fit(scores, targets, known)


def test_auto_chooses_without_seen_sets_where_no_row_is_complete() -> None:
    scores, targets, known = case()
    rule = build_decision("auto")
    rule.training_sets = SETS[:0]
    assert rule.fit(scores, targets, known).decide(scores).shape == targets.shape


class TestAuto:
    @pytest.mark.parametrize("n_known", [1, 2, 7, 19])
    def test_with_few_rows_of_known_labels_it_is_global(self, n_known: int) -> None:
        scores, targets, known = case()
        for first in (0, 11):
            rows = torch.zeros(N_ROWS, 1, dtype=torch.bool)
            rows[first : first + n_known] = True
            few = rows.expand_as(known)
            assert (
                rule_of("auto").fit(scores, targets, few).described()["chosen"].startswith("global")
            )

    def test_rows_without_a_known_label_change_no_choice(self) -> None:
        for seed in range(6):
            scores, targets, known = case(seed)
            rows = known.any(dim=1)
            many = [torch.cat([part[rows], part[rows]]) for part in (scores, targets, known)]
            alone = rule_of("auto").fit(*many)
            more = [torch.cat([other, part]) for other, part in zip(case(9), many, strict=True)]
            more[2][:N_ROWS] = False
            assert rule_of("auto").fit(*more).described()["chosen"] == alone.described()["chosen"]

    def test_runs_with_many_and_with_few_rows_choose_by_themselves(self) -> None:
        cases = [case(seed) for seed in (1, 2, 3)]
        cases[1][2][4:] = False
        together = rule_of("auto").fit(*(torch.stack(parts) for parts in zip(*cases, strict=True)))
        chosen = [rule_of("auto").fit(*alone).described()["chosen"] for alone in cases]
        assert together.described()["chosen"] == chosen


def test_known_pairs_have_the_shape_of_the_targets_and_are_some() -> None:
    scores, targets, known = case()
    with pytest.raises(DataError, match=r"known has shape \(40, 1\) and targets \(40, 4\)"):
        build_decision("global").fit(scores, targets, known[:, :1])
    with pytest.raises(DataError, match="No label of the rows that tune the rule is known"):
        build_decision("global").fit(scores, targets, torch.zeros_like(known))
