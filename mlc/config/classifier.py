"""The parameters of the scikit-learn classifier as the config of its networks."""

from __future__ import annotations

import dataclasses
from typing import Any

from sklearn.utils import check_random_state

from mlc.config.errors import ConfigError
from mlc.config.option_types import mapping, typed
from mlc.config.options import check
from mlc.config.registry import BACKBONES, DECISIONS, HEADS, OPTIMIZERS, SOURCES
from mlc.config.schema import Config, TrainerOptions

AUTO = "auto"


def configs_of(classifier: Any) -> list[Config]:
    """Return the config of each network; auto is null in them."""
    random = check_random_state(classifier.random_state)
    n_seeds = typed("n_seeds", classifier.n_seeds, int)
    if not 1 <= n_seeds <= 10_000:
        raise ConfigError(f"n_seeds={n_seeds} is out of range: it must be from 1 to 10000.")
    trainer = TrainerOptions(
        max_epochs=_given(classifier, "max_epochs"),
        batch_size=_given(classifier, "batch_size"),
        monitor=classifier.monitor,
        patience=classifier.patience,
    )
    check(trainer)
    of_mlp = ("widths", "dropout", "activation", "normalization")
    is_mlp = classifier.backbone == "mlp"
    backbone = {name: _given(classifier, name) for name in of_mlp if is_mlp}
    backbone |= mapping("backbone_options", classifier.backbone_options)
    optimizer = classifier.optimizer
    if _is_auto(optimizer):
        optimizer = BACKBONES[classifier.backbone].optimizer
    # Only options that the optimizer has can be null.
    automatic = {"lr", "schedule"} & {*OPTIMIZERS[optimizer].Options.__dataclass_fields__}
    rates = {
        name: _given(classifier, name)
        for name in ("lr", "weight_decay", "schedule")
        if not _is_auto(getattr(classifier, name)) or name in automatic
    }
    device = classifier.device
    if type(device).__module__ == "torch":
        device = str(device)
    first = Config(
        data=SOURCES.options(
            "arrays",
            val_fraction=classifier.val_fraction,
            weighting=classifier.weighting,
            missing_labels=classifier.missing_labels,
            soft_labels=classifier.soft_labels,
        ),
        backbone=BACKBONES.options(classifier.backbone, **backbone),
        head=HEADS.options(classifier.head, **mapping("head_options", classifier.head_options)),
        optimizer=OPTIMIZERS.options(optimizer, **rates),
        trainer=trainer,
        decisions=[DECISIONS[classifier.decision].name],
        device=typed("device", device, str),
    )
    check(first)
    seeds = random.randint(2**31 - 1, size=n_seeds)
    return [dataclasses.replace(first, seed=int(seed)) for seed in seeds]


def _is_auto(value: Any) -> bool:
    return isinstance(value, str) and value == AUTO


def _given(classifier: Any, name: str) -> Any:
    """Return the value of a parameter; null for auto, which a default by the data replaces.

    Raises:
        ConfigError: the value is None.
    """
    value = getattr(classifier, name)
    if value is None:
        raise ConfigError(f"{name}=None is of the wrong type (NoneType): give a value, or auto.")
    return None if _is_auto(value) else value
