"""A trained model with its preprocessing and decision rule: features to label sets."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import Tensor

from mlc.data import Dataset, ResidentData, Scaling
from mlc.decisions import DecisionRule
from mlc.errors import ConfigError, DataError
from mlc.heads import Head, JointHead
from mlc.training import Model


class Predictor:
    """One model, or the runs of a stacked one as an ensemble that averages its probabilities.

    Args:
        model: with R runs, on the device that is to compute.
        scalings: each run's.
        rule: fitted, where it is one that must be.
        label_names: K of them.
        feature_names: D of them, for messages.
    """

    def __init__(
        self,
        model: Model,
        scalings: Sequence[Scaling],
        rule: DecisionRule,
        label_names: Sequence[str],
        feature_names: Sequence[str] = (),
    ) -> None:
        self.model, self.scalings, self.rule = model, list(scalings), rule
        self.label_names, self.feature_names = tuple(label_names), tuple(feature_names)
        if rule.chosen_from(model.head.offers()) is None:
            raise ConfigError(
                f"The rule {rule.name!r} needs {' or '.join(rule.takes)}, and the head"
                f" {model.head.name!r} gives {', '.join(sorted(model.head.offers()))}: choose another"
                " of the two."
            )

    @property
    def n_features(self) -> int:
        """D."""
        return len(self.scalings[0].shift)

    def scores(self, features: Any) -> NDArray[np.float64]:
        """Relevance of each label, in [0, 1]: features (N, D), dense or sparse, to (N, K)."""
        return torch.cat([mean for mean, _, _ in self._chunks(features)]).numpy()

    def predict(self, features: Any) -> NDArray[np.bool_]:
        """The label sets: features (N, D), dense or sparse, to (N, K), bool."""
        by_joint = self.rule.chosen_from(self.model.head.offers()) == "joint"
        decided = [
            self.rule.decide(log_joint=mean_log_joint(self.model.head, outputs), label_sets=sets)
            if by_joint and (sets := self._label_sets()) is not None
            else self.rule.decide(scores, cardinality=cardinality)
            for scores, cardinality, outputs in self._chunks(features)
        ]
        return torch.cat([chunk.cpu() for chunk in decided]).numpy()

    def fit_rule(self, features: Any, targets: NDArray[np.bool_]) -> None:
        """Tune the rule, if it is one to be tuned, on the ensemble's own scores."""
        self.rule.fit(torch.as_tensor(self.scores(features)), torch.as_tensor(targets))

    def _label_sets(self) -> Tensor | None:
        head = self.model.head
        return head.label_sets if isinstance(head, JointHead) else None

    @torch.no_grad()
    def _chunks(self, features: Any) -> Iterator[tuple[Tensor, Tensor | None, Tensor]]:
        """Mean scores (b, K) and cardinalities (b,), float64 on the CPU, and outputs (R, b, ...)."""
        data = self._resident(features)
        rows = torch.arange(features.shape[0], device=data.device).expand(self.model.n_runs, -1)
        head = self.model.head
        for outputs, _ in self.model.outputs(data, rows):
            scores = head.scores(outputs)
            cardinality = head.cardinality(outputs, scores)
            mean = None if cardinality is None else cardinality.double().mean(dim=0).cpu()
            yield scores.double().mean(dim=0).cpu(), mean, outputs

    def _resident(self, features: Any) -> ResidentData:
        if features.ndim != 2 or features.shape[1] != self.n_features:
            raise DataError(
                f"The features have shape {tuple(features.shape)}, and the model was trained on"
                f" {self.n_features} columns: give (N, {self.n_features})."
            )
        weights = next(self.model.parameters())
        n_samples, n_labels = features.shape[0], len(self.label_names)
        own = features.tocsr() if issparse(features) else np.asarray(features)
        dataset = Dataset(
            name="features",
            features=own.astype(np.float32),
            targets=np.zeros((n_samples, n_labels), dtype=bool),
            feature_names=self.feature_names,
            label_names=self.label_names,
            numeric=np.ones(self.n_features, dtype=bool),
        )
        bags = self.model.backbone.takes_bags
        return ResidentData(dataset, self.scalings, weights.device, weights.dtype, bags)


def mean_log_joint(head: Head, outputs: Tensor) -> Tensor:
    """Log of the runs' mean probability of each label set: (R, b, n_outputs) to (b, M)."""
    assert isinstance(head, JointHead)
    joint = head.log_joint(outputs)
    return joint.logsumexp(dim=0) - math.log(len(joint))
