"""Models of scikit-learn, ML-kNN and constants, searched with as many configurations as the heads."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

from experiments.equal_budgets.ml_knn import MLkNN
from experiments.equal_budgets.rules import decide, rules_of
from experiments.equal_budgets.runs import Job, Run
from experiments.equal_budgets.spaces import EXPERIMENT, typed
from experiments.harness import Trial
from experiments.harness.trainings import configure
from mlc.config.options import Choice, Interval, Search
from mlc.data.base import SOURCES, Dataset
from mlc.data.splits import Split, split_dataset
from mlc.decisions.seen import distinct
from mlc.evaluation.baselines import most_frequent_set, prior_scores
from mlc.evaluation.linear_models import LinearSVMs, LogisticRegressions, Yardstick, fit_scores
from mlc.evaluation.yardsticks import network_features
from mlc.heads.prediction import Prediction
from mlc.metrics.final import ranking_metrics

Parts = dict[str, Any]
_MARGINALS = frozenset({"scores", "marginals", "cardinality"})
_LEAST = 1e-12


class Baseline:
    """A model that is no network.

    Class attributes:
        spaces: the space of each option, by key; a model without any has one configuration.
        provides: what its predictions have.
        natural: the threshold of the rule `fixed`.
        dense: whether it is fitted to dense features.
    """

    spaces: ClassVar[Mapping[str, Search]] = {}
    provides: ClassVar[frozenset[str]] = _MARGINALS
    natural: ClassVar[float | None] = 0.5
    dense: ClassVar[bool] = False

    def fit(
        self, features: Parts, targets: NDArray[np.bool_], settings: Mapping[str, Any], seed: int
    ) -> dict[str, Prediction]:
        """Fit to the training rows (N, D) and (N, K); return predictions of "val" and "test"."""
        raise NotImplementedError


class Prior(Baseline):
    """The label frequencies of the training rows as scores of every row."""


class Linear(Baseline):
    """One-vs-rest linear models by LIBLINEAR."""

    spaces: ClassVar[Mapping[str, Search]] = {"C": Interval(1e-3, 1e2, log=True)}
    model: ClassVar[type[Yardstick]]

    def fit(
        self, features: Parts, targets: NDArray[np.bool_], settings: Mapping[str, Any], seed: int
    ) -> dict[str, Prediction]:
        """Fit one model for each label."""
        scores = fit_scores(self.model(), features, targets, settings.get("C", 1.0))
        return _of_scores(scores)


class Logistic(Linear):
    """One-vs-rest logistic regression."""

    model = LogisticRegressions


class SVM(Linear):
    """One-vs-rest linear support vector machines."""

    spaces: ClassVar[Mapping[str, Search]] = {"C": Interval(1e-4, 10, log=True)}
    provides = frozenset({"scores"})
    model = LinearSVMs


class NearestNeighbours(Baseline):
    """ML-kNN of Zhang and Zhou 2007."""

    spaces: ClassVar[Mapping[str, Search]] = {
        "k": Interval(3, 60, log=True, step=1),
        "smoothing": Interval(0.1, 10, log=True),
    }

    def fit(
        self, features: Parts, targets: NDArray[np.bool_], settings: Mapping[str, Any], seed: int
    ) -> dict[str, Prediction]:
        """Fit the posterior probabilities of each label."""
        model = MLkNN(settings.get("k", 10), settings.get("smoothing", 1.0))
        model.fit(features["train"], targets)
        return _of_scores({part: model.predict_proba(features[part]) for part in ("val", "test")})


class Trees(Baseline):
    """Base class of ensembles of trees: one classifier of label sets, or of each label."""

    # A forest grows the same trees on dense rows, and faster.
    dense = True
    powerset: ClassVar[bool]

    def classifier(self, settings: Mapping[str, Any], seed: int) -> Any:
        """Return the unfitted model."""
        raise NotImplementedError

    def fit(
        self, features: Parts, targets: NDArray[np.bool_], settings: Mapping[str, Any], seed: int
    ) -> dict[str, Prediction]:
        """Fit the model or models."""
        if not self.powerset:
            return _of_scores(self._by_label(features, targets, settings, seed))
        label_sets, index = np.unique(targets, axis=0, return_inverse=True)
        model = self.classifier(settings, seed).fit(features["train"], index.ravel())
        sets = torch.as_tensor(label_sets)
        predictions = {}
        for part in ("val", "test"):
            joint = model.predict_proba(features[part])
            # Rounding may lead above 1.
            marginals = np.clip(joint @ label_sets, 0, 1)
            predictions[part] = Prediction(
                torch.as_tensor(marginals),
                cardinality=torch.as_tensor(marginals.sum(axis=1)),
                log_joint=torch.as_tensor(np.log(np.maximum(joint, _LEAST))),
                label_sets=sets,
            )
        return predictions

    def _by_label(
        self, features: Parts, targets: NDArray[np.bool_], settings: Mapping[str, Any], seed: int
    ) -> dict[str, NDArray[np.float64]]:
        scores = {
            part: np.zeros((features[part].shape[0], targets.shape[1])) for part in ("val", "test")
        }
        for label, target in enumerate(targets.T):
            if target.all() or not target.any():
                for part in scores:
                    scores[part][:, label] = target[0]
                continue
            model = self.classifier(settings, seed).fit(features["train"], target)
            for part in scores:
                scores[part][:, label] = model.predict_proba(features[part])[:, 1]
        return scores


class ForestsByLabel(Trees):
    """A random forest for each label."""

    powerset = False
    spaces: ClassVar[Mapping[str, Search]] = {
        "max_features": Interval(0.02, 1, log=True),
        "min_samples_leaf": Interval(1, 16, log=True, step=1),
    }

    def classifier(self, settings: Mapping[str, Any], seed: int) -> Any:
        """Return a forest of 100 trees."""
        return RandomForestClassifier(
            n_estimators=100,
            max_features=settings.get("max_features", "sqrt"),
            min_samples_leaf=settings.get("min_samples_leaf", 1),
            random_state=seed,
        )


class Forest(ForestsByLabel):
    """A random forest each of whose trees predicts all labels."""

    def _by_label(
        self, features: Parts, targets: NDArray[np.bool_], settings: Mapping[str, Any], seed: int
    ) -> dict[str, NDArray[np.float64]]:
        # A label without a positive, or without a negative, has one class only.
        varies = targets.any(axis=0) & ~targets.all(axis=0)
        model = self.classifier(settings, seed).fit(features["train"], targets[:, varies])
        scores = {}
        for part in ("val", "test"):
            by_label = model.predict_proba(features[part])
            by_label = by_label if isinstance(by_label, list) else [by_label]
            scores[part] = np.tile(targets[0].astype(float), (features[part].shape[0], 1))
            scores[part][:, varies] = np.stack([each[:, 1] for each in by_label], axis=1)
        return scores


class PowersetForest(ForestsByLabel):
    """A random forest whose classes are the label sets of the training rows."""

    powerset = True
    provides = frozenset({*_MARGINALS, "joint"})


class Boosting(Trees):
    """Gradient boosting of each label."""

    powerset = False
    spaces: ClassVar[Mapping[str, Search]] = {
        "learning_rate": Interval(0.01, 0.5, log=True),
        "max_leaf_nodes": Choice(3, 7, 15, 31),
        "min_samples_leaf": Interval(2, 40, log=True, step=1),
        "l2_regularization": Interval(1e-3, 10, log=True),
    }

    def classifier(self, settings: Mapping[str, Any], seed: int) -> Any:
        """Return a model of 100 rounds."""
        return HistGradientBoostingClassifier(
            **settings, max_iter=100, early_stopping=False, random_state=seed
        )


class PowersetBoosting(Boosting):
    """Gradient boosting whose classes are the label sets of the training rows."""

    powerset = True
    provides = frozenset({*_MARGINALS, "joint"})


CONSTANT = "most_frequent_set"
BASELINES: dict[str, type[Baseline]] = {
    CONSTANT: Baseline, "prior": Prior, "logistic_regression": Logistic, "linear_svm": SVM,
    "ml_knn": NearestNeighbours, "random_forest": Forest, "random_forest_by_label": ForestsByLabel,
    "random_forest_powerset": PowersetForest, "gradient_boosting": Boosting,
    "gradient_boosting_powerset": PowersetBoosting,
}  # fmt: skip


def fit(data: Trial, name: str, jobs: Sequence[Job], rules: Sequence[str]) -> list[Run]:
    """Fit the jobs of a baseline, as `networks.train` trains those of a head."""
    config = configure(EXPERIMENT, {**data, "seed": 0})
    dataset = SOURCES[config.data.name].load(config.data)
    splits = {
        seed: split_dataset(dataset, config.data, seed) for seed in {job.seed for job in jobs}
    }
    features = {seed: network_features(dataset, split) for seed, split in splits.items()}
    return [_run(dataset, splits[job.seed], features[job.seed], name, job, rules) for job in jobs]


def _run(
    dataset: Dataset, split: Split, features: Parts, name: str, job: Job, rules: Sequence[str]
) -> Run:
    targets = {part: dataset.targets[rows] for part, rows in split.parts().items()}
    started = time.perf_counter()
    if name == CONSTANT:
        constant = most_frequent_set(dataset, split)[:1]
        decided = {
            "constant": {p: np.repeat(constant, len(targets[p]), axis=0) for p in ("val", "test")}
        }
        return Run(job, decided, targets)
    baseline = BASELINES[name]()
    if isinstance(baseline, Prior):
        predictions = _of_scores(prior_scores(dataset, split))
    else:
        if baseline.dense:
            features = {
                p: each.toarray() if issparse(each) else each for p, each in features.items()
            }
        settings = typed(baseline.spaces, job.settings)
        predictions = baseline.fit(features, targets["train"], settings, job.seed)
    seconds = time.perf_counter() - started
    built = rules_of(rules, baseline.natural, distinct(torch.as_tensor(targets["train"])))
    decided = decide(built, predictions, torch.as_tensor(targets["val"]), baseline.provides)
    ranking: dict[str, Mapping[str, float]] = {
        part: ranking_metrics(each.scores.numpy(), targets[part])
        for part, each in predictions.items()
    }
    return Run(job, decided, targets, ranking, {"seconds": seconds})


def _of_scores(scores: Mapping[str, NDArray[np.float64]]) -> dict[str, Prediction]:
    return {part: Prediction.of_marginals(torch.as_tensor(each)) for part, each in scores.items()}
