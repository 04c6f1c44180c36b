"""A search chooses by metrics of the validation rows alone."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.config.errors import ConfigError
from mlc.metrics.at_top import inverse_propensities
from mlc.metrics.final import decision_metrics, ranking_metrics
from mlc.search.metrics import higher_is_better, needs_rule, validation_metrics
from mlc.search.options import SearchOptions


def test_every_metric_has_its_direction() -> None:
    """Perfect scores and decisions are better than reversed ones, in the stated direction."""
    targets = np.random.default_rng(0).random((50, 7)) < 0.4
    perfect = np.where(targets, 0.99, 0.01)
    values = [
        {
            **decision_metrics(s > 0.5, targets),
            **ranking_metrics(s, targets, inverse_propensities(targets)),
        }
        for s in (perfect, 1 - perfect)
    ]
    for name in set(validation_metrics()) - {"loss", "nll"}:
        assert (values[0][name] > values[1][name]) == higher_is_better(name), name
    described = {"cardinality_predicted", "average_precision_labels", "roc_auc_labels"}
    assert set(values[0]) - described == set(validation_metrics()) - {"loss", "nll"}


def test_losses_are_better_the_lower() -> None:
    assert not higher_is_better("loss")
    assert not higher_is_better("nll")
    assert needs_rule("f1_macro")
    assert not needs_rule("lrap")


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ("test/jaccard_samples", "would choose by the test rows"),
        ("test/global/f1_macro", "would choose by the test rows"),
        ("test_jaccard_samples", "would choose by the test rows"),
        ("jaccard_sample", "did you mean jaccard_samples"),
        ("val/jaccard_samples", "is not a metric of the validation rows"),
        ("cardinality_predicted", "is not a metric of the validation rows"),
        ("regret_jaccard_samples", "is not a metric of the validation rows"),
    ],
)
def test_other_metrics_are_refused(metric: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        SearchOptions(metric=metric).validate("hydra.sweeper.")
    assert str(caught.value).startswith(f"hydra.sweeper.metric={metric} ")
