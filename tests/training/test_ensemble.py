"""Networks that are trained one by one form the ensemble that others form side by side."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from mlc.config.errors import ConfigError
from mlc.estimator import MultiLabelClassifier

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5)).astype(np.float32)
Y = X[:, :3] + RNG.normal(size=(120, 3)) > 0.2


@pytest.mark.parametrize("sparse", [False, True])
def test_an_ensemble_of_linear_models_is_the_mean_of_its_members(sparse: bool) -> None:
    features = csr_matrix(np.where(X > 0.5, X, 0)) if sparse else X
    together = MultiLabelClassifier(
        backbone="linear", decision="global", n_seeds=3, random_state=0
    ).fit(features, Y)
    scores = together.predict_proba(features)
    model, scalings = together.predictor_.model, together.predictor_.scalings
    weights, biases = (own.detach().numpy() for own in model.head.output.parameters())
    assert len(np.unique(weights[:, 0, 0])) == 3
    members = []
    for run, scaling in enumerate(scalings):
        outputs = scaling.apply(features) @ weights[run] + biases[run]
        members.append(1 / (1 + np.exp(-outputs)))
    np.testing.assert_allclose(scores, np.mean(members, axis=0), atol=1e-5)
    history = together.history_["val/jaccard_samples"]
    assert history.shape[1] == 3
    for values in history.T:
        # The path ends with each network's last value.
        n_epochs = int(np.isfinite(values).sum())
        assert n_epochs >= 3
        assert np.isnan(values[n_epochs:]).all()


def test_a_rate_for_a_linear_model_needs_an_optimizer_that_has_one() -> None:
    with pytest.raises(ConfigError, match="optimizer 'lbfgs' has no option 'lr'"):
        MultiLabelClassifier(backbone="linear", lr=0.1).fit(X, Y)
    adamw = MultiLabelClassifier(backbone="linear", optimizer="adamw", lr=0.1, max_epochs=2)
    assert np.isfinite(adamw.fit(X, Y).history_["loss/train"]).all()
