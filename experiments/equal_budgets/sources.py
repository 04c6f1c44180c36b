"""Samples of ARFF data sets that are too large for the league, read from $MLC_DATA.

Importing this module registers the source `sampled`:
python -m mlc.train --import experiments.equal_budgets.sources data=sampled data.path=imdb/imdb
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlc.config.errors import DataError
from mlc.config.options import option
from mlc.data.arff import Arff, ArffOptions
from mlc.data.base import Dataset, register_source


@dataclass
class SampledOptions(ArffOptions):
    """Options of a sample.

    Attributes:
        n_train: the number of rows for training and validation; 0 is all that are left.
        n_test: the number of test rows; 0 is all of them.
        only_training: whether all rows, those of the test part too, are of the published training part,
            so that settings can be compared without the published test rows.
    """

    n_train: int = option(0, at_least=0)
    n_test: int = option(0, at_least=0)
    only_training: bool = False


@register_source("sampled")
class Sampled(Arff):
    """Rows of an ARFF data set, drawn once with a fixed seed."""

    Options = SampledOptions

    @classmethod
    def load(cls, options: Any) -> Dataset:
        """Load the data set and draw its parts.

        Raises:
            DataError: there are fewer rows than asked for.
        """
        key = str(options)
        if key not in _LOADED:
            _LOADED[key] = _sample(super().load(options), options)
        return _LOADED[key]


# One process trains many cohorts on one data set, and its forks inherit what it has loaded.
_LOADED: dict[str, Dataset] = {}


def _sample(dataset: Dataset, options: SampledOptions) -> Dataset:
    parts = dict(dataset.parts)
    rng = np.random.default_rng(0)
    if options.only_training or "test" not in parts:
        rows = rng.permutation(parts.get("train", np.arange(dataset.n_samples)))
        n_test = options.n_test or round(options.test_fraction * len(rows))
        parts = {"test": rows[:n_test], "train": rows[n_test:]}
    sizes = {"train": options.n_train, "test": options.n_test}
    for part, size in sizes.items():
        if size > len(parts[part]):
            raise DataError(
                f"{options.path} has {len(parts[part])} rows for the {part} part: data.n_{part}={size}"
                " is more, ask for fewer."
            )
        drawn = rng.permutation(parts[part])[:size] if size else parts[part]
        parts[part] = np.sort(drawn)
    return replace(dataset, parts=parts, parts_from="drawn with a fixed seed")
