"""Factorised losses in worlds whose dependence no fixed energies of pairs express."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from experiments.harness import Finding, Report, Trainings, Trial
from experiments.harness.report import listed
from experiments.rates import RATE, at_all_rates, at_edge
from experiments.worlds import STRUCTURES
from mlc.reporting.statistics import Interval, mean_interval, paired_difference
from mlc.reporting.tables import Table

OPTIMIZER = "adam"
RATES = (0.001, 0.003, 0.01, 0.03, 0.1)
SEEDS = {"quick": 2, "full": 5}
_REFERENCE = "sigmoid"
_MARGIN = 0.02
_OPEN = "not measured"


class Worlds(Trainings):
    """Trainings of each loss with Adam at each rate; each seed draws another world."""

    name = "worlds"
    experiment = "factorised"
    more = ("bayes/jaccard_samples",)

    def __init__(self, contestants: Mapping[str, Mapping[str, str]]) -> None:
        self._contestants = contestants

    def trials(self, budget: str) -> list[Trial]:
        """Return all worlds, losses, rates and seeds."""
        return [
            {
                "data": "world", "data.n_train": 2000, "data.n_test": 2000, **world, **settings,
                "optimizer": OPTIMIZER, "optimizer.schedule": "constant", RATE: rate,
                "data.seed": seed, "seed": seed,
            }
            for world in STRUCTURES.values()
            for settings in self._contestants.values()
            for rate in RATES
            for seed in range(SEEDS[budget])
        ]  # fmt: skip


def report_worlds(report: Report, rows: pd.DataFrame, losses: tuple[str, ...]) -> None:
    """Add the table, the number and the findings; `rows` have the column "loss" if there are any."""
    chosen = choose(rows, len(losses))
    gains = {loss: _gains(chosen, loss) for loss in losses if loss != _REFERENCE}
    report.tables["worlds"] = (
        "Worlds without pairwise form: the Bayes value, test jaccard_samples of sigmoid, and of the"
        " other losses less sigmoid's, with the rate and the epoch chosen on validation rows",
        _table(chosen, gains),
    )
    report.numbers["worlds_edges"] = at_edge(chosen[RATE], RATES)
    report.findings.append(
        Finding(
            f"in a mixture, a tree and conjunctions of labels no loss is more than {_MARGIN:g} ahead of"
            " sigmoid by jaccard_samples with one threshold: all of them score labels one by one",
            "; ".join(f"{loss}: {listed(of_loss)}" for loss, of_loss in gains.items() if of_loss)
            or _OPEN,
            all(each.mean <= _MARGIN for of_loss in gains.values() for each in of_loss.values())
            if len(chosen)
            else None,
        )
    )


def choose(rows: pd.DataFrame, n_losses: int) -> pd.DataFrame:
    """Return the run with the best validation value of each world, loss and seed.

    A world is left out until all losses have run at all rates.
    """
    columns = ["data.structure", "loss", RATE, "seed", "jaccard_samples"]
    if rows.empty:
        return rows.iloc[:0].reindex(columns=list(dict.fromkeys([*rows.columns, *columns])))
    judged = rows[(rows["rule"] == "global") | rows["error"].notna()]
    judged = at_all_rates(judged, ["data.structure"], "loss", n_losses * len(RATES))
    key = ["data.structure", "loss", "seed"]
    best = judged.groupby(key, sort=False)["val_jaccard_samples"].idxmax()
    return judged.loc[best]


def _gains(chosen: pd.DataFrame, loss: str) -> dict[str, Interval]:
    values = chosen.set_index(["data.structure", "loss", "seed"])["jaccard_samples"].sort_index()
    return {
        name: paired_difference(values[name, loss], values[name, _REFERENCE]).interval
        for name in STRUCTURES
        if (chosen["data.structure"] == name).any()
    }


def _table(chosen: pd.DataFrame, gains: Mapping[str, Mapping[str, Interval]]) -> Table:
    present = [name for name in STRUCTURES if (chosen["data.structure"] == name).any()]
    lines = []
    for column, title in (
        ("bayes/jaccard_samples", "Bayes value"),
        ("jaccard_samples", _REFERENCE),
    ):
        values = {
            name: mean_interval(
                chosen[(chosen["data.structure"] == name) & (chosen["loss"] == _REFERENCE)][column]
            )
            for name in present
        }
        lines.append([title, *map(str, values.values())])
    lines += [
        [loss, *(each.signed() for each in of_loss.values())] for loss, of_loss in gains.items()
    ]
    return Table(["loss", *present], lines if present else [], 1)
