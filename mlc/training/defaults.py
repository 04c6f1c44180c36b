"""Default settings by backbone and kind of data, the same for all heads (docs/defaults.md)."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from mlc.backbones.base import BACKBONES
from mlc.config.schema import AUTOMATIC, Config
from mlc.data.base import Dataset
from mlc.data.notices import say_once
from mlc.data.splits import Rows

log = logging.getLogger(__name__)

# The largest share of values other than 0 in sparse rows.
MOST_SPARSE = 0.15
# Passes over fewer training rows than the first number.
EPOCHS = (3_000, 60), (12_000, 25), (math.inf, 8)


@dataclass(frozen=True)
class Kind:
    """What the defaults depend on beside the backbone.

    Attributes:
        sparse: whether at most MOST_SPARSE of the values of the training rows are other than 0, as in
            texts.
        n_rows: the number of training rows.
    """

    sparse: bool = False
    n_rows: int = 1000

    @property
    def n_epochs(self) -> int:
        """The number of passes over the training rows."""
        return next(n_epochs for limit, n_epochs in EPOCHS if self.n_rows < limit)

    def __str__(self) -> str:
        return f"{self.n_rows:,} {'sparse' if self.sparse else 'dense'} training rows"


_STEPS = {
    "optimizer.lr": 0.003, "optimizer.schedule": "cosine", "trainer.batch_size": 64,
}  # fmt: skip
_HIDDEN = {
    "backbone.widths": [256, 256], "backbone.dropout": 0.5, "backbone.normalization": "batch",
}  # fmt: skip
FROZEN, OTHERS = "frozen features", "other backbones"
# By backbone: the defaults for dense rows and those for sparse rows, for steps of Adam's kind.
TABLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "mlp": ({**_STEPS, **_HIDDEN}, {**_STEPS, **_HIDDEN, "backbone.widths": [128]}),
    "linear": ({**_STEPS, "optimizer.lr": 0.01}, {**_STEPS, "optimizer.lr": 0.01}),
    "embedding_bag": ({**_STEPS, "optimizer.lr": 0.03}, {**_STEPS, "optimizer.lr": 0.03}),
    FROZEN: (_STEPS, _STEPS),
    OTHERS: (_STEPS, _STEPS),
}
_OF_STEPS = "optimizer.lr", "optimizer.schedule", "trainer.max_epochs"


def kind_of(dataset: Dataset, train: Rows) -> Kind:
    """Return the kind of the training rows."""
    if dataset.samples != "columns":
        return Kind(n_rows=len(train))
    features: Any = dataset.features[train]
    n_values = features.count_nonzero() if issparse(features) else np.count_nonzero(features)
    return Kind(bool(n_values <= MOST_SPARSE * math.prod(features.shape)), len(train))


def unresolved(config: Config) -> list[str]:
    """Return the keys of the options that are left to the defaults."""
    options = ((key, *key.split(".")) for key in AUTOMATIC)
    return [
        key for key, group, name in options if getattr(getattr(config, group), name, "") is None
    ]


def resolve(config: Config, kind: Kind | None = None) -> Config:
    """Return the config with defaults in the place of null; all other values stay.

    With an optimiser that takes no steps of Adam's kind, the rate, the schedule and the number of epochs
    are those that their parts declare, and so is an option that the table does not name.

    Args:
        config: the config.
        kind: the kind of the training rows; None for few dense rows.
    """
    keys = unresolved(config)
    if not keys:
        return config
    kind = kind or Kind()
    values = {"trainer.max_epochs": kind.n_epochs, **_row(config.backbone, kind)}
    of_options = BACKBONES[config.backbone.name].defaults(config.backbone)
    values |= {f"backbone.{name}": value for name, value in of_options.items()}
    if config.optimizer.name not in ("adam", "adamw"):
        values = {key: value for key, value in values.items() if key not in _OF_STEPS}
    resolved = copy.copy(config)
    for key in keys:
        group, name = key.split(".")
        options = getattr(resolved, group)
        value = copy.copy(values[key]) if key in values else getattr(type(options)(), name)
        setattr(resolved, group, dataclasses.replace(options, **{name: value}))
    return resolved


def report_defaults(config: Config, resolved: Config, kind: Kind) -> None:
    """Log once in a launch which defaults a config got, and why."""
    values = [
        f"{key}={getattr(getattr(resolved, group), name)}"
        for key in unresolved(config)
        for group, name in [key.split(".")]
    ]
    if values:
        frozen = " (frozen)" if getattr(config.backbone, "frozen", False) else ""
        name = f"{config.backbone.name}{frozen}"
        text = f"defaults of backbone={name} for {kind}: {', '.join(values)}"
        say_once(log, logging.INFO, text, text)


def _row(backbone: Any, kind: Kind) -> dict[str, Any]:
    name = FROZEN if getattr(backbone, "frozen", False) else backbone.name
    return TABLE.get(name, TABLE[OTHERS])[kind.sparse]
