"""The inputs of decision rules: each part is computed once, and the mode is the head's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mlc.decisions.base import build_decision
from mlc.evaluation.predictor import averaged
from mlc.heads import listed
from mlc.heads.base import HEADS, JointHead, KnownLabels
from mlc.heads.label_sets import all_label_sets
from mlc.heads.plain import PlainHead, build_head
from mlc.heads.prediction import Prediction

JOINT = [name for name in HEADS if issubclass(HEADS[name], JointHead)]


def chain(n_labels: int, **options: int) -> tuple[PlainHead, Tensor]:
    """A chain with strong links and few observed label sets, and outputs of ten samples."""
    draw = torch.Generator().manual_seed(2)
    targets = torch.rand(8, n_labels, generator=draw) < 0.4
    head = build_head("chain", n_features=3, n_labels=n_labels, targets=targets, **options).double()
    links = head.head.links
    links.data = 3 * torch.randn(links.shape, generator=draw, dtype=torch.float64)
    return head, torch.randn(10, head.head.n_outputs, generator=draw, dtype=torch.float64)


def likelihoods(head: PlainHead, outputs: Tensor, label_sets: Tensor) -> Tensor:
    """Log-probability of each label set (M, K) for each sample: (N, M)."""
    with torch.no_grad():
        log_p = [head.log_likelihood(outputs, one.expand(len(outputs), -1)) for one in label_sets]
    return torch.stack(log_p, dim=1)


@pytest.mark.parametrize("n_chains", [1, 2])
def test_a_wide_beam_decides_as_an_exhaustive_search(
    monkeypatch: pytest.MonkeyPatch, n_chains: int
) -> None:
    monkeypatch.setattr(listed, "MOST_LABELS", 3)
    head, outputs = chain(5, n_chains=n_chains, beam=32)
    every = all_label_sets(5)
    best = every[likelihoods(head, outputs, every).argmax(dim=1)]
    assert len(head.label_sets) < len(every)
    assert torch.equal(build_decision("mode").decide(head.predict(outputs)), best)


def test_a_listed_label_set_replaces_a_less_probable_one_of_the_beam() -> None:
    targets = torch.stack([torch.zeros(20), torch.ones(20)]).bool()
    head = build_head("chain", n_features=3, n_labels=20, targets=targets, beam=1).double()
    # The first label is the less likely, and with it all others are all but certain.
    head.head.links.data[..., 0, 1:] = 10
    outputs = torch.zeros(1, 20, dtype=torch.float64)
    outputs[0, 0] = -0.1
    assert build_decision("mode").decide(head.predict(outputs)).all()
    assert head.mode(outputs).all()


@pytest.mark.parametrize("name", JOINT)
def test_plain_arguments_decide_the_same_if_every_label_set_is_listed(name: str) -> None:
    head = build_head(name, n_features=3, n_labels=4, targets=all_label_sets(4)).double()
    outputs = head(torch.randn(9, 3, dtype=torch.float64))
    for rule in ("mode", "expected_jaccard", "expected_f1"):
        plain = build_decision(rule).decide(
            log_joint=head.log_joint(outputs), label_sets=head.label_sets
        )
        assert torch.equal(build_decision(rule).decide(head.predict(outputs)), plain)
    assert torch.equal(head.predict(outputs).mode, head.mode(outputs))


def test_each_part_is_computed_once_and_only_on_use() -> None:
    asked: list[str] = []

    def scores(_: Prediction) -> Tensor:
        asked.append("scores")
        return torch.rand(2, 5, 3)

    def cardinality(prediction: Prediction) -> Tensor:
        asked.append("cardinality")
        return prediction.scores.sum(dim=-1)

    prediction = Prediction(scores, cardinality=cardinality)
    first, second = prediction.of_run(0), prediction.of_run(1)
    assert asked == []
    for _ in range(2):
        assert torch.equal(first.cardinality, first.scores.sum(dim=-1))
        assert torch.equal(second.scores, prediction.scores[1])
    assert sorted(asked) == ["cardinality", "scores"]
    other = prediction.with_scores(torch.ones(2, 5, 3))
    assert torch.equal(other.cardinality, torch.full((2, 5), 3.0))


@pytest.mark.parametrize("name", JOINT)
def test_a_joint_head_computes_its_joint_once_for_all_that_is_asked(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    targets = all_label_sets(4)
    known = KnownLabels(targets, torch.arange(16).expand(2, -1))
    head = HEADS[name](3, 4, HEADS.options(name), [0, 1], known).double()
    outputs = head(torch.randn(2, 9, 3, dtype=torch.float64))
    expected, calls, computed = head.log_joint(outputs), [], head.log_joint

    def counted(outputs: Tensor) -> Tensor:
        calls.append(1)
        return computed(outputs)

    monkeypatch.setattr(head, "log_joint", counted)
    shares = torch.full((2, 9), 0.5, dtype=torch.float64)
    whole, mean = head.predict(outputs), averaged(head, outputs, shares)
    assert not calls
    for prediction in (whole.of_run(0), whole.of_run(1), whole):
        for rule in ("mode", "expected_jaccard", "fixed"):
            build_decision(rule).decide(prediction)
    assert len(calls) == 1
    for rule in ("mode", "expected_jaccard", "fixed"):
        build_decision(rule).decide(mean)
    assert len(calls) == 2
    torch.testing.assert_close(mean.log_joint.exp(), expected.exp().mean(dim=0))


@pytest.mark.parametrize("name", HEADS)
def test_the_likelihood_of_a_run_is_that_of_the_head(name: str) -> None:
    targets = torch.rand(2, 9, 4, generator=torch.Generator().manual_seed(3)) < 0.4
    known = KnownLabels(targets[0], torch.stack([torch.arange(9), torch.arange(9).flip(0)]))
    head = HEADS[name](3, 4, HEADS.options(name), [0, 1], known).double()
    outputs = head(torch.randn(2, 9, 3, dtype=torch.float64))
    whole = head.predict(outputs)
    expected = head.log_likelihood(outputs, targets.double())
    found = [
        whole.log_likelihood(targets),
        *(whole.of_run(r).log_likelihood(targets[r]) for r in (0, 1)),
    ]
    if expected is None:
        assert found == [None, None, None]
    else:
        for value, right in zip(found, [expected, *expected], strict=True):
            assert torch.equal(value, right)


def test_marginals_sum_to_the_expected_cardinality() -> None:
    marginals = torch.rand(5, 3, dtype=torch.float64)
    prediction = Prediction.of_marginals(marginals)
    assert torch.equal(prediction.scores, marginals)
    assert torch.equal(prediction.cardinality, marginals.sum(dim=-1))
    assert prediction.label_sets is None
    assert not prediction.has_joint
    assert prediction.log_likelihood(marginals > 0.5) is None
