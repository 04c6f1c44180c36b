"""A head as an ordinary module, without a runs axis, for any network."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mlc.config.errors import ConfigError
from mlc.heads.base import HEADS, Head, JointHead, KnownLabels
from mlc.heads.checks import as_tensor, require_shapes, require_values
from mlc.heads.memory import require_memory
from mlc.heads.prediction import Prediction


class PlainHead(nn.Module):
    """A head as an ordinary module: (B, D) in, (B, n_outputs) out.

    Shape: `loss` (B,), `scores` (B, K); for joint heads `log_joint` (B, M), `label_sets` (M, K),
    `marginals` and `mode` (B, K).

    >>> head = build_head("sigmoid", n_features=8, n_labels=3)
    >>> head.scores(head(torch.zeros(2, 8))).shape
    torch.Size([2, 3])
    """

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head
        self._has_checked_values = False

    def forward(self, features: Tensor) -> Tensor:
        """Map features (B, D) to outputs (B, n_outputs)."""
        outputs: Tensor = self.head(features.unsqueeze(0))
        return outputs.squeeze(0)

    def loss(self, outputs: Tensor, targets: Tensor, uniforms: Tensor | None = None) -> Tensor:
        """Compute the loss of each sample: (B,).

        Args:
            outputs: (B, n_outputs).
            targets: (B, K), a tensor of any dtype, an array or nested lists: zeros and ones, or numbers
                between them if the head takes soft targets. On the CPU the values are checked in each
                call, on other devices only in the first.
            uniforms: (B,), uniform on [0, 1), for heads that need them; by default they are drawn.

        Raises:
            DataError: the targets have another shape, or a value that the head does not take.
        """
        rows = self._checked(outputs, targets, self.head.soft_targets)
        uniforms = None if uniforms is None else uniforms.unsqueeze(0)
        return self.head.loss(outputs.unsqueeze(0), rows, uniforms).squeeze(0)

    def masked_loss(
        self, outputs: Tensor, targets: Any, known: Any, uniforms: Tensor | None = None
    ) -> Tensor:
        """Compute the loss of the known labels of each sample: (B,).

        Args:
            outputs: (B, n_outputs).
            targets: (B, K), as for `loss`, of any value where not known, NaN included.
            known: (B, K), True for known labels.
            uniforms: as for `loss`.

        Raises:
            ConfigError: the head has no loss for unknown labels.
            DataError: targets or `known` have another shape, or a known target has another value.
        """
        self.head.require_masks()
        mask = as_tensor(self.head.name, known, outputs.device).bool()
        require_shapes(self.head.name, outputs, mask, self.head.n_labels)
        given = as_tensor(self.head.name, targets, outputs.device)
        require_shapes(self.head.name, outputs, given, self.head.n_labels)
        rows = self._checked(outputs, given.masked_fill(~mask, 0), self.head.soft_targets)
        uniforms = None if uniforms is None else uniforms.unsqueeze(0)
        masked = self.head.masked_loss(outputs.unsqueeze(0), rows, mask.unsqueeze(0), uniforms)
        return masked.squeeze(0)

    def scores(self, outputs: Tensor) -> Tensor:
        """Compute the score of each label, in [0, 1]: (B, K)."""
        return self.head.scores(outputs.unsqueeze(0)).squeeze(0)

    def predict(self, outputs: Tensor) -> Prediction:
        """Return the input of decision rules: `build_decision(...).decide(head.predict(outputs))`."""
        return self.head.predict(outputs.unsqueeze(0)).of_run(0)

    @property
    def label_sets(self) -> Tensor:
        """The label sets with a probability: (M, K), bool."""
        return self._joint().label_sets

    def log_joint(self, outputs: Tensor) -> Tensor:
        """Log-probabilities of the label sets: (B, M)."""
        return self._joint().log_joint(outputs.unsqueeze(0)).squeeze(0)

    def log_likelihood(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Log-probability of the label set: (B,).

        Raises:
            DataError: the targets are not zeros and ones, (B, K).
        """
        joint, rows = self._joint(), self._checked(outputs, targets, soft=False)
        return joint.log_likelihood(outputs.unsqueeze(0), rows).squeeze(0)

    def marginals(self, outputs: Tensor) -> Tensor:
        """P(y_k = 1 | x): (B, K)."""
        return self._joint().marginals(outputs.unsqueeze(0)).squeeze(0)

    def mode(self, outputs: Tensor) -> Tensor:
        """The most probable label set: (B, K), bool."""
        return self._joint().mode(outputs.unsqueeze(0)).squeeze(0)

    def _checked(self, outputs: Tensor, targets: Tensor, soft: bool) -> Tensor:
        """Check the targets and add the runs axis: (1, B, K)."""
        name = self.head.name
        targets = as_tensor(name, targets, outputs.device)
        require_shapes(name, outputs, targets, self.head.n_labels)
        # On other devices only once, since the check makes the host wait for the device.
        if targets.device.type == "cpu" or not self._has_checked_values:
            require_values(name, targets, soft)
            self._has_checked_values = True
        return targets.to(outputs.dtype).unsqueeze(0)

    def _joint(self) -> JointHead:
        if not isinstance(self.head, JointHead):
            joint = [name for name in HEADS if issubclass(HEADS[name], JointHead)]
            raise ConfigError(
                f"The head {self.head.name!r} defines no distribution over label sets: choose one"
                f" that does ({', '.join(joint)})."
            )
        return self.head


def build_head(
    name: str,
    *,
    n_features: int,
    n_labels: int,
    targets: Any = None,
    known: Any = None,
    **options: Any,
) -> PlainHead:
    """Build the head of this name as an ordinary module, initialised from torch's global generator.

    Args:
        name: one of HEADS.
        n_features: width of the features, D.
        n_labels: number of labels, K.
        targets: the training labels, (N, K) of zeros and ones, for heads that need them.
        known: which of these labels are known, (N, K), bool; None if all are.
        options: options of the head.

    Raises:
        ConfigError: the head or an option is unknown, a value is out of range, the targets are missing
            or have another shape, or there are too few labels.
        DataError: the targets are not zeros and ones.
        CapacityError: the weights do not fit into the free memory.
    """
    head_class = HEADS[name]
    checked = HEADS.options(name, **options)
    labels = None if targets is None else _known(name, targets, known, n_labels)
    require_memory(head_class, n_features, n_labels, checked, known=labels)
    seed = int(torch.randint(2**31, ()).item())
    return PlainHead(head_class(n_features, n_labels, checked, seeds=[seed], known=labels))


def _known(name: str, targets: Any, known: Any, n_labels: int) -> KnownLabels:
    targets, mask = torch.as_tensor(targets), None
    if known is not None:
        mask = torch.as_tensor(known).bool()
        if mask.shape != targets.shape:
            raise ConfigError(
                f"known has shape {tuple(mask.shape)} and targets {tuple(targets.shape)}: give True or"
                " False for each."
            )
        targets = targets.masked_fill(~mask, 0)
    if targets.ndim != 2 or targets.shape[1] != n_labels or len(targets) == 0:
        raise ConfigError(
            f"targets has shape {tuple(targets.shape)}: give (N, {n_labels}), N rows of 0 and 1."
        )
    require_values(name, targets, soft=False)
    return KnownLabels(targets.bool(), torch.arange(len(targets)).unsqueeze(0), mask)
