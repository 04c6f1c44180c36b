"""Prediction of label sets from features, by one model or an ensemble."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from torch import Tensor

from mlc.config.errors import ConfigError, DataError
from mlc.data.base import samples_in
from mlc.data.far_columns import note_on_far_columns
from mlc.data.image_input import refuse_bytes
from mlc.data.precision import first_infinite, floats
from mlc.data.preprocessing import Scaling
from mlc.data.resident import ResidentData
from mlc.data.sparse import canonical
from mlc.data.weighting import are_counts
from mlc.decisions.base import DecisionRule
from mlc.evaluation.finite import require_finite
from mlc.heads.base import Head, JointHead
from mlc.heads.prediction import Prediction
from mlc.training.model import Model

log = logging.getLogger(__name__)

Voters = NDArray[np.bool_] | None


class Predictor:
    """A trained model with its preprocessing and decision rule.

    A stacked model of several runs is an ensemble that averages probabilities.

    Args:
        model: with R runs, on the device of the computation.
        scalings: one per run.
        rule: fitted, if the rule has values to fit.
        label_names: K names.
        feature_names: D names, for messages.
        sample_shape: of samples that are not flat, such as images; () is (D,).
        samples: what rows of features are, as in `mlc.data.Dataset`.

    Raises:
        ConfigError: the head does not provide the input of the rule.
    """

    _said: str | None = None  # Predictors that were pickled earlier have none of their own.

    def __init__(
        self,
        model: Model,
        scalings: Sequence[Scaling],
        rule: DecisionRule,
        label_names: Sequence[str],
        feature_names: Sequence[str] = (),
        sample_shape: Sequence[int] = (),
        samples: str = "columns",
    ) -> None:
        self.model, self.scalings, self.rule = model, list(scalings), rule
        self.label_names, self.feature_names = tuple(label_names), tuple(feature_names)
        self.sample_shape = tuple(sample_shape) or (self.n_features,)
        self.samples = samples
        if rule.input_from(model.head.provides()) is None:
            raise ConfigError(
                f"The rule {rule.name!r} needs {' or '.join(rule.needs)}, and the head"
                f" {model.head.name!r} provides {', '.join(sorted(model.head.provides()))}: choose"
                " another head or rule."
            )

    @property
    def n_features(self) -> int:
        """The number of features D."""
        return len(self.scalings[0].shift)

    @torch.no_grad()
    def scores(self, features: Any, voters: Voters = None) -> NDArray[np.float64]:
        """Compute scores (N, K) in [0, 1] from features (N, D), dense or sparse.

        A warning names columns that are far from the training rows, as in another unit, here and in
        `predict` (`mlc.data.far_columns`).

        Dense features may have the shape of the samples, (N, *sample_shape), here and in `predict`.
        `voters` (R, N) selects the runs that are averaged for each row, at least one; None is all.
        """
        return torch.cat([chunk.scores for chunk in self._chunks(features, voters)]).numpy()

    @torch.no_grad()
    def predict(self, features: Any, voters: Voters = None) -> NDArray[np.bool_]:
        """Predict label sets (N, K), bool, from features (N, D); `voters` as in `scores`."""
        chunks = self._chunks(features, voters)
        return torch.cat([self.rule.decide(chunk).cpu() for chunk in chunks]).numpy()

    def fit_rule(
        self,
        features: Any,
        targets: NDArray[np.bool_],
        held_out: NDArray[np.bool_],
        known: NDArray[np.bool_] | None = None,
    ) -> None:
        """Tune the rule, if it needs tuning, on rows that were held out from training.

        The scores of a row are the mean over the runs that held it out (R, N), as in Breiman 1996,
        "Out-of-bag estimation"; rows in the training part of all runs are not used. The label sets that
        the rule may know are those of rows that a run trained on. Where labels are missing, `known`
        (N, K) marks the others, on which the rule is tuned.
        """
        trained = ~held_out.all(axis=0)
        if known is not None:
            trained &= known.all(axis=1)
        self.rule.training_sets = torch.as_tensor(targets[trained])
        if self.rule.tuned_on == "nothing":
            return
        rows = held_out.any(axis=0)
        held = self._held(features[rows], held_out[:, rows])
        self.rule.fit(held, torch.as_tensor(targets[rows]), None if known is None else known[rows])

    @torch.no_grad()
    def _held(self, features: Any, voters: Voters) -> Prediction:
        """What the rule is tuned on: scores, cardinality, and what the rules decide that it asks of."""
        beside = self.rule.by_joint_beside(self.model.head.provides())
        scores, cardinality = [], []
        decided: dict[str, list[Tensor]] = {name: [] for name in beside}
        for chunk in self._chunks(features, voters):
            scores.append(chunk.scores)
            if chunk.cardinality is not None:
                cardinality.append(chunk.cardinality)
            for name, rule in beside.items():
                decided[name].append(rule.decide(chunk).cpu())
        return Prediction(
            torch.cat(scores),
            cardinality=torch.cat(cardinality) if cardinality else None,
            decided={name: torch.cat(own) for name, own in decided.items()},
        )

    def _require_finite(self, features: Any) -> None:
        """Raise DataError if a value is infinite in float32; NaN is a missing value."""
        infinite = first_infinite(features)
        if infinite is None:
            return
        row, column = infinite
        named = f"{self.feature_names[column]!r}" if self.feature_names else f"number {column + 1}"
        raise DataError(
            f"The feature {named} is infinite, or too large for 32 bits, in row {row + 1}: correct it."
        )

    def _say_far(self, features: Any) -> None:
        """Log which columns of the rows are far from training; once, if both methods get the rows."""
        note = note_on_far_columns(features, self.scalings[0], self.feature_names)
        if note is not None and note != self._said:
            log.warning("%s", note, extra={"folded": True})
        self._said = note

    @torch.no_grad()
    def _chunks(self, features: Any, voters: Voters) -> Iterator[Prediction]:
        data = self._resident(features)
        rows = torch.arange(features.shape[0], device=data.device).expand(self.model.n_runs, -1)
        first = 0
        votes = torch.as_tensor(1.0 if voters is None else voters, dtype=torch.float64)
        votes = votes.expand(rows.shape)
        for outputs, *_ in self.model.outputs(data, rows):
            part = slice(first, first + outputs.shape[1])
            require_finite(outputs, rows[:, part])
            chunk = votes[:, part]
            shares = chunk / chunk.sum(dim=0)
            first += outputs.shape[1]
            yield averaged(self.model.head, outputs, shares)

    def _resident(self, features: Any) -> ResidentData:
        is_image = len(self.sample_shape) == 3
        if is_image and self.samples == "columns":
            refuse_bytes(features)
        if tuple(features.shape[1:]) == self.sample_shape and features.ndim > 2:
            features = features.reshape(len(features), -1)
        if features.ndim != 2 or features.shape[1] != self.n_features:
            raise DataError(
                f"The features have shape {tuple(features.shape)}, and the model was trained on"
                f" {self.n_features} columns: give (N, {self.n_features})."
            )
        weights = next(self.model.parameters())
        network = self.model.backbone
        return ResidentData(
            self._values(features),
            np.zeros((features.shape[0], len(self.label_names)), dtype=bool),
            self.scalings,
            weights.device,
            weights.dtype,
            network.takes_bags,
            network.takes_sparse,
        )

    def _values(self, features: Any) -> Any:
        """Return checked features (N, D): floats, dense or CSR."""
        if self.samples != "columns":
            return self._integers(features)
        is_sparse = issparse(features)
        values: Any = floats(canonical(features) if is_sparse else np.asarray(features))
        self._require_finite(values)
        if is_sparse and any(scaling.shift.any() for scaling in self.scalings):
            # A column that was centred in training has no zero to leave out.
            values = values.toarray()
        elif is_sparse:
            values = values.astype(np.float32)
        self._say_far(values)
        if self.scalings[0].weighting is not None:
            values = csr_matrix(values)
            if not are_counts(values.data):
                raise DataError(
                    "The model was trained on counts, and a feature is negative, missing or not a"
                    " whole number: give counts."
                )
        return values

    def _integers(self, features: Any) -> Any:
        values = np.asarray(features)
        if samples_in(values) != self.samples:
            wanted = {"pixels": "pixels from 0 to 255 (uint8)", "tokens": "numbers of tokens"}
            raise DataError(
                f"The features are of the type {values.dtype}, and the model was trained on"
                f" {wanted[self.samples]}: give these."
            )
        return values


def best_labels(scores: NDArray[np.float64], label_sets: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the label with the highest score in each label set, or of all if the set is empty: (N,).

    Args:
        scores: (N, K), at least 0.
        label_sets: (N, K).
    """
    candidates = label_sets | ~label_sets.any(axis=1, keepdims=True)
    return np.asarray(np.where(candidates, scores, -1.0).argmax(axis=1))


def averaged(head: Head, outputs: Tensor, shares: Tensor) -> Prediction:
    """Average the predictions of the runs from outputs (R, b, ...), in probabilities: (b, ...).

    `shares` (R, b) are the weights of the runs for each row, and sum to one. Means of scores and
    cardinalities are float64 on the CPU; the mode is that of the mean joint, not a vote of the runs.
    """
    of_runs = head.predict(outputs)

    def mean_scores(_: Prediction) -> Tensor:
        return (of_runs.scores.double().cpu() * shares.unsqueeze(-1)).sum(dim=0)

    def mean_cardinality(_: Prediction) -> Tensor | None:
        cardinality = of_runs.cardinality
        return None if cardinality is None else (cardinality.double().cpu() * shares).sum(dim=0)

    def mean_sizes(_: Prediction) -> Tensor | None:
        sizes = of_runs.sizes
        return None if sizes is None else (sizes.double().cpu() * shares.unsqueeze(-1)).sum(dim=0)

    if not isinstance(head, JointHead):
        return Prediction(mean_scores, cardinality=mean_cardinality, sizes=mean_sizes)
    on_device = shares.to(outputs.device)

    def mean_log_joint(_: Prediction) -> Tensor:
        joint = of_runs.log_joint
        return (joint + on_device.log().to(joint).unsqueeze(-1)).logsumexp(dim=0)

    return Prediction(
        mean_scores,
        cardinality=mean_cardinality,
        log_joint=mean_log_joint,
        label_sets=lambda _: of_runs.label_sets,
        mode=lambda mean: head.improved_mean(outputs, on_device, of_runs, mean.best_listed()),
    )
