"""Training of the networks of an ensemble: together, or one by one if optimizer or backbone need it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mlc.backbones.single import SideBySide
from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.preprocessing import Scaling
from mlc.data.splits import Split
from mlc.training.assembly import build_model, build_training, known_labels
from mlc.training.loop import Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS

History = dict[str, NDArray[np.float64]]


def train_ensemble(
    configs: Sequence[Config],
    model: Model,
    dataset: Dataset,
    splits: Sequence[Split],
    scalings: Sequence[Scaling],
    device: torch.device,
    weights: NDArray[np.float64] | None = None,
) -> History:
    """Train all runs of the model and put it into evaluation mode.

    Args:
        configs: one per run, which differ in their seeds alone.
        model: with R runs.
        dataset: the data.
        splits: one per run.
        scalings: one per run.
        device: the device of the model.
        weights: of the rows in the training loss, (N,); None weighs all alike.

    Returns:
        The history of the training, (epochs, R) by name; NaN after the end of a run that was trained by
        itself.

    Raises:
        TrainingError: the loss of a run is not finite.
    """
    stacked = OPTIMIZERS[configs[0].optimizer.name].stacked and model.backbone.stacked
    if len(configs) == 1 or stacked:
        return _train(build_training(configs, model, dataset, splits, scalings, device, weights))
    histories = []
    for run, config in enumerate(configs):
        parts = [config], [splits[run]], [scalings[run]]
        known = known_labels(dataset, parts[1])
        shape, names = dataset.sample_shape, dataset.feature_names
        alone = build_model(parts[0], shape, known, device, parts[2], names)
        training = build_training(parts[0], alone, dataset, parts[1], parts[2], device, weights)
        histories.append(_train(training))
        _take_run(model, run, alone)
    model.eval()
    return _side_by_side(histories)


def _take_run(model: Model, run: int, alone: Model) -> None:
    """Copy the weights of a model of one run into a model of several."""
    several: nn.Module = model
    if isinstance(model.backbone, SideBySide):
        model.backbone.runs[run].load_state_dict(alone.backbone.state_dict())
        several, weights = model.head, alone.head.state_dict()
    else:
        weights = alone.state_dict()
    for name, value in several.state_dict().items():
        value[run] = weights[name][0]


def _train(training: Training) -> History:
    epochs: list[dict[str, Any]] = [epoch.values for epoch in training]
    for error in training.failures.values():
        raise error
    training.model.zero_grad()
    training.model.eval()
    return {name: np.stack([values[name].cpu().numpy() for values in epochs]) for name in epochs[0]}


def _side_by_side(histories: Sequence[History]) -> History:
    """Join (epochs, 1) of each run to (most epochs, R)."""
    n_epochs = max(len(values) for history in histories for values in history.values())
    joined = {
        name: np.full((n_epochs, len(histories)), np.nan)
        for history in histories
        for name in history
    }
    for run, history in enumerate(histories):
        for name, values in history.items():
            joined[name][: len(values), run] = values[:, 0]
    return joined
