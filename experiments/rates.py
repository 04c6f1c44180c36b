"""Grids of learning rates, of which validation rows choose one."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from experiments.harness import Finding
from experiments.harness.frames import complete_groups

RATE = "optimizer.lr"
RATES = (0.0002, 0.0006, 0.002, 0.006, 0.02, 0.06, 0.2)
# That of the studies without a choice, whose rows are used.
STORED = 0.002
_MOST_AT_EDGES = 0.2


def at_all_rates(
    rows: pd.DataFrame, setting: Sequence[str], kind: str, n_trained: int
) -> pd.DataFrame:
    """Return the rows of the settings in which all kinds have as many runs at all rates.

    Args:
        rows: with the columns "run" and `RATE`.
        setting: the columns of a setting.
        kind: the column of what is compared.
        n_trained: the number of kinds times that of rates.
    """
    rows = rows.assign(trained=rows[kind] + " " + rows[RATE].astype(float).astype(str))
    numbers = rows.groupby(list(setting))["trained"].transform("nunique")
    return complete_groups(rows[numbers == n_trained], setting, "trained")


def at_edge(rates: pd.Series, grid: tuple[float, ...]) -> str:
    """Count the chosen rates at the lowest and at the highest of a grid, as text."""
    n_low, n_high = _counts_at_edges(rates, grid)
    return f"{n_low} at the lowest, {n_high} at the highest of {len(rates)}"


def few_at_edges(rates: pd.Series, grid: tuple[float, ...], where: str = "") -> Finding:
    """Return the prediction on the edges of a grid, open while nothing is chosen.

    Args:
        rates: the chosen ones.
        grid: from the lowest to the highest.
        where: the data sets, as "with K = 10".
    """
    n_at_edges, n = sum(_counts_at_edges(rates, grid)), len(rates)
    prediction = (
        f"of {len(grid)} rates at most {_MOST_AT_EDGES:.0%} of the chosen ones are at an edge"
    )
    return Finding(
        f"{prediction} {where}".rstrip(),
        f"{n_at_edges} of {n}" if n else "not measured",
        n_at_edges <= _MOST_AT_EDGES * n if n else None,
    )


def _counts_at_edges(rates: pd.Series, grid: tuple[float, ...]) -> tuple[int, int]:
    chosen = rates.astype(float)
    low, high = (int((chosen - edge).abs().lt(1e-9).sum()) for edge in (grid[0], grid[-1]))
    return low, high
