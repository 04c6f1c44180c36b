"""How long a comparison takes: a few steps of each head, timed on the data themselves."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping

import numpy as np
import torch

from mlc.backbones.base import BACKBONES
from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Rows, Split
from mlc.training.assembly import build_model, device_of, known_labels
from mlc.training.loop import DTYPES, Training
from mlc.training.stacked import OPTIMIZERS

_STEPS = 12
# Of epochs: evaluation, tuning of rules, files.
_ELSE = 1.25
# Starting, composing, writing: of the whole comparison, and of each network.
START, EACH = 8.0, 0.15


def seconds_by_head(
    configs: Mapping[str, Config], dataset: Dataset, split: Split
) -> dict[str, float]:
    """Seconds of training one network with each head, alone on one core: by head.

    A few steps and a share of the validation rows are timed in the second of two short epochs.
    """
    return {head: _seconds(config, dataset, split) for head, config in configs.items()}


def _seconds(config: Config, dataset: Dataset, split: Split) -> float:
    n_rows = min(len(split.train), _STEPS * config.trainer.batch_size)
    part = n_rows / len(split.train)
    short = Split(split.train[:n_rows], _some(split.val, part), split.test[:1])
    bags = BACKBONES[config.backbone.name].takes_bags
    scaling = fit_scaling(dataset, split.train, bags)
    columns = np.flatnonzero(scaling.used)
    data, scaling = dataset.with_columns(columns), scaling.with_columns(columns)
    device = device_of(config.device)
    torch.set_num_threads(config.threads)
    known = known_labels(data, [split])
    model = build_model([config], data.sample_shape, known, device, [scaling])
    dtype = DTYPES[config.trainer.precision]
    resident = ResidentData(data, [scaling], device, dtype, bags, model.backbone.takes_sparse)
    optimizer = OPTIMIZERS[config.optimizer.name](
        model.parameters(), [config.optimizer], model.without_axis
    )
    trainer = dataclasses.replace(config.trainer, max_epochs=2)
    ends = [
        time.perf_counter()
        for _ in Training(model, resident, [short], optimizer, [trainer], [config.seed])
    ]
    return (ends[-1] - ends[0]) / part * config.trainer.max_epochs * _ELSE


def _some(rows: Rows, part: float) -> Rows:
    return rows[: max(1, round(part * len(rows)))]
