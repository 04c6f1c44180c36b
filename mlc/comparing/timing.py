"""How long a comparison takes: a first piece of each head's work, timed on the data themselves."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from mlc.backbones.base import trained_class
from mlc.config.registry import HEADS, OPTIMIZERS
from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.preprocessing import fit_scaling, without_unused
from mlc.data.splits import Rows, Split
from mlc.evaluation.judging import evaluate
from mlc.evaluation.linear_models import YARDSTICKS, Yardstick
from mlc.evaluation.yardsticks import n_processes, network_features, suit_linear
from mlc.training.assembly import build_model, build_training, device_of, known_labels
from mlc.training.rules import build_rules

_STEPS = 10
_SIDE_BY_SIDE = 3
# Rows of each part on which deciding is timed.
_DECIDED = 300
# Rows and labels on which linear models are timed, the largest C that their search is expected to reach,
# and the seconds after which the time of each larger C is taken for that of the one before and a half.
_ROWS, _LABELS, _LARGEST, _PATIENCE, _GROWTH = 1000, 6, 3.0, 1.5, 1.5
# Starting, composing, writing: of the whole comparison, of its second launch, and of each network.
START, AGAIN, EACH = 8.0, 4.0, 0.15


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


@dataclass(frozen=True)
class LinearCost:
    """Seconds of both linear models, with all processes that fit their labels.

    Attributes:
        tuning: of the search of C on one split.
        fitting: of one fit on a further split.
        n_distinct: how many splits differ at most; 1 where all parts are published.
    """

    tuning: float = 0.0
    fitting: float = 0.0
    n_distinct: float = np.inf

    def seconds(self, n_splits: int, n_more: int) -> float:
        """Of so many splits that choose C, and of further ones."""
        tuned = min(n_splits, self.n_distinct)
        return tuned * self.tuning + min(n_more, self.n_distinct - tuned) * self.fitting


def cost_by_head(configs: Mapping[str, Config], dataset: Dataset, split: Split) -> dict[str, Cost]:
    """The cost of each head on these data, by head.

    Timed are a few steps and a share of the validation rows, of one network and of several, and the
    tuning and the decisions of all rules on some rows.
    """
    costs = {}
    for head, config in configs.items():
        one, deciding = _seconds(config, dataset, split, 1, decides=True)
        if not (
            trained_class(config.backbone).stacked and OPTIMIZERS[config.optimizer.name].stacked
        ):
            costs[head] = Cost(0.0, one, deciding)
            continue
        several, _ = _seconds(config, dataset, split, _SIDE_BY_SIDE)
        each = max(0.0, several - one) / (_SIDE_BY_SIDE - 1)
        costs[head] = Cost(max(0.0, one - each), each, deciding)
    return costs


def linear_cost(dataset: Dataset, split: Split) -> LinearCost:
    """The cost of the linear models, by fits of some labels on some rows with each C.

    LIBLINEAR takes longer for a larger C. The time is taken to grow as the rows and the labels do. It is
    0 for data that do not suit them.
    """
    if not suit_linear(dataset, split):
        return LinearCost()
    some = Split(np.random.default_rng(0).permutation(split.train)[:_ROWS], split.val, split.test)
    features, targets = network_features(dataset, some)["train"], dataset.targets[some.train]
    varying = np.flatnonzero(targets.any(axis=0) & ~targets.all(axis=0))
    labels = varying[:: max(1, len(varying) // _LABELS)][:_LABELS]
    if not len(labels):
        return LinearCost()
    grown = len(split.train) / len(some.train) * len(varying) / len(labels)
    grown /= n_processes(dataset, split)
    paths = [_path_seconds(kind(), features, targets[:, labels]) for kind in YARDSTICKS]
    is_fixed = {"val", "test"} <= dataset.parts.keys()
    return LinearCost(
        grown * sum(map(sum, paths)),
        grown * sum(float(np.mean(path)) for path in paths),
        1 if is_fixed else np.inf,
    )


def _path_seconds(yardstick: Yardstick, features: Any, targets: NDArray[np.bool_]) -> list[float]:
    """Seconds of fitting all labels, for each C that the search is expected to try."""
    path: list[float] = []
    for strength in yardstick.strengths:
        if strength > _LARGEST:
            break
        if sum(path) > _PATIENCE:
            path.append(_GROWTH * path[-1])
            continue
        started = time.perf_counter()
        with warnings.catch_warnings():
            # Only the time of these fits is of interest.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for target in targets.T:
                yardstick.classifier(strength).fit(features, target)
        path.append(time.perf_counter() - started)
    return path


def expected_seconds(
    costs: Collection[Cost],
    n_trials: int,
    n_splits: int,
    n_more: int,
    n_workers: int,
    linear: LinearCost,
) -> float:
    """Seconds of a whole comparison: the trials of a split are trained side by side.

    Args:
        costs: of the heads.
        n_trials: configurations of each head.
        n_splits: the number of splits that they are trained on.
        n_more: further splits, on which one configuration of each head is trained.
        n_workers: processes that train at the same time.
        linear: of the linear models.
    """

    def training(n_runs: int, n_seeds: int) -> float:
        of_split = sum(cost.fixed + (cost.each + cost.deciding) * n_runs for cost in costs)
        parallel = max(1, min(n_workers, len(costs) * n_seeds))
        return of_split * n_seeds / parallel + EACH * len(costs) * n_runs * n_seeds

    again = AGAIN + training(1, n_more) if n_more else 0.0
    return START + training(n_trials, n_splits) + again + linear.seconds(n_splits, n_more)


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
    n_epochs = min(config.trainer.max_epochs, getattr(training.optimizer, "n_epochs", np.inf))
    seconds = (ends[-1] - ends[0]) / part * n_epochs
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
