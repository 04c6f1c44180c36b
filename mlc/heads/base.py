"""Base classes of output layers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

from torch import Tensor, nn

from mlc.config import registry
from mlc.config.errors import ConfigError
from mlc.config.registry import NoOptions, Registry
from mlc.config.texts import counted
from mlc.heads.checks import without_broadcasting
from mlc.heads.known import KnownLabels
from mlc.heads.masking import MaskedLoss
from mlc.heads.prediction import Prediction
from mlc.layers import StackedBlockLinear, StackedLinear, Streams


class Head(MaskedLoss):
    """An output layer: an affine map to `n_outputs` numbers, a loss on them, and a score per label.

    A subclass defines `loss` and `scores`, and `count_outputs` unless it has one output per label.

    Class attributes:
        Options: dataclass of the head's options, with search spaces.
        least_labels: the smallest number of labels with which the head can learn.
        soft_targets: whether targets from 0 to 1 are allowed. Up to a constant, the loss is then the
            mean over label sets with these frequencies.
        needs_uniforms: whether the loss needs a random number per sample.
        estimates: what the scores are at the loss's minimum: "marginals", P(y_k = 1 | x); "shares",
            E[y_k / |y| | x, y not empty] but for softmax_all and ova_n; or "order", numbers that only
            rank the labels.
        compares_samples: whether the loss compares the samples of a batch; validation keeps its size.
        many_labels: whether memory and time grow with K, not faster, as for thousands of labels.
        identifiable: whether the minimum of the expected loss determines a sample's scores; not so if a
            constant can be added to a sample's outputs, or if the loss compares samples.
        masks: whether the head has a loss for rows with missing labels; see `MaskedLoss`.

    Args:
        n_features: width of the features, D.
        n_labels: number of labels, K.
        options: an instance of `Options`.
        seeds: a seed for each run, from which its output weights are drawn.
        known: the training labels.
        separate: whether the features consist of K blocks, one for each label.

    Raises:
        ConfigError: training labels are missing, labels are too few, or the features are separate and
            the head has other than one output for each label.
    """

    name: ClassVar[str]
    Options: ClassVar[type] = NoOptions
    least_labels: ClassVar[int] = 1
    needs_uniforms: ClassVar[bool] = False
    estimates: ClassVar[str] = "marginals"
    compares_samples: ClassVar[bool] = False
    many_labels: ClassVar[bool] = True
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
                f"The head {self.name!r} has nothing to learn from {counted(n_labels, 'label')}:"
                f" give at least {counted(self.least_labels, 'label')}, or choose another"
                " head, such as sigmoid."
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
        """Wrap the loss of each subclass so that it never broadcasts its targets."""
        super().__init_subclass__(**arguments)
        if "loss" in vars(cls):
            cls.loss = without_broadcasting(cls.loss)  # type: ignore[method-assign]

    def set_up(self, seeds: Sequence[int], known: KnownLabels | None) -> None:
        """Create what the head holds beside its output layer; `options` and `n_labels` are set."""

    def remark(self, masked: bool) -> str | None:
        """Return what a training should say, where options or data make it that of another head."""
        return None

    @classmethod
    def count_outputs(cls, n_labels: int, options: Any, known: KnownLabels | None = None) -> int:
        """Return the number of outputs for each sample; K unless a subclass overrides it."""
        return n_labels

    @classmethod
    def natural_threshold(cls, n_labels: int) -> float | None:
        """Return the score from which a label is predicted if no threshold is tuned.

        None if the loss determines no threshold; the rule `fixed` then needs one in its options. The
        default 0.5 is optimal for Hamming loss if the scores are marginals.
        """
        return 0.5

    @classmethod
    def require_known(cls, known: KnownLabels | None) -> KnownLabels:
        """Return the training labels.

        Raises:
            ConfigError: the head was given none.
        """
        if known is None:
            raise ConfigError(
                f"The head {cls.name!r} must see the training labels: give build_head targets=, (N, K)."
            )
        return known

    def forward(self, features: Tensor) -> Tensor:
        """Map features (R, B, D) to outputs (R, B, n_outputs)."""
        outputs: Tensor = self.output(features)
        return outputs

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Compute the loss of each sample, without reduction: (R, B).

        Args:
            outputs: (R, B, n_outputs).
            targets: (R, B, K), zeros and ones in the outputs' dtype.
            uniforms: (R, B), uniform on [0, 1), for heads that need them; by default they are drawn.

        Raises:
            DataError: the targets have another shape. Their values are not checked.
        """
        raise NotImplementedError

    def scores(self, outputs: Tensor) -> Tensor:
        """Compute the score of each label, in [0, 1], higher for more relevant: (R, B, K)."""
        raise NotImplementedError

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """Log-probability of the label set, (R, B), or None if the head does not define it."""
        return None

    def masked_log_likelihood(
        self, outputs: Tensor, targets: Tensor, known: Tensor
    ) -> Tensor | None:
        """Log-probability of the known labels, (R, B), or None; targets are 0 where not known."""
        return None

    def cardinality(self, outputs: Tensor, scores: Tensor) -> Tensor | None:
        """Expected number of labels, (R, B), or None if the head does not estimate it.

        `scores` are the scores of the outputs, to avoid computing them twice.
        """
        return scores.sum(dim=-1) if self.estimates == "marginals" else None

    def predict(self, outputs: Tensor) -> Prediction:
        """Return the inputs of decision rules, with axes (R, B, ...); each is computed on first use."""
        return Prediction(
            lambda _: self.scores(outputs),
            cardinality=lambda prediction: self.cardinality(outputs, prediction.scores),
            log_likelihood=partial(self._likelihood, outputs),
        )

    def _likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor | None:
        """Return `log_likelihood` for targets of any dtype, (R, B, K), or (B, K) for all runs."""
        return self.log_likelihood(outputs, targets.to(outputs).expand(len(outputs), -1, -1))

    def expected_loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Compute the mean of the loss over its uniforms: (R, B)."""
        return self.loss(outputs, targets)

    def minimiser(self, joint: Tensor) -> Tensor | None:
        """Compute the outputs with the least expected loss under a known p(y | x), in closed form.

        `joint` is (N, 2^K), most significant bit first. The outputs are (N, n_outputs) for the first
        run, or None if no closed form is known.
        """
        return None

    @classmethod
    def provides(cls) -> frozenset[str]:
        """Return what decision rules can use: "scores", "marginals", "cardinality", "sizes", "joint"."""
        calibrated = cls.estimates == "marginals"
        return frozenset({"scores", "marginals", "cardinality"} if calibrated else {"scores"})

    @property
    def numbers_per_sample(self) -> int:
        """The size of the largest array that the evaluation of a sample needs."""
        return self.n_outputs


class JointHead(Head):
    """A head that defines a distribution over label sets, listed in `label_sets` (M, K)."""

    @property
    def label_sets(self) -> Tensor:
        """The label sets with a probability: (M, K), bool."""
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

    def masked_loss(
        self, outputs: Tensor, targets: Tensor, known: Tensor, uniforms: Tensor | None = None
    ) -> Tensor:
        """The negative logarithm of the probability of the known labels: (R, B)."""
        return -self.masked_log_likelihood(outputs, targets, known)

    def masked_log_likelihood(self, outputs: Tensor, targets: Tensor, known: Tensor) -> Tensor:
        """Log-probability of the known labels, (R, B); the targets are 0 where not known."""
        self.require_masks()
        raise NotImplementedError

    def marginals(self, outputs: Tensor) -> Tensor:
        """P(y_k = 1 | x): (R, B, K)."""
        return self.predict(outputs).scores

    def marginals_of(self, outputs: Tensor, prediction: Prediction) -> Tensor:
        """The marginals of the outputs, which `prediction` is of; by default from its joint."""
        joint = prediction.log_joint.exp()
        return (joint @ self.label_sets.to(joint.dtype)).clamp(max=1)

    def mode(self, outputs: Tensor) -> Tensor:
        """The most probable label set, the first of equals: (R, B, K), bool."""
        return self.predict(outputs).mode

    def improved(self, outputs: Tensor, listed: Tensor) -> Tensor:
        """The most probable label set, given the best one in `label_sets`: both (R, B, K), bool.

        It is the given one, unless a head can search beyond `label_sets`.
        """
        return listed

    def improved_mean(
        self, outputs: Tensor, shares: Tensor, of_runs: Prediction, listed: Tensor
    ) -> Tensor:
        """Return `improved` under the mean of the runs' predictions `of_runs`: both (B, K), bool.

        `shares` (R, B) are the weights of the runs in each row's mean; they sum to one.
        """
        return listed

    def predict(self, outputs: Tensor) -> Prediction:
        """Return the inputs of decision rules; all parts share one computation of the joint."""
        return Prediction(
            lambda prediction: self.marginals_of(outputs, prediction),
            cardinality=lambda prediction: self.cardinality(outputs, prediction.scores),
            log_joint=lambda _: self.log_joint(outputs),
            label_sets=lambda _: self.label_sets,
            mode=lambda prediction: self.improved(outputs, prediction.best_listed()),
            log_likelihood=partial(self._likelihood, outputs),
        )

    def scores(self, outputs: Tensor) -> Tensor:
        """The marginals."""
        return self.marginals(outputs)

    @classmethod
    def provides(cls) -> frozenset[str]:
        """The joint and everything that follows from it."""
        return super().provides() | {"joint"}

    @property
    def numbers_per_sample(self) -> int:
        """The number of outputs or of label sets, the larger one."""
        return max(self.n_outputs, len(self.label_sets))


__all__ = ["HEADS", "Head", "JointHead", "KnownLabels", "register_head"]

HEADS: Registry[type[Head]] = registry.HEADS
register_head = HEADS.register
