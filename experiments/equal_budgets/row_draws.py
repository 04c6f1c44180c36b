"""The bootstrapped values of the chosen contestants, from the stored decisions of test rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.equal_budgets import archive
from experiments.equal_budgets.bootstrap import Draws, Values, draw
from experiments.equal_budgets.chosen import settled
from mlc.comparing.row_values import row_values

REFERENCE = "sigmoid"


def chosen_draws(rows: pd.DataFrame, metric: str, folder: Path, n_draws: int) -> dict[str, Draws]:
    """Return the draws of each data set: its contestants, chosen for the metric.

    A contestant with a failed run is left out, because the heads of a draw share their seeds; a data set
    whose reference has one is left out.

    Args:
        rows: the stored rows.
        metric: by which configuration and rule are chosen, and which is computed.
        folder: of the results.
        n_draws: the number of draws.
    """
    keys: dict[str, dict[str, str]] = {}
    for (data, head), (number, rule) in settled(rows, metric).items():
        keys.setdefault(data, {})[head] = f"{head}/{number}/{rule}"
    draws = {}
    for number, (data, of_data) in enumerate(keys.items()):
        wanted = {archive.TARGETS, *of_data.values()}
        decisions = archive.read(archive.path_of(folder, data), wanted)
        values = _row_values(decisions, of_data, metric)
        if REFERENCE in values:
            draws[data] = draw(values, np.random.default_rng([0, number]), n_draws)
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
