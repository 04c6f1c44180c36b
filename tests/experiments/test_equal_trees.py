"""The ensembles of trees, against scikit-learn's own models."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.multioutput import MultiOutputClassifier

from experiments.equal_budgets.baselines import BASELINES
from mlc.decisions.seen import distinct

_ROWS = {"train": 60, "val": 15, "test": 20}


@pytest.fixture(scope="module")
def features() -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {part: generator.normal(size=(n, 4)) for part, n in _ROWS.items()}


@pytest.fixture(scope="module")
def targets(features: dict[str, np.ndarray]) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=(_ROWS["train"], 3))
    return features["train"][:, :3] + 0.5 * noise > 0.3


@pytest.mark.parametrize(
    ("name", "settings", "model"),
    [
        (
            "random_forest_by_label",
            {"max_features": 0.5, "min_samples_leaf": 3},
            RandomForestClassifier(max_features=0.5, min_samples_leaf=3, random_state=7),
        ),
        (
            "gradient_boosting",
            {"learning_rate": 0.3, "min_samples_leaf": 5},
            HistGradientBoostingClassifier(
                learning_rate=0.3, min_samples_leaf=5, early_stopping=False, random_state=7
            ),
        ),
    ],
)
def test_each_label_has_a_model(
    features: dict[str, np.ndarray],
    targets: np.ndarray,
    name: str,
    settings: dict[str, float],
    model: ClassifierMixin,
) -> None:
    predictions = BASELINES[name]().fit(features, targets, settings, 7)
    own = MultiOutputClassifier(model).fit(features["train"], targets)
    for part in ("val", "test"):
        expected = np.stack([each[:, 1] for each in own.predict_proba(features[part])], axis=1)
        np.testing.assert_allclose(predictions[part].scores.numpy(), expected, atol=1e-12)


def test_the_trees_of_one_forest_predict_all_labels(
    features: dict[str, np.ndarray], targets: np.ndarray
) -> None:
    predictions = BASELINES["random_forest"]().fit(features, targets, {}, 7)
    own = RandomForestClassifier(random_state=7).fit(features["train"], targets)
    expected = np.stack([each[:, 1] for each in own.predict_proba(features["test"])], axis=1)
    np.testing.assert_allclose(predictions["test"].scores.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["random_forest_powerset", "gradient_boosting_powerset"])
def test_the_classes_of_a_powerset_are_the_training_sets(
    features: dict[str, np.ndarray], targets: np.ndarray, name: str
) -> None:
    prediction = BASELINES[name]().fit(features, targets, {}, 7)["test"]
    label_sets, index = np.unique(targets, axis=0, return_inverse=True)
    model = (
        RandomForestClassifier(random_state=7)
        if name == "random_forest_powerset"
        else HistGradientBoostingClassifier(early_stopping=False, random_state=7)
    )
    joint = model.fit(features["train"], index.ravel()).predict_proba(features["test"])
    np.testing.assert_allclose(prediction.scores.numpy(), joint @ label_sets, atol=1e-12)
    assert prediction.label_sets is not None
    assert len(distinct(prediction.label_sets)) == len(label_sets)


@pytest.mark.parametrize("name", ["random_forest", "random_forest_by_label", "gradient_boosting"])
def test_a_label_without_a_positive_has_score_0_and_one_without_a_negative_1(
    features: dict[str, np.ndarray], targets: np.ndarray, name: str
) -> None:
    constant = np.column_stack([targets, np.zeros(len(targets), bool), np.ones(len(targets), bool)])
    scores = BASELINES[name]().fit(features, constant, {}, 7)["test"].scores.numpy()
    assert (scores[:, 3] == 0).all()
    assert (scores[:, 4] == 1).all()
    assert scores[:, :3].std() > 0
