"""The highest score of each group, against loops over rows and over all label sets."""

from __future__ import annotations

import json
import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlc import MultiLabelClassifier
from mlc.comparing import linear
from mlc.config.errors import ConfigError, DataError
from mlc.decisions.base import DECISIONS, DecisionRule, build_decision
from mlc.evaluation.judging import describe
from mlc.heads.base import HEADS
from mlc.training.rules import build_rules
from tests.training.test_assembly import config_for

GROUPS = [[3, 0, 4], [5, 1]]


def rule_options(**options: Any) -> Any:
    return DECISIONS.options("groups", **options)


def by_loop(scores: list[float], groups: list[list[int]], none: bool, threshold: float) -> set[int]:
    """The label set of one row."""
    free = set(range(len(scores))).difference(*groups)
    decided = {label for label in free if scores[label] >= threshold}
    for group in groups:
        best = max(sorted(group), key=scores.__getitem__)
        without = max(0.0, 1 - math.fsum(scores[label] for label in group))
        if not (none and without > scores[best]):
            decided.add(best)
    return decided


def sets_of(decided: Tensor) -> list[set[int]]:
    return [set(row.nonzero().flatten().tolist()) for row in decided]


@pytest.mark.parametrize("none", [False, True])
@pytest.mark.parametrize("levels", [4, 2**20])
@pytest.mark.parametrize(
    ("n_labels", "groups"),
    [
        (7, GROUPS),
        (6, [[0, 1, 2, 3, 4, 5]]),
        (4, [[1, 0], [3, 2]]),
        (3, [[2, 1]]),
        (1, [[0]]),
        (3, [[1], [0, 2]]),
    ],
)
def test_it_agrees_with_a_loop(
    n_labels: int, groups: list[list[int]], levels: int, none: bool
) -> None:
    """Scores in 32 bits, of which many are equal or none; also as two runs."""
    if not none and min(map(len, groups)) == 1:
        pytest.skip("a group of one label needs none")
    draw = torch.Generator().manual_seed(n_labels)
    # Multiples of 1/4 and 2^-20, whose sums are exact.
    scores = torch.randint(levels + 1, (2, 60, n_labels), generator=draw) / levels
    scores = scores / torch.tensor([1.0, 4.0])[:, None, None]
    rule = build_decision("groups", groups=groups, none=none)
    decided = rule.decide(scores)
    for run in range(2):
        expected = [by_loop(row, groups, none, 0.5) for row in scores[run].double().tolist()]
        assert sets_of(decided[run]) == expected
    natural = build_decision("groups", groups=groups, none=none, natural_threshold=0.25)
    assert sets_of(natural.decide(scores[0])) == [
        by_loop(row, groups, none, 0.25) for row in scores[0].double().tolist()
    ]
    assert torch.equal(
        build_decision("groups", groups=groups, none=none, threshold=0.25).decide(scores),
        natural.decide(scores),
    )


@pytest.mark.parametrize("none", [False, True])
def test_it_is_the_most_probable_set_of_independent_groups(none: bool) -> None:
    """Among all label sets, in 64 bits: the joint is the product over groups and free labels."""
    draw = np.random.default_rng(3)
    for _ in range(40):
        scores = np.empty(7)
        scores[[2, 6]] = draw.random(2)
        for group in GROUPS:
            scores[group] = draw.dirichlet(np.ones(len(group) + none))[: len(group)]

        def probability(sets: tuple[int, ...], p: Any = scores) -> float:
            value = math.prod(p[k] if sets[k] else 1 - p[k] for k in (2, 6))
            for group in GROUPS:
                chosen = [k for k in group if sets[k]]
                if len(chosen) > 1 or (not chosen and not none):
                    return 0.0
                value *= p[chosen[0]] if chosen else 1 - sum(p[group])
            return float(value)

        best = max(product([0, 1], repeat=7), key=probability)
        decided = build_decision("groups", groups=GROUPS, none=none).decide(scores[None])
        assert tuple(decided[0].int().tolist()) == best


def test_of_equal_scores_the_first_label_of_the_data_is_taken() -> None:
    rule = build_decision("groups", groups=[[2, 0], [1, 3]])
    assert sets_of(rule.decide(torch.full((1, 4), 0.25))) == [{0, 1}]
    # A label before none.
    with_none = build_decision("groups", groups=[[2, 0], [1, 3]], none=True)
    assert sets_of(with_none.decide([[0.5, 0.3, 0, 0.3], [0.4, 0.3, 0, 0.3]])) == [{0}, set()]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": [[0, 1], [1, 2]]}, r"^groups=.* names label 1 twice: name each at most once\.$"),
        ({"groups": [[0, 0]]}, r"^groups=\[\[0, 0\]\] names label 0 twice"),
        ({"groups": [[0, 1], []]}, r"^groups=\[\[0, 1\], \[\]\] has a group without labels: leave"),
        ({"groups": [[0, -1]]}, "^groups=.* names label -1: labels are numbered from 0"),
        ({"groups": [[0, 1], [2]]}, "^groups=.* a group of one label, .* or set none=true"),
        ({"groups": [0, 1]}, r"^groups=\[0, 1\] is of the wrong type .* a list of lists of whole"),
        ({"groups": [["red", "blue"]]}, r"^groups=\[\['red', 'blue'\]\] is of the wrong type"),
        ({"groups": [[0.5, 1]]}, r"^groups=\[\[0.5, 1\]\] is of the wrong type"),
        ({"groups": None}, "^groups=None is of the wrong type"),
        ({"groups": []}, "^The rule 'groups' needs groups=, for neither its options nor the head name"),
        ({}, "^The rule 'groups' needs groups=, for neither its options nor the head name"),
    ],
)  # fmt: skip
def test_other_groups_are_refused_in_one_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        build_decision("groups", **options)
    assert str(raised.value).count(". ") == 0
    if options.get("groups"):
        with pytest.raises(ConfigError, match=message):
            HEADS.options("grouped", **{"none": False, **options})


def test_labels_are_numbered_up_to_the_last() -> None:
    rule = build_decision("groups", groups=[[0, 3]])
    with pytest.raises(ConfigError, match="name label 3, and the labels are numbered from 0 to 2"):
        rule.decide([[0.1, 0.2, 0.3]])
    with pytest.raises(ConfigError, match="name label 3"):
        rule.suit(None, {"scores"}, 3)


def test_arrays_and_tuples_name_groups_too() -> None:
    plain = build_decision("groups", groups=[[0, 1], [2, 3]])
    for groups in (np.array([[0, 1], [2, 3]]), ((0, 1.0), (2, np.int64(3)))):
        assert build_decision("groups", groups=groups).options == plain.options
        assert json.loads(json.dumps(build_decision("groups", groups=groups).described()))


def test_free_labels_need_a_threshold() -> None:
    rule = build_decision("groups", groups=[[0, 1]], natural_threshold=None)
    assert sets_of(rule.decide([[0.1, 0.2]])) == [{1}]
    with pytest.raises(ConfigError, match="needs a threshold for the labels outside of its groups"):
        rule.decide([[0.1, 0.2, 0.3]])


class TestOfAHead:
    """What a rule takes from the head `grouped`, and what it needs of others."""

    def test_it_takes_the_groups_of_the_head(self) -> None:
        for head_none, own, expected in [
            (True, {}, True), (False, {}, False), (True, {"none": False}, False),
            (False, {"none": True}, True),
        ]:  # fmt: skip
            config = config_for("grouped", "groups")
            config.head = HEADS.options("grouped", groups=GROUPS, none=head_none)
            config.decision["groups"] = rule_options(**own)
            (rule,) = build_rules(config, HEADS["grouped"], 7).values()
            assert (rule.options.groups, rule.options.none) == (GROUPS, expected)
            # Other runs of the sweep have other heads.
            assert config.decision["groups"].groups == []

    def test_its_own_groups_come_first(self) -> None:
        config = config_for("grouped", "groups")
        config.head = HEADS.options("grouped", groups=GROUPS)
        config.decision["groups"] = rule_options(groups=[[0, 1]])
        (rule,) = build_rules(config, HEADS["grouped"], 7).values()
        assert (rule.options.groups, rule.options.none) == ([[0, 1]], None)

    def test_none_of_its_own_must_suit_the_groups_of_the_head(self) -> None:
        config = config_for("grouped", "groups")
        config.head = HEADS.options("grouped", groups=[[0], [1, 2]])
        config.decision["groups"] = rule_options(none=False)
        with pytest.raises(ConfigError, match=r"^decision.groups.groups=.* a group of one label"):
            build_rules(config, HEADS["grouped"], 3)

    @pytest.mark.parametrize(
        ("head", "options", "message"),
        [
            ("sigmoid", {}, "groups needs decision.groups.groups, for neither its options nor the"),
            ("grouped", {}, "groups needs decision.groups.groups, for neither its options nor the"),
            (
                "margin",
                {"groups": [[0, 1]]},
                "groups needs decision.groups.threshold, for these sc",
            ),
            (
                "focal",
                {"groups": [[0, 1]], "none": True},
                "needs decision.groups.none=false, for these scores are no probabilities of labels",
            ),
        ],
    )
    def test_a_sweep_goes_on_without_it(
        self, head: str, options: dict[str, Any], message: str
    ) -> None:
        config = config_for(head, "groups", "global")
        config.decision["groups"] = rule_options(**options)
        assert list(build_rules(config, HEADS[head], 3)) == ["global"]
        config.decisions = ["groups"]
        with pytest.raises(ConfigError, match=message):
            build_rules(config, HEADS[head], 3)

    def test_a_head_without_a_natural_threshold_needs_none_where_no_label_is_free(self) -> None:
        config = config_for("margin", "groups")
        config.decision["groups"] = rule_options(groups=[[0, 1, 2]])
        assert list(build_rules(config, HEADS["margin"], 3)) == ["groups"]

    def test_a_stored_rule_has_the_groups_of_the_head(self) -> None:
        rule: DecisionRule = DECISIONS["groups"](rule_options(), 0.25)
        rule.suit(HEADS.options("grouped", groups=[[2, 0]]), {"marginals"}, 4)
        stored = json.loads(json.dumps(describe(rule)))
        assert (stored["groups"], stored["none"], stored["tuned_on"]) == ([[2, 0]], True, "nothing")
        restored = type(rule)(rule_options()).restore(stored)
        scores = torch.rand(30, 4, generator=torch.Generator().manual_seed(0))
        assert torch.equal(restored.decide(scores), rule.decide(scores))
        assert repr(restored) == repr(rule) == "groups (groups=[[2, 0]], none=True), threshold 0.25"


@pytest.mark.parametrize(
    ("model", "options", "suits"),
    [
        ("linear_svm", {"groups": [[0, 1]]}, True),
        ("linear_svm", {"groups": [[0, 1]], "none": True}, False),
        ("logistic_regression", {"groups": [[0, 1]], "none": True}, True),
        ("linear_svm", {}, False),
    ],
)
def test_linear_models_of_a_comparison_take_it_as_heads_do(
    model: str, options: dict[str, Any], suits: bool
) -> None:
    assert linear._suits(model, "groups", options, 3) == suits
    if suits:
        rule = linear._built(model, "groups", options, 3)
        assert sets_of(rule.decide([[0.1, 0.6, 0.7]])) == [{1, 2}]


class TestTheEstimator:
    """The advice of the front page, for sigmoids and for the head with groups."""

    @pytest.mark.parametrize("head", ["sigmoid", "grouped"])
    def test_each_row_gets_a_label_of_each_group(self, head: str) -> None:
        draw = np.random.default_rng(0)
        X = draw.normal(size=(60, 4))
        y = np.eye(3, dtype=int)[X[:, :3].argmax(axis=1)]
        y = np.hstack([y, np.eye(2, dtype=int)[(X[:, 3] > 0).astype(int)]])
        groups: dict[str, Any] = {"groups": [[0, 1, 2], [3, 4]]}
        own = {"head_options": {**groups, "none": False}} if head == "grouped" else {}
        rule = {} if own else {"decision_options": groups}
        classifier = MultiLabelClassifier(
            head, decision="groups", max_epochs=1, n_seeds=2, random_state=0, **own, **rule
        ).fit(X, y)
        decided, scores = classifier.predict(X), classifier.predict_proba(X)
        for group in groups["groups"]:
            assert (decided[:, group].argmax(axis=1) == scores[:, group].argmax(axis=1)).all()
            assert (decided[:, group].sum(axis=1) == 1).all()

    def test_a_label_that_y_has_not_is_refused_before_the_training(self) -> None:
        with pytest.raises(ConfigError, match="name label 2, and the labels are numbered from 0"):
            MultiLabelClassifier(decision="groups", decision_options={"groups": [[0, 2]]}).fit(
                np.ones((9, 2)), np.eye(9, 2, dtype=int)
            )


def test_scores_of_other_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="scores has shape"):
        build_decision("groups", groups=[[0, 1]]).decide([0.1, 0.2])
