"""The grids of learning rates, and how often their edges are chosen."""

from __future__ import annotations

import pandas as pd

from experiments.harness import Finding
from mlc.reporting.tables import Table

# Seven rates per optimiser, a factor of about three apart. The first five were around the rate that its
# authors propose, and too many chosen ones were at an edge.
RATES: dict[str, tuple[float, ...]] = {
    "sgd": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
    "adagrad": (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0),
    "adadelta": (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0),
    "rmsprop": (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1),
    "adam": (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1),
}


def measured_rates(rows: pd.DataFrame, optimizer: str) -> list[float]:
    """Return the rates of an optimiser that have been measured, in ascending order."""
    return sorted(rows[rows["optimizer"] == optimizer]["optimizer.lr"].unique())


def chosen_rates_table(rows: pd.DataFrame, tuned: pd.DataFrame) -> Table:
    """Return how often each rate of each optimiser was chosen."""
    lines = []
    for optimizer, rates in RATES.items():
        measured = measured_rates(rows, optimizer)
        chosen = tuned[tuned["optimizer"] == optimizer]["optimizer.lr"]
        counts = [str((chosen == rate).sum()) if rate in measured else "-" for rate in rates]
        lines.append(
            [optimizer, *(f"{rate:g}: {n}" for rate, n in zip(rates, counts, strict=True))]
        )
    return Table(["optimiser", *(f"rate {i}" for i in range(1, 8))], lines, 1)


def n_rates(rows: pd.DataFrame) -> str:
    """Return the number of measured rates of the optimisers."""
    numbers = sorted({len(measured_rates(rows, name)) for name in RATES})
    return " or ".join(map(str, numbers))


def edge_finding(rows: pd.DataFrame, tuned: pd.DataFrame) -> Finding:
    """Return the prediction on the edges of the grids, open until all rates are measured."""
    n_at_edge, n = map(int, edges(rows, tuned).split(" of "))
    is_complete = all(len(measured_rates(rows, name)) == len(each) for name, each in RATES.items())
    return Finding(
        "with seven rates for each optimiser at most a fifth of the chosen ones are at an edge",
        f"{n_at_edge} of {n}, with {n_rates(rows)} rates",
        n_at_edge <= n / 5 if is_complete else None,
    )


def edges(rows: pd.DataFrame, tuned: pd.DataFrame) -> str:
    """Count the chosen rates that are the lowest or highest measured one."""
    ends = {name: measured_rates(rows, name) for name in RATES}
    at_edge = [
        rate in (ends[name][0], ends[name][-1])
        for name, rate in zip(tuned["optimizer"], tuned["optimizer.lr"], strict=True)
    ]
    return f"{sum(at_edge)} of {len(at_edge)}"
