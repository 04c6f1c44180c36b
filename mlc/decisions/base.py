"""The contract of a decision rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any, ClassVar, Self

from torch import Size, Tensor

from mlc.config import registry
from mlc.config.errors import ConfigError, DataError
from mlc.config.option_types import default_of
from mlc.config.registry import NoOptions, Registry
from mlc.decisions.checks import (
    ARGUMENTS,
    Lack,
    checked_mask,
    checked_pairs,
    checked_prediction,
    checked_targets,
    require_complete,
)
from mlc.heads.prediction import Prediction

# The threshold that is natural for scores which are P(y_k = 1 | x).
MARGINAL_THRESHOLD = 0.5


class DecisionRule:
    """Base class of decision rules, which turn a head's predictions into label sets.

    A rule is one class with `by_joint`, `by_sizes`, `by_cardinality` or `by_scores`, as it takes, and
    `tune` (or `learn`) if it learns; only `fit` and `decide` call these. Both take a `Prediction`,
    whose values are not checked, so that a decision never waits for a device, or plain numbers, which
    are checked.

    Class attributes:
        Options: dataclass of the rule's options.
        needs: the inputs that the rule can decide from, in order of preference: "joint", a
            distribution over label sets; "marginals", scores that are P(y_k = 1 | x); "scores", of any
            meaning; "cardinality", scores and an expected number of labels; "sizes", the
            probabilities of each label with each number of labels, which only a `Prediction` has.
        tuned_on: the part of the data that `fit` sees: "nothing", "validation", or "test" for a rule
            that is no fair contestant, which every table marks. A rule that takes the joint is tuned
            on nothing, because joints are held in memory only chunk by chunk.
        uses_training_sets: whether the rule uses `training_sets`, which whoever builds it then sets.

    Attributes:
        training_sets: (M, K), bool, label sets of the training rows, or None.

    Args:
        options: an instance of `Options`.
        natural_threshold: the natural threshold of the head, or None if it has none.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = NoOptions
    needs: ClassVar[tuple[str, ...]] = ("scores",)
    tuned_on: ClassVar[str] = "nothing"
    uses_training_sets: ClassVar[bool] = False
    training_sets: Tensor | None = None

    def __init__(self, options: Any, natural_threshold: float | None = 0.5) -> None:
        self.options = options
        self.natural_threshold = natural_threshold

    def __repr__(self) -> str:
        """Return the name, the options that are not the defaults, and what the rule learned, in words.

        As in "global (at_least_one=True), threshold 0.314".
        """
        given = [
            f"{field.name}={getattr(self.options, field.name)!r}"
            for field in fields(self.Options)
            if getattr(self.options, field.name) != default_of(field)
        ]
        return self.name + (f" ({', '.join(given)})" if given else "") + self._learned()

    def suit(self, head: Any, provides: Collection[str], n_labels: int) -> Self:
        """Take from a head what the options leave to it: from its options, what it gives, and K."""
        return self

    @property
    def lacks(self) -> Lack | None:
        """What the rule needs that neither its options nor the head give."""
        return None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "joint" in cls.needs and cls.tuned_on != "nothing":
            raise TypeError(f"The rule {cls.__name__} takes the joint, so it cannot be tuned.")

    def fit(self, scores: Any, targets: Any, known: Any = None) -> Self:
        """Fit the rule to scores in [0, 1] and targets of 0 and 1; return the rule itself.

        Args:
            scores: (..., N, K), a tensor, an array, or nested lists; or a `Prediction` with scores. A
                rule that is tuned on nothing ignores a prediction and computes none of its values.
            targets: (..., N, K), a tensor, an array, or nested lists.
            known: (..., N, K), bool, the pairs of row and label that count; None is all.

        Raises:
            ConfigError: the prediction has no scores; or some pairs are unknown, and the rule cannot be
                tuned then.
            DataError: a shape does not match, or a value is not a valid score or target.
        """
        if not isinstance(scores, Prediction):
            given, actual = checked_pairs(scores, targets)
            return self._learn(Prediction(given), actual, known)
        if self.tuned_on == "nothing":
            return self
        if not scores.has_scores:
            raise self._missing("a prediction with scores")
        return self._learn(scores, checked_targets(targets, scores.scores), known)

    def _learn(self, prediction: Prediction, targets: Tensor, known: Any) -> Self:
        mask = None if known is None else checked_mask(known, targets)
        if self.tuned_on == "nothing" or mask is None:
            return self.learn(prediction, targets)
        return self.learn_masked(prediction, targets, mask)

    def learn(self, prediction: Prediction, targets: Tensor) -> Self:
        """Learn from a prediction with scores, by default from these alone, and targets, unchecked."""
        return self.tune(prediction.scores.detach(), targets)

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Fit the rule to unchecked scores and targets, (..., N, K) each; return the rule itself."""
        return self

    def learn_masked(self, prediction: Prediction, targets: Tensor, known: Tensor) -> Self:
        """Learn from the known pairs, (..., N, K), bool, of which each run has at least one."""
        return self.tune_masked(prediction.scores.detach(), targets, known)

    def tune_masked(self, scores: Tensor, targets: Tensor, known: Tensor) -> Self:
        """Fit the rule to unchecked scores and targets of known pairs, (..., N, K) each.

        Raises:
            ConfigError: the rule cannot be tuned with missing labels.
        """
        raise ConfigError(
            f"The rule {self.name!r} cannot be tuned on rows with missing labels: choose another rule,"
            " such as global, or missing_labels=negative, which takes them as negative."
        )

    def decide(
        self,
        scores: Any = None,
        *,
        log_joint: Any = None,
        label_sets: Any = None,
        cardinality: Any = None,
    ) -> Tensor:
        """Return the predicted label sets: (..., N, K), bool.

        Args:
            scores: a `Prediction`, without other arguments; or (..., N, K), a tensor, an array, or
                nested lists, for rules that decide from scores or marginals.
            log_joint: (..., N, M), for rules that decide from the joint.
            label_sets: (M, K), the label sets of `log_joint`.
            cardinality: (..., N), expected numbers of labels, for rules that take them.

        Raises:
            ConfigError: an argument that the rule needs is missing.
            DataError: a shape does not match, or a value is out of range.
        """
        if isinstance(scores, Prediction):
            return self._decide(scores)
        prediction = checked_prediction(scores, log_joint, label_sets, cardinality)
        kind = self._kind(prediction)
        if kind != "joint":
            self._require_fitted_shape(prediction.scores.shape)
        return self._decide(prediction)

    def _decide(self, prediction: Prediction) -> Tensor:
        kind = self._kind(prediction)
        if kind == "joint":
            return self.by_joint(prediction)
        if kind == "sizes":
            assert prediction.sizes is not None
            return self.by_sizes(prediction.sizes.detach())
        if kind == "cardinality":
            assert prediction.cardinality is not None
            return self.by_cardinality(prediction.scores.detach(), prediction.cardinality.detach())
        return self.by_scores(prediction.scores.detach())

    def by_joint(self, prediction: Prediction) -> Tensor:
        """Return label sets from a prediction that has a joint: (..., N, K), bool."""
        raise NotImplementedError

    def by_cardinality(self, scores: Tensor, cardinality: Tensor) -> Tensor:
        """Return label sets from scores (..., N, K) and expected numbers (..., N): (..., N, K), bool."""
        raise NotImplementedError

    def by_sizes(self, sizes: Tensor) -> Tensor:
        """Return label sets from `Prediction.sizes`, (..., N, 1 + K^2): (..., N, K), bool."""
        raise NotImplementedError

    def by_scores(self, scores: Tensor) -> Tensor:
        """Return label sets from scores or marginals (..., N, K): (..., N, K), bool."""
        raise NotImplementedError

    def fitted(self) -> dict[str, Tensor]:
        """Return the fitted values by name: tensors whose leading axes are those of the scores."""
        return {}

    def described(self) -> dict[str, Any]:
        """Return the fitted values for JSON; with the options they are all that `restore` needs."""
        return {name: value.tolist() for name, value in self.fitted().items()}

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Restore the values of `fitted` or `described`; return the rule itself.

        Other entries are ignored.

        Raises:
            KeyError: an entry is missing.
        """
        return self

    def by_joint_beside(
        self, provides: Collection[str], deciding: bool = False
    ) -> dict[str, DecisionRule]:
        """Rules by the joint whose decisions it takes as `Prediction.decided`, by the names there.

        They are for callers that no longer hold the joint when they call `fit` or `decide`.

        Args:
            provides: what the head gives.
            deciding: whether they are for `decide`, once the rule is fitted.
        """
        return {}

    @classmethod
    def input_from(cls, offered: Collection[str]) -> str | None:
        """Return the input that the rule prefers among those offered, or None if it can use none."""
        return next((kind for kind in cls.needs if kind in offered), None)

    def fitted_shape(self, shape: Size) -> Size:
        """Return the shape of a value fitted to scores of this shape."""
        return shape[:-2]

    def fitted_shapes(self, shape: Size) -> dict[str, Size]:
        """Return the shape of each fitted value; a value that is not listed matches any scores."""
        return {name: self.fitted_shape(shape) for name in self.fitted()}

    def _learned(self) -> str:
        """Return the fitted values that are one number each, in words, with the mark before them."""
        values = {name: value for name, value in self.fitted().items() if value.numel() == 1}
        return "".join(f", {name} {value.item():.4g}" for name, value in values.items())

    def _kind(self, prediction: Prediction) -> str:
        """Return the kind of input that the rule decides from, given this prediction."""
        if prediction.has_joint and "joint" in self.needs:
            return "joint"
        if "sizes" in self.needs and prediction.sizes is not None:
            return "sizes"
        if prediction.has_scores:
            if "cardinality" in self.needs and prediction.cardinality is not None:
                return "cardinality"
            if {"marginals", "scores"} & set(self.needs):
                return "scores"
        raise self._missing(" or ".join(ARGUMENTS[kind] for kind in self.needs))

    def _require_fitted_shape(self, shape: Size) -> None:
        """Raise DataError if fitted values do not match scores of this shape; one run's match any."""
        stacked, single = self.fitted_shapes(shape), self.fitted_shapes(shape[-2:])
        for name, value in self.fitted().items():
            if name in stacked and value.shape not in (stacked[name], single[name]):
                raise DataError(
                    f"The rule {self.name!r} was fitted to scores of another shape than"
                    f" {tuple(shape)}: fit it to scores with the same labels and runs."
                )

    def _missing(self, what: str) -> ConfigError:
        return ConfigError(f"The rule {self.name!r} needs {what}, and none was given.")


DECISIONS: Registry[type[DecisionRule]] = registry.DECISIONS
register_decision = DECISIONS.register


def build_decision(
    name: str, *, natural_threshold: float | None = 0.5, **options: Any
) -> DecisionRule:
    """Build the decision rule of this name.

    Args:
        name: one of DECISIONS.
        natural_threshold: `Head.natural_threshold(n_labels)` of the head, or None if it has none.
        options: options of the rule.

    Raises:
        ConfigError: unknown rule or option, a value out of range, or an option that must be given.
    """
    rule = DECISIONS[name](DECISIONS.options(name, **options), natural_threshold)
    require_complete(name, rule.lacks)
    return rule
