"""The contract of a decision rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

from torch import Tensor

from mlc.errors import ConfigError
from mlc.registry import NoOptions, Registry

# What `decide` must be given for each kind of knowledge that a rule can take.
_ARGUMENTS = {
    "joint": "a joint distribution (log_joint and label_sets)",
    "cardinality": "scores and an expected cardinality",
    "marginals": "marginals (scores)",
    "scores": "scores",
}


class DecisionRule:
    """Turns what a head tells of each sample into label sets.

    A rule is one class with `by_joint`, `by_cardinality` or `by_scores`, whichever it takes.

    Class attributes:
        Options: dataclass of the rule's settings.
        takes: what it can decide from, the best first: "joint", a distribution over label sets;
            "marginals", scores that are P(y_k = 1 | x); "scores", whatever they mean; "cardinality",
            scores and an expected number of labels.
        tuned_on: the part of the data that `fit` sees: "nothing", "validation", or "test" for a rule
            that is no fair contestant and is marked as such in every table.

    Args:
        options: an instance of `Options`.
        natural_threshold: the head's own, for rules that use it; None where it has none.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = NoOptions
    takes: ClassVar[tuple[str, ...]] = ("scores",)
    tuned_on: ClassVar[str] = "nothing"

    def __init__(self, options: Any, natural_threshold: float | None = 0.5) -> None:
        self.options = options
        self.natural_threshold = natural_threshold

    @property
    def lacks_threshold(self) -> bool:
        """Whether it needs a threshold and has neither a stated one nor the head's natural one."""
        return False

    def fit(self, scores: Tensor, targets: Tensor) -> Self:
        """Learn from scores and targets, (..., N, K) each; returns the rule itself."""
        return self

    def decide(
        self,
        scores: Tensor | None = None,
        *,
        log_joint: Tensor | None = None,
        label_sets: Tensor | None = None,
        cardinality: Tensor | None = None,
    ) -> Tensor:
        """Label sets: (..., N, K), bool.

        Args:
            scores: (..., N, K), for rules that decide from scores or marginals.
            log_joint: (..., N, M), for rules that decide from the joint.
            label_sets: (M, K), bool, the sets that `log_joint` is over.
            cardinality: (..., N), expected numbers of labels, for rules that take them.

        Raises:
            ConfigError: what the rule needs was not given.
        """
        if log_joint is not None and label_sets is not None and "joint" in self.takes:
            return self.by_joint(log_joint, label_sets)
        if scores is not None and cardinality is not None and "cardinality" in self.takes:
            return self.by_cardinality(scores, cardinality)
        if scores is not None and {"marginals", "scores"} & set(self.takes):
            return self.by_scores(scores)
        raise self._missing(" or ".join(_ARGUMENTS[kind] for kind in self.takes))

    def by_joint(self, log_joint: Tensor, label_sets: Tensor) -> Tensor:
        """Label sets from log-probabilities (..., N, M) of label sets (M, K): (..., N, K), bool."""
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

    def restore(self, fitted: Mapping[str, Any]) -> Self:
        """Take what `fit` learned before, as `fitted` told it or as lists; returns the rule itself.

        Other entries are ignored.

        Raises:
            KeyError: an entry is missing.
        """
        return self

    @classmethod
    def chosen_from(cls, offered: Collection[str]) -> str | None:
        """What it would decide from, of what a head offers; None where that is not enough."""
        return next((kind for kind in cls.takes if kind in offered), None)

    def _missing(self, what: str) -> ConfigError:
        return ConfigError(f"The rule {self.name!r} needs {what}, and none was given.")


DECISIONS: Registry[DecisionRule] = Registry("decision rule")
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
