"""One-vs-rest linear models of scikit-learn; without torch, for processes that only fit them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, ClassVar

import joblib
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

# LIBLINEAR penalises the intercept. A hundredth of that penalty is left, for a small C would else pull
# rare and frequent labels towards each other.
_INTERCEPT_SCALING = 10.0

Parts = dict[str, NDArray[np.float64]]


class Yardstick:
    """Base class of one-vs-rest linear models, one per label, by LIBLINEAR (Fan et al. 2008).

    Class attributes:
        strengths: the values of C. Validation rows choose one for all labels, by `StrengthSearch`.
        has_probabilities: whether the sigmoid of a decision value is a probability.
    """

    name: ClassVar[str]
    has_probabilities: ClassVar[bool] = False
    strengths: ClassVar[tuple[float, ...]]

    def classifier(self, strength: float) -> Any:
        """Return the unfitted model of one label."""
        raise NotImplementedError


class LogisticRegressions(Yardstick):
    """Logistic regressions with an L2 penalty."""

    name = "logistic_regression"
    has_probabilities = True
    strengths = (
        0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0,
    )  # fmt: skip

    def classifier(self, strength: float) -> Any:
        """Return the unfitted model of one label."""
        return LogisticRegression(
            C=strength, max_iter=300, solver="liblinear", intercept_scaling=_INTERCEPT_SCALING
        )


class LinearSVMs(Yardstick):
    """Linear support vector machines with squared hinge loss and an L2 penalty."""

    name = "linear_svm"
    strengths = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)

    def classifier(self, strength: float) -> Any:
        """Return the unfitted model of one label."""
        return LinearSVC(C=strength, random_state=0, intercept_scaling=_INTERCEPT_SCALING)


YARDSTICKS: tuple[type[Yardstick], ...] = (LogisticRegressions, LinearSVMs)


def fit_scores(
    yardstick: Yardstick,
    features: Mapping[str, Any],
    targets: NDArray[np.bool_],
    strength: float,
    n_jobs: int = 1,
    known: NDArray[np.bool_] | None = None,
) -> Parts:
    """Fit the models and return the sigmoid of their decision values, (N, K) for "val" and "test".

    A label that is constant in the training rows has that constant as its score, one that is never
    known 0.

    Args:
        yardstick: the kind of model.
        features: the result of `network_features`.
        targets: the targets of the training rows, (N, K).
        strength: the value of C.
        n_jobs: processes that fit labels at the same time; the scores do not depend on it.
        known: (N, K), where a label is fitted to the rows in which it is known; None is all.
    """
    masks = [None] * targets.shape[1] if known is None else list(known.T)
    # LIBLINEAR draws from one generator for the whole process, which threads would share.
    with joblib.parallel_config("loky", inner_max_num_threads=1):
        columns = joblib.Parallel(n_jobs=n_jobs, batch_size="auto")(
            joblib.delayed(_fit_label)(yardstick, features, target, strength, mask)
            for target, mask in zip(targets.T, masks, strict=True)
        )
    return {part: np.stack([each[part] for each in columns], axis=1) for part in ("val", "test")}


def _fit_label(
    yardstick: Yardstick,
    features: Mapping[str, Any],
    target: NDArray[np.bool_],
    strength: float,
    known: NDArray[np.bool_] | None,
) -> Parts:
    """Fit the model of one label; return its scores of "val" and "test": (N,) each."""
    inputs = features["train"]
    if known is not None and not known.all():
        inputs, target = inputs[known], target[known]
    if target.all() or not target.any():
        constant = float(target.any())
        return {part: np.full(features[part].shape[0], constant) for part in ("val", "test")}
    with warnings.catch_warnings():
        # The number of iterations bounds the time.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = yardstick.classifier(strength).fit(inputs, target)
    return {part: expit(model.decision_function(features[part])) for part in ("val", "test")}
