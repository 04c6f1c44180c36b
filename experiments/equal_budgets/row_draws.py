"""The bootstrapped values of the chosen contestants, from the stored decisions of test rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.equal_budgets import archive
from experiments.equal_budgets.bootstrap import Draws, Values, Weights, resample
from experiments.equal_budgets.chosen import settled
from mlc.comparing.row_values import row_values
from mlc.config.errors import DataError

REFERENCE = "sigmoid"


def chosen_draws(
    rows: pd.DataFrame, metrics: Sequence[str], folder: Path, n_draws: int
) -> dict[str, dict[str, Draws]]:
    """Return the draws of each metric and data set: its contestants, chosen for the metric.

    A contestant with a failed run is left out, because the heads of a draw share their seeds; a data set
    whose reference has one is left out. The metrics share the resampled seeds and rows.

    Args:
        rows: the stored rows.
        metrics: by which configuration and rule are chosen, and which are computed.
        folder: of the results.
        n_draws: the number of draws.

    Raises:
        DataError: the decisions of a data set are missing or damaged.
    """
    keys: dict[str, dict[str, dict[str, str]]] = {}
    for metric in metrics:
        for (data, head), (number, rule) in settled(rows, metric).items():
            of_metric = keys.setdefault(data, {}).setdefault(metric, {})
            of_metric[head] = f"{head}/{number}/{rule}"
    draws: dict[str, dict[str, Draws]] = {metric: {} for metric in metrics}
    for number, (data, by_metric) in enumerate(keys.items()):
        wanted = {archive.TARGETS, *(key for own in by_metric.values() for key in own.values())}
        path = archive.path_of(folder, data)
        if not path.exists():
            raise DataError(
                f"{path} is missing, which holds the decisions of the stored rows of {data}: restore it,"
                f" or delete {data}.csv and measure the data set again."
            )
        decisions = archive.read(path, wanted)
        weights: dict[tuple[int, ...], Weights] = {}
        for metric, of_data in by_metric.items():
            values = _row_values(decisions, of_data, metric)
            if REFERENCE not in values:
                continue
            shape = values[REFERENCE].shape
            if shape not in weights:
                weights[shape] = Weights.of(np.random.default_rng([0, number]), n_draws, *shape)
            draws[metric][data] = resample(values, weights[shape])
    return draws


def _row_values(decisions: archive.Decisions, keys: Mapping[str, str], metric: str) -> Values:
    present = {head: decisions[key] for head, key in keys.items() if key in decisions}
    if not present:
        return {}
    targets = decisions[archive.TARGETS][0]
    ((n_seeds, _),) = Counter(map(len, present.values())).most_common(1)
    return {
        head: np.stack([row_values(metric, one, targets) for one in of_head])
        for head, of_head in present.items()
        if len(of_head) == n_seeds
    }
