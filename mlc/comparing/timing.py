"""How long a comparison takes: a first piece of each head's work, timed on the data themselves."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning

from mlc.backbones.base import trained_class
from mlc.config.registry import HEADS
from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling, without_unused
from mlc.data.splits import Rows, Split
from mlc.evaluation.judging import evaluate
from mlc.evaluation.yardsticks import YARDSTICKS, network_features, suit_linear
from mlc.training.assembly import (
    build_model,
    build_rules,
    build_training,
    device_of,
    known_labels,
)

_STEPS = 10
_SIDE_BY_SIDE = 3
# Rows of each part on which deciding is timed, and labels of a linear model.
_DECIDED, _LABELS = 300, 3
# Starting, composing, writing: of the whole comparison, and of each network.
START, EACH = 8.0, 0.15
# The shortest and the longest time that is usual, as shares of the estimate.
RANGE = 0.7, 1.6


@dataclass(frozen=True)
class Cost:
    """Seconds of networks of one head side by side, on one core.

    Attributes:
        fixed: of training any number of them.
        each: of training each one more.
        deciding: of the decisions of each one under all rules.
    """

    fixed: float
    each: float
    deciding: float = 0.0


def cost_by_head(configs: Mapping[str, Config], dataset: Dataset, split: Split) -> dict[str, Cost]:
    """The cost of each head on these data, by head.

    Timed are a few steps and a share of the validation rows, of one network and of several, and the
    tuning and the decisions of all rules on some rows.
    """
    costs = {}
    for head, config in configs.items():
        one, deciding = _seconds(config, dataset, split, 1, decides=True)
        several, _ = _seconds(config, dataset, split, _SIDE_BY_SIDE)
        each = max(0.0, several - one) / (_SIDE_BY_SIDE - 1)
        costs[head] = Cost(max(0.0, one - each), each, deciding)
    return costs


def linear_seconds(dataset: Dataset, split: Split) -> float:
    """Seconds of tuning the linear models on one split, by fits of a few labels.

    0 for data that do not suit them. About half the values of C are tried.
    """
    if not suit_linear(dataset, split):
        return 0.0
    features = network_features(dataset, split)["train"]
    targets = dataset.targets[split.train]
    varying = np.flatnonzero(targets.any(axis=0) & ~targets.all(axis=0))[:_LABELS]
    seconds = 0.0
    for kind in YARDSTICKS:
        started = time.perf_counter()
        with warnings.catch_warnings():
            # Only the time of these fits is of interest.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for label in varying:
                kind().classifier(1.0).fit(features, targets[:, label])
        seconds += (time.perf_counter() - started) * len(kind.strengths) / 2
    return seconds * dataset.n_labels / max(1, len(varying))


def expected_seconds(
    costs: Collection[Cost], n_trials: int, n_splits: int, n_workers: int, linear: float = 0.0
) -> float:
    """Seconds of a whole comparison: the trials of a split are trained side by side.

    Args:
        costs: of the heads.
        n_trials: configurations of each head.
        n_splits: the number of splits.
        n_workers: processes that train at the same time.
        linear: seconds of the linear models on one split.
    """
    parallel = max(1, min(n_workers, len(costs) * n_splits))
    of_split = sum(cost.fixed + (cost.each + cost.deciding) * n_trials for cost in costs)
    per_network = EACH * len(costs) * n_trials * n_splits
    return START + of_split * n_splits / parallel + per_network + linear * n_splits


def _seconds(
    config: Config, dataset: Dataset, split: Split, n_runs: int, *, decides: bool = False
) -> tuple[float, float]:
    """Seconds of training all epochs, and of the decisions of one run."""
    n_rows = min(len(split.train), _STEPS * config.trainer.batch_size)
    part = n_rows / len(split.train)
    short = Split(split.train[:n_rows], _some(split.val, part), split.test[:1])
    bags = trained_class(config.backbone).takes_bags
    data, (scaling,) = without_unused(dataset, [fit_scaling(dataset, split.train, bags)])
    device = device_of(config.device)
    torch.set_num_threads(config.threads)
    trainer = dataclasses.replace(config.trainer, max_epochs=2)
    configs = [dataclasses.replace(config, trainer=trainer, seed=seed) for seed in range(n_runs)]
    scalings = [scaling] * n_runs
    known = known_labels(data, [split] * n_runs)
    model = build_model(configs, data.sample_shape, known, device, scalings)
    training = build_training(configs, model, data, [short] * n_runs, scalings, device)
    ends = [time.perf_counter() for _ in training]
    seconds = (ends[-1] - ends[0]) / part * config.trainer.max_epochs
    if not decides:
        return seconds, 0.0
    judged = Split(split.train, split.val[:_DECIDED], split.test[:_DECIDED])
    targets = dataset.targets[split.train]
    rules = build_rules(config, HEADS[config.head.name], dataset.n_labels, targets)
    model.eval()
    started = time.perf_counter()
    evaluate(model, training.data, data, [judged], [rules])
    share = (len(split.val) + len(split.test)) / (len(judged.val) + len(judged.test))
    return seconds, (time.perf_counter() - started) * share


def _some(rows: Rows, part: float) -> Rows:
    return rows[: max(1, round(part * len(rows)))]
