"""The output of a head in the form that decision rules take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, TypeAlias

from torch import Tensor

# A value, a function of the prediction that computes it, or None if the head does not define it.
Part: TypeAlias = "Tensor | Callable[[Prediction], Tensor | None] | None"
LogLikelihood: TypeAlias = Callable[[Tensor], "Tensor | None"]

_AXIS_OF_RUNS = ("scores", "cardinality", "sizes", "log_joint", "mode")


class Prediction:
    """The prediction of a head for samples; each part is computed once, on first use.

    Args:
        scores: (..., N, K), the score of each label, in [0, 1].
        cardinality: (..., N), expected numbers of labels.
        sizes: (..., N, 1 + K^2), the probability of the empty set, then P(y_k = 1, |y| = s) for s from
            1 to K of label 1, of label 2, and so on.
        log_joint: (..., N, M), log-probabilities of the label sets.
        label_sets: (M, K), bool.
        mode: (..., N, K), bool, the most probable label sets; by default those with the largest
            log_joint, the first of equals.
        log_likelihood: maps targets (..., N, K) to the log-probability of each label set, (..., N).
        decided: label sets (..., N, K), bool, by the names that a rule gives to others which decided
            them by the joint, for one that takes them when the joint is no longer held.
    """

    def __init__(
        self,
        scores: Part = None,
        *,
        cardinality: Part = None,
        sizes: Part = None,
        log_joint: Part = None,
        label_sets: Part = None,
        mode: Part = None,
        log_likelihood: LogLikelihood | None = None,
        decided: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.decided = dict(decided or {})
        self._parts: dict[str, Part] = {
            "scores": scores, "cardinality": cardinality, "sizes": sizes,
            "log_joint": log_joint, "label_sets": label_sets, "mode": mode,
        }  # fmt: skip
        self._log_likelihood = log_likelihood

    @classmethod
    def of_marginals(cls, marginals: Tensor) -> Prediction:
        """Return the prediction of P(y_k = 1 | x) alone, (..., N, K), which sum to the cardinality."""
        return cls(marginals, cardinality=lambda prediction: prediction.scores.sum(dim=-1))

    @property
    def has_joint(self) -> bool:
        """Whether there is a distribution over label sets."""
        return self._parts["log_joint"] is not None and self._parts["label_sets"] is not None

    @property
    def has_scores(self) -> bool:
        """Whether there are scores."""
        return self._parts["scores"] is not None

    @cached_property
    def scores(self) -> Tensor:
        """The score of each label: (..., N, K)."""
        scores: Tensor = self._computed("scores")
        return scores

    @cached_property
    def cardinality(self) -> Tensor | None:
        """Expected numbers of labels, (..., N), or None."""
        cardinality: Tensor | None = self._computed("cardinality")
        return cardinality

    @cached_property
    def sizes(self) -> Tensor | None:
        """Probabilities of the empty set and of each label with each number of labels, or None."""
        sizes: Tensor | None = self._computed("sizes")
        return sizes

    @cached_property
    def log_joint(self) -> Tensor:
        """Log-probabilities of `label_sets`: (..., N, M)."""
        log_joint: Tensor = self._computed("log_joint")
        return log_joint

    @cached_property
    def label_sets(self) -> Tensor | None:
        """The label sets of `log_joint`, (M, K), bool, or None."""
        label_sets: Tensor | None = self._computed("label_sets")
        return label_sets

    @cached_property
    def mode(self) -> Tensor:
        """The most probable label sets: (..., N, K), bool."""
        mode: Tensor | None = self._computed("mode")
        return self.best_listed() if mode is None else mode

    def best_listed(self) -> Tensor:
        """The label sets with the largest log_joint, the first of equals: (..., N, K), bool."""
        assert self.label_sets is not None
        return self.label_sets[self.log_joint.argmax(dim=-1)]

    def log_likelihood(self, targets: Tensor) -> Tensor | None:
        """Log-probability of each label set, (..., N, K) to (..., N), or None if it is not defined."""
        return None if self._log_likelihood is None else self._log_likelihood(targets)

    def of_run(self, run: int) -> Prediction:
        """Return the prediction of one run, if the first axis is the runs axis."""
        parts: Any = {name: self._slice(name, run) for name in _AXIS_OF_RUNS}
        label_sets = None if self._parts["label_sets"] is None else lambda _: self.label_sets

        def log_likelihood(targets: Tensor) -> Tensor | None:
            of_runs = self.log_likelihood(targets)
            return None if of_runs is None else of_runs[run]

        return Prediction(label_sets=label_sets, log_likelihood=log_likelihood, **parts)

    def with_scores(self, scores: Tensor) -> Prediction:
        """Return a prediction with other scores; parts that depend on the scores are recomputed."""
        parts: Any = {**self._parts, "scores": scores}
        return Prediction(log_likelihood=self._log_likelihood, **parts)

    def _slice(self, name: str, run: int) -> Part:
        if self._parts[name] is None:
            return None

        def sliced(_: Prediction) -> Tensor | None:
            values: Tensor | None = getattr(self, name)
            return None if values is None else values[run]

        return sliced

    def _computed(self, name: str) -> Any:
        part = self._parts[name]
        return part(self) if callable(part) else part
