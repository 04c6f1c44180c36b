"""Linear models of scikit-learn, tuned like the heads, as references for networks."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

# LIBLINEAR penalises the intercept. A hundredth of that penalty is left, for a small C would else pull
# rare and frequent labels towards each other.
_INTERCEPT_SCALING = 10.0
_PATIENCE = 2
# Of a pair of a row and a label.
_LEAST_LIKELIHOOD = 1e-12

Parts = dict[str, NDArray[np.float64]]


class Yardstick:
    """Base class of one-vs-rest linear models, one per label, by LIBLINEAR (Fan et al. 2008).

    Class attributes:
        strengths: the values of C. Validation rows choose one for all labels, by `StrengthSearch`.
    """

    name: ClassVar[str]
    strengths: ClassVar[tuple[float, ...]]

    def classifier(self, strength: float) -> Any:
        """Return the unfitted model of one label."""
        raise NotImplementedError


class LogisticRegressions(Yardstick):
    """Logistic regressions with an L2 penalty."""

    name = "logistic_regression"
    strengths = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)

    def classifier(self, strength: float) -> Any:
        """Return the unfitted model of one label."""
        return LogisticRegression(
            C=strength, max_iter=300, solver="liblinear", intercept_scaling=_INTERCEPT_SCALING
        )


class LinearSVMs(Yardstick):
    """Linear support vector machines with squared hinge loss and an L2 penalty."""

    name = "linear_svm"
    strengths = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)

    def classifier(self, strength: float) -> Any:
        """Return the unfitted model of one label."""
        return LinearSVC(C=strength, random_state=0, intercept_scaling=_INTERCEPT_SCALING)


YARDSTICKS: tuple[type[Yardstick], ...] = (LogisticRegressions, LinearSVMs)


def judge_yardsticks(
    dataset: Dataset, split: Split, metric: str, fingerprint: str
) -> dict[str, dict[str, float]]:
    """Compute the test metrics of each yardstick, as "test/global/METRIC", and "train/seconds".

    The metrics are computed once per data set, split and metric, then read from the cache. Processes
    that need them at the same time each compute them.

    Args:
        dataset: the data.
        split: the rows of each part.
        metric: the metric on validation rows that C, the threshold and the choice of at least one label
            maximise.
        fingerprint: the fingerprint of the data set as it was loaded.

    Returns:
        Metrics by name; LEFT_OUT alone for data that do not `suit_linear`.
    """
    if not suit_linear(dataset, split):
        n_values = float(count_values(dataset, split) * dataset.n_labels)
        return {kind.name: {LEFT_OUT: n_values} for kind in YARDSTICKS}
    rows = [split.parts()[part].tobytes() for part in ("train", "val", "test")]
    limits = dataset.vocabulary
    vocabulary = None if limits is None else (limits.min_df, limits.max_df, limits.max_features)
    settings = f"{fingerprint} {metric} {dataset.weighting} {vocabulary}"

    def compute() -> dict[str, NDArray[Any]]:
        results = {kind.name: _judge(kind(), dataset, split, metric) for kind in YARDSTICKS}
        names = list(results[YARDSTICKS[0].name])
        values = {
            kind: np.array([result[name] for name in names]) for kind, result in results.items()
        }
        return {"names": np.array(names, dtype=np.str_), **values}

    stored = remembered(_VERSION, [settings.encode(), *rows], compute)
    names = stored["names"].tolist()
    return {
        kind.name: dict(zip(names, stored[kind.name].tolist(), strict=True)) for kind in YARDSTICKS
    }


def suit_linear(dataset: Dataset, split: Split) -> bool:
    """Whether rows are columns of a table, and training values times labels at most MOST_VALUES."""
    is_small = count_values(dataset, split) * dataset.n_labels <= MOST_VALUES
    return is_small and dataset.samples == "columns"


def count_values(dataset: Dataset, split: Split) -> int:
    """Count the values of the training rows: all of dense rows, the stored ones of sparse rows."""
    features: Any = dataset.features
    if issparse(features):
        return int(np.diff(features.indptr)[split.train].sum())
    return len(split.train) * dataset.n_features


def network_features(dataset: Dataset, split: Split) -> dict[str, Any]:
    """Return the features that networks see, by part of the split: (N, D), dense or sparse."""
    scaling = fit_scaling(dataset, split.train)
    return {part: scaling.apply(dataset.features[rows]) for part, rows in split.parts().items()}


def fit_scores(
    yardstick: Yardstick, features: Mapping[str, Any], targets: NDArray[np.bool_], strength: float
) -> Parts:
    """Fit the models and return the sigmoid of their decision values, (N, K) for "val" and "test".

    A label that is constant in the training rows has that constant as its score.

    Args:
        yardstick: the kind of model.
        features: the result of `network_features`.
        targets: the targets of the training rows, (N, K).
        strength: the value of C.
    """
    n_labels = targets.shape[1]
    scores = {p: np.zeros((features[p].shape[0], n_labels)) for p in ("val", "test")}
    with warnings.catch_warnings():
        # The number of iterations bounds the time.
        warnings.simplefilter("ignore", ConvergenceWarning)
        for label, target in enumerate(targets.T):
            constant = target.all() or not target.any()
            if not constant:
                model = yardstick.classifier(strength).fit(features["train"], target)
            for part, values in scores.items():
                values[:, label] = (
                    target[0] if constant else expit(model.decision_function(features[part]))
                )
    return scores


def decide(
    scores: Mapping[str, NDArray[np.float64]], targets: NDArray[np.bool_], metric: str
) -> tuple[float, NDArray[np.bool_]]:
    """Return the best value on the validation rows, and label sets of the test rows: (N, K).

    All labels share one threshold; each row gets at least one label if that is better.
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


class StrengthSearch:
    """The search for the best value on validation rows along a path of C.

    It ends after two values in a row with neither a better metric nor a smaller log loss. While the
    penalty is too strong the metric may rise and fall by chance, and the log loss falls.

    Args:
        metric: a name in COUNT_METRICS.
    """

    def __init__(self, metric: str) -> None:
        self._sign = COUNT_METRICS[metric].sign
        self._best, self._least_loss = -np.inf, np.inf
        self._n_not_better = 0

    def is_best(self, value: float, loss: float) -> bool:
        """Take the metric and the log loss of the next C; return whether the metric is the best one."""
        is_better = self._sign * value > self._best
        is_progress = is_better or loss < self._least_loss
        self._n_not_better = 0 if is_progress else self._n_not_better + 1
        self._best = max(self._best, self._sign * value)
        self._least_loss = min(self._least_loss, loss)
        return is_better

    @property
    def is_over(self) -> bool:
        """Whether two values in a row brought nothing."""
        return self._n_not_better == _PATIENCE


def log_loss(scores: NDArray[np.float64], targets: NDArray[np.bool_]) -> float:
    """Compute the mean binary cross-entropy of scores in [0, 1]: (N, K) and (N, K)."""
    likelihoods = np.where(targets, scores, 1 - scores)
    return float(-np.log(np.maximum(likelihoods, _LEAST_LIKELIHOOD)).mean())


@dataclass(frozen=True)
class Tuned:
    """A linear model with the best C.

    Attributes:
        strength: C.
        scores: of each split, the result of `fit_scores`.
        seconds: of one fit.
    """

    strength: float
    scores: list[Parts]
    seconds: float


def tune_together(
    yardstick: Yardstick, dataset: Dataset, splits: Sequence[Split], metric: str
) -> Tuned:
    """Choose C by the mean of the metric over the validation rows of the splits.

    The threshold and the choice of at least one label are those of `decide`. `StrengthSearch` ends the
    search. Splits with equal rows, as those of published parts, are fitted once.
    """
    rows_of = [b"".join(rows.tobytes() for rows in split.parts().values()) for split in splits]
    distinct = dict(zip(rows_of, splits, strict=True))
    features = {key: network_features(dataset, split) for key, split in distinct.items()}
    actual = [dataset.targets[split.val] for split in splits]
    search = StrengthSearch(metric)
    for strength in yardstick.strengths:
        started = time.perf_counter()
        fitted = {
            key: fit_scores(yardstick, features[key], dataset.targets[split.train], strength)
            for key, split in distinct.items()
        }
        seconds = (time.perf_counter() - started) / len(distinct)
        scores = [fitted[key] for key in rows_of]
        values = [
            decide(of_split, targets, metric)[0]
            for of_split, targets in zip(scores, actual, strict=True)
        ]
        losses = [
            log_loss(of_split["val"], targets)
            for of_split, targets in zip(scores, actual, strict=True)
        ]
        if search.is_best(float(np.mean(values)), float(np.mean(losses))):
            best = Tuned(strength, scores, seconds)
        if search.is_over:
            break
    return best


def tune(
    yardstick: Yardstick, dataset: Dataset, split: Split, metric: str
) -> tuple[NDArray[np.bool_], float]:
    """Choose C by the metric on validation rows; return the label sets of the test rows, and C."""
    tuned = tune_together(yardstick, dataset, [split], metric)
    _, decided = decide(tuned.scores[0], dataset.targets[split.val], metric)
    return decided, tuned.strength


def _judge(yardstick: Yardstick, dataset: Dataset, split: Split, metric: str) -> dict[str, float]:
    started = time.perf_counter()
    decided, chosen = tune(yardstick, dataset, split, metric)
    metrics = decision_metrics(decided, dataset.targets[split.test])
    return {
        **{f"test/global/{name}": value for name, value in metrics.items()},
        "C": chosen,
        "train/seconds": time.perf_counter() - started,
    }
