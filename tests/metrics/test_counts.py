"""Count metrics against scikit-learn, with the conventions of `mlc.metrics.final`."""

import numpy as np
import pytest
import torch

from mlc.metrics import COUNT_METRICS, decision_metrics
from tests.cases import label_matrices

CASES = label_matrices()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", COUNT_METRICS)
def test_agrees_with_scikit_learn(name: str, case: str) -> None:
    targets = CASES[case]
    for decisions in (
        targets,
        ~targets,
        torch.zeros_like(targets),
        torch.rand(targets.shape) < 0.5,
    ):
        expected = decision_metrics(decisions.numpy(), targets.numpy())[name]
        assert float(COUNT_METRICS[name](decisions, targets)) == pytest.approx(expected, abs=1e-12)


def test_two_empty_sets_agree_perfectly() -> None:
    nothing = np.zeros((2, 3), dtype=bool)
    values = decision_metrics(nothing, nothing)
    for average in ("samples", "micro"):
        for name in ("jaccard", "f1", "precision", "recall"):
            assert values[f"{name}_{average}"] == 1
    assert values["jaccard_macro"] == values["f1_macro"] == 0


def test_by_hand() -> None:
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
