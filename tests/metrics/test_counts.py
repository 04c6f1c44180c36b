"""Count metrics against scikit-learn, with the conventions of `mlc.metrics.counts`."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn import metrics

from mlc.config.errors import ConfigError
from mlc.metrics.counts import COUNT_METRICS, CountMetric, Formula, require_separate
from mlc.metrics.final import decision_metrics, decision_metrics_of_runs
from tests.cases import label_matrices
from tests.exact import NAMES

CASES = label_matrices()


def by_scikit_learn(name: str, decisions: torch.Tensor, targets: torch.Tensor) -> float:
    """scikit-learn's function, with the conventions of `mlc.metrics.counts`."""
    if name == "subset_accuracy":
        return float((decisions == targets).all(dim=1).double().mean())
    if name == "hamming_loss":
        return float((decisions != targets).double().mean())
    measure, average = name.rsplit("_", 1)
    function = {
        "jaccard": metrics.jaccard_score,
        "f1": metrics.f1_score,
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
    }[measure]
    # A second, empty column keeps one label from being read as a binary problem.
    actual, predicted = (
        np.hstack([matrix.numpy(), np.zeros((len(matrix), 1))]).astype(int)
        for matrix in (targets, decisions)
    )
    labels = list(range(targets.shape[1]))
    value = function(actual, predicted, labels=labels, average=average, zero_division=0)
    if average == "samples":
        return float(value + (~(decisions | targets).any(dim=1)).double().mean())
    if average == "micro" and not (decisions | targets).any():
        return 1.0
    return float(value)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_scikit_learn(name: str, case: str) -> None:
    targets = CASES[case]
    for decisions in (
        targets,
        ~targets,
        torch.zeros_like(targets),
        torch.rand(targets.shape) < 0.5,
    ):
        expected = by_scikit_learn(name, decisions, targets)
        final = decision_metrics(decisions.numpy(), targets.numpy())[name]
        assert final == pytest.approx(expected, abs=1e-12)
        assert float(COUNT_METRICS[name](decisions, targets)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("at_once", [1, 40, 10**6])
@pytest.mark.parametrize("has_known", [False, True])
def test_runs_have_the_metrics_that_each_has_alone(
    at_once: int, has_known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlc.metrics.final._AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    decided, actual, known = (rng.random((5, 4, 3)) < 0.6 for _ in range(3))
    masks = list(known) if has_known else [None] * 5
    runs = list(zip(decided, actual, masks, strict=True))
    values = list(decision_metrics_of_runs(iter(runs)))
    assert values == [decision_metrics(*run) for run in runs]
    assert all(type(value) is float for run in values for value in run.values())


def test_decisions_of_a_few_runs_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlc.metrics.final._AT_ONCE", 3 * 12)
    decided = np.zeros((4, 3), dtype=bool)
    taken: list[int] = []
    values = decision_metrics_of_runs(
        (taken.append(run) or decided, decided, None) for run in range(7)
    )
    assert len([next(values) for _ in range(3)]) == len(taken) == 3
    assert len([next(values), *values]) == 4
    assert len(taken) == 7
    assert list(decision_metrics_of_runs([])) == []


def test_two_empty_sets_agree_perfectly() -> None:
    nothing = np.zeros((2, 3), dtype=bool)
    values = decision_metrics(nothing, nothing)
    for average in ("samples", "micro"):
        for name in ("jaccard", "f1", "precision", "recall"):
            assert values[f"{name}_{average}"] == 1
    assert values["jaccard_macro"] == values["f1_macro"] == 0


def test_worked_numbers() -> None:
    targets = np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1]], dtype=bool)
    decisions = np.array([[1, 0, 0], [0, 0, 0], [1, 1, 1]], dtype=bool)
    values = decision_metrics(decisions, targets)
    assert values["jaccard_samples"] == pytest.approx((1 / 2 + 1 + 2 / 3) / 3)
    assert values["f1_samples"] == pytest.approx((2 / 3 + 1 + 4 / 5) / 3)
    assert values["subset_accuracy"] == pytest.approx(1 / 3)
    assert values["hamming_loss"] == pytest.approx(2 / 9)
    assert values["jaccard_micro"] == pytest.approx(3 / 5)
    assert values["f1_macro"] == pytest.approx((2 / 3 + 2 / 3 + 1) / 3)
    assert values["cardinality_predicted"] == pytest.approx(4 / 3)


def test_each_metric_is_that_of_each_run_alone() -> None:
    require_separate()


@pytest.mark.parametrize(
    "formula",
    [
        lambda true, predicted, actual, n, empty: true * actual / actual.sum(),
        lambda true, predicted, actual, n, empty: true / len(actual),
        lambda true, predicted, actual, n, empty: (true / n).min(),
        lambda true, predicted, actual, n, empty: (true / n).min(dim=-1).values,
    ],
)
def test_a_metric_that_mixes_runs_is_refused(
    formula: Formula, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {**COUNT_METRICS, "own_macro": CountMetric(partial(formula, empty=0.0), "macro")}
    monkeypatch.setattr("mlc.metrics.counts.COUNT_METRICS", own)
    with pytest.raises(ConfigError, match=r"'own_macro' has other values .* dim=-1, keepdim=True"):
        require_separate()
