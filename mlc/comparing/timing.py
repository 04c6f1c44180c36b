"""How long a comparison takes: a few steps of each head, timed on the data themselves."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from mlc.backbones.base import BACKBONES
from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling
from mlc.data.splits import Rows, Split
from mlc.training.assembly import build_model, build_training, device_of, known_labels

_STEPS = 10
_SIDE_BY_SIDE = 3
# Of epochs: evaluation, tuning of rules, files.
_ELSE = 1.25
# Starting, composing, writing: of the whole comparison, and of each network.
START, EACH = 8.0, 0.15


@dataclass(frozen=True)
class Cost:
    """Seconds of training networks of one head side by side, on one core.

    Attributes:
        fixed: of any number of them.
        each: of each one more.
    """

    fixed: float
    each: float


def cost_by_head(configs: Mapping[str, Config], dataset: Dataset, split: Split) -> dict[str, Cost]:
    """The cost of training each head on these data: by head.

    A few steps and a share of the validation rows are timed, of one network and of several.
    """
    costs = {}
    for head, config in configs.items():
        one, several = (_seconds(config, dataset, split, n) for n in (1, _SIDE_BY_SIDE))
        each = max(0.0, several - one) / (_SIDE_BY_SIDE - 1)
        costs[head] = Cost(max(0.0, one - each), each)
    return costs


def expected_seconds(
    costs: Collection[Cost], n_trials: int, n_splits: int, n_workers: int
) -> float:
    """Seconds of a whole comparison: the trials of a split are trained side by side."""
    parallel = max(1, min(n_workers, len(costs) * n_splits))
    training = sum(own.fixed + own.each * n_trials for own in costs) * n_splits / parallel
    return START + training + EACH * len(costs) * n_trials * n_splits


def _seconds(config: Config, dataset: Dataset, split: Split, n_runs: int) -> float:
    n_rows = min(len(split.train), _STEPS * config.trainer.batch_size)
    part = n_rows / len(split.train)
    short = Split(split.train[:n_rows], _some(split.val, part), split.test[:1])
    bags = BACKBONES[config.backbone.name].takes_bags
    scaling = fit_scaling(dataset, split.train, bags)
    columns = np.flatnonzero(scaling.used)
    data, scaling = dataset.with_columns(columns), scaling.with_columns(columns)
    device = device_of(config.device)
    torch.set_num_threads(config.threads)
    trainer = dataclasses.replace(config.trainer, max_epochs=2)
    configs = [dataclasses.replace(config, trainer=trainer, seed=seed) for seed in range(n_runs)]
    scalings = [scaling] * n_runs
    known = known_labels(data, [split] * n_runs)
    model = build_model(configs, data.sample_shape, known, device, scalings)
    training = build_training(configs, model, data, [short] * n_runs, scalings, device)
    ends = [time.perf_counter() for _ in training]
    return (ends[-1] - ends[0]) / part * config.trainer.max_epochs * _ELSE


def _some(rows: Rows, part: float) -> Rows:
    return rows[: max(1, round(part * len(rows)))]
