"""The one training loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mlc.config.errors import ConfigError, TrainingError
from mlc.config.schema import TrainerOptions
from mlc.data.missing_labels import HALF
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.layers import Streams
from mlc.metrics.counts import COUNT_METRICS
from mlc.metrics.top_scores import ScoreCollector, n_kept
from mlc.training.augmentation import Augmentation
from mlc.training.captured import step_for
from mlc.training.draws import EpochDraws
from mlc.training.full_batch import FullBatch
from mlc.training.lbfgs import LBFGS
from mlc.training.model import Model
from mlc.training.stacked import StackedOptimizer
from mlc.training.steps import PlainStep

# The dtype of the weights by trainer.precision.
DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.float32}


@dataclass(frozen=True)
class Epoch:
    """The results of one epoch.

    Attributes:
        number: number of the epoch, from 1.
        active: (R,), bool: the runs that were still training.
        values: (R,) by name: "loss/train", "loss/val", "val/METRIC", "learning_rate".
    """

    number: int
    active: Tensor
    values: dict[str, Tensor]


class Training:
    """The training of R runs at once; iteration yields an `Epoch` after each epoch.

    At the end the model has the weights of each run's best epoch.

    Args:
        model: model of R runs, on the device of `data`.
        data: the data in device memory.
        splits: one per run, with equal sizes.
        optimizer: optimiser of the model's parameters.
        options: trainer options, one per run; only `monitor` and `patience` may differ. Without a
            patience, that of the optimizer holds.
        seeds: one per run.
        augmentation: random changes of the samples in training batches.
        weights: of all rows of the data in the training loss, (N,), relative to their mean; None weighs
            all alike.

    Attributes:
        max_epochs: the largest number of epochs.
        train_rows, val_rows: row indices of each run's parts, (R, N).
        draws: the order of the training rows in each epoch, and noise.
        best_epoch: (R,), from 1.
        n_epochs: number of trained epochs, (R,).
        failures: the reason why a run stopped, by its index.
    """

    def __init__(
        self,
        model: Model,
        data: ResidentData,
        splits: Sequence[Split],
        optimizer: StackedOptimizer,
        options: Sequence[TrainerOptions],
        seeds: Sequence[int],
        augmentation: Augmentation | None = None,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.model, self.data, self.optimizer, self.options = model, data, optimizer, options[0]
        device = data.device
        if self.options.precision == "bfloat16" and device.type != "cuda":
            raise ConfigError("trainer.precision=bfloat16 needs CUDA: use float32 here.")
        if self.options.precision == "bfloat16" and isinstance(optimizer, LBFGS):
            raise ConfigError("optimizer=lbfgs needs trainer.precision=float32 or float64.")
        self._require_steps()
        row_weights = self._row_weights(weights)
        self._plain_step = PlainStep(
            model,
            data,
            optimizer,
            self.options.precision == "bfloat16",
            self.options.clip_norm,
            self.options.accumulation,
            augmentation,
            row_weights,
        )
        self._step = step_for(self._plain_step, self.options.cuda_graphs, self.options.compile)
        self.max_epochs = self.options.max_epochs
        self.train_rows = data.rows([split.train for split in splits])
        self._full_batch: FullBatch | None = None
        if isinstance(optimizer, LBFGS):
            if augmentation is not None:
                raise ConfigError(
                    "optimizer=lbfgs trains on unchanged rows: leave data.augment out."
                )
            self._full_batch = FullBatch(model, data, self.train_rows, optimizer, row_weights)
            self.max_epochs = min(self.max_epochs, optimizer.n_epochs)
        self.val_rows = data.rows([split.val for split in splits])
        self._n_kept = n_kept(data.most_labels)
        self.draws = EpochDraws(
            seeds, self.train_rows, data.dtype if model.head.needs_uniforms else None
        )
        # The same in every epoch, so that validation losses are comparable.
        val_uniforms = Streams(seeds, "validation noise").uniform(self.val_rows.shape[1])
        self._val_uniforms = val_uniforms.to(device, data.dtype)
        self._begin_monitoring(options)

    def _require_steps(self) -> None:
        options = self.options
        used = {
            "warmup": options.warmup > 0,
            "clip_norm": options.clip_norm is not None,
            "accumulation": options.accumulation > 1,
            "compile": options.compile,
        }
        named = [f"trainer.{name}" for name, is_used in used.items() if is_used]
        if named and isinstance(self.optimizer, LBFGS):
            raise ConfigError(
                f"optimizer=lbfgs takes no steps on batches: leave out {', '.join(named)}."
            )
        if options.accumulation > 1 and self.model.head.compares_samples:
            raise ConfigError(
                f"The head {self.model.head.name!r} compares the samples of a batch, which"
                " trainer.accumulation would divide: leave it out, or choose another head."
            )

    def _row_weights(self, weights: NDArray[np.float64] | None) -> Tensor | None:
        if weights is None:
            return None
        if self.model.head.compares_samples:
            raise ConfigError(
                f"The head {self.model.head.name!r} compares the samples of a batch, so that they cannot"
                " have weights: leave sample_weight out, or choose another head."
            )
        relative = torch.as_tensor(weights / weights.mean())
        return relative.to(self.data.device, self.data.dtype)

    def _begin_monitoring(self, options: Sequence[TrainerOptions]) -> None:
        device, n_runs = self.data.device, len(options)
        monitors = [run.monitor for run in options]
        self._monitored = {
            name: torch.tensor([monitor == name for monitor in monitors], device=device)
            for name in dict.fromkeys(monitors)
        }
        signs = [1 if _higher_is_better(monitor) else -1 for monitor in monitors]
        self._sign = torch.tensor(signs, dtype=torch.float64, device=device)
        patience = [run.patience or self.optimizer.patience or self.max_epochs for run in options]
        self._patience = torch.tensor(patience, device=device)
        self._best = torch.full((n_runs,), -torch.inf, dtype=torch.float64, device=device)
        self._least_loss = torch.full_like(self._best, torch.inf)
        self._least_loss_epoch = torch.zeros(n_runs, dtype=torch.int64, device=device)
        self._best_weights = {
            name: value.clone() for name, value in self.model.state_dict().items()
        }
        self.best_epoch = torch.zeros(n_runs, dtype=torch.int64, device=device)
        self.n_epochs = torch.zeros(n_runs, dtype=torch.int64, device=device)
        self._active = torch.ones(n_runs, dtype=torch.bool, device=device)
        self.failures: dict[int, TrainingError] = {}

    def __iter__(self) -> Iterator[Epoch]:
        for number in range(1, self.max_epochs + 1):
            trained = self._active.clone()
            self.n_epochs += trained
            values = {"loss/train": self.train_epoch(number), **self._validate()}
            values["learning_rate"] = self.optimizer.learning_rates
            self._drop_failed(number, values["loss/train"], values["loss/val"])
            self._keep_best(number, values)
            yield Epoch(number, trained, values)
            if not self._active.any():
                break
        self.model.load_state_dict(self._best_weights)

    @property
    def best_value(self) -> Tensor:
        """The monitored metric in the best epoch: (R,)."""
        return self._sign * self._best

    def train_epoch(self, number: int) -> Tensor:
        """Train for one epoch; return the mean loss of each run, (R,)."""
        if self._full_batch is not None:
            return self._full_batch(number)
        self.model.train()
        n_rows, size = self.train_rows.shape[1], self.options.batch_size
        rows, uniforms = self.draws.next()
        starts, batches = range(0, n_rows, size), rows.split(size, dim=1)
        self.optimizer.plan(
            [(number - 1 + start / n_rows) / self.options.max_epochs for start in starts],
            self.options.warmup,
        )
        self._plain_step.begin_epoch(n_rows)
        self.data.prefetch(batches)
        for step, (start, batch) in enumerate(zip(starts, batches, strict=True)):
            self.optimizer.advance(step)
            self._step(batch, None if uniforms is None else uniforms[:, start : start + size])
        if number < self.max_epochs:
            self.draws.draw_ahead()
        return self._plain_step.total / n_rows

    @torch.no_grad()
    def _validate(self) -> dict[str, Tensor]:
        head, size = self.model.head, self.options.batch_size
        collected, losses, first = ScoreCollector(self._n_kept), [], 0
        for outputs, actual, known in self.model.outputs(self.data, self.val_rows, size):
            chunk = slice(first, first + actual.shape[1])
            first += actual.shape[1]
            hard = actual >= HALF if self.data.is_soft else actual
            collected.add(head.scores(outputs), hard, known)
            # Losses that compare samples need the batches of training, not chunks of another size.
            n_rows = size if head.compares_samples else actual.shape[1]
            tables = outputs, actual, known, self._val_uniforms[:, chunk]
            parts: list[Any] = [
                repeat(None) if one is None else one.split(n_rows, 1) for one in tables
            ]
            losses += [self.model.losses(*part).double() for part in zip(*parts, strict=False)]
        values = {"loss/val": torch.cat(losses, dim=1).mean(dim=1)}
        followed = dict.fromkeys((*self._monitored, *self.options.followed))
        followed.pop("loss", None)
        if followed:
            ranked = collected.ranked()
            # Rules may require at least one label, and another C can then be the best.
            at_least_one = False if self._full_batch is None else None
            for name in followed:
                values[f"val/{name}"] = ranked.best_value(COUNT_METRICS[name], at_least_one)
        return values

    def _keep_best(self, number: int, values: dict[str, Tensor]) -> None:
        value = torch.zeros_like(self._best)
        for monitor, runs in self._monitored.items():
            monitored = values["loss/val" if monitor == "loss" else f"val/{monitor}"]
            value = torch.where(runs, self._sign * monitored.double(), value)
        better = self._active & (value > self._best)
        # Masks instead of indices, for which the host would have to wait.
        self._best = torch.where(better, value, self._best)
        self.best_epoch.masked_fill_(better, number)
        for name, weights in self.model.state_dict().items():
            best = self._best_weights[name]
            torch.where(better.view(-1, *[1] * (best.ndim - 1)), weights, best, out=best)
        last = self.best_epoch
        if self._full_batch is not None:
            # While the penalty is too strong, all rows may have the same decision, epoch after epoch.
            fell = values["loss/val"] < self._least_loss
            self._least_loss = torch.where(fell, values["loss/val"], self._least_loss)
            self._least_loss_epoch.masked_fill_(fell, number)
            last = torch.maximum(last, self._least_loss_epoch)
        self._active &= number - last < self._patience

    def _drop_failed(self, number: int, trained: Tensor, validated: Tensor) -> None:
        finite = trained.isfinite() & validated.isfinite()
        for run in (self._active & ~finite).nonzero().flatten().tolist():
            if trained[run].isfinite():
                what = f"validation loss is {float(validated[run])} after"
            else:
                step = int(self._plain_step.finite[run]) + 1
                what = f"loss is {float(trained[run])} from step {step} of"
            rate = float(self.optimizer.learning_rates[run])
            self.failures[run] = TrainingError(
                f"The {what} epoch {number}, "
                + (
                    "of optimizer=lbfgs: choose smaller values of optimizer.C, or another optimizer."
                    if self._full_batch
                    else f"at a learning rate of {rate:g}: lower optimizer.lr, or choose another"
                    " optimizer."
                )
            )
        self._active &= finite


def _higher_is_better(monitor: str) -> bool:
    return monitor != "loss" and COUNT_METRICS[monitor].higher_is_better
