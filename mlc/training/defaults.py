"""Default settings by backbone and kind of data, the same for all heads (docs/defaults.md)."""

from __future__ import annotations

import copy
import dataclasses
import logging
import math
from collections.abc import Iterable
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
    """The properties of the training rows on which the defaults depend, beside the backbone.

    Attributes:
        sparse: whether at most MOST_SPARSE of the values are other than 0, as in texts.
        n_rows: the number of training rows.
    """

    sparse: bool = False
    n_rows: int = 1000

    @property
    def n_epochs(self) -> int:
        """The number of passes over the training rows."""
        return next(n_epochs for limit, n_epochs in EPOCHS if self.n_rows < limit)

    def __str__(self) -> str:
        # The data card calls rows sparse that are stored so, whatever the share of zeros.
        zeros = f" with at most {MOST_SPARSE:.0%} of the values not 0" if self.sparse else ""
        return f"{self.n_rows:,} training rows{zeros}"


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
    FROZEN: ({**_STEPS, **_HIDDEN}, {**_STEPS, **_HIDDEN}),
    OTHERS: (_STEPS, _STEPS),
}
_OF_STEPS = "optimizer.lr", "optimizer.schedule", "trainer.max_epochs"


def kind_of(dataset: Dataset, train: Rows) -> Kind:
    """Return the kind of the training rows.

    Whether they are sparse is that of all rows but a published test part: splits of one data set, some
    of them just below the limit and some above, must not get different defaults.
    """
    if dataset.samples != "columns":
        return Kind(n_rows=len(train))
    features: Any = dataset.features
    if "test" in dataset.parts:
        features = features[np.setdiff1d(np.arange(dataset.n_samples), dataset.parts["test"])]
    n_values = features.count_nonzero() if issparse(features) else np.count_nonzero(features)
    return Kind(bool(n_values <= MOST_SPARSE * math.prod(features.shape)), len(train))


def unresolved(config: Config) -> list[str]:
    """Return the keys of the options that are null and get defaults."""
    options = ((key, *key.split(".")) for key in AUTOMATIC)
    # Hidden layers are those on frozen features.
    without_hidden = getattr(config.backbone, "frozen", None) is False
    return [
        key
        for key, group, name in options
        if getattr(getattr(config, group), name, "") is None
        and not (without_hidden and key in _HIDDEN)
    ]


def resolve(config: Config, kind: Kind | None = None) -> Config:
    """Return the config with defaults in place of null; all other values stay.

    With an optimiser that takes no steps of Adam's kind, the rate, the schedule and the number of epochs
    are those that their parts declare, and so is an option that the table does not name.

    Args:
        config: the config.
        kind: the kind of the training rows; None for few dense rows.
    """
    resolved = copy.copy(config)
    for key, value in defaults_of(config, unresolved(config), kind or Kind()).items():
        group, name = key.split(".")
        setattr(resolved, group, dataclasses.replace(getattr(resolved, group), **{name: value}))
    return resolved


def defaults_of(config: Config, keys: Iterable[str], kind: Kind) -> dict[str, Any]:
    """Return the defaults of options for the config's backbone and optimiser, by key."""
    of_options = BACKBONES[config.backbone.name].defaults(config.backbone)
    values = {
        "trainer.max_epochs": kind.n_epochs,
        **_row(config.backbone, kind),
        **{f"backbone.{name}": value for name, value in of_options.items()},
    }
    if config.optimizer.name not in ("adam", "adamw"):
        values = {key: value for key, value in values.items() if key not in _OF_STEPS}
    defaults = {}
    for key in keys:
        group, name = key.split(".")
        declared = getattr(type(getattr(config, group))(), name)
        defaults[key] = copy.copy(values.get(key, declared))
    return defaults


def report_defaults(config: Config, kind: Kind) -> None:
    """Log once in a launch which defaults a config gets, and why."""
    values = defaults_of(config, unresolved(config), kind)
    listed = ", ".join(f"{key}={value}" for key, value in values.items())
    frozen = " (frozen)" if getattr(config.backbone, "frozen", False) else ""
    text = f"defaults of backbone={config.backbone.name}{frozen} for {kind}: {listed}"
    say_once(log, logging.INFO, text, text)


def _row(backbone: Any, kind: Kind) -> dict[str, Any]:
    name = FROZEN if getattr(backbone, "frozen", False) else backbone.name
    return TABLE.get(name, TABLE[OTHERS])[kind.sparse]
