"""Each head at several rates, also in worlds whose dependence no fixed energies of pairs express."""

from __future__ import annotations

from typing import Any

import pandas as pd

from experiments.harness import Finding, Report, Trainings, Trial
from experiments.harness.report import listed
from experiments.league.claims import clear
from experiments.pick_one.studies import DATA, HEADS
from experiments.rates import RATE, RATES, STORED, at_all_rates, at_edge, few_at_edges
from experiments.worlds import STRUCTURES
from mlc.reporting.statistics import Interval, mean_interval, paired_difference
from mlc.reporting.tables import Table

SEEDS = 5
# Six more rates on tmc2007-500 and imdb take longer than all the others.
LARGE = ("tmc2007-500", "imdb")
_REFERENCE = HEADS[0]
_METRIC = "jaccard_samples"
_EXACT = "subset_accuracy"
_KEY = ["set", "head", "seed"]
_BEHIND, _SHIFT = 0.01, 0.01
_OPEN = "not measured"


class Rates(Trainings):
    """Trainings of each head at the rates that have no rows yet; each seed draws another structure."""

    name = "rates"
    experiment = "pick_one"
    max_runs = 10

    def trials(self, budget: str) -> list[Trial]:
        """Return all data sets, heads, rates and seeds; all are in "full"."""
        sets: list[tuple[dict[str, Any], dict[str, Any]]] = [
            (settings, {}) for name, (settings, _) in DATA.items() if name not in LARGE
        ]
        worlds = [({"data": "world", "data.n_train": 5000}, world) for world in STRUCTURES.values()]
        return [
            {
                **settings,
                **world,
                **({"data.seed": seed} if world else {}),
                "head": head,
                RATE: rate,
                "seed": seed,
            }
            for settings, world in [*sets, *worlds]
            for head in HEADS
            for rate in RATES
            if world or rate != STORED
            for seed in range(SEEDS)
            if budget == "full"
        ]


def report_rates(report: Report, rows: pd.DataFrame, stored: pd.DataFrame) -> None:
    """Add tables, a number and findings.

    Args:
        report: the report.
        rows: of `Rates`, with the column "set" if there are any.
        stored: the rows at one rate under one tuned threshold, with the column "set".
    """
    every = _joined(rows, stored)
    chosen = every.loc[every.groupby(_KEY, sort=False)[f"val_{_METRIC}"].idxmax()]
    same = every[every[RATE] == STORED]
    tuned, at_one = ({head: _less(part, head) for head in HEADS[1:]} for part in (chosen, same))
    report.tables["rates"] = (
        f"Test {_METRIC} with the rate (of {len(RATES)}), the epoch and one threshold chosen on"
        f" validation rows: sigmoid, and the other heads less sigmoid (in brackets at {STORED:g},"
        f" {SEEDS} seeds)",
        _table(chosen, tuned, at_one),
    )
    report.tables["rate_edges"] = (
        f"Chosen rates of those from {RATES[0]:g} to {RATES[-1]:g}",
        Table(
            ["head", "at an edge"],
            [
                [head, at_edge(chosen[chosen["head"] == head][RATE], RATES)]
                for head in HEADS
                if len(chosen)
            ],
        ),
    )
    changes = _changes(chosen, same)
    report.numbers["rate_changes"] = listed(changes) or _OPEN
    picked = _less(chosen, "pick_one", "softmax_uniform")
    report.numbers["same_tuned"] = listed(picked) or _OPEN
    report.numbers["same_tuned_clear"] = clear(picked)
    report.numbers["exact_tuned"] = listed(_less(chosen, "pick_one", metric=_EXACT)) or _OPEN
    report.findings += _findings(chosen, tuned["pick_one"], changes)


def _joined(rows: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Return the rows at all rates of the sets in which all heads have run at all of them."""
    columns = [*_KEY, RATE, "run", "error", _METRIC, _EXACT, f"val_{_METRIC}"]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    stored = stored[stored["seed"] < SEEDS].assign(**{RATE: STORED})
    judged = rows[(rows["rule"] == "global") | rows["error"].notna()]
    every = pd.concat([part[columns] for part in (judged, stored)], ignore_index=True)
    return at_all_rates(every, ["set"], "head", len(HEADS) * len(RATES))


def _less(
    rows: pd.DataFrame, head: str, other: str = _REFERENCE, metric: str = _METRIC
) -> dict[str, Interval]:
    """Return the differences of a head from another by set, paired by seed."""
    values = rows.set_index(_KEY)[metric].sort_index()
    return {
        name: paired_difference(values[name, head], values[name, other]).interval
        for name in dict.fromkeys(rows["set"])
    }


def _changes(chosen: pd.DataFrame, same: pd.DataFrame) -> dict[str, Interval]:
    """Return what choosing the rate changes in pick_one less sigmoid, by set, paired by seed."""

    def less(rows: pd.DataFrame, name: str) -> pd.Series:
        by_head = rows[rows["set"] == name].pivot(index="seed", columns="head", values=_METRIC)
        return by_head["pick_one"] - by_head[_REFERENCE]

    return {
        name: paired_difference(less(chosen, name), less(same, name)).interval
        for name in dict.fromkeys(chosen["set"])
    }


def _table(
    chosen: pd.DataFrame,
    tuned: dict[str, dict[str, Interval]],
    at_one: dict[str, dict[str, Interval]],
) -> Table:
    lines = []
    for name in dict.fromkeys(chosen["set"]):
        group = chosen[(chosen["set"] == name) & (chosen["head"] == _REFERENCE)]
        cells = [
            f"{tuned[head][name].signed()} ({at_one[head][name].mean:+.3f})" for head in HEADS[1:]
        ]
        lines.append([name, str(mean_interval(group[_METRIC])), *cells])
    return Table(["data", *HEADS], lines, 1)


def _findings(
    chosen: pd.DataFrame, tuned: dict[str, Interval], changes: dict[str, Interval]
) -> list[Finding]:
    # Changes of both signs must not cancel.
    shift = [abs(change.mean) for change in changes.values()]
    mean = sum(shift) / len(shift) if shift else 0.0
    worlds = {name: each for name, each in tuned.items() if name.endswith(tuple(STRUCTURES))}
    return [
        Finding(
            f"in a mixture, a tree and conjunctions of labels pick_one is behind sigmoid by more than"
            f" {_BEHIND:g}, with a rate chosen for each",
            listed(worlds) or _OPEN,
            all(each.mean < -_BEHIND for each in worlds.values()) if worlds else None,
        ),
        Finding(
            f"choosing the rate changes the difference by less than {_SHIFT:g}, up or down, on the"
            " mean of all sets",
            f"{mean:.3f}" if shift else _OPEN,
            mean < _SHIFT if shift else None,
        ),
        few_at_edges(chosen[RATE], RATES),
    ]
