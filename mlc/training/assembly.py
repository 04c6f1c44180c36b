"""Building the parts that a config names: model and training."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mlc.backbones.base import Backbone, trained_class
from mlc.config.errors import ConfigError
from mlc.config.schema import Config
from mlc.data.base import Dataset
from mlc.data.missing_labels import require_known
from mlc.data.notices import say_once
from mlc.data.preprocessing import Scaling
from mlc.data.resident import ResidentData
from mlc.data.splits import Split
from mlc.heads.base import HEADS, KnownLabels
from mlc.heads.memory import require_memory
from mlc.training.augmentation import augmentation_of
from mlc.training.lbfgs import LBFGS
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
    feature_names: Sequence[str] = (),
) -> Model:
    """Build the stacked model, after a check that it fits into memory.

    A run whose scaling leaves columns out starts with the weights of a model without them.

    Args:
        configs: one per run of the cohort.
        sample_shape: the shape of a sample; (D,) for flat samples.
        known: the labels outside the test part, and the training rows of each run.
        device: device of the model.
        scalings: one per run, or none.
        feature_names: names of the columns before a training, which may decide the first weights; none
            for weights that are loaded.
    """
    config, n_labels = configs[0], known.targets.shape[1]
    backbone = trained_class(config.backbone).for_samples(
        sample_shape, [run.backbone for run in configs], [run.seed for run in configs], n_labels
    )
    require_memory(
        HEADS[config.head.name],
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
    if len(feature_names):
        backbone.name_columns(feature_names)
    model = _with_head(backbone, configs, known)
    for run, scaling in enumerate(scalings):
        if not scaling.used.all():
            known_to_run = KnownLabels(known.targets, known.rows[run : run + 1], known.mask)
            _start_without_unused(model, run, configs[run], known_to_run, scaling, feature_names)
    return model.to(device, DTYPES[config.trainer.precision])


def _with_head(backbone: Backbone, configs: Sequence[Config], known: KnownLabels) -> Model:
    config, seeds, n_labels = configs[0], [run.seed for run in configs], known.targets.shape[1]
    head = HEADS[config.head.name](
        backbone.n_outputs, n_labels, config.head, seeds, known, backbone.separate
    )
    return Model(backbone, head)


def build_training(
    configs: Sequence[Config],
    model: Model,
    dataset: Dataset,
    splits: Sequence[Split],
    scalings: Sequence[Scaling],
    device: torch.device,
    weights: NDArray[np.float64] | None = None,
) -> Training:
    """Build the training loop of a model, with its data on the device and its optimizer.

    `weights` are those of all rows in the training loss, (N,).

    Raises:
        ConfigError: the backbone does not take such samples, or the head no weights.
    """
    config, backbone = configs[0], model.backbone
    _require_samples(backbone, dataset)
    if dataset.known is not None:
        model.head.require_masks()
        require_known(dataset.known, splits)
    if dataset.soft is not None:
        model.head.require_soft()
    remark = model.head.remark(dataset.known is not None)
    if remark is not None:
        say_once(log, logging.WARNING, remark, remark)
    data = ResidentData(
        dataset.features,
        dataset.targets,
        scalings,
        device,
        DTYPES[config.trainer.precision],
        backbone.takes_bags,
        backbone.takes_sparse,
        dataset.known,
        dataset.soft,
    )
    augmentation = augmentation_of(
        config,
        dataset.sample_shape,
        dataset.samples == "pixels",
        backbone.stacked,
        device=device,
        dtype=data.dtype,
    )
    optimizer = OPTIMIZERS[config.optimizer.name](
        model.parameters(), [run.optimizer for run in configs], model.without_axis
    )
    factor = getattr(config.backbone, "rate_factor", 1.0)
    if factor != 1 and not (backbone.stacked or isinstance(optimizer, LBFGS)):
        optimizer.scale_rates(backbone.parameters(), factor)
    trainers, seeds = [run.trainer for run in configs], [run.seed for run in configs]
    return Training(model, data, splits, optimizer, trainers, seeds, augmentation, weights)


def _require_samples(backbone: Backbone, dataset: Dataset) -> None:
    is_tokens = dataset.samples == "tokens"
    if is_tokens and not backbone.takes_tokens:
        raise ConfigError(
            f"{dataset.name!r} holds numbers of tokens, and backbone={backbone.name} computes with its"
            " input: choose a backbone that takes tokens."
        )
    if backbone.takes_tokens and not is_tokens:
        raise ConfigError(
            f"backbone={backbone.name} needs numbers of tokens, and {dataset.name!r} holds"
            f" {dataset.samples}: choose another backbone."
        )


@torch.no_grad()
def _start_without_unused(
    model: Model,
    run: int,
    config: Config,
    known: KnownLabels,
    scaling: Scaling,
    feature_names: Sequence[str] = (),
) -> None:
    """Initialise a run like a model of the columns that it uses, with weights 0 for all others.

    The range of initial weights depends on the number of columns. So the weights depend neither on rows
    outside the training part nor on the columns of other runs.
    """
    used = torch.as_tensor(np.flatnonzero(scaling.used))
    n_labels = known.targets.shape[1]
    backbone = trained_class(config.backbone)(len(used), [config.backbone], [config.seed], n_labels)
    if len(feature_names):
        backbone.name_columns([feature_names[column] for column in used.tolist()])
    alone = _with_head(backbone, [config], known)
    for parameter, smaller in zip(model.parameters(), alone.parameters(), strict=True):
        weights = smaller[0]
        for axis, size in enumerate(parameter[run].shape):
            # An axis of different length is the axis of columns.
            if weights.shape[axis] != size:
                shape = [*weights.shape[:axis], size, *weights.shape[axis + 1 :]]
                weights = weights.new_zeros(shape).index_copy_(axis, used, weights)
        parameter[run] = weights
    model.n_unused[run] = model.n_parameters - alone.n_parameters


def known_labels(dataset: Dataset, splits: Sequence[Split]) -> KnownLabels:
    """Return the labels of all rows outside the test part, and each run's training rows among them."""
    outside = np.union1d(splits[0].train, splits[0].val)
    rows = np.stack([np.searchsorted(outside, split.train) for split in splits])
    mask = None if dataset.known is None else torch.as_tensor(dataset.known[outside])
    return KnownLabels(torch.as_tensor(dataset.targets[outside]), torch.as_tensor(rows), mask)


def device_of(name: str) -> torch.device:
    """Return the device of a name; "auto" is CUDA if available, else the CPU.

    Of the devices of a name such as "cuda:0,2", the first becomes the process's current device, unless
    the current one is among them.

    Raises:
        ConfigError: the name is that of CUDA devices, and torch finds none, or not these.
    """
    devices = cuda_devices(name)
    if ":" in name and torch.cuda.current_device() not in devices:
        torch.cuda.set_device(devices[0])
    return torch.device("cuda" if devices else "cpu")


def cuda_devices(name: str) -> list[int]:
    """Return the numbers of the CUDA devices of a name; empty for the CPU.

    Raises:
        ConfigError: as in `device_of`.
    """
    n_devices = 0 if name == "cpu" else n_cuda_devices()
    if n_devices == 0 and name.startswith("cuda"):
        raise ConfigError(
            f"device={name}, but torch finds no CUDA device here: use device=auto or cpu."
        )
    if ":" not in name:
        return list(range(n_devices))
    devices = sorted(set(map(int, name.partition(":")[2].split(","))))
    if devices[-1] >= n_devices:
        raise ConfigError(
            f"device={name} names the device {devices[-1]}, and torch finds {n_devices}, numbered from"
            " 0: use device=cuda for all."
        )
    return devices


def n_cuda_devices() -> int:
    """Return the number of CUDA devices that torch finds; without starting CUDA in this process."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0
