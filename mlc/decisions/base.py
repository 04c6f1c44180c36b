"""The contract of a decision rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

from torch import Size, Tensor

from mlc.config import registry
from mlc.config.errors import ConfigError, DataError
from mlc.config.registry import NoOptions, Registry
from mlc.decisions.checks import checked_pairs, checked_prediction, checked_targets
from mlc.heads.prediction import Prediction

# What `decide` must be given for each kind of knowledge that a rule can take.
_ARGUMENTS = {
    "joint": "a joint distribution (log_joint and label_sets)",
    "cardinality": "scores and an expected cardinality",
    "marginals": "marginals (scores)",
    "scores": "scores",
}


class DecisionRule:
    """Turns what a head tells of each sample into label sets.

    A rule is one class with `by_joint`, `by_cardinality` or `by_scores`, whichever it takes, and `tune`
    if it learns; only `fit` and `decide` call these. Both take a head's `Prediction`, whose values are
    not checked, so that a decision never waits for a device, or plain numbers, which are checked.

    Class attributes:
        Options: dataclass of the rule's settings.
        needs: what it can decide from, the best first: "joint", a distribution over label sets;
            "marginals", scores that are P(y_k = 1 | x); "scores", whatever they mean; "cardinality",
            scores and an expected number of labels.
        tuned_on: the part of the data that `fit` sees: "nothing", "validation", or "test" for a rule
            that is no fair contestant and is marked as such in every table. A rule that takes the joint
            is tuned on nothing, because joints are only held chunk by chunk.
        uses_training_sets: whether it uses `training_sets`, which its builder then sets.

    Attributes:
        training_sets: (M, K), bool, label sets of the training rows, or None.

    Args:
        options: an instance of `Options`.
        natural_threshold: the head's own, for rules that use it; None where it has none.
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

    @property
    def lacks_threshold(self) -> bool:
        """Whether it needs a threshold and has neither a stated one nor the head's natural one."""
        return False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "joint" in cls.needs and cls.tuned_on != "nothing":
            raise TypeError(f"The rule {cls.__name__} takes the joint, so it cannot be tuned.")

    def fit(self, scores: Any, targets: Any) -> Self:
        """Learn from scores in [0, 1] and targets of 0 and 1; returns the rule itself.

        Args:
            scores: (..., N, K), a tensor, an array, or nested lists; or a `Prediction` with scores. A
                rule that is tuned on nothing learns nothing from a prediction, and computes none of it.
            targets: likewise, of the same shape.

        Raises:
            ConfigError: the prediction has no scores.
            DataError: a shape does not fit, or a value is none that scores or targets can have.
        """
        if not isinstance(scores, Prediction):
            return self.tune(*checked_pairs(scores, targets))
        if self.tuned_on == "nothing":
            return self
        if not scores.has_scores:
            raise self._missing("a prediction with scores")
        own = scores.scores.detach()
        return self.tune(own, checked_targets(targets, own))

    def tune(self, scores: Tensor, targets: Tensor) -> Self:
        """Learn from scores and targets, (..., N, K) each, unchecked; returns the rule itself."""
        return self

    def decide(
        self,
        scores: Any = None,
        *,
        log_joint: Any = None,
        label_sets: Any = None,
        cardinality: Any = None,
    ) -> Tensor:
        """Label sets: (..., N, K), bool.

        Args:
            scores: a `Prediction`, and nothing else; or (..., N, K), a tensor, an array, or nested
                lists, for rules that decide from scores or marginals.
            log_joint: (..., N, M), for rules that decide from the joint.
            label_sets: (M, K), the sets that `log_joint` is over.
            cardinality: (..., N), expected numbers of labels, for rules that take them.

        Raises:
            ConfigError: what the rule needs was not given.
            DataError: a shape does not fit, or a value is none that such a thing can have.
        """
        if isinstance(scores, Prediction):
            return self._decide(scores)
        prediction = checked_prediction(scores, log_joint, label_sets, cardinality)
        kind = self._kind(prediction)
        if kind != "joint":
            self._refuse_misfit(prediction.scores.shape)
        return self._decide(prediction)

    def _decide(self, prediction: Prediction) -> Tensor:
        kind = self._kind(prediction)
        if kind == "joint":
            return self.by_joint(prediction)
        if kind == "cardinality":
            assert prediction.cardinality is not None
            return self.by_cardinality(prediction.scores.detach(), prediction.cardinality.detach())
        return self.by_scores(prediction.scores.detach())

    def by_joint(self, prediction: Prediction) -> Tensor:
        """Label sets from a prediction that has a joint: (..., N, K), bool."""
        raise NotImplementedError

    def by_cardinality(self, scores: Tensor, cardinality: Tensor) -> Tensor:
        """Label sets from scores (..., N, K) and expected numbers (..., N): (..., N, K), bool."""
        raise NotImplementedError

    def by_scores(self, scores: Tensor) -> Tensor:
        """Label sets from scores, or marginals, (..., N, K): likewise, bool."""
        raise NotImplementedError

    def fitted(self) -> dict[str, Tensor]:
        """What `fit` learned, by name: tensors whose leading axes are those of the scores."""
        return {}

    def described(self) -> dict[str, Any]:
        """What `fit` learned, for JSON; with the options it is all that `restore` needs."""
        return {name: value.tolist() for name, value in self.fitted().items()}

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Take what `fit` learned before, as `fitted` told it or as lists; returns the rule itself.

        Other entries are ignored.

        Raises:
            KeyError: an entry is missing.
        """
        return self

    @classmethod
    def input_from(cls, offered: Collection[str]) -> str | None:
        """What it would decide from, of what a head offers; None where that is not enough."""
        return next((kind for kind in cls.needs if kind in offered), None)

    def fitted_shape(self, shape: Size) -> Size:
        """The shape of what `fit` learns from scores of this shape."""
        return shape[:-2]

    def fitted_shapes(self, shape: Size) -> dict[str, Size]:
        """The shape of each value that `fit` learns, where they differ; those left out fit any."""
        return {name: self.fitted_shape(shape) for name in self.fitted()}

    def _kind(self, prediction: Prediction) -> str:
        """What it decides from, of what the prediction has."""
        if prediction.has_joint and "joint" in self.needs:
            return "joint"
        if prediction.has_scores:
            if "cardinality" in self.needs and prediction.cardinality is not None:
                return "cardinality"
            if {"marginals", "scores"} & set(self.needs):
                return "scores"
        raise self._missing(" or ".join(_ARGUMENTS[kind] for kind in self.needs))

    def _refuse_misfit(self, shape: Size) -> None:
        """Scores of a shape that what `fit` learned does not fit; that of one run fits any number."""
        every, of_one = self.fitted_shapes(shape), self.fitted_shapes(shape[-2:])
        for name, value in self.fitted().items():
            if name in every and value.shape not in (every[name], of_one[name]):
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
    """The rule of this name.

    Args:
        name: one of DECISIONS.
        natural_threshold: `Head.natural_threshold(n_labels)` of the head, None where it has none.
        options: the rule's own.

    Raises:
        ConfigError: unknown rule or option, a value out of range, or no threshold where one is needed.
    """
    rule = DECISIONS[name](DECISIONS.options(name, **options), natural_threshold)
    if rule.lacks_threshold:
        raise ConfigError(
            f"The rule {name!r} has no threshold, for the head's scores have no natural one: state"
            " threshold=, or choose a tuned rule such as global."
        )
    return rule
