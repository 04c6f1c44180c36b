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


def configs_of(classifier: Any) -> list[Config]:
    """One for each network."""
    random = check_random_state(classifier.random_state)
    n_seeds = typed("n_seeds", classifier.n_seeds, int)
    if not 1 <= n_seeds <= 10_000:
        raise ConfigError(f"n_seeds={n_seeds} is out of range: it must be from 1 to 10000.")
    trainer = TrainerOptions(
        max_epochs=classifier.max_epochs,
        batch_size=classifier.batch_size,
        monitor=classifier.monitor,
        patience=classifier.patience,
    )
    check(trainer)
    of_mlp = ("widths", "dropout", "activation", "normalization")
    backbone = {name: getattr(classifier, name) for name in of_mlp if classifier.backbone == "mlp"}
    backbone |= mapping("backbone_options", classifier.backbone_options)
    rates = {
        "lr": classifier.lr,
        "weight_decay": classifier.weight_decay,
        "schedule": classifier.schedule,
    }
    device = classifier.device
    if type(device).__module__ == "torch":
        device = str(device)
    first = Config(
        data=SOURCES.options(
            "arrays", val_fraction=classifier.val_fraction, weighting=classifier.weighting
        ),
        backbone=BACKBONES.options(classifier.backbone, **backbone),
        head=HEADS.options(classifier.head, **mapping("head_options", classifier.head_options)),
        optimizer=OPTIMIZERS.options(classifier.optimizer, **rates),
        trainer=trainer,
        decisions=[DECISIONS[classifier.decision].name],
        device=typed("device", device, str),
    )
    check(first)
    seeds = random.randint(2**31 - 1, size=n_seeds)
    return [dataclasses.replace(first, seed=int(seed)) for seed in seeds]
