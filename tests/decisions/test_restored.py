"""A rule that is restored from its stored form decides as the fitted rule."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Size, Tensor

from mlc.config.errors import ConfigError
from mlc.decisions.base import DECISIONS, build_decision
from mlc.decisions.candidates import CANDIDATES
from mlc.heads.label_sets import all_label_sets
from mlc.heads.prediction import Prediction

LEADING = [(), (2,), (2, 3), (2, 1, 2)]
OPTIONS: dict[str, dict[str, object]] = {
    "calibrated isotonic": {"calibration": "isotonic"},
    "seen shares": {"model": "shares"},
    "groups": {"groups": [[0, 2]], "none": True},
    "groups threshold": {"groups": [[1, 2]], "threshold": 0.2},
}


def predictions(leading: tuple[int, ...], seed: int = 0) -> tuple[Prediction, Tensor]:
    """Scores, cardinality, joint and targets, where different rules are best in different runs."""
    draw = torch.Generator().manual_seed(seed)
    scores = torch.rand(*leading, 40, 3, generator=draw, dtype=torch.float64)
    log_joint = 3 * torch.randn(*leading, 40, 8, generator=draw, dtype=torch.float64)
    log_joint = log_joint.log_softmax(dim=-1)
    by_run = torch.arange(Size(leading).numel()).view(*leading, 1, 1)
    by_size = scores >= scores.sort(dim=-1).values[..., 1:2]
    by_joint = all_label_sets(3)[log_joint.argmax(dim=-1)]
    targets = torch.where(by_run % 3 == 0, scores >= 0.3, by_size)
    targets = torch.where(by_run % 3 == 1, by_joint, targets)
    prediction = Prediction(
        scores,
        cardinality=3 * torch.rand(*leading, 40, generator=draw),
        log_joint=log_joint,
        label_sets=all_label_sets(3),
    )
    return prediction, targets


@pytest.mark.parametrize("leading", LEADING, ids=str)
@pytest.mark.parametrize("name", [*dict.fromkeys([*DECISIONS, *OPTIONS])])
def test_it_decides_as_the_fitted_rule(name: str, leading: tuple[int, ...]) -> None:
    rule, options = name.split()[0], OPTIONS.get(name, {})
    prediction, targets = predictions(leading)
    fitted = build_decision(rule, **options).fit(prediction, targets)
    stored = json.loads(json.dumps(fitted.described()))
    # A stored run restores the options, the natural threshold and the values.
    restored = build_decision(rule, **options).restore(stored)
    fresh, _ = predictions(leading, seed=1)
    assert torch.equal(restored.decide(fresh), fitted.decide(fresh))
    assert json.loads(json.dumps(restored.described())).keys() >= {"chosen"} & stored.keys()
    for key, value in restored.fitted().items():
        assert value.shape == fitted.fitted()[key].shape


def test_auto_states_a_choice_for_each_run() -> None:
    prediction, targets = predictions((2, 3))
    rule = build_decision("auto", metric="subset_accuracy").fit(prediction, targets)
    chosen = rule.described()["chosen"]
    for row in range(2):
        for column in range(3):
            run = Prediction(
                prediction.scores[row, column],
                cardinality=prediction.cardinality[row, column],
                log_joint=prediction.log_joint[row, column],
                label_sets=prediction.label_sets,
            )
            alone = build_decision("auto", metric="subset_accuracy")
            alone.fit(run, targets[row, column])
            assert alone.described()["chosen"] == chosen[row][column]
    assert len({words for row in chosen for words in row}) > 1


@pytest.mark.parametrize("name", DECISIONS)
def test_its_repr_is_the_same_and_names_it(name: str) -> None:
    prediction, targets = predictions(())
    options = OPTIONS.get(name, {})
    fresh = build_decision(name, **options)
    assert repr(fresh).startswith(name)
    fitted = build_decision(name, **options).fit(prediction, targets)
    restored = build_decision(name, **options).restore(json.loads(json.dumps(fitted.described())))
    assert repr(restored) == repr(fitted)


def test_its_repr_states_options_choices_and_values() -> None:
    scores = torch.tensor([[0.2, 0.4], [0.6, 0.9]] * 20, dtype=torch.float64)
    rule = build_decision("global", at_least_one=True)
    assert repr(rule) == "global (at_least_one=True)"
    threshold = float(rule.fit(scores, scores > 0.5).fitted()["threshold"])
    assert repr(rule) == f"global (at_least_one=True), threshold {threshold:.4g}"
    assert repr(build_decision("top_k", k=2).fit(scores, scores > 0.5)) == "top_k (k=2), k 2"
    assert repr(build_decision("auto", metric="f1_macro")) == "auto (metric='f1_macro')"
    alone = build_decision("auto").fit(scores, scores > 0.7)
    plain = build_decision("global").fit(scores, scores > 0.7)
    assert repr(alone) == f"auto: {plain!r}"
    runs = build_decision("auto").fit(torch.stack([scores] * 3), torch.stack([scores > 0.7] * 3))
    assert repr(runs) == "auto: global (3 runs)"


BY_JOINT = [candidate.words for candidate in CANDIDATES if candidate.by_joint]


@pytest.mark.parametrize("words", BY_JOINT)
def test_a_choice_by_the_joint_is_not_replaced_by_independent_labels(words: str) -> None:
    rule = build_decision("auto").restore({"chosen": words, "learned": {words: {}}})
    prediction, _ = predictions(())
    with pytest.raises(ConfigError, match=f"'auto' chose {words}.*: give a joint distribution"):
        rule.decide(prediction.scores)
    given = {"log_joint": prediction.log_joint, "label_sets": prediction.label_sets}
    assert rule.decide(prediction.scores, **given).shape == (40, 3)


def test_a_choice_by_the_cardinality_needs_it() -> None:
    rule = build_decision("auto").restore({"chosen": "cardinality", "learned": {"cardinality": {}}})
    with pytest.raises(ConfigError, match=r"'auto' chose cardinality.*: give an expected card"):
        rule.decide(torch.rand(4, 3))
    decided = rule.decide(torch.rand(4, 3), cardinality=torch.ones(4))
    assert decided.sum(dim=-1).tolist() == [1, 1, 1, 1]


def test_a_choice_is_restored_whatever_the_metric() -> None:
    words = "expected_f1, by the joint"
    rule = build_decision("auto").restore({"chosen": words, "learned": {words: {}}})
    assert list(rule.by_joint_beside({"scores", "joint"}, deciding=True)) == [words]
