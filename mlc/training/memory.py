"""Memory that a run takes in training, measured on a single run."""

from __future__ import annotations

import torch
from torch import Tensor

from mlc.data.resident import ResidentData
from mlc.metrics.top_scores import MANY_LABELS
from mlc.training.model import Model


def bytes_of_run(model: Model, data: ResidentData, batch_size: int, state_per_weight: int) -> int:
    """Return the bytes that a further run adds to a cohort, measured with a model of one run.

    These are the weights, their gradients, the copy of the best epoch and the optimiser's state, and
    twice the tensors saved for the backward pass, since each also has a gradient.
    """
    saved: dict[int, int] = {}

    def save(tensor: Tensor) -> Tensor:
        saved[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    rows = torch.zeros(1, batch_size, dtype=torch.int64, device=data.device)
    batch = data.batch(rows)
    with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
        outputs = model(batch.features)
        model.losses(outputs, batch.targets, batch.known)
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    activations = sum(saved.values()) + outputs.numel() * outputs.element_size()
    return int((3 + state_per_weight) * weights + 2 * activations)


def bytes_of_evaluation(n_rows: int, n_labels: int, n_rules: int) -> int:
    """Return the bytes that a run's scores, targets and decisions take; 0 below MANY_LABELS labels.

    Scores in float32 and targets are held twice while the chunks of all rows are joined.
    """
    if n_labels < MANY_LABELS:
        return 0
    return n_rows * n_labels * (2 * (4 + 1) + n_rules)
