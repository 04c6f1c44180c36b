"""ARFF data sets of whose training rows labels are hidden, read from $MLC_DATA.

Importing this module registers the source `hidden`:
python -m mlc.train --import experiments.hidden_labels.sources data=hidden data.path=yeast/yeast
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlc.config.errors import DataError
from mlc.config.options import option
from mlc.data.arff import Arff, ArffOptions
from mlc.data.base import Dataset, register_source
from mlc.data.splits import hold_out

Mask = NDArray[np.bool_]


@dataclass
class HiddenOptions(ArffOptions):
    """Options of hidden labels.

    Attributes:
        hide: "random" hides each label of a training row with the probability `share`; "single" hides
            all but one positive, drawn evenly; "none" hides nothing.
        share: the probability.
        hide_seed: the seed of the hidden labels and of the validation rows.
        hide_val: whether labels of validation rows are hidden too.
        as_negative: whether hidden labels of training rows are negatives instead of unknown.
    """

    hide: str = option("none", choices=("none", "random", "single"))
    share: float = option(0.5, above=0, below=1)
    hide_seed: int = option(0, at_least=0)
    hide_val: bool = False
    as_negative: bool = False


@register_source("hidden")
class Hidden(Arff):
    """The published parts of an ARFF data set, with hidden labels; the test rows keep theirs."""

    Options = HiddenOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Load the data set, draw the validation rows and hide labels.

        Raises:
            DataError: the data set has no published test part.
        """
        dataset = super().load(options)
        if "train" not in dataset.parts:
            raise DataError(f"{options.path} has no published parts: name another data set.")
        return with_hidden(dataset, options)


def with_hidden(dataset: Dataset, options: HiddenOptions) -> Dataset:
    """Draw the validation rows of a data set with parts, and hide labels."""
    seed = options.hide_seed
    train, val = hold_out(dataset, dataset.parts["train"], options.val_fraction, seed)
    parts = {"train": train, "val": val, "test": dataset.parts["test"]}
    origin = f"as published, validation rows by data.hide_seed={seed}"
    dataset = replace(dataset, parts=parts, parts_from=origin)
    if options.hide == "none":
        return dataset
    rng = np.random.default_rng(seed)
    observed: Mask = np.ones_like(dataset.targets)
    for rows in (train, val) if options.hide_val else (train,):
        observed[rows] = _observed(dataset.targets[rows], options, rng)
    known = observed.copy()
    if options.as_negative:
        known[train] = True
    return replace(
        dataset, targets=dataset.targets & observed, known=None if known.all() else known
    )


def _observed(targets: Mask, options: HiddenOptions, rng: np.random.Generator) -> Mask:
    """Return which labels are not hidden: (n, K)."""
    if options.hide == "random":
        return rng.random(targets.shape) >= options.share
    # The positive with the largest random number.
    numbers = np.where(targets, rng.random(targets.shape), -1)
    observed = np.zeros_like(targets)
    observed[np.arange(len(targets)), numbers.argmax(axis=1)] = True
    return observed & targets
