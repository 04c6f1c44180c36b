"""Linear models of scikit-learn, tuned like the heads, as references for networks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import sklearn
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse

from mlc.data.base import Dataset
from mlc.data.cache import remembered, source_version
from mlc.data.preprocessing import fit_scaling
from mlc.data.splits import Split
from mlc.decisions.base import build_decision
from mlc.evaluation import linear_models
from mlc.evaluation.left_out import LEFT_OUT, MOST_VALUES
from mlc.evaluation.linear_models import YARDSTICKS, Parts, Yardstick, fit_scores
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.final import Mask, decision_metrics, ranking_metrics

_VERSION = f"{source_version(__file__, linear_models.__file__)} {sklearn.__version__}"

_PATIENCE = 2
# Values times labels from which a fit takes longer than to start processes for it.
_WORTH_PROCESSES = 3_000_000
# Of the metrics of scores, those of probabilities, which an SVM does not have.
_OF_PROBABILITIES = ("brier", "ece")
# Of a pair of a row and a label.
_LEAST_LIKELIHOOD = 1e-12


def judge_yardsticks(
    dataset: Dataset, split: Split, metric: str, fingerprint: str
) -> dict[str, dict[str, float]]:
    """Compute the test metrics of each yardstick: "test/global/METRIC", "test/METRIC" of its scores.

    "C" and "train/seconds" stand beside them.
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
        arrays: dict[str, NDArray[Any]] = {}
        for kind, result in results.items():
            arrays[f"{kind} names"] = np.array(list(result), dtype=np.str_)
            arrays[kind] = np.array(list(result.values()))
        return arrays

    stored = remembered(_VERSION, [settings.encode(), *rows], compute)
    return {
        kind.name: dict(
            zip(stored[f"{kind.name} names"].tolist(), stored[kind.name].tolist(), strict=True)
        )
        for kind in YARDSTICKS
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


def n_processes(dataset: Dataset, split: Split) -> int:
    """Return how many processes to fit the labels in: all cores, or one where the data are small."""
    is_large = count_values(dataset, split) * dataset.n_labels >= _WORTH_PROCESSES
    return max(1, min(joblib.cpu_count(), dataset.n_labels)) if is_large else 1


def decide(
    scores: Mapping[str, NDArray[np.float64]],
    targets: NDArray[np.bool_],
    metric: str,
    known: Mask = None,
) -> tuple[float, NDArray[np.bool_]]:
    """Return the best value on the validation rows, and label sets of the test rows: (N, K).

    All labels share one threshold; each row gets at least one label if that is better. `known` (N, K)
    marks the validation labels that count; None is all.
    """
    judge = COUNT_METRICS[metric]
    actual, mask = torch.as_tensor(targets), None if known is None else torch.as_tensor(known)
    best: tuple[float, NDArray[np.bool_]] | None = None
    for at_least_one in (False, True):
        rule = build_decision("global", metric=metric, at_least_one=at_least_one)
        rule.fit(scores["val"], actual, mask)
        value = float(judge(rule.decide(scores["val"]), actual, mask))
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


def log_loss(scores: NDArray[np.float64], targets: NDArray[np.bool_], known: Mask = None) -> float:
    """Compute the mean binary cross-entropy of scores in [0, 1], of the known pairs: (N, K) each."""
    likelihoods = np.where(targets, scores, 1 - scores)
    if known is not None:
        likelihoods = likelihoods[known]
    return float(-np.log(np.maximum(likelihoods, _LEAST_LIKELIHOOD)).mean())


@dataclass(frozen=True)
class Tuned:
    """A linear model with the best C.

    Attributes:
        strength: C.
        scores: of each split, the result of `fit_scores`.
        seconds: of one fit.
        fitted: the distinct ones of `scores`, by the rows of the split.
    """

    strength: float
    scores: list[Parts]
    seconds: float
    fitted: dict[bytes, Parts]


def tune_together(
    yardstick: Yardstick, dataset: Dataset, splits: Sequence[Split], metric: str, n_jobs: int = 1
) -> Tuned:
    """Choose C by the mean of the metric over the validation rows of the splits.

    The threshold and the choice of at least one label are those of `decide`. `StrengthSearch` ends the
    search. Splits with equal rows, as those of published parts, are fitted once.
    """
    rows_of = list(map(_rows_of, splits))
    distinct = dict(zip(rows_of, splits, strict=True))
    features = {key: network_features(dataset, split) for key, split in distinct.items()}
    actual = [(dataset.targets[split.val], dataset.known_of(split.val)) for split in splits]
    search = StrengthSearch(metric)
    for strength in yardstick.strengths:
        started = time.perf_counter()
        fitted = {
            key: fit_scores(
                yardstick,
                features[key],
                dataset.targets[split.train],
                strength,
                n_jobs,
                dataset.known_of(split.train),
            )
            for key, split in distinct.items()
        }
        seconds = (time.perf_counter() - started) / len(distinct)
        scores = [fitted[key] for key in rows_of]
        values = [
            decide(of_split, targets, metric, known)[0]
            for of_split, (targets, known) in zip(scores, actual, strict=True)
        ]
        losses = [
            log_loss(of_split["val"], targets, known)
            for of_split, (targets, known) in zip(scores, actual, strict=True)
        ]
        if search.is_best(float(np.mean(values)), float(np.mean(losses))):
            best = Tuned(strength, scores, seconds, fitted)
        if search.is_over:
            break
    return best


def fit_splits(
    yardstick: Yardstick, dataset: Dataset, splits: Sequence[Split], tuned: Tuned, n_jobs: int = 1
) -> list[Parts]:
    """Return the scores on each split, fitted with the chosen C where the tuning did not use it."""
    fitted = dict(tuned.fitted)
    for split in splits:
        key = _rows_of(split)
        if key not in fitted:
            features, targets = network_features(dataset, split), dataset.targets[split.train]
            known = dataset.known_of(split.train)
            fitted[key] = fit_scores(yardstick, features, targets, tuned.strength, n_jobs, known)
    return [fitted[_rows_of(split)] for split in splits]


def _rows_of(split: Split) -> bytes:
    return b"".join(rows.tobytes() for rows in split.parts().values())


def tune(
    yardstick: Yardstick, dataset: Dataset, split: Split, metric: str
) -> tuple[NDArray[np.bool_], float]:
    """Choose C by the metric on validation rows; return the label sets of the test rows, and C."""
    tuned = tune_together(yardstick, dataset, [split], metric)
    known = dataset.known_of(split.val)
    _, decided = decide(tuned.scores[0], dataset.targets[split.val], metric, known)
    return decided, tuned.strength


def _judge(yardstick: Yardstick, dataset: Dataset, split: Split, metric: str) -> dict[str, float]:
    started = time.perf_counter()
    tuned = tune_together(yardstick, dataset, [split], metric)
    known = dataset.known_of(split.val)
    _, decided = decide(tuned.scores[0], dataset.targets[split.val], metric, known)
    actual, known = dataset.targets[split.test], dataset.known_of(split.test)
    of_scores = ranking_metrics(tuned.scores[0]["test"], actual, None, known)
    if not yardstick.has_probabilities:
        of_scores = {k: value for k, value in of_scores.items() if k not in _OF_PROBABILITIES}
    return {
        **{
            f"test/global/{k}": value
            for k, value in decision_metrics(decided, actual, known).items()
        },
        **{f"test/{k}": value for k, value in of_scores.items()},
        "C": tuned.strength,
        "train/seconds": time.perf_counter() - started,
    }
