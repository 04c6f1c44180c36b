"""What a run costs in memory while it trains, measured on a lone one."""

from __future__ import annotations

import torch
from torch import Tensor

from mlc.data.resident import ResidentData
from mlc.training.model import Model


def bytes_of_run(model: Model, data: ResidentData, batch_size: int, state_per_weight: int) -> int:
    """Bytes that each further run adds to a cohort like this model of one run.

    Weights, their gradients, the best epoch's copy and the optimiser's state; and twice what one
    step keeps for its backward pass, for that pass has a gradient for each of these.
    """
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    rows = torch.zeros(1, batch_size, dtype=torch.int64, device=data.device)
    batch = data.batch(rows)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = model(batch.features)
        model.head.loss(outputs, batch.targets)
    weights = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    activations = sum(kept.values()) + outputs.numel() * outputs.element_size()
    return int((3 + state_per_weight) * weights + 2 * activations)
