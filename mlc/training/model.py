"""The model: a backbone and a head, with a runs axis."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mlc.backbones.base import Backbone
from mlc.data.resident import ResidentData
from mlc.heads.base import Head
from mlc.layers.bags import Bags

# Outputs in memory at a time outside training: 2^24 numbers are 64 MB in float32.
_OUTPUTS_AT_ONCE = 2**24
_ROWS_AT_ONCE = 4096


class Model(nn.Module):
    """A map from features (R, B, D) to the head's outputs (R, B, n_outputs).

    Attributes:
        n_unused: the number of weights of left-out columns, by run.
    """

    def __init__(self, backbone: Backbone, head: Head) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.n_unused: dict[int, int] = {}

    def forward(self, features: Tensor | Bags) -> Tensor:
        """Compute the head's outputs (R, B, n_outputs)."""
        outputs: Tensor = self.head(self.backbone(features))
        return outputs

    def losses(
        self,
        outputs: Tensor,
        targets: Tensor,
        known: Tensor | None,
        uniforms: Tensor | None = None,
    ) -> Tensor:
        """Compute the loss of each sample, (R, B), by its known labels if `known` is given."""
        if known is None:
            return self.head.loss(outputs, targets, uniforms)
        return self.head.masked_loss(outputs, targets, known, uniforms)

    @property
    def n_runs(self) -> int:
        """R."""
        return int(next(self.head.parameters()).shape[0])

    @property
    def n_parameters(self) -> int:
        """Number of parameters of each run."""
        return sum(parameter.numel() for parameter in self.parameters()) // self.n_runs

    @property
    def without_axis(self) -> set[nn.Parameter]:
        """The parameters without a runs axis: those of a backbone that is not stacked."""
        return set() if self.backbone.stacked else set(self.backbone.parameters())

    def numbers_per_sample(self, data: ResidentData) -> int:
        """Return the largest number of values in memory for a sample, its own among them."""
        return max(
            self.head.numbers_per_sample, self.backbone.numbers_per_sample, data.numbers_per_sample
        )

    @torch.no_grad()
    def outputs(
        self, data: ResidentData, rows: Tensor, batch_size: int = 1
    ) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Yield outputs (R, b, n_outputs), targets and marks of known labels of rows (R, N) in chunks.

        Targets and marks are those of `Batch`. Chunks are bounded in memory; b is a multiple of
        `batch_size`, except in the last chunk.
        """
        self.eval()
        per_row = self.n_runs * self.numbers_per_sample(data)
        size = min(_ROWS_AT_ONCE, _OUTPUTS_AT_ONCE // per_row)
        size = max(1, size // batch_size) * batch_size
        chunks = rows.split(size, dim=1)
        data.prefetch(chunks)
        for index in chunks:
            batch = data.batch(index)
            yield self(batch.features), batch.targets, batch.known
