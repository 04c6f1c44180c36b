"""Full-batch training: an epoch minimises the loss of all training rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from mlc.config.errors import ConfigError
from mlc.data.resident import Batch, ResidentData
from mlc.layers.bags import Bags
from mlc.layers.dropout import StackedDropout
from mlc.layers.normalization import StackedBatchNorm
from mlc.training.lbfgs import LBFGS
from mlc.training.model import Model

# Dense rows stay on the device in the order of training up to this many numbers, 512 MB in float32.
_MOST_CACHED = 2**27
_ENTRIES_AT_ONCE = 2**24


class FullBatch:
    """The penalised mean loss of one run, and its minimisation.

    Heads that draw a label for each sample are trained on the mean over the draws, which is smooth.

    Args:
        model: with one run, on the device of `data`.
        data: the resident data.
        rows: the training rows, (1, N).
        optimizer: over the model's parameters.
        weights: of all rows of the data, (N,): the loss of a row counts as often as its weight.

    Raises:
        ConfigError: the loss depends on random numbers or on which rows are in a batch.
    """

    def __init__(
        self,
        model: Model,
        data: ResidentData,
        rows: Tensor,
        optimizer: LBFGS,
        weights: Tensor | None = None,
    ) -> None:
        _require_deterministic(model)
        self._row_weights = None if weights is None else weights[rows]
        self._n_rows = rows.shape[1] if weights is None else float(weights[rows].sum())
        self.model, self.data, self.rows, self.optimizer = model, data, rows, optimizer
        self._weights = [
            weights for name, weights in model.named_parameters() if not name.endswith("bias")
        ]
        self._batches: list[Batch] | None = None

    def __call__(self, number: int) -> Tensor:
        """Minimise for penalty `number`, from 1; return the mean loss without it: (1,), float64."""
        self.model.train()
        if number == 1:
            self._begin()
        strength: float = 1 / (self.optimizer.options.C[number - 1] * self._n_rows)
        loss = torch.zeros((), dtype=torch.float64, device=self.data.device)

        def closure() -> Tensor:
            loss.copy_(self._mean_loss())
            squares = torch.stack([weights.square().sum() for weights in self._weights])
            penalty = strength / 2 * squares.sum()
            penalty.backward()
            return loss + penalty.detach()

        self.optimizer.minimise(closure)
        # The line search may end with other weights than those that it evaluated last.
        loss.copy_(self._mean_loss())
        self.optimizer.zero_grad()
        return loss.view(1)

    @torch.no_grad()
    def _begin(self) -> None:
        """Set the weights that do not change the loss, as those of columns of zeros, to 0.

        The penalty alone determines them, and a weak one would leave random weights in place.
        """
        with torch.enable_grad():
            self._mean_loss()
        for weights in self._weights:
            if weights.grad is not None:
                weights.masked_fill_(weights.grad == 0, 0)

    def _mean_loss(self) -> Tensor:
        """Set the gradients of the mean loss of the training rows, and return it: ()."""
        self.optimizer.zero_grad()
        total = torch.zeros((), dtype=torch.float64, device=self.data.device)
        first = 0
        for batch in self._training_batches():
            outputs = self.model(batch.features).to(batch.targets.dtype)
            if batch.known is None:
                losses = self.model.head.expected_loss(outputs, batch.targets)
            else:
                losses = self.model.head.expected_masked_loss(outputs, batch.targets, batch.known)
            if self._row_weights is not None:
                losses = losses * self._row_weights[:, first : first + losses.shape[1]]
                first += losses.shape[1]
            loss = losses.sum() / self._n_rows
            loss.backward()
            total += loss.detach()
        return total

    def _training_batches(self) -> Iterator[Batch]:
        """Yield the training rows, as many at once as memory allows."""
        if self._batches is not None:
            yield from self._batches
            return
        n_rows, per_row = self.rows.shape[1], self.model.numbers_per_sample(self.data)
        batches, is_cached = [], True
        chunks = self.rows.split(max(1, _ENTRIES_AT_ONCE // per_row), dim=1)
        self.data.prefetch(chunks)
        for index in chunks:
            batch = self.data.batch(index)
            if isinstance(batch.features, Bags):
                batch = replace(batch, features=batch.features.with_columns_sorted())
            elif is_cached:
                is_cached = n_rows * batch.features.shape[-1] <= _MOST_CACHED
            batches += [batch] if is_cached else []
            yield batch
        self._batches = batches if is_cached else None


def _require_deterministic(model: Model) -> None:
    """Require that neither random numbers nor the other rows of a batch change a row's loss.

    Raises:
        ConfigError: they do.
    """
    if model.head.compares_samples:
        raise ConfigError(
            f"optimizer=lbfgs cannot train head={model.head.name}, whose loss compares the rows of a"
            " batch: choose another optimizer, such as adamw."
        )
    for module in model.modules():
        if _rate(module):
            raise ConfigError(
                "optimizer=lbfgs needs the same loss at each evaluation, and the backbone"
                f" {model.backbone.name!r} has dropout: set backbone.dropout=0, or choose another"
                " optimizer, such as adamw."
            )
        if isinstance(module, (StackedBatchNorm, _BatchNorm)):
            raise ConfigError(
                "optimizer=lbfgs needs a loss that is the same in training and in evaluation, and the"
                f" backbone {model.backbone.name!r} has batch normalisation: set"
                " backbone.normalization=none or layer, or choose another optimizer, such as adamw."
            )


def _rate(module: nn.Module) -> float:
    if isinstance(module, StackedDropout):
        return max(module.rates)
    return module.p if isinstance(module, _DropoutNd) else 0.0
