"""The exported module computes what a predictor does, with the operations that an export may use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix

from mlc import MultiLabelClassifier
from mlc.backbones.base import BACKBONES
from mlc.data.preprocessing import Scaling
from mlc.decisions.base import DECISIONS
from mlc.evaluation.predictor import Predictor
from mlc.exporting.inputs import rows_of, rows_of_stage
from mlc.exporting.module import PortableModel, Rows
from mlc.exporting.writing import _expected
from mlc.heads.base import HEADS
from mlc.training.model import Model
from tests.backbones.pretrained import WORDS, text_network
from tests.exporting.predictors import drawn_predictor, features_of, fine_predictor

RULES: list[tuple[str, dict[str, Any]]] = [
    *((rule, {}) for rule in DECISIONS if rule != "groups"),
    ("groups", {"groups": [[0]], "none": True, "at_least_one": True}),
    *(
        (rule, {"at_least_one": True})
        for rule in (
            "global",
            "per_label",
            "cardinality",
            "mode",
            "expected_jaccard",
            "expected_f1",
        )
    ),
    ("groups", {"groups": [[2, 0]]}),
    ("top_k", {"k": 2}),
    ("calibrated", {"calibration": "isotonic", "rule": "expected_f1", "at_least_one": True}),
    ("calibrated", {"calibration": "temperature", "rule": "fixed"}),
    ("seen", {"maximise": "expected_jaccard", "at_least_one": True}),
    ("seen", {"maximise": "expected_f1", "model": "shares"}),
]
# One head of each kind of scores has every rule.
KINDS = ("sigmoid", "pick_one", "powerset", "label_powerset", "f_measure")
OTHERS = [
    (rule, options) for rule, options in RULES if rule in ("global", "mode", "expected_jaccard")
]


@pytest.fixture
def exporting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the branches that a traced program takes."""
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)


def rules_for(head: str, n_labels: int, n_runs: int) -> Iterator[tuple[str, Predictor]]:
    for rule, options in RULES if head in KINDS else OTHERS:
        # What auto chooses is tested by itself; its choice takes a second.
        if rule == "auto" and (head, n_runs) != ("sigmoid", 2):
            continue
        natural = HEADS[head].natural_threshold(n_labels)
        # Groups that some numbers of labels have.
        if max((max(group) for group in options.get("groups", [])), default=0) >= n_labels:
            continue
        suits = DECISIONS[rule].input_from(HEADS[head].provides()) is not None
        if suits and not (rule == "fixed" and natural is None):
            yield f"{rule} {options}", drawn_predictor(head, rule, options, n_labels, n_runs)


@pytest.mark.parametrize(
    ("n_labels", "n_runs", "heads"),
    [
        (3, 1, list(HEADS)),
        (3, 2, ["sigmoid", "powerset", "f_measure", "chain"]),
        (1, 1, ["sigmoid", "powerset", "label_powerset", "f_measure"]),
        # More labels than a joint lists: label sets of the training, candidates, and a beam.
        (20, 1, ["label_powerset", "chain", "pairwise", "bernoulli_mixture", "rakel"]),
    ],
)
def test_each_rule_decides_as_in_the_predictor(
    n_labels: int, n_runs: int, heads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    features = features_of(30)
    for head in heads:
        n_rules = 0
        for name, predictor in rules_for(head, n_labels, n_runs):
            expected = predictor.scores(features), predictor.predict(features)
            with monkeypatch.context() as patch, torch.no_grad():
                patch.setattr(torch.compiler, "is_exporting", lambda: True)
                module = PortableModel(predictor, rows_of(predictor))
                scores, label_sets = module(torch.as_tensor(features))
            assert label_sets.dtype == torch.bool
            np.testing.assert_array_equal(label_sets, expected[1], err_msg=f"{head} {name}")
            np.testing.assert_allclose(scores, expected[0], atol=1e-6, err_msg=head)
            n_rules += 1
        assert n_rules >= 2, head


def counting_predictor(backbone: str, weighting: str, scale: list[float]) -> Predictor:
    drawn = drawn_predictor("sigmoid")
    cls = BACKBONES[backbone]
    options = BACKBONES.options(backbone, **({"width": 6} if backbone == "embedding_bag" else {}))
    body = cls(len(scale), [options], [0], 3)
    head = HEADS["sigmoid"](body.n_outputs, 3, HEADS.options("sigmoid"), [0])
    scaling = Scaling(np.zeros(len(scale), np.float32), np.array(scale, np.float32), weighting)
    model = Model(body, head).eval()
    return Predictor(model, [scaling], drawn.rule, drawn.label_names)


@pytest.mark.parametrize(
    ("backbone", "weighting"),
    [("linear", "tfidf"), ("linear", "counts"), ("linear", "binary"), ("embedding_bag", "counts")],
)
def test_counts_are_weighted_as_in_the_training(
    backbone: str, weighting: str, exporting: None
) -> None:
    """Dense counts give what sparse ones do; the last row holds nothing, a word is left out."""
    predictor = counting_predictor(backbone, weighting, [1.5, 0, 2, 1, 0.5])
    counts = np.array([[1, 2, 0, 3, 1], [0, 0, 1, 0, 0], [0, 4, 0, 0, 1], [0] * 5], np.float32)
    rows = rows_of(predictor)
    assert (rows.holds, rows.shape) == ("counts", (5,))
    with torch.no_grad():
        scores, _ = PortableModel(predictor, rows)(torch.as_tensor(counts))
    np.testing.assert_allclose(scores, predictor.scores(csr_matrix(counts)), atol=1e-6)


def test_pixels_are_divided_by_255(exporting: None) -> None:
    drawn = drawn_predictor("sigmoid")
    model = Model(BACKBONES["linear"](12, [None], [0], 3), HEADS["sigmoid"](12, 3, None, [0]))
    scaling = Scaling(np.zeros(12, np.float32), np.ones(12, np.float32))
    shape = 3, 2, 2
    predictor = Predictor(
        model.eval(), [scaling], drawn.rule, drawn.label_names, (), shape, "pixels"
    )
    rows = rows_of(predictor)
    images = rows.examples(5, predictor)
    assert (images.dtype, images.shape) == (torch.uint8, (5, *shape))
    with torch.no_grad():
        scores, _ = PortableModel(predictor, rows)(images)
    linear = images.flatten(1) / 255 @ model.head.output.weight[0] + model.head.output.bias[0]
    np.testing.assert_allclose(scores, linear.sigmoid().detach(), atol=1e-6)
    np.testing.assert_allclose(scores, predictor.scores(images.numpy()), atol=1e-6)


def test_columns_that_need_64_bits_get_them(exporting: None) -> None:
    predictor = fine_predictor(n_runs=2)
    rows = rows_of(predictor)
    assert rows.examples(3, predictor).dtype == rows.dtype == torch.float64
    features = features_of() + np.array([1.7e9, 0, 0, 0])
    with torch.no_grad():
        scores, _ = PortableModel(predictor, rows)(torch.as_tensor(features))
    np.testing.assert_allclose(scores, predictor.scores(features), atol=1e-6)
    assert len(np.unique(scores[:, 0])) > 30


def test_a_frozen_network_is_part_of_the_module(tmp_path: Path, exporting: None) -> None:
    """A pretrained one of tokens, with padding."""
    pytest.importorskip("transformers", reason="the extra pretrained is not installed")
    folder = str(text_network(tmp_path / "bert"))
    texts = [f"good {WORDS[i % 7]} {'goal ' * (i % 4)}" for i in range(30)]
    classifier = MultiLabelClassifier(
        backbone="pretrained", decision="global", max_epochs=1, random_state=0,
        backbone_options={"model": folder, "max_length": 6, "frozen": True},
    ).fit(texts, np.array([["oven" in text, "very" in text] for text in texts]))  # fmt: skip
    rows, frozen = rows_of_stage(classifier._stage, (), is_bytes=False)
    assert rows == Rows("tokens", (6,))
    module = PortableModel(classifier.predictor_, rows, frozen)
    tokens = torch.as_tensor(classifier._stage.prepared(texts)).long()
    with torch.no_grad():
        scores, label_sets = module(tokens)
    np.testing.assert_allclose(scores, classifier.predict_proba(texts), atol=1e-6)
    np.testing.assert_array_equal(label_sets, classifier.predict(texts))
    # The check of an export predicts with the frozen network itself.
    scores, label_sets = _expected(classifier.predictor_, tokens, frozen, one_class=False)
    np.testing.assert_array_equal(scores, classifier.predict_proba(texts))
    np.testing.assert_array_equal(label_sets, classifier.predict(texts))
    examples = rows.examples(50, classifier.predictor_, frozen)
    assert (examples.min(), examples.max()) == (-1, len(WORDS) + 4)
    assert (examples[:, 0] >= 0).all()


def test_one_class_is_the_highest_score_among_the_labels_of_the_rule(exporting: None) -> None:
    predictor = drawn_predictor("sigmoid", "fixed", {"threshold": 0.7})
    features = features_of()
    module = PortableModel(predictor, rows_of(predictor), one_class=True)
    with torch.no_grad():
        scores, label_sets = module(torch.as_tensor(features))
    assert (label_sets.sum(dim=-1) == 1).all()
    passed = predictor.predict(features)
    assert not passed.any(axis=1).all()
    for row, candidates, given in zip(scores.tolist(), passed, label_sets, strict=True):
        among = [k for k in range(3) if candidates[k]] or range(3)
        assert given.tolist().index(True) == max(among, key=row.__getitem__)


def test_the_predictor_stays_as_it_is() -> None:
    predictor = drawn_predictor("sigmoid")
    before = next(predictor.model.parameters()).clone()
    module = PortableModel(predictor, rows_of(predictor))
    next(module.backbone.parameters()).zero_()
    assert next(predictor.model.parameters()).equal(before)
    assert next(predictor.model.parameters()).requires_grad
