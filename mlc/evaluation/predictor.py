"""A trained model with its preprocessing and decision rule: features to label sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse
from torch import Tensor

from mlc.config.errors import ConfigError, DataError
from mlc.data.base import Dataset
from mlc.data.preprocessing import Scaling
from mlc.data.resident import ResidentData
from mlc.data.weighting import are_counts
from mlc.decisions.base import DecisionRule
from mlc.heads.base import Head, JointHead
from mlc.heads.prediction import Prediction
from mlc.training.model import Model

Voters = NDArray[np.bool_] | None


class Predictor:
    """One model, or the runs of a stacked one as an ensemble that averages its probabilities.

    Args:
        model: with R runs, on the device that is to compute.
        scalings: each run's.
        rule: fitted, where it is one that must be.
        label_names: K of them.
        feature_names: D of them, for messages.
        sample_shape: of a sample that is not flat, such as an image; () is (D,).
    """

    def __init__(
        self,
        model: Model,
        scalings: Sequence[Scaling],
        rule: DecisionRule,
        label_names: Sequence[str],
        feature_names: Sequence[str] = (),
        sample_shape: Sequence[int] = (),
    ) -> None:
        self.model, self.scalings, self.rule = model, list(scalings), rule
        self.label_names, self.feature_names = tuple(label_names), tuple(feature_names)
        self.sample_shape = tuple(sample_shape) or (self.n_features,)
        if rule.input_from(model.head.provides()) is None:
            raise ConfigError(
                f"The rule {rule.name!r} needs {' or '.join(rule.needs)}, and the head"
                f" {model.head.name!r} gives {', '.join(sorted(model.head.provides()))}: choose another"
                " of the two."
            )

    @property
    def n_features(self) -> int:
        """D."""
        return len(self.scalings[0].shift)

    @torch.no_grad()
    def scores(self, features: Any, voters: Voters = None) -> NDArray[np.float64]:
        """Relevance of each label, in [0, 1]: features (N, D), dense or sparse, to (N, K).

        Dense features may have the shape of the samples, (N, *sample_shape), here and in `predict`.
        `voters` (R, N) says which of the runs speak for each row, at least one; None is all.
        """
        return torch.cat([own.scores for own in self._chunks(features, voters)]).numpy()

    @torch.no_grad()
    def predict(self, features: Any, voters: Voters = None) -> NDArray[np.bool_]:
        """The label sets: features (N, D), dense or sparse, to (N, K), bool; `voters` as in `scores`."""
        decided = [self.rule.decide_for(own).cpu() for own in self._chunks(features, voters)]
        return torch.cat(decided).numpy()

    def fit_rule(
        self, features: Any, targets: NDArray[np.bool_], held_out: NDArray[np.bool_]
    ) -> None:
        """Tune the rule, if it is one to be tuned, on rows that were not trained on.

        A row's scores are the mean of the runs that held it out (R, N), as Breiman 1996, "Out-of-bag
        estimation"; rows that all runs trained on are left out.
        """
        if self.rule.tuned_on == "nothing":
            return
        rows = held_out.any(axis=0)
        scores = self.scores(features[rows], held_out[:, rows])
        self.rule.tune(torch.as_tensor(scores), torch.as_tensor(targets[rows]))

    def _require_finite(self, features: Any) -> None:
        """Raise DataError where a value is infinite in 32 bits; NaN is a missing one."""
        wrong = np.isinf(features.data if issparse(features) else features)
        if not wrong.any():
            return
        place = np.argwhere(wrong)[0]
        row, column = (
            place
            if len(place) == 2
            else (features.tocoo().row[place[0]], features.indices[place[0]])
        )
        named = f"{self.feature_names[column]!r}" if self.feature_names else f"number {column + 1}"
        raise DataError(
            f"The feature {named} is infinite, or too large for 32 bits, in row {row + 1}: correct it."
        )

    @torch.no_grad()
    def _chunks(self, features: Any, voters: Voters) -> Iterator[Prediction]:
        data = self._resident(features)
        rows = torch.arange(features.shape[0], device=data.device).expand(self.model.n_runs, -1)
        first = 0
        every = torch.ones(rows.shape, dtype=torch.float64)
        votes = every if voters is None else torch.as_tensor(voters, dtype=torch.float64)
        for outputs, _ in self.model.outputs(data, rows):
            _require_numbers(outputs, first)
            here = votes[:, first : first + outputs.shape[1]]
            shares = here / here.sum(dim=0)
            first += outputs.shape[1]
            yield averaged(self.model.head, outputs, shares)

    def _resident(self, features: Any) -> ResidentData:
        if tuple(features.shape[1:]) == self.sample_shape and features.ndim > 2:
            features = features.reshape(len(features), -1)
        if features.ndim != 2 or features.shape[1] != self.n_features:
            raise DataError(
                f"The features have shape {tuple(features.shape)}, and the model was trained on"
                f" {self.n_features} columns: give (N, {self.n_features})."
            )
        weights = next(self.model.parameters())
        n_samples, n_labels = features.shape[0], len(self.label_names)
        own = features.tocsr() if issparse(features) else np.asarray(features)
        with np.errstate(over="ignore"):
            own = own.astype(np.float32)
        self._require_finite(own)
        if self.scalings[0].weighting is not None:
            own = csr_matrix(own)
            if not are_counts(own.data):
                raise DataError(
                    "The model was trained on counts, and a feature is negative, missing or no whole"
                    " number: give counts."
                )
        dataset = Dataset(
            name="features",
            features=own,
            targets=np.zeros((n_samples, n_labels), dtype=bool),
            feature_names=self.feature_names,
            label_names=self.label_names,
            numeric=np.ones(self.n_features, dtype=bool),
        )
        network = self.model.backbone
        return ResidentData(
            dataset,
            self.scalings,
            weights.device,
            weights.dtype,
            network.takes_bags,
            network.takes_sparse,
        )


def _require_numbers(outputs: Tensor, first: int) -> None:
    """Raise DataError where a row's outputs (R, b, ...) are infinite or NaN."""
    wrong = (~outputs.isfinite()).transpose(0, 1).flatten(1).any(dim=1)
    if wrong.any():
        row = first + int(wrong.int().argmax()) + 1
        raise DataError(
            f"The features of row {row} are so large that the model's outputs are not finite: correct"
            " them."
        )


def averaged(head: Head, outputs: Tensor, shares: Tensor) -> Prediction:
    """The mean of the runs' predictions (R, b, ...), in probabilities: (b, ...).

    `shares` (R, b) are the runs' in each row's mean; they sum to one. Means of scores and cardinalities
    are float64 on the CPU; the mode is that of the mean joint, not a vote among the runs' modes.
    """
    of_runs = head.predict(outputs)

    def mean_scores(_: Prediction) -> Tensor:
        return (of_runs.scores.double().cpu() * shares.unsqueeze(-1)).sum(dim=0)

    def mean_cardinality(_: Prediction) -> Tensor | None:
        cardinality = of_runs.cardinality
        return None if cardinality is None else (cardinality.double().cpu() * shares).sum(dim=0)

    if not isinstance(head, JointHead):
        return Prediction(mean_scores, cardinality=mean_cardinality)
    on_device = shares.to(outputs.device)
    return Prediction(
        mean_scores,
        cardinality=mean_cardinality,
        log_joint=lambda _: head.mean_log_joint(outputs, on_device),
        label_sets=head.label_sets,
        mode=lambda _: head.mode_of_mean(outputs, on_device),
    )
