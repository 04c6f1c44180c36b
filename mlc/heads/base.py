"""The contract of an output layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from mlc.config import registry
from mlc.config.errors import ConfigError
from mlc.config.registry import NoOptions, Registry
from mlc.heads.checks import without_broadcasting
from mlc.heads.prediction import Prediction
from mlc.layers import StackedBlockLinear, StackedLinear, Streams


@dataclass(frozen=True)
class KnownLabels:
    """The labels that a head may look at before it is trained.

    Attributes:
        targets: (N, K), bool: all rows outside the test part, so the same for runs trained together.
        rows: (R, n), int64: each run's own training rows among them.
    """

    targets: Tensor
    rows: Tensor

    @cached_property
    def distinct(self) -> tuple[Tensor, Tensor]:
        """The distinct label sets, (M, K), and the number of each row's: (N,)."""
        label_sets, number = self.targets.unique(dim=0, return_inverse=True)
        return label_sets, number

    @property
    def of_runs(self) -> Tensor:
        """Each run's training targets: (R, n, K), bool."""
        return self.targets[self.rows]


class Head(nn.Module):
    """An output layer: an affine map to `n_outputs` numbers, a loss on them, and a score per label.

    A head is one class with `loss` and `scores`, and `count_outputs` where it needs other than one
    output for each label.

    Class attributes:
        Options: dataclass of the head's settings; those worth tuning state where to search.
        least_labels: with fewer labels it has nothing to learn, and is refused.
        soft_targets: whether targets between 0 and 1 mean something: the loss is then, but for a
            constant, its mean over label sets with these frequencies.
        needs_uniforms: whether the loss needs a random number for each sample.
        estimates: what the scores are at the loss's minimum: "marginals", P(y_k = 1 | x); "shares",
            E[y_k / |y| given x]; or "order", numbers that only rank the labels.
        compares_samples: whether a sample's loss depends on the other samples of its batch. Its
            validation loss is then that of batches of the training's size.
        identifiable: whether the least expected loss fixes a sample's scores. Not where the loss leaves
            a constant free for each sample, or compares samples with each other.

    Args:
        n_features: width of the features, D.
        n_labels: K.
        options: an instance of `Options`.
        seeds: one for each run; the output weights are drawn from them.
        known: the training labels.
        separate: whether the features are K blocks, each for one label alone.

    Raises:
        ConfigError: it must see the training labels and is given none, it has nothing to learn from
            so few labels, or the features are separate and it has other than one output for each label.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = NoOptions
    least_labels: ClassVar[int] = 1
    soft_targets: ClassVar[bool] = False
    needs_uniforms: ClassVar[bool] = False
    estimates: ClassVar[str] = "marginals"
    compares_samples: ClassVar[bool] = False
    identifiable: ClassVar[bool] = True

    def __init__(
        self,
        n_features: int,
        n_labels: int,
        options: Any,
        seeds: Sequence[int],
        known: KnownLabels | None = None,
        separate: bool = False,
    ) -> None:
        super().__init__()
        if n_labels < self.least_labels:
            raise ConfigError(
                f"The head {self.name!r} has nothing to learn from {n_labels} label(s): give at least"
                f" {self.least_labels} labels, or choose another head, such as sigmoid."
            )
        self.n_labels = n_labels
        self.options = options
        self.n_outputs = self.count_outputs(n_labels, options, known)
        streams = Streams(seeds, "initialisation/head")
        self.output: nn.Module
        if not separate:
            self.output = StackedLinear(n_features, self.n_outputs, streams)
        elif self.n_outputs == n_labels:
            self.output = StackedBlockLinear(n_labels, n_features // n_labels, 1, streams)
        else:
            raise ConfigError(
                f"backbone.separate=true needs a head with one output for each label, and"
                f" {self.name!r} has {self.n_outputs} for {n_labels}: choose sigmoid, or one network."
            )
        self.set_up(seeds, known)

    def __init_subclass__(cls, **arguments: Any) -> None:
        """A head's loss never broadcasts its targets."""
        super().__init_subclass__(**arguments)
        if "loss" in vars(cls):
            cls.loss = without_broadcasting(cls.loss)  # type: ignore[method-assign]

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Make what a head holds beside its output layer; its options and `n_labels` are there."""

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """How many numbers the output layer gives for each sample; K unless a head says otherwise."""
        return n_labels

    @classmethod
    def natural_threshold(cls, n_labels: int) -> float | None:
        """The score from which a label counts as relevant when nothing is tuned.

        None where the loss fixes none, so that the rule `fixed` needs a stated threshold. One half
        unless a head says otherwise: for marginals that is best for Hamming loss.
        """
        return 0.5

    @classmethod
    def require_known(cls, known: KnownLabels | None) -> KnownLabels:
        """The training labels.

        Raises:
            ConfigError: there are none.
        """
        if known is None:
            raise ConfigError(
                f"The head {cls.name!r} must see the training labels: give build_head targets=, (N, K)."
            )
        return known

    def forward(self, features: Tensor) -> Tensor:
        """Features (R, B, D) to outputs (R, B, n_outputs)."""
        outputs: Tensor = self.output(features)
        return outputs

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """One value for each sample, nothing reduced: (R, B).

        Args:
            outputs: (R, B, n_outputs).
            targets: (R, B, K), zeros and ones in the outputs' dtype.
            uniforms: (R, B), uniform on [0, 1), for heads that draw; drawn here where it is None.

        Raises:
            DataError: the targets' shape is another. Their values are not looked at.
        """
        raise NotImplementedError

    def scores(self, outputs: Tensor) -> Tensor:
        """Relevance of each label, in [0, 1], higher is more likely relevant: (R, B, K)."""
        raise NotImplementedError

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """Log-probability of the label set, (R, B), or None where the head defines no such thing."""
        return None

    def cardinality(self, outputs: Tensor, scores: Tensor) -> Tensor | None:
        """Expected number of labels, (R, B), or None where the head has no idea of it.

        `scores` are those of the outputs, which are not to be made twice.
        """
        return scores.sum(dim=-1) if self.estimates == "marginals" else None

    def predict(self, outputs: Tensor) -> Prediction:
        """What decision rules may ask for, with axes (R, B, ...)."""
        return Prediction(
            lambda _: self.scores(outputs),
            cardinality=lambda own: self.cardinality(outputs, own.scores),
        )

    def expected_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, averaged over its uniforms: (R, B)."""
        return self.loss(outputs, targets)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """Outputs with the least expected loss for samples whose p(y | x) is known, in closed form.

        Args:
            joint: (N, 2^K), most significant bit first.

        Returns:
            (N, n_outputs) for the first run, or None where no closed form is known.
        """
        return None

    @classmethod
    def provides(cls) -> frozenset[str]:
        """What decision rules may ask of it: "scores", "marginals", "cardinality", "joint"."""
        calibrated = cls.estimates == "marginals"
        return frozenset({"scores", "marginals", "cardinality"} if calibrated else {"scores"})

    @property
    def numbers_per_sample(self) -> int:
        """The largest array that a sample takes when it is judged."""
        return self.n_outputs


class JointHead(Head):
    """A head that defines a distribution over label sets, listed in `label_sets` (M, K)."""

    @property
    def label_sets(self) -> Tensor:
        """The label sets that have a probability: (M, K), bool."""
        raise NotImplementedError

    def log_joint(self, outputs: Tensor) -> Tensor:
        """Log-probabilities of the label sets, which sum to one: (R, B, M)."""
        raise NotImplementedError

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set: (R, B)."""
        raise NotImplementedError

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """The negative log-likelihood: (R, B)."""
        return -self.log_likelihood(outputs, targets)

    def marginals(self, outputs: Tensor) -> Tensor:
        """P(y_k = 1 | x): (R, B, K)."""
        joint = self.log_joint(outputs).exp()
        return (joint @ self.label_sets.to(joint.dtype)).clamp(max=1)

    def mode(self, outputs: Tensor) -> Tensor:
        """The most probable label set (the first of equals): (R, B, K), bool."""
        return self.improved(outputs, self.label_sets[self.log_joint(outputs).argmax(dim=-1)])

    def improved(self, outputs: Tensor, listed: Tensor) -> Tensor:
        """The most probable label set, given the best of `label_sets`: (R, B, K), bool, to likewise.

        The same, unless a head can search beyond `label_sets`.
        """
        return listed

    def mean_log_joint(self, outputs: Tensor, shares: Tensor) -> Tensor:
        """Log of the runs' mean probability of each label set: (B, M).

        `shares` (R, B) are the runs' in each row's mean; they sum to one.
        """
        joint = self.log_joint(outputs)
        return (joint + shares.log().to(joint).unsqueeze(-1)).logsumexp(dim=0)

    def mode_of_mean(self, outputs: Tensor, shares: Tensor) -> Tensor:
        """The most probable label set by the mean joint, `shares` as there: (B, K), bool."""
        return self.label_sets[self.mean_log_joint(outputs, shares).argmax(dim=-1)]

    def predict(self, outputs: Tensor) -> Prediction:
        """The joint and the mode too."""
        return Prediction(
            lambda _: self.scores(outputs),
            cardinality=lambda own: self.cardinality(outputs, own.scores),
            log_joint=lambda _: self.log_joint(outputs),
            label_sets=self.label_sets,
            mode=lambda own: self.improved(outputs, own.best_listed()),
        )

    def sample(self, outputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """One label set drawn for each sample: (R, B, K), bool."""
        joint = self.log_joint(outputs).exp()
        drawn = torch.multinomial(joint.flatten(0, -2), 1, generator=generator)
        return self.label_sets[drawn.view(joint.shape[:-1])]

    def scores(self, outputs: Tensor) -> Tensor:
        """The marginals."""
        return self.marginals(outputs)

    @classmethod
    def provides(cls) -> frozenset[str]:
        """The joint, and all else."""
        return super().provides() | {"joint"}

    @property
    def numbers_per_sample(self) -> int:
        """Outputs or label sets, whichever are more."""
        return max(self.n_outputs, len(self.label_sets))


HEADS: Registry[type[Head]] = registry.HEADS
register_head = HEADS.register
