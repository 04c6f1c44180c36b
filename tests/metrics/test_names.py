"""Names and directions of the metrics that runs store."""

from __future__ import annotations

import numpy as np
import pytest

from mlc.config.errors import ConfigError
from mlc.metrics.at_top import inverse_propensities
from mlc.metrics.final import decision_metrics, ranking_metrics
from mlc.metrics.names import metric_sign, stored_metrics


def test_every_metric_that_runs_store_is_named_and_has_a_direction() -> None:
    rng = np.random.default_rng(0)
    targets = rng.random((20, 6)) < 0.5
    # Scores that are almost the targets, and scores that are far from them.
    good, bad = (
        np.abs(targets - x) for x in (0.1 * rng.random((20, 6)), 1 - 0.1 * rng.random((20, 6)))
    )
    weights = inverse_propensities(targets)
    values, others = (
        {**decision_metrics(scores >= 0.5, targets), **ranking_metrics(scores, targets, weights)}
        for scores in (good, bad)
    )
    # The negative log-likelihood is the head's own.
    assert {*values, "nll"} == set(stored_metrics())
    for name, value in values.items():
        if metric_sign(name):
            assert metric_sign(name) * (value - others[name]) > 0, name
    assert metric_sign("nll") == -1
    neither = {name for name in values if not metric_sign(name)}
    assert neither == {"cardinality_predicted", "average_precision_labels", "roc_auc_labels"}


def test_an_unknown_metric_has_no_direction() -> None:
    with pytest.raises(ConfigError, match="did you mean f1_macro"):
        metric_sign("f1_macr")
