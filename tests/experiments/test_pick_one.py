"""What the page on picking one label says, computed from the stored rows."""

from __future__ import annotations

from functools import cache

import pandas as pd
import pytest
from scipy import stats

from experiments.harness.running import RESULTS
from experiments.league.claims import clear_gains as clear
from mlc.reporting.statistics import Interval

SYNTHETIC = {"world", "world, attracting labels", "digits"}
REAL = {"emotions", "yeast", "enron", "tmc2007-500", "imdb"}


@cache
def stored(file: str) -> pd.DataFrame:
    rows = pd.read_csv(RESULTS / "pick_one" / file, low_memory=False)
    rows["run"] = rows["run"].ffill()
    rows = rows[rows["rule"] == "global"].copy()
    for column, key in (
        ("set", "data"),
        ("head", "head"),
        ("seed", "seed"),
        ("rate", "optimizer.lr"),
    ):
        rows[column] = rows["run"].str.extract(rf"(?:^| ){key}=(\S+)")[0]
    rows.loc[rows["run"].str.contains("attraction=4"), "set"] += ", attracting labels"
    structure = rows["run"].str.extract(r"structure=(\S+)")[0]
    rows.loc[structure.notna(), "set"] += ", " + structure
    return rows


@cache
def at_chosen_rates() -> pd.DataFrame:
    more, first = stored("rates.csv"), stored("runs.csv")
    first = first[first["set"].isin(set(more["set"])) & first["seed"].isin(set("01234"))]
    rows = pd.concat([more, first], ignore_index=True)
    return rows.loc[rows.groupby(["set", "head", "seed"])["val_jaccard_samples"].idxmax()]


def differences(
    rows: pd.DataFrame, head: str, other: str, metric: str = "jaccard_samples"
) -> dict[str, Interval]:
    """Return the intervals of the paired differences by data set, by Student's t."""
    found = {}
    for name, group in rows.groupby("set"):
        values = group.pivot(index="seed", columns="head", values=metric)
        each = values[head] - values[other]
        half = stats.t.ppf(0.975, len(each) - 1) * stats.sem(each)
        found[str(name)] = Interval(float(each.mean()), float(half), len(each))
    return found


def test_picking_costs_little_and_not_nothing_beside_the_same_softmax() -> None:
    at_one, tuned = (
        differences(rows, "pick_one", "softmax_uniform")
        for rows in (stored("runs.csv"), at_chosen_rates())
    )
    assert set(clear(at_one)) == {"world, attracting labels", "tmc2007-500"}
    assert set(clear(tuned)) == {"digits", "yeast"}
    for found in (at_one, tuned):
        assert all(each.mean < 0 for each in clear(found).values())
        assert all(-0.03 < each.mean < 0.013 for each in found.values())


def test_the_softmax_costs_more_in_worlds_and_on_digits_and_little_on_real_data() -> None:
    rows = stored("runs.csv")
    picking = differences(rows, "pick_one", "softmax_uniform")
    softmax = differences(rows, "softmax_uniform", "sigmoid")
    both = differences(rows, "pick_one", "sigmoid")
    assert set(softmax) == SYNTHETIC | REAL
    assert all(softmax[name].mean < 3 * picking[name].mean < 0 for name in SYNTHETIC)
    assert all(abs(each[name].mean) < 0.017 for each in (softmax, both) for name in REAL)
    found = clear({name: softmax[name] for name in REAL})
    assert found["tmc2007-500"].mean > 0 > found["imdb"].mean
    assert len(found) == 2


def test_by_exact_sets_pick_one_is_behind_in_every_world_at_chosen_rates() -> None:
    found = differences(at_chosen_rates(), "pick_one", "sigmoid", "subset_accuracy")
    worlds = {name: each for name, each in found.items() if name.startswith("world")}
    assert len(worlds) == 5
    assert clear(worlds) == worlds
    assert all(each.mean < 0 for each in worlds.values())


@pytest.mark.parametrize(("mean", "half", "is_clear"), [(-0.2, 0.1, True), (0.1, 0.2, False)])
def test_a_difference_is_clear_if_its_interval_excludes_0(
    mean: float, half: float, is_clear: bool
) -> None:
    assert bool(clear({"a": Interval(mean, half, 5)})) is is_clear
