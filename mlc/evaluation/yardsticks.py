"""Linear models of scikit-learn, tuned as the heads are: what a network must be worth."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from mlc.data.base import Dataset
from mlc.data.cache import remembered, source_version
from mlc.data.preprocessing import fit_scaling
from mlc.data.splits import Split
from mlc.decisions.base import build_decision
from mlc.evaluation.left_out import LEFT_OUT, MOST_VALUES
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.final import decision_metrics

_VERSION = f"{source_version(__file__)} {sklearn.__version__}"

Parts = dict[str, NDArray[np.float64]]


class Yardstick:
    """One-vs-rest, a linear model for each label, by LIBLINEAR (Fan et al. 2008).

    Class attributes:
        strengths: the values of C, of which validation rows choose one for all labels; they are tried
            until one is worse than the one before it.
    """

    name: ClassVar[str]
    strengths: ClassVar[tuple[float, ...]]

    def classifier(self, strength: float) -> Any:
        """Of one label."""
        raise NotImplementedError


class LogisticRegressions(Yardstick):
    """With an L2 penalty."""

    name = "logistic_regression"
    strengths = (0.03, 0.3, 3.0, 30.0, 300.0)

    def classifier(self, strength: float) -> Any:
        """Of one label."""
        return LogisticRegression(C=strength, max_iter=300, solver="liblinear")


class LinearSVMs(Yardstick):
    """With squared hinge loss and an L2 penalty."""

    name = "linear_svm"
    strengths = (0.01, 0.1, 1.0, 10.0)

    def classifier(self, strength: float) -> Any:
        """Of one label."""
        return LinearSVC(C=strength, random_state=0)


YARDSTICKS: tuple[type[Yardstick], ...] = (LogisticRegressions, LinearSVMs)


def judge_yardsticks(
    dataset: Dataset, split: Split, metric: str, fingerprint: str
) -> dict[str, dict[str, float]]:
    """Metrics on the test rows by yardstick, as "test/global/METRIC", and "train/seconds".

    Each is computed once for each data set, split and metric, and then taken from the cache; processes
    that need it at the same moment each compute it.

    Args:
        dataset: the data.
        split: of its rows.
        metric: what C, the threshold and whether at least one label is predicted are to make best on
            the validation rows.
        fingerprint: of the data set as it was loaded.

    Returns:
        By name; LEFT_OUT alone where the training rows have more than MOST_VALUES values times labels.
    """
    n_values = count_values(dataset, split) * dataset.n_labels
    if n_values > MOST_VALUES:
        return {own.name: {LEFT_OUT: float(n_values)} for own in YARDSTICKS}
    rows = [split.parts()[part].tobytes() for part in ("train", "val", "test")]
    limits = dataset.vocabulary
    chosen = None if limits is None else (limits.min_df, limits.max_df, limits.max_features)
    settings = f"{fingerprint} {metric} {dataset.weighting} {chosen}"

    def compute() -> dict[str, NDArray[Any]]:
        found = {own.name: _judge(own(), dataset, split, metric) for own in YARDSTICKS}
        names = list(found[YARDSTICKS[0].name])
        values = {name: np.array([own[key] for key in names]) for name, own in found.items()}
        return {"names": np.array(names, dtype=np.str_), **values}

    stored = remembered(_VERSION, [settings.encode(), *rows], compute)
    names = stored["names"].tolist()
    return {
        own.name: dict(zip(names, stored[own.name].tolist(), strict=True)) for own in YARDSTICKS
    }


def count_values(dataset: Dataset, split: Split) -> int:
    """Of the training rows: all where they are dense, those that are stored where they are sparse."""
    features: Any = dataset.features
    if issparse(features):
        return int(np.diff(features.indptr)[split.train].sum())
    return len(split.train) * dataset.n_features


def network_features(dataset: Dataset, split: Split) -> dict[str, Any]:
    """The features that networks see, by part of the split: (N, D), dense or sparse."""
    scaling = fit_scaling(dataset, split.train)
    return {part: scaling.apply(dataset.features[rows]) for part, rows in split.parts().items()}


def fit_scores(
    yardstick: Yardstick, features: Mapping[str, Any], targets: NDArray[np.bool_], strength: float
) -> Parts:
    """The logistic function of the decisions, (N, K) for "val" and "test".

    A label that is constant in training keeps its value.

    Args:
        yardstick: the kind of model.
        features: `network_features`.
        targets: of the training rows, (N, K).
        strength: the value of C.
    """
    n_labels = targets.shape[1]
    scores = {p: np.zeros((features[p].shape[0], n_labels)) for p in ("val", "test")}
    with warnings.catch_warnings():
        # The number of iterations is a bound on time.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for label, target in enumerate(targets.T):
            constant = target.all() or not target.any()
            if not constant:
                model = yardstick.classifier(strength).fit(features["train"], target)
            for part, own in scores.items():
                own[:, label] = (
                    target[0] if constant else expit(model.decision_function(features[part]))
                )
    return scores


def decide(
    scores: Mapping[str, NDArray[np.float64]], targets: NDArray[np.bool_], metric: str
) -> tuple[float, NDArray[np.bool_]]:
    """The best value on the validation rows, and the test rows' label sets: (N, K).

    One threshold for all labels, with at least one label in each row where that is better.
    """
    judge = COUNT_METRICS[metric]
    actual = torch.as_tensor(targets)
    best: tuple[float, NDArray[np.bool_]] | None = None
    for at_least_one in (False, True):
        rule = build_decision("global", metric=metric, at_least_one=at_least_one)
        rule.fit(scores["val"], actual)
        value = float(judge(rule.decide(scores["val"]), actual))
        if best is None or ((value > best[0]) == judge.higher_is_better and value != best[0]):
            best = value, rule.decide(scores["test"]).numpy()
    assert best is not None
    return best


def _judge(yardstick: Yardstick, dataset: Dataset, split: Split, metric: str) -> dict[str, float]:
    started = time.perf_counter()
    best: tuple[float, NDArray[np.bool_]] | None = None
    features, trained_on = network_features(dataset, split), dataset.targets[split.train]
    for strength in yardstick.strengths:
        scores = fit_scores(yardstick, features, trained_on, strength)
        value, decided = decide(scores, dataset.targets[split.val], metric)
        higher = COUNT_METRICS[metric].higher_is_better
        if best is None or (value > best[0] if higher else value < best[0]):
            best, chosen = (value, decided), strength
        elif value != best[0]:
            break
    assert best is not None
    values = decision_metrics(best[1], dataset.targets[split.test])
    return {
        **{f"test/global/{name}": own for name, own in values.items()},
        "C": chosen,
        "train/seconds": time.perf_counter() - started,
    }
