"""From a config to the parts that it names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from mlc.backbones.base import BACKBONES
from mlc.config.errors import ConfigError
from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.preprocessing import Scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.decisions.base import DECISIONS, DecisionRule
from mlc.decisions.seen import distinct
from mlc.heads.base import HEADS, Head, KnownLabels
from mlc.heads.memory import require_memory
from mlc.training.loop import DTYPES, Training
from mlc.training.model import Model
from mlc.training.stacked import OPTIMIZERS

log = logging.getLogger(__name__)


def build_model(
    configs: Sequence[Config],
    sample_shape: Sequence[int],
    known: KnownLabels,
    device: torch.device,
    scalings: Sequence[Scaling] = (),
) -> Model:
    """Build the stacked model, once it is known to fit into memory.

    A run whose scaling leaves columns out starts from the weights of a model without them.

    Args:
        configs: one per run of a cohort.
        sample_shape: the shape of a sample; flat samples have (D,).
        known: the labels outside the test part, and each run's training rows.
        device: where the model is to be.
        scalings: one per run, or none.
    """
    config, n_labels = configs[0], known.targets.shape[1]
    seeds = [own.seed for own in configs]
    backbone = BACKBONES[config.backbone.name].for_samples(
        sample_shape, [own.backbone for own in configs], seeds, n_labels
    )
    head_class = HEADS[config.head.name]
    require_memory(
        head_class,
        backbone.n_outputs,
        n_labels,
        config.head,
        device=device,
        batch_size=config.trainer.batch_size,
        n_runs=len(configs),
        state_per_weight=OPTIMIZERS[config.optimizer.name].state_per_weight,
        bytes_per_number=DTYPES[config.trainer.precision].itemsize,
        known=known,
    )
    head = head_class(backbone.n_outputs, n_labels, config.head, seeds, known, backbone.separate)
    model = Model(backbone, head)
    for run, scaling in enumerate(scalings):
        if not scaling.used.all():
            own = KnownLabels(known.targets, known.rows[run : run + 1])
            _start_without_unused(model, run, configs[run], own, scaling)
    return model.to(device, DTYPES[config.trainer.precision])


def build_training(
    configs: Sequence[Config],
    model: Model,
    dataset: Dataset,
    splits: Sequence[Split],
    scalings: Sequence[Scaling],
    device: torch.device,
) -> Training:
    """Build the training loop of a model, with its data on the device and its optimizer."""
    config, backbone = configs[0], model.backbone
    data = ResidentData(
        dataset.features,
        dataset.targets,
        scalings,
        device,
        DTYPES[config.trainer.precision],
        backbone.takes_bags,
        backbone.takes_sparse,
    )
    optimizer = OPTIMIZERS[config.optimizer.name](
        model.parameters(), [run.optimizer for run in configs], model.without_axis
    )
    trainers, seeds = [run.trainer for run in configs], [run.seed for run in configs]
    return Training(model, data, splits, optimizer, trainers, seeds)


@torch.no_grad()
def _start_without_unused(
    model: Model, run: int, config: Config, known: KnownLabels, scaling: Scaling
) -> None:
    """Give a run the initial weights of a model of the columns that it uses, 0 at all others.

    So neither what the rows outside its training part hold, nor the columns of other runs, have an
    influence on them: the range of initial weights depends on the number of columns.
    """
    used = torch.as_tensor(np.flatnonzero(scaling.used))
    n_labels = known.targets.shape[1]
    backbone = BACKBONES[config.backbone.name](
        len(used), [config.backbone], [config.seed], n_labels
    )
    head = HEADS[config.head.name](
        backbone.n_outputs, n_labels, config.head, [config.seed], known, backbone.separate
    )
    alone = Model(backbone, head)
    for whole, part in zip(model.parameters(), alone.parameters(), strict=True):
        start = part[0]
        for axis, size in enumerate(whole[run].shape):
            # An axis of another length is that of the columns.
            if start.shape[axis] != size:
                shape = [*start.shape[:axis], size, *start.shape[axis + 1 :]]
                start = start.new_zeros(shape).index_copy_(axis, used, start)
        whole[run] = start
    model.n_unused[run] = model.n_parameters - alone.n_parameters


def known_labels(dataset: Dataset, splits: Sequence[Split]) -> KnownLabels:
    """The labels of all rows outside the test part, and which of the rows each run trains on."""
    outside = np.union1d(splits[0].train, splits[0].val)
    rows = np.stack([np.searchsorted(outside, split.train) for split in splits])
    return KnownLabels(torch.as_tensor(dataset.targets[outside]), torch.as_tensor(rows))


def build_rules(
    config: Config,
    head: type[Head],
    n_labels: int,
    training_targets: NDArray[np.bool_] | None = None,
) -> dict[str, DecisionRule]:
    """The run's rules, without those that need more than this head gives.

    Args:
        config: the run's.
        head: the class of its head.
        n_labels: K.
        training_targets: (N, K), of the rows that the run trains on, for rules that use them.

    Raises:
        ConfigError: none is left.
    """
    natural = head.natural_threshold(n_labels)
    every = {name: DECISIONS[name](config.decision[name], natural) for name in config.decisions}
    rules = {
        name: rule
        for name, rule in every.items()
        if rule.input_from(head.provides()) is not None and not rule.lacks_threshold
    }
    left_out = [rule for name, rule in every.items() if name not in rules]
    if not rules:
        others = "global" if natural is None else "fixed or global"
        raise ConfigError(
            f"decisions={config.decisions} all need more than the"
            f" {', '.join(sorted(head.provides()))} that the head {config.head.name!r} gives:"
            f" {_needs(left_out)}; add {others}."
        )
    if left_out:
        _say_left_out(config.head.name, _needs(left_out))
    for rule in rules.values():
        if rule.uses_training_sets and training_targets is not None:
            rule.training_sets = distinct(torch.as_tensor(training_targets))
    return rules


def device_of(name: str) -> torch.device:
    """auto is CUDA where there is one, else the CPU.

    Raises:
        ConfigError: CUDA is asked for and there is none.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise ConfigError(
            "device=cuda, but torch finds no CUDA device here: use device=auto or cpu."
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


@cache
def _say_left_out(head: str, needs: str) -> None:
    """Once, however many runs have this head."""
    log.info("head=%s is evaluated without these rules: %s", head, needs, extra={"folded": True})


_TAKEN = {
    "joint": "a distribution over label sets", "marginals": "label probabilities",
    "scores": "scores", "cardinality": "an expected number of labels",
}  # fmt: skip


def _needs(rules: Sequence[DecisionRule]) -> str:
    threshold = "a stated threshold (decision.{}.threshold), for these scores have no natural one"
    return ", ".join(
        f"{rule.name} needs "
        + (
            threshold.format(rule.name)
            if rule.lacks_threshold
            else " or ".join(_TAKEN[kind] for kind in rule.needs)
        )
        for rule in rules
    )
