"""The same networks and groups of labels at several rates."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.harness import Trial
from experiments.harness.study import Study
from experiments.rates import RATE, RATES, STORED, at_all_rates

SEEDS = 5


def at_other_rates(study: Study, left_out: tuple[Any, ...]) -> list[Trial]:
    """Return the full budget's trials of a study with five seeds, at each rate without rows.

    Args:
        study: at one rate.
        left_out: values of settings whose trials are left out.
    """
    return [
        {**trial, RATE: rate}
        for rate in RATES
        if rate != STORED
        for trial in study.trials("full")
        if trial["seed"] < SEEDS and not set(left_out) & {trial["data"], trial.get("data.n_train")}
    ]


def choose(
    rows: pd.DataFrame, stored: pd.DataFrame, setting: str, kind: str, metric: str
) -> pd.DataFrame:
    """Return the runs at the rate that is best on validation rows, for each kind, rule and seed.

    Settings are left out until all kinds have run at all rates.

    Args:
        rows: at the other rates; maybe empty.
        stored: at the stored rate, with all columns.
        setting: the column of the data set or of its number of rows.
        kind: the column that is compared.
        metric: chosen by its value on validation rows.
    """
    key = [setting, kind, "rule", "seed"]
    if rows.empty:
        return stored.iloc[:0].assign(**{RATE: 0.0})
    stored = stored[stored["seed"] < SEEDS].assign(**{RATE: STORED})
    every = pd.concat([rows, stored], ignore_index=True)
    every = at_all_rates(every, [setting], kind, stored[kind].nunique() * len(RATES))
    every = every[every[f"val_{metric}"].notna()]
    return every.loc[every.groupby(key, sort=False)[f"val_{metric}"].idxmax()]
