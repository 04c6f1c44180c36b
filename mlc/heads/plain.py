"""A head for one's own network, without a runs axis."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mlc.errors import ConfigError
from mlc.heads.base import HEADS, Head, JointHead
from mlc.heads.memory import require_memory


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

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, D) to outputs (B, n_outputs)."""
        outputs: Tensor = self.head(features.unsqueeze(0))
        return outputs.squeeze(0)

    def loss(self, outputs: Tensor, targets: Tensor, noise: Tensor | None = None) -> Tensor:
        """One value for each sample: (B,). Targets (B, K) may be of any dtype."""
        return self.head.loss(outputs, targets.to(outputs.dtype), noise)

    def scores(self, outputs: Tensor) -> Tensor:
        """Relevance of each label, in [0, 1]: (B, K)."""
        return self.head.scores(outputs)

    @property
    def label_sets(self) -> Tensor:
        """The label sets that have a probability: (M, K), bool."""
        return self._joint().label_sets

    def log_joint(self, outputs: Tensor) -> Tensor:
        """Log-probabilities of the label sets: (B, M)."""
        return self._joint().log_joint(outputs)

    def marginals(self, outputs: Tensor) -> Tensor:
        """P(y_k = 1 | x): (B, K)."""
        return self._joint().marginals(outputs)

    def mode(self, outputs: Tensor) -> Tensor:
        """The most probable label set: (B, K), bool."""
        return self._joint().mode(outputs)

    def _joint(self) -> JointHead:
        if not isinstance(self.head, JointHead):
            joint = [name for name in HEADS if issubclass(HEADS[name], JointHead)]
            raise ConfigError(
                f"The head {self.head.name!r} defines no distribution over label sets: choose one"
                f" that does ({', '.join(joint)})."
            )
        return self.head


def build_head(name: str, *, n_features: int, n_labels: int, **options: Any) -> PlainHead:
    """The head of this name as a plain module, initialised from torch's global generator.

    Raises:
        ConfigError: unknown head or option, or a value out of range.
        CapacityError: its weights would not fit into free memory.
    """
    head_class = HEADS[name]
    checked = HEADS.options(name, **options)
    require_memory(head_class, n_features, n_labels, checked)
    seed = int(torch.randint(2**31, ()).item())
    return PlainHead(head_class(n_features, n_labels, checked, seeds=[seed]))
