"""The linear models against scikit-learn's own pipelines, and thresholds against a loop."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    coverage_error,
    hamming_loss,
    jaccard_score,
    label_ranking_average_precision_score,
    roc_auc_score,
)
from sklearn.metrics import log_loss as sklearn_log_loss
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from mlc.data.base import Dataset
from mlc.data.splits import Split
from mlc.evaluation import yardsticks
from mlc.evaluation.linear_models import LinearSVMs, LogisticRegressions, fit_scores
from mlc.evaluation.yardsticks import (
    StrengthSearch,
    decide,
    fit_splits,
    judge_yardsticks,
    log_loss,
    network_features,
    tune_together,
)
from mlc.metrics.final import ranking_metrics

N, K = 120, 4
SPLIT = Split(np.arange(70), np.arange(70, 95), np.arange(95, N))


def counts() -> Dataset:
    """The last label is positive in every training row, the one before it in none."""
    rng = np.random.default_rng(0)
    features = rng.poisson(0.8, (N, 6)).astype(np.float32)
    targets = features[:, :K] + rng.normal(0, 0.5, (N, K)) > 1
    targets[:70, 2], targets[:70, 3] = False, True
    return Dataset(
        name="counts",
        features=csr_matrix(features),
        targets=targets,
        feature_names=tuple("abcdef"),
        label_names=tuple("wxyz"),
        numeric=np.ones(6, dtype=bool),
        weighting="tfidf",
    )


@pytest.mark.parametrize(
    ("yardstick", "model"),
    [
        (
            LogisticRegressions(),
            LogisticRegression(C=3.0, solver="liblinear", max_iter=300, intercept_scaling=10),
        ),
        (LinearSVMs(), LinearSVC(C=3.0, random_state=0, intercept_scaling=10)),
    ],
)
def test_scores_order_rows_as_scikit_learns_one_vs_rest_on_tfidf(
    yardstick: Any, model: Any
) -> None:
    data = counts()
    tfidf = TfidfTransformer(sublinear_tf=True)
    train = tfidf.fit_transform(data.features[SPLIT.train])
    own = OneVsRestClassifier(model).fit(train, data.targets[SPLIT.train, :2])
    expected = own.decision_function(tfidf.transform(data.features[SPLIT.test]))
    scores = fit_scores(yardstick, network_features(data, SPLIT), data.targets[SPLIT.train], 3.0)[
        "test"
    ]
    logits = np.log(scores[:, :2] / (1 - scores[:, :2]))
    np.testing.assert_allclose(logits, expected, atol=2e-4)
    assert (scores[:, 2:] == [0, 1]).all()


@pytest.mark.parametrize("strength", [0.003, 3.0])
def test_the_penalty_of_the_intercepts_is_negligible(strength: float) -> None:
    """scikit-learn's solver "lbfgs" leaves them out of the penalty."""
    data = counts()
    features = network_features(data, SPLIT)
    targets = data.targets[SPLIT.train]
    scores = fit_scores(LogisticRegressions(), features, targets, strength)["test"]
    for label in range(2):
        model = LogisticRegression(C=strength).fit(features["train"], targets[:, label])
        expected = model.predict_proba(features["test"])[:, 1]
        np.testing.assert_allclose(scores[:, label], expected, atol=0.02)


def test_the_search_ends_after_two_values_without_progress() -> None:
    search = StrengthSearch("jaccard_samples")
    path = [(0.5, 9.0), (0.4, 8.0), (0.3, 7.0), (0.2, 6.0), (0.6, 7.0), (0.5, 8.0), (0.5, 9.0)]
    assert [search.is_best(*own) for own in path[:6]] == [True, False, False, False, True, False]
    assert not search.is_over
    assert not search.is_best(*path[6])
    assert search.is_over
    losses = StrengthSearch("hamming_loss")
    assert [losses.is_best(value, 1.0) for value in (0.3, 0.2, 0.25)] == [True, True, False]


def test_the_log_loss_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    scores, targets = rng.random((30, 2)), rng.random((30, 2)) < 0.4
    expected = sklearn_log_loss(targets.ravel(), scores.ravel())
    assert log_loss(scores, targets) == pytest.approx(expected, rel=1e-12)
    assert np.isfinite(log_loss(np.zeros((1, 1)), np.ones((1, 1), dtype=bool)))


class Listed(LinearSVMs):
    """Scores that are right in a growing share of the validation rows, then in a falling one."""

    strengths = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)


def test_the_search_of_C_goes_on_after_one_worse_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, tried = counts(), []
    qualities = dict(zip(Listed.strengths, (3, 5, 4, 9, 8, 14, 13, 12), strict=True))

    def listed(_: Any, __: Any, ___: Any, strength: float, *____: Any) -> dict[str, np.ndarray]:
        tried.append(strength)
        targets = {p: data.targets[rows].astype(float) for p, rows in SPLIT.parts().items()}
        targets["val"][qualities[strength] :] = 1 - targets["val"][qualities[strength] :]
        return targets

    monkeypatch.setattr(yardsticks, "fit_scores", listed)
    monkeypatch.setattr(yardsticks, "YARDSTICKS", (Listed,))
    judged = judge_yardsticks(data, SPLIT, "jaccard_samples", "listed")["linear_svm"]
    assert judged["C"] == 6
    assert tried == list(Listed.strengths)


@pytest.mark.parametrize("metric", ["jaccard_samples", "hamming_loss"])
@pytest.mark.parametrize("one_each", [False, True])
def test_the_threshold_and_at_least_one_label_are_the_best_of_a_loop(
    metric: str, one_each: bool
) -> None:
    """With one label in each row, of scores on a scale of the row's own, at least one is better."""
    rng = np.random.default_rng(1)
    scores = {part: rng.random((25, K)) for part in ("val", "test")}
    targets = rng.random((25, K)) < scores["val"] ** 2
    if one_each:
        targets = scores["val"] == scores["val"].max(axis=1, keepdims=True)
        scores = {part: own * rng.random((25, 1)) for part, own in scores.items()}

    def value(decided: np.ndarray) -> float:
        if metric == "hamming_loss":
            return -float(hamming_loss(targets, decided))
        return float(jaccard_score(targets, decided, average="samples", zero_division=1))

    best = -np.inf
    for threshold in (*scores["val"].ravel(), 1.5):
        decided = scores["val"] >= threshold
        at_least = decided.copy()
        for row in np.flatnonzero(~decided.any(axis=1)):
            at_least[row, scores["val"][row].argmax()] = True
        best = max(best, value(decided), value(at_least))
    found, decided = decide(scores, targets, metric)
    assert abs(found) == pytest.approx(abs(best), abs=1e-12)
    assert decided.any(axis=1).all() or not one_each


def test_they_are_computed_once_and_left_out_where_they_are_too_large(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = counts()
    found = judge_yardsticks(data, SPLIT, "jaccard_samples", "print")
    assert list(found) == ["logistic_regression", "linear_svm"]
    assert {"test/global/jaccard_samples", "train/seconds"} < found["linear_svm"].keys()
    with monkeypatch.context() as patched:
        patched.setattr(yardsticks, "fit_scores", None)
        assert judge_yardsticks(data, SPLIT, "jaccard_samples", "print") == found
    monkeypatch.setattr(yardsticks, "MOST_VALUES", 10)
    n_values = int((data.features.toarray()[SPLIT.train] != 0).sum()) * K
    assert judge_yardsticks(data, SPLIT, "jaccard_samples", "other")["linear_svm"] == {
        "train/values": n_values
    }


def test_metrics_of_scores_are_scikit_learns_on_the_decision_values() -> None:
    targets = counts().targets[:, :2]
    data = dataclasses.replace(counts(), targets=targets, label_names=("a", "b"))
    features, actual = network_features(data, SPLIT), data.targets[SPLIT.test]
    judged = judge_yardsticks(data, SPLIT, "jaccard_samples", "ranked")
    for kind in yardsticks.YARDSTICKS:
        values = judged[kind.name]
        model = OneVsRestClassifier(kind().classifier(values["C"]))
        model.fit(features["train"], data.targets[SPLIT.train])
        ranked = model.decision_function(features["test"])
        assert values["test/lrap"] == pytest.approx(
            label_ranking_average_precision_score(actual, ranked)
        )
        assert values["test/coverage_error"] == pytest.approx(coverage_error(actual, ranked))
        assert values["test/roc_auc_macro"] == pytest.approx(
            roc_auc_score(actual, ranked, average="macro")
        )
    brier = np.mean((model_probabilities(data, judged) - actual) ** 2)
    assert judged["logistic_regression"]["test/brier"] == pytest.approx(brier)
    # The sigmoid of an SVM's decision value is no probability.
    assert not {"test/brier", "test/ece"} & judged["linear_svm"].keys()


def model_probabilities(data: Dataset, judged: dict[str, dict[str, float]]) -> np.ndarray:
    """P(y_k = 1 | x) of scikit-learn's logistic regressions on the test rows."""
    features = network_features(data, SPLIT)
    strength = judged["logistic_regression"]["C"]
    model = OneVsRestClassifier(LogisticRegressions().classifier(strength))
    model.fit(features["train"], data.targets[SPLIT.train])
    return np.asarray(model.predict_proba(features["test"]))


def test_processes_fit_the_same_scores() -> None:
    """The SVM of few rows and many columns is fitted by random steps."""
    data = counts()
    features, targets = network_features(data, SPLIT), data.targets[SPLIT.train]
    alone, together = (fit_scores(LinearSVMs(), features, targets, 1.0, n) for n in (1, 2))
    for part, scores in alone.items():
        np.testing.assert_array_equal(scores, together[part])


def test_further_splits_are_fitted_with_the_chosen_C() -> None:
    data = counts()
    other = Split(SPLIT.train[::-1][:-3], SPLIT.val, SPLIT.test)
    tuned = tune_together(LogisticRegressions(), data, [SPLIT], "jaccard_samples")
    first, second, again = fit_splits(LogisticRegressions(), data, [SPLIT, other, SPLIT], tuned)
    assert first is tuned.scores[0]
    assert again is first
    targets = data.targets[other.train]
    expected = fit_scores(
        LogisticRegressions(), network_features(data, other), targets, tuned.strength
    )
    np.testing.assert_array_equal(second["test"], expected["test"])


def test_one_label_without_a_positive() -> None:
    data = dataclasses.replace(counts(), targets=np.zeros((N, 1), dtype=bool), label_names=("w",))
    found = judge_yardsticks(data, SPLIT, "jaccard_samples", "one")
    assert found["linear_svm"]["test/global/jaccard_samples"] == 1


def test_missing_labels_do_not_exist_for_linear_models() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(90, 3)).astype(np.float32)
    targets, known = features + rng.normal(size=(90, 3)) > 0, rng.random((90, 3)) < 0.6
    split = Split(np.arange(50), np.arange(50, 70), np.arange(70, 90))
    parts = {part: features[rows] for part, rows in split.parts().items()}
    marks = known[split.train]
    both = [
        fit_scores(LogisticRegressions(), parts, y[split.train], 1.0, known=marks)
        for y in (targets, np.where(known, targets, ~targets))
    ]
    for label in range(3):
        rows = marks[:, label]
        model = LogisticRegressions().classifier(1.0)
        model.fit(parts["train"][rows], targets[split.train][rows, label])
        expected = model.predict_proba(parts["test"])[:, 1]
        for scores in both:
            np.testing.assert_allclose(scores["test"][:, label], expected, atol=1e-12)
    never = np.zeros_like(marks)
    nothing = fit_scores(LogisticRegressions(), parts, targets[split.train], 1.0, known=never)
    assert (nothing["val"] == 0).all()
    data = Dataset(
        "made", features, targets & known, tuple("xyz"), tuple("abc"), np.ones(3, bool), known=known
    )
    judged = judge_yardsticks(data, split, "jaccard_samples", "missing")["logistic_regression"]
    tuned = tune_together(LogisticRegressions(), data, [split], "jaccard_samples")
    # Whatever the unknown labels are.
    actual, marks = np.where(known, targets, ~targets)[split.test], known[split.test]
    expected = ranking_metrics(tuned.scores[0]["test"], actual, None, marks)
    assert judged["test/lrap"] == expected["lrap"]
    assert judged["test/roc_auc_macro"] == expected["roc_auc_macro"]
