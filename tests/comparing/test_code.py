"""The code to take away, run and held against the library's own losses and decisions."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mlc.comparing.code import is_plain, network_code
from mlc.comparing.lines import WIDTH
from mlc.comparing.plain import PLAIN_HEADS, PLAIN_RULES
from mlc.comparing.settled import (
    Model,
    Settled,
    provenance,
    settle,
    value_of,
    without_poor_average,
)
from mlc.config.registry import DECISIONS, HEADS
from mlc.decisions import build_decision
from mlc.decisions.candidates import CANDIDATES, Candidate
from mlc.heads import build_head

K = 4
LABELS = tuple("abcd")


def outputs_and_targets(n_outputs: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    outputs = 2 * torch.randn(40, n_outputs, generator=draw, dtype=torch.float64)
    targets = (torch.rand(40, K, generator=draw) < 0.4).double()
    targets[0], targets[1] = 0, 1
    return outputs, targets


def options_of(registry: Any, name: str, **changed: Any) -> dict[str, Any]:
    return {**dataclasses.asdict(registry[name].Options()), **changed}


def model_of(head: str, options: dict[str, Any] | None = None, n_labels: int = K) -> Model:
    labels = LABELS if n_labels == K else tuple(f"label {k}" for k in range(n_labels))
    natural = HEADS[head].natural_threshold(n_labels)
    return Model(head, options_of(HEADS, head) if options is None else options, natural, labels)


def run(code: str) -> dict[str, Any]:
    """Define the code's names for a network of three features."""
    names: dict[str, Any] = {}
    exec(for_three_features(code), names)
    return names


def for_three_features(code: str) -> str:
    """The code after its user put the number of features in."""
    assert code.count("N_FEATURES = 128\n") == 1
    return code.replace("N_FEATURES = 128\n", "N_FEATURES = 3\n")


def settled(head: str, rule: str, **values: Any) -> Settled:
    fitted = {
        "fixed": {"threshold": HEADS[head].natural_threshold(K)},
        "global": {"threshold": 0.371},
        "per_label": {"threshold": [0.2, 0.31, 0.5, 0.77]},
        "top_k": {"k": 2},
    }.get(rule, {})
    values = {
        "head_options": options_of(HEADS, head),
        "rule_options": options_of(DECISIONS, rule),
        **values,
    }
    model = model_of(head, values["head_options"])
    options = values["rule_options"]
    return Settled(model, rule, options, rule, options, fitted, {}, 3)


VARIANTS: list[tuple[str, dict[str, Any]]] = [
    *((head, {}) for head in PLAIN_HEADS),
    ("focal", {"alpha": None, "gamma": 1.3}),
    ("asymmetric", {"shift": 0.0, "gamma_positive": 0.7}),
    ("regression", {"outputs": "sigmoid"}),
]


@pytest.mark.parametrize(("head", "changed"), VARIANTS)
def test_plain_heads_have_the_loss_and_scores_of_the_library(
    head: str, changed: dict[str, Any]
) -> None:
    options = options_of(HEADS, head, **changed)
    code = network_code(settled(head, "global", head_options=options))
    assert "mlc" not in code
    assert max(map(len, code.splitlines())) <= WIDTH
    names = run(code)
    own = build_head(head, n_features=3, n_labels=K, **options)
    outputs, targets = outputs_and_targets(own.head.n_outputs)
    assert names["output"].out_features == own.head.n_outputs
    assert torch.equal(names["scores"](outputs), own.scores(outputs)) or torch.allclose(
        names["scores"](outputs), own.scores(outputs), atol=1e-12
    )
    if head == "pick_one":
        assert_picks_one_positive(names["loss"], outputs, targets)
    else:
        torch.testing.assert_close(names["loss"](outputs, targets), own.loss(outputs, targets))


def assert_picks_one_positive(loss: Any, outputs: Tensor, targets: Tensor) -> None:
    """Each loss is the cross-entropy to one of the sample's labels, each label equally often."""
    torch.manual_seed(0)
    drawn = torch.stack([loss(outputs, targets) for _ in range(2000)])
    possible = -outputs.log_softmax(dim=-1)
    near = (drawn.unsqueeze(-1) - possible).abs() < 1e-9
    has_label = targets.sum(dim=-1) > 0
    assert bool((near & (targets > 0)).any(dim=-1)[:, has_label].all())
    assert bool((drawn[:, ~has_label] == 0).all())
    shares = near[:, has_label].double().mean(dim=0)
    expected = (targets / targets.sum(dim=-1, keepdim=True).clamp(min=1))[has_label]
    assert float((shares - expected).abs().max()) < 0.06


@pytest.mark.parametrize("at_least_one", [False, True])
@pytest.mark.parametrize("rule", PLAIN_RULES)
@pytest.mark.parametrize("head", ["sigmoid", "softmax_uniform", "powerset"])
def test_plain_rules_decide_as_the_library(head: str, rule: str, at_least_one: bool) -> None:
    rule_class = DECISIONS[rule]
    has_option = "at_least_one" in vars(rule_class.Options())
    if rule_class.input_from(HEADS[head].provides()) is None or (at_least_one and not has_option):
        pytest.skip("the head does not suit the rule, or the rule has no such option")
    changed = {"at_least_one": True} if at_least_one else {}
    own = settled(head, rule, rule_options=options_of(DECISIONS, rule, **changed))
    assert is_plain(own)
    names = run(network_code(own))
    head_module = build_head(head, n_features=3, n_labels=K)
    outputs, _ = outputs_and_targets(head_module.head.n_outputs)
    natural = HEADS[head].natural_threshold(K)
    built = build_decision(rule, natural_threshold=natural, **own.rule_options)
    if own.fitted and rule != "fixed":
        built.restore(own.fitted)
    expected = built.decide(head_module.predict(outputs))
    assert torch.equal(names["decide"](outputs), expected)


def test_all_else_is_said_with_the_library_and_runs() -> None:
    targets = torch.rand(40, 17, generator=torch.Generator().manual_seed(0)) < 0.3
    features = torch.randn(40, 3)
    for head, rule in [("pairwise", "mode"), ("label_powerset", "expected_jaccard")]:
        own = dataclasses.replace(settled(head, rule), model=model_of(head, n_labels=17))
        assert not is_plain(own)
        names = {
            "training_targets": targets,
            "features": features,
            "targets": targets,
        }
        exec(for_three_features(network_code(own)), names)
        assert names["label_sets"].shape == (40, 17)  # type: ignore[union-attr]


def test_the_library_tunes_what_has_no_numbers() -> None:
    targets = torch.rand(40, K, generator=torch.Generator().manual_seed(0)) < 0.3
    names: dict[str, Any] = {
        "training_targets": targets,
        "features": torch.randn(40, 3),
        "targets": targets,
        "validation_scores": torch.rand(40, K),
        "validation_targets": targets,
    }
    exec(for_three_features(network_code(settled("sigmoid", "seen"))), names)
    assert names["label_sets"].shape == (40, K)


def test_the_rule_that_auto_chose_in_all_runs_stands_in_the_code() -> None:
    words = "global, at least one label"
    stored = [{"chosen": words, "learned": {words: {"threshold": value}}} for value in (0.2, 0.4)]
    own = settle(model_of("sigmoid"), "auto", options_of(DECISIONS, "auto"), stored)
    assert own.rule == "global"
    assert own.rule_options["at_least_one"] is True
    assert own.fitted["threshold"] == pytest.approx(0.3)
    scores = np.array([[0.1, 0.9, 0.3, 0.2], [0.3, 0.2, 0.1, 0.1], [0.1, 0.2, 0.1, 0.0]])
    targets = np.array([[0, 1, 1, 0], [1, 1, 0, 0], [0, 1, 0, 0]], dtype=bool)
    # By hand: labels 1 and 2; label 0 of two; label 1, which is the highest.
    printed = value_of(own, [scores], [targets], "jaccard_samples")
    assert printed == pytest.approx((1 + 1 / 2 + 1) / 3)
    text = " ".join(provenance(own, "jaccard_samples", 0.9, printed))
    assert f"auto chose {words!r} in all 2 runs" in text
    assert "mean of 2 runs (0.200 to 0.400)" in text
    assert "With these numbers jaccard_samples is 0.833" in text
    assert "auto, fitted in each run, has 0.900" in text


def test_where_runs_differ_auto_itself_stands_in_the_code() -> None:
    stored = [
        {"chosen": "global", "learned": {"global": {"threshold": 0.2}}},
        {"chosen": "global", "learned": {"global": {"threshold": 0.4}}},
        {"chosen": "top_k", "learned": {"top_k": {"k": 2}}},
    ]
    options = options_of(DECISIONS, "auto", metric="f1_samples")
    own = settle(model_of("sigmoid"), "auto", options, stored)
    text = " ".join(provenance(own, "f1_samples", 0.9, None))
    assert "auto chose 'global' in 2 of 3 runs, 'top_k' in 1 of 3 runs" in text
    assert "auto, fitted in each run, has f1_samples 0.900" in text
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(40, 3, generator=draw)
    targets = torch.rand(40, K, generator=draw) < 0.3
    names: dict[str, Any] = {
        "training_targets": targets, "features": features, "targets": targets,
        "validation_features": features, "validation_targets": targets,
    }  # fmt: skip
    exec(for_three_features(network_code(own)), names)
    assert names["rule"].options.metric == "f1_samples"
    assert names["label_sets"].shape == (40, K)


@pytest.mark.parametrize("candidate", CANDIDATES, ids=lambda candidate: candidate.words)
def test_every_choice_of_auto_becomes_code_that_decides_as_auto(candidate: Candidate) -> None:
    by_joint = candidate.by_joint
    name = "powerset" if by_joint or candidate.rule == "expected_f1" else "sigmoid"
    outputs, targets = outputs_and_targets(2**K if name == "powerset" else K)
    head = build_head(name, n_features=3, n_labels=K)
    with torch.no_grad():
        prediction = head.predict(outputs.float())
        auto = DECISIONS["auto"](DECISIONS["auto"].Options(), 0.5)
        rule = candidate.build(auto.options.metric, 0.5)
        rule.training_sets = targets.bool().unique(dim=0)
        given = prediction if by_joint else prediction.scores
        if not by_joint:
            rule.fit(prediction.scores, targets)
        expected = (
            rule.decide(given) if candidate.rule != "cardinality" else rule.decide(prediction)
        )
    stored = [{"chosen": candidate.words, "learned": {candidate.words: rule.described()}}]
    own = settle(model_of(name), "auto", options_of(DECISIONS, "auto"), stored)
    if is_plain(own):
        names = run(network_code(own))
        assert torch.equal(names["decide"](outputs.float()), expected)
        return
    code = network_code(own)
    lines = [line for line in code.splitlines() if not line.startswith(("head = ", "loss = "))]
    names = {
        "head": SimpleNamespace(predict=lambda _: prediction, __call__=None),
        "training_targets": rule.training_sets,
        "validation_scores": prediction.scores,
        "validation_targets": targets,
        "features": outputs,
    }
    text = "\n".join(lines).replace("head.predict(head(features))", "head.predict(features)")
    exec(text, names)
    assert torch.equal(names["label_sets"], expected)


def test_averages_that_lose_more_than_the_margin_are_fitted_anew() -> None:
    """Two runs whose scores lie at other heights: each threshold is right for its run alone."""
    actual = np.array([[True], [False]] * 20)
    scores = [np.where(actual, 0.3, 0.1), np.where(actual, 0.9, 0.7)]
    stored = [{"threshold": 0.2}, {"threshold": 0.8}]
    model = Model("sigmoid", {}, 0.5, ("a",))
    rule = settle(model, "global", options_of(DECISIONS, "global"), stored)
    assert rule.fitted == {"threshold": 0.5}
    printed = value_of(rule, scores, [actual, actual], "subset_accuracy")
    assert printed == 0.5  # All rows empty in one run, and full in the other.
    assert without_poor_average(rule, 0.005, margin=0.01) is rule
    anew = without_poor_average(rule, 1 - printed, margin=0.01)
    assert "rule.fit(validation_scores, validation_targets)" in network_code(anew)
    assert "0.5" not in network_code(anew)
    text = " ".join(provenance(anew, "subset_accuracy", 1.0, printed))
    assert "(0.200 to 0.800), and the average would lose 0.500" in text
    assert "With these numbers" not in text
