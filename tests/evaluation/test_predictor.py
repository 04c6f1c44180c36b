"""What several runs decide together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csc_matrix, csr_matrix
from torch import Tensor

from mlc import MultiLabelClassifier
from mlc.config.errors import DataError
from mlc.decisions.base import build_decision
from mlc.evaluation.predictor import Predictor
from mlc.heads.base import JointHead
from tests.chains import Case, make_case

VOTES = {
    "all": None,
    "some": np.array([[True, False, True], [True, True, False], [False, True, True]]).repeat(5, 1),
}


def predicted(case: Case, voters: np.ndarray | None = None) -> Tensor:
    predictor = Predictor(
        case.model, case.scalings, build_decision("mode"), case.dataset.label_names
    )
    features = case.dataset.features[case.splits[0].test]
    return torch.as_tensor(predictor.predict(features, voters))


def mean_likelihood(case: Case, label_sets: Tensor, voters: np.ndarray | None) -> Tensor:
    """The voting runs' mean probability of label sets (N, K): (N,)."""
    outputs = case.outputs("test")
    own = label_sets.double().expand(len(outputs), -1, -1)
    with torch.no_grad():
        log_p = case.model.head.log_likelihood(outputs, own)
    assert log_p is not None
    weights = torch.ones(log_p.shape) if voters is None else torch.as_tensor(voters).double()
    return (log_p.exp() * weights).sum(dim=0) / weights.sum(dim=0)


@pytest.mark.parametrize("votes", VOTES)
@pytest.mark.parametrize("trained", [True, False])
def test_the_mode_of_several_chains_is_no_less_probable_than_any_candidate(
    votes: str, trained: bool
) -> None:
    voters = VOTES[votes]
    case = make_case(20, n_runs=3, trained=trained)
    value = mean_likelihood(case, predicted(case, voters), voters)
    head = case.model.head
    assert isinstance(head, JointHead)
    seen = torch.as_tensor(case.dataset.targets[case.splits[0].train]).unique(dim=0)
    for candidate in [*head.mode(case.outputs("test")), *(row.expand(15, -1) for row in seen)]:
        assert (value >= mean_likelihood(case, candidate, voters) * (1 - 1e-12)).all()


def test_one_chain_predicts_its_own_mode() -> None:
    case = make_case(20, n_runs=1)
    head = case.model.head
    assert isinstance(head, JointHead)
    assert torch.equal(predicted(case), head.mode(case.outputs("test"))[0])


@pytest.mark.parametrize("votes", VOTES)
@pytest.mark.parametrize("head", ["chain", "powerset", "pairwise", "bernoulli_mixture"])
def test_with_few_labels_the_mode_is_that_of_the_mean_joint(head: str, votes: str) -> None:
    voters, case = VOTES[votes], make_case(5, head=head, n_runs=3)
    every = torch.cartesian_prod(*[torch.tensor([False, True])] * 5)
    values = [mean_likelihood(case, one.expand(15, -1), voters) for one in every]
    assert torch.equal(predicted(case, voters), every[torch.stack(values).argmax(dim=0)])


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e39])
@pytest.mark.parametrize("form", [np.asarray, csr_matrix])
def test_features_that_32_bits_cannot_hold_are_refused_by_row(
    value: float, form: Callable[[np.ndarray], Any]
) -> None:
    case = make_case(3, head="sigmoid")
    predictor = Predictor(
        case.model, case.scalings, build_decision("fixed"), case.dataset.label_names, tuple("vwxyz")
    )
    features = case.dataset.features.astype(np.float64)
    features[4, 2] = value
    for ask in (predictor.scores, predictor.predict):
        with pytest.raises(DataError, match=r"The feature 'x' is infinite.* in row 5"):
            ask(form(features))


@pytest.mark.parametrize("form", [csr_matrix, csc_matrix])
def test_sparse_rows_are_centred_as_the_dense_rows_of_the_training(
    form: Callable[[np.ndarray], Any],
) -> None:
    rng = np.random.default_rng(0)
    features = rng.poisson(3, size=(200, 4)) * np.array([1, 10, 0.1, 5])
    targets = features[:, :2] > [3, 30]
    fitted = MultiLabelClassifier(max_epochs=5, random_state=0).fit(features, targets)
    expected = fitted.predict_proba(features)
    assert np.allclose(fitted.predict_proba(form(features)), expected, atol=1e-6)
    # A missing value in a sparse row is the mean, as in a dense one.
    features[3, 1] = np.nan
    predictor = fitted.predictor_
    assert np.allclose(predictor.scores(form(features)), predictor.scores(features), atol=1e-6)


@pytest.mark.parametrize("head", ["sigmoid", "pick_one", "chain"])
def test_features_that_the_model_cannot_bear_are_refused_by_row(head: str) -> None:
    """Finite features whose products with the weights are not: no scores of NaN."""
    case = make_case(3, head=head)
    model = case.model.float()
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.mul_(100)
    predictor = Predictor(model, case.scalings, build_decision("fixed"), case.dataset.label_names)
    features = case.dataset.features.copy()
    assert np.isfinite(predictor.scores(features)).all()
    features[4] = 3e38
    with pytest.raises(DataError, match="row 5 are so large"):
        predictor.scores(features)


def test_the_estimator_warns_of_columns_in_another_unit_once_for_the_same_rows(
    caplog: pytest.LogCaptureFixture,
) -> None:
    features = np.random.default_rng(0).normal(20, 4, (60, 3))
    fitted = MultiLabelClassifier(max_epochs=1, random_state=0).fit(features, features[:, :2] > 20)
    fitted.predict(features)
    assert not caplog.records
    features[:, 1] *= 1000
    fitted.predict(features)
    fitted.predict_proba(features)
    (record,) = caplog.records
    assert "'1' has values such as" in record.getMessage()
