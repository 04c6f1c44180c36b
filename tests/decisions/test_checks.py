"""What rules take from users, and what they refuse in one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from torch import Tensor

from mlc.config.errors import ConfigError, DataError, MlcError
from mlc.decisions.base import DECISIONS, DecisionRule, build_decision
from mlc.heads.label_sets import all_label_sets
from mlc.heads.prediction import Prediction
from tests.cases import rule_for

DRAW = torch.Generator().manual_seed(0)
SCORES = torch.rand(4, 3, generator=DRAW)
TARGETS = torch.tensor([[1, 0, 1], [0, 1, 0], [0, 0, 0], [1, 1, 1]])
LOGITS = torch.tensor([[0.2, -3.0, 0.4]])
SETS = all_label_sets(2)
JOINT = torch.rand(4, 4, generator=DRAW).double().log_softmax(dim=1)
FITTED = [name for name in DECISIONS if DECISIONS[name].tuned_on != "nothing"]


def with_nan(values: Tensor) -> Tensor:
    values = values.clone().float()
    values[1, 2] = torch.nan
    return values


@pytest.mark.parametrize(
    ("scores", "targets", "message"),
    [
        (with_nan(SCORES), TARGETS, r"scores\[1, 2\] is nan: give numbers in \[0, 1\]"),
        (LOGITS.expand(4, 3), TARGETS, r"scores\[0, 1\] is -3"),
        (100 * SCORES, TARGETS, r"scores\[0, 0\] is 49\.\d+"),
        (SCORES + torch.inf, TARGETS, r"scores\[0, 0\] is inf"),
        (SCORES[0], TARGETS[0], r"scores has shape \(3,\): give \(N, K\)"),
        (SCORES[:, :0], TARGETS[:, :0], r"scores has shape \(4, 0\)"),
        (SCORES[:0], TARGETS[:0], "scores has no row"),
        (SCORES + 0j, TARGETS, "complex"),
        ([["a", "b"]], TARGETS, "scores is no array of numbers"),
        ([[0.1, 0.2], [0.3]], TARGETS, "scores is no array of numbers"),
        (None, TARGETS, "scores is no array of numbers|scores has shape"),
        (SCORES, 2 * TARGETS - 1, r"targets\[0, 1\] is -1: give 0 or 1 for each label"),
        (SCORES, TARGETS * 0.7, r"targets\[0, 0\] is 0.7"),
        (SCORES, 7 * TARGETS, r"targets\[0, 0\] is 7"),
        (SCORES, with_nan(TARGETS), r"targets\[1, 2\] is nan"),
        (SCORES, TARGETS[:3], r"targets has shape \(3, 3\) and scores \(4, 3\)"),
        (SCORES, TARGETS[:, :2], r"targets has shape \(4, 2\) and scores \(4, 3\)"),
        (SCORES, TARGETS[:, :1], r"targets has shape \(4, 1\) and scores \(4, 3\)"),
        (SCORES, TARGETS[None], r"targets has shape \(1, 4, 3\) and scores \(4, 3\)"),
    ],
)
@pytest.mark.parametrize("name", ["fixed", *FITTED])
def test_fit_refuses_in_one_sentence(name: str, scores: Any, targets: Any, message: str) -> None:
    with pytest.raises(DataError, match=message) as raised:
        build_decision(name).fit(scores, targets)
    assert "\n" not in str(raised.value)
    arrays = [own.numpy() if isinstance(own, Tensor) else own for own in (scores, targets)]
    with pytest.raises(DataError, match=message):
        build_decision(name).fit(*arrays)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"scores": LOGITS}, DataError, r"scores\[0, 1\] is -3"),
        ({"scores": with_nan(SCORES)}, DataError, r"scores\[1, 2\] is nan"),
        (
            {"scores": SCORES, "cardinality": torch.ones(3)},
            DataError,
            r"cardinality has shape \(3,\)",
        ),
        ({"scores": SCORES, "cardinality": -torch.ones(4)}, DataError, r"cardinality\[0\] is -1"),
        ({"scores": SCORES, "cardinality": torch.full((4,), torch.nan)}, DataError, "is nan"),
        ({"log_joint": JOINT}, ConfigError, "log_joint and label_sets belong together"),
        (
            {"log_joint": JOINT[:, :3], "label_sets": SETS},
            DataError,
            r"log_joint has shape \(4, 3\)",
        ),
        ({"log_joint": JOINT[0], "label_sets": SETS}, DataError, r"log_joint has shape \(4,\)"),
        ({"log_joint": JOINT, "label_sets": SETS[0]}, DataError, r"label_sets \(2,\)"),
        (
            {"log_joint": JOINT, "label_sets": 2 * SETS.int() - 1},
            DataError,
            r"label_sets\[0, 0\] is -1",
        ),
        ({"log_joint": JOINT.exp(), "label_sets": SETS}, DataError, "give log-probabilities"),
        ({"log_joint": JOINT * torch.nan, "label_sets": SETS}, DataError, "sum.* is nan"),
    ],
)
@pytest.mark.parametrize("name", ["fixed", "cardinality", "mode", "expected_f1"])
def test_decide_refuses_in_one_sentence(
    name: str, given: dict[str, Any], error: type[MlcError], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        build_decision(name).decide(**given)
    assert "\n" not in str(raised.value)


FORMS = {
    "array": lambda t: t.numpy(),
    "float64": lambda t: t.double().numpy(),
    "list": lambda t: t.tolist(),
    "frame": lambda t: pd.DataFrame(t.numpy()),
    "objects": lambda t: t.numpy().astype(object),
    "read-only, big-endian, reversed twice": lambda t: np.flip(
        np.flip(t.numpy(), axis=0).astype(t.numpy().dtype.newbyteorder(">")), axis=0
    ),
    "sparse array": lambda t: csr_array(t.numpy()),
    "sparse tensor": lambda t: t.to_sparse(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", DECISIONS)
def test_arrays_and_lists_decide_as_tensors_do(name: str, form: str) -> None:
    made = FORMS[form]
    scores, cardinality = SCORES.double(), SCORES.double().sum(dim=1)
    plain = {"cardinality": cardinality, "log_joint": JOINT, "label_sets": SETS}
    given = {
        "cardinality": cardinality.numpy(),
        "log_joint": made(JOINT),
        "label_sets": made(SETS.int()),
    }
    if "joint" not in DECISIONS[name].needs:
        plain, given = ({"cardinality": own["cardinality"]} for own in (plain, given))
    expected = rule_for(name, 3).fit(scores, TARGETS).decide(scores, **plain)
    found = rule_for(name, 3).fit(made(scores), made(TARGETS)).decide(made(scores), **given)
    assert found.dtype == torch.bool
    assert torch.equal(found, expected)


def test_numbers_that_rounding_took_out_of_the_interval_are_taken() -> None:
    scores = torch.tensor([[1 + 1e-7, -1e-7]])
    assert build_decision("fixed").decide(scores).tolist() == [[True, False]]


@pytest.mark.parametrize("name", FITTED)
def test_what_was_fitted_to_one_run_or_to_as_many_fits_and_nothing_else(name: str) -> None:
    runs = torch.rand(2, 4, 3, generator=DRAW)
    alone = build_decision(name).fit(SCORES, TARGETS)
    assert alone.decide(runs).shape == runs.shape
    together = build_decision(name).fit(runs, TARGETS.expand(2, -1, -1))
    assert together.decide(runs[:, :1]).shape == (2, 1, 3)
    for wrong in (SCORES, runs[:1], runs.repeat(2, 1, 1)):
        with pytest.raises(DataError, match=f"rule '{name}' was fitted to scores of another shape"):
            together.decide(wrong)


@pytest.mark.parametrize("fitted_to", [1, 3])
def test_a_threshold_for_each_label_fits_the_same_labels_only(fitted_to: int) -> None:
    rule = build_decision("per_label").fit(SCORES[:, :fitted_to], TARGETS[:, :fitted_to])
    with pytest.raises(DataError, match="fitted to scores of another shape"):
        rule.decide(torch.rand(4, 4, generator=DRAW))


def test_no_row_is_no_decision() -> None:
    assert build_decision("fixed").decide(SCORES[:0]).shape == (0, 3)
    empty = build_decision("mode").decide(log_joint=JOINT[:0], label_sets=SETS)
    assert empty.shape == (0, 2)


class Watched(Tensor):
    """Counts the calls for which a host must wait for its device."""

    waits = 0

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        waiting = (
            "__bool__",
            "__float__",
            "__int__",
            "item",
            "tolist",
            "nonzero",
            "equal",
            "numpy",
        )
        cls.waits += getattr(func, "__name__", "") in waiting
        return super().__torch_function__(func, types, args, kwargs or {})


# These search over as many sizes as the values ask for.
SEARCHING = ("expected_jaccard", "expected_f1", "calibrated")


@pytest.mark.parametrize("name", [name for name in DECISIONS if name not in SEARCHING])
def test_a_prediction_of_our_own_is_decided_without_a_look_at_its_values(name: str) -> None:
    rule = rule_for(name, 3).fit(SCORES, TARGETS)
    uniform = torch.zeros(4, 8).log_softmax(dim=1)
    scores, numbers, joint, sets = (
        own.as_subclass(Watched) for own in (SCORES, SCORES.sum(dim=1), uniform, all_label_sets(3))
    )
    Watched.waits = 0
    decided = rule.decide(Prediction(scores, cardinality=numbers, log_joint=joint, label_sets=sets))
    assert Watched.waits == 0
    checked = rule.decide(scores, cardinality=numbers, log_joint=joint, label_sets=sets)
    assert Watched.waits > 0
    assert torch.equal(decided, checked)


@pytest.mark.parametrize("name", FITTED)
def test_a_rule_learns_from_a_prediction_what_it_learns_from_its_scores(name: str) -> None:
    plain = build_decision(name).fit(SCORES.tolist(), TARGETS.tolist()).fitted()
    found = build_decision(name).fit(Prediction(SCORES), TARGETS.tolist()).fitted()
    assert plain.keys() == found.keys()
    for key, value in plain.items():
        torch.testing.assert_close(found[key], value, check_dtype=False)
    with pytest.raises(DataError, match="give a target for each score"):
        build_decision(name).fit(Prediction(SCORES), TARGETS[:-1])
    with pytest.raises(DataError, match="give 0 or 1"):
        build_decision(name).fit(Prediction(SCORES), TARGETS * 2.0)
    with pytest.raises(ConfigError, match="needs a prediction with scores"):
        build_decision(name).fit(Prediction(), TARGETS)


@pytest.mark.parametrize("name", sorted(set(DECISIONS) - set(FITTED)))
def test_a_rule_that_is_not_tuned_computes_nothing_of_a_prediction(name: str) -> None:
    def scores(_: Prediction) -> Tensor:
        raise AssertionError("The scores were computed.")

    rule = rule_for(name, 3)
    assert rule.fit(Prediction(scores), TARGETS) is rule


def test_a_rule_that_takes_the_joint_cannot_be_tuned() -> None:
    with pytest.raises(TypeError, match="cannot be tuned"):

        class Tuned(DecisionRule):
            needs = ("joint",)
            tuned_on = "validation"
