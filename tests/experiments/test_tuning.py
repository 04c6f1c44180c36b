"""What experiments tune is chosen on validation rows, whatever the test rows say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from experiments.factorised import worlds
from experiments.factorised.analysis import (
    CONTESTANTS,
    best_optimizers,
    less_the_best_other,
    rules_table,
)
from experiments.harness import Report
from experiments.harness.study import command_of
from experiments.harness.trainings import Trainings, configure
from experiments.imbalance.analysis import tune
from experiments.one_network_or_many import rates as networks
from experiments.one_network_or_many.studies import GroupRates, Groups, NetworkRates, Networks
from experiments.pick_one import rates as pick_one
from experiments.pick_one.studies import HEADS, Runs
from experiments.powerset_samples import wider
from experiments.powerset_samples.studies import HEADS as JOINT_HEADS
from experiments.powerset_samples.studies import Structures, WeakerDependence
from experiments.rates import RATES, STORED

EXACT = {"subset_accuracy": 0.5}


def test_a_heads_rate_is_the_one_with_the_best_validation_loss() -> None:
    rows = pd.DataFrame(
        [
            {"set": "1%", "head": head, "seed": seed, "optimizer.lr": rate, "rule": rule,
             "run": f"{head} {seed} {rate}", "val_loss": loss, "f1_macro": 1 - loss}
            for head, scale in (("sigmoid", 1.0), ("focal", 0.1))
            for seed, losses in ((0, (0.3, 0.2, 0.4)), (1, (0.3, 0.5, 0.1)))
            for rate, loss in zip((0.002, 0.006, 0.02), (scale * own for own in losses), strict=True)
            for rule in ("fixed", "per_label")
        ]
    )  # fmt: skip
    epochs = pd.DataFrame(
        [{"set": "1%", "head": "focal", "seed": 0, "run": "focal 0 0.006", "epoch": 1}]
    )
    tuned = tune(pd.concat([rows, epochs], ignore_index=True))
    chosen = tuned[tuned["rule"] == "per_label"].set_index(["head", "seed"])["optimizer.lr"]
    assert dict(chosen) == {
        ("sigmoid", 0): 0.006, ("sigmoid", 1): 0.02, ("focal", 0): 0.006, ("focal", 1): 0.02,
    }  # fmt: skip
    # A chosen run keeps all its rows.
    assert len(tuned) == 2 * 4 + 1


def test_a_losss_optimiser_is_the_one_with_the_best_validation_mean() -> None:
    rows = pd.DataFrame(
        [
            {"data": data, "loss": loss, "optimizer": optimizer, "seed": seed,
             "val_jaccard_samples": value + 0.01 * seed, "jaccard_samples": 1 - value}
            for data, loss, optimizer, value in (
                ("emotions", "sigmoid", "adam", 0.6), ("emotions", "sigmoid", "sgd", 0.5),
                ("emotions", "product", "adam", 0.4), ("emotions", "product", "sgd", 0.7),
                ("yeast", "sigmoid", "adam", 0.3), ("yeast", "sigmoid", "sgd", 0.4),
            )
            for seed in range(2)
        ]
    )  # fmt: skip
    chosen = best_optimizers(rows).groupby(["data", "loss"])["optimizer"].unique().map(list)
    assert dict(chosen) == {
        ("emotions", "sigmoid"): ["adam"],
        ("emotions", "product"): ["sgd"],
        ("yeast", "sigmoid"): ["sgd"],
    }


def test_an_optimiser_is_compared_with_the_other_that_is_best_on_validation_rows() -> None:
    rows = pd.DataFrame(
        [
            {"data": "emotions", "loss": "product", "optimizer": optimizer, "seed": seed,
             "val_jaccard_samples": validation, "jaccard_samples": test}
            for optimizer, validation, test in (
                ("adagrad", 0.9, 0.50), ("adam", 0.6, 0.52), ("sgd", 0.5, 0.58)
            )
            for seed in range(2)
        ]
    )  # fmt: skip
    less = less_the_best_other(rows, "adagrad")
    assert less["emotions", "product"] == pytest.approx(0.50 - 0.52)


def test_the_optimisers_of_a_seed_are_one_value_in_the_table_of_rules() -> None:
    rows = pd.DataFrame(
        [
            {"run": f"{optimizer} {seed}", "data": "emotions", "loss": "sigmoid",
             "optimizer": optimizer, "seed": seed, "rule": rule,
             "jaccard_samples": 0.5 + gain * (rule == "cardinality")}
            for optimizer in ("adam", "sgd", "adagrad")
            for seed, gain in enumerate((0.01, 0.03))
            for rule in ("global", "cardinality")
        ]
    )  # fmt: skip
    tuned = rows[rows["rule"] == "global"]
    # Two seeds: t has one degree of freedom, whatever the number of optimisers.
    assert rules_table(rows, tuned).rows[0] == ["sigmoid", "+0.020 ±0.127"]


def lines(
    heads: tuple[str, ...],
    rates: tuple[float, ...],
    column: str,
    best: Callable[[str], float],
    **common: Any,
) -> list[dict[str, Any]]:
    """Rows of two seeds; on validation rows `best` of a head wins, on test rows the lowest rate."""
    return [
        {**common, "head": head, "optimizer.lr": rate, "seed": seed, "rule": "global", "error": None,
         "run": f"{common} {head} {rate} {seed}", f"val_{column}": 1 - abs(rate - best(head)),
         "val_loss": abs(rate - best(head)), column: 1 - rate}
        for head in heads for rate in rates for seed in range(2)
    ]  # fmt: skip


def best_of(head: str) -> float:
    return Structures.rates[len(head) % 6]


def test_a_joint_heads_rate_is_chosen_by_its_validation_loss_in_complete_worlds() -> None:
    rows = []
    for name, numbers in (("tree", Structures.n_rows), ("mixture", Structures.n_rows[:2])):
        for n in numbers:
            world = {"data.structure": name, "data.n_train": n, "data.n_labels": 6}
            rows += lines(JOINT_HEADS, Structures.rates, "jaccard_samples", best_of, **world)
    result = wider.chosen(
        pd.DataFrame(rows), ["data.structure"], Structures.n_rows, Structures.rates
    )
    assert set(result["data.structure"]) == {"tree"}
    assert len(result) == len(JOINT_HEADS) * 2 * len(Structures.n_rows)
    assert all(rate == best_of(head) for head, rate in result[["head", "optimizer.lr"]].to_numpy())


def test_the_rate_of_the_untuned_runs_is_one_of_those_with_less_dependence() -> None:
    world = {"data.n_labels": 10, "data.dependence": 1.0}
    more, stored = [], []

    def best(head: str) -> float:
        return 0.002 if head == "chain" else 0.02

    for n in WeakerDependence.n_rows:
        for into, rates in ((more, WeakerDependence.rates), (stored, (0.002,))):
            into += lines(
                JOINT_HEADS, rates, "jaccard_samples", best, **world, **{"data.n_train": n}
            )
    stored += lines(
        JOINT_HEADS, (0.002,), "jaccard_samples", best, **world, **{"data.n_train": 250}
    )
    result = wider.weaker(pd.DataFrame(more), pd.DataFrame(stored))
    assert len(result) == len(JOINT_HEADS) * 2 * len(WeakerDependence.n_rows)
    assert all(rate == best(head) for head, rate in result[["head", "optimizer.lr"]].to_numpy())
    assert wider.weaker(pd.DataFrame(more[:-1]), pd.DataFrame(stored)).empty


def test_pick_one_is_compared_at_the_rates_chosen_for_it_and_for_sigmoid() -> None:
    def best(head: str) -> float:
        return 0.2 if head == "sigmoid" else 0.0002

    others = tuple(rate for rate in pick_one.RATES if rate != 0.002)
    rows = pd.DataFrame(lines(HEADS, others, "jaccard_samples", best, set="emotions", **EXACT))
    stored = pd.DataFrame(lines(HEADS, (0.002,), "jaccard_samples", best, set="emotions", **EXACT))
    report = Report()
    pick_one.report_rates(report, rows, stored.drop(columns="optimizer.lr"))
    (line,) = report.tables["rates"][1].rows
    # The test value is 1 less the rate.
    assert line[1] == "0.800"
    assert line[2] == "+0.200 (+0.000)"
    assert report.findings[-1].measured == "8 of 8"


def test_changes_of_both_signs_by_the_choice_of_a_rate_do_not_cancel() -> None:
    others = tuple(rate for rate in pick_one.RATES if rate != 0.002)

    def every(rates: tuple[float, ...]) -> pd.DataFrame:
        parts = [
            lines(HEADS, rates, "jaccard_samples", best, set=name, **EXACT)
            for name, best in (
                ("emotions", lambda head: 0.2 if head == "sigmoid" else 0.002),
                ("yeast", lambda head: 0.002 if head == "sigmoid" else 0.2),
            )
        ]
        return pd.DataFrame([line for part in parts for line in part])

    report = Report()
    pick_one.report_rates(report, every(others), every((0.002,)).drop(columns="optimizer.lr"))
    assert report.numbers["rate_changes"] == "emotions +0.198, yeast -0.198"
    assert [f.measured for f in report.findings if "up or down" in f.prediction] == ["0.198"]
    # Of softmax_uniform, whose rate is chosen as that of pick_one.
    assert report.numbers["same_tuned"] == "emotions +0.000, yeast +0.000"
    assert report.numbers["exact_tuned"] == "emotions +0.000, yeast +0.000"


def test_each_network_has_the_rate_that_is_best_on_validation_rows() -> None:
    kinds, others = ("one", "many"), tuple(rate for rate in RATES if rate != STORED)

    def best(kind: str) -> float:
        return {"one": 0.002, "many": 0.02}[kind]

    rows = pd.DataFrame(lines(kinds, others, "jaccard_samples", best, data="yeast"))
    stored = pd.DataFrame(lines(kinds, (0.002,), "jaccard_samples", best, data="yeast"))
    stored = stored.drop(columns="optimizer.lr")
    result = networks.choose(rows, stored, "data", "head", "jaccard_samples")
    assert dict(result.groupby("head")["optimizer.lr"].unique().map(list)) == {
        "many": [0.02], "one": [0.002],
    }  # fmt: skip
    partial = networks.choose(
        rows[rows["head"] == "one"], stored, "data", "head", "jaccard_samples"
    )
    assert partial.empty


def test_a_losss_rate_in_a_world_is_chosen_once_all_losses_have_run() -> None:
    losses = tuple(CONTESTANTS)
    rows = pd.DataFrame(
        lines(
            losses, worlds.RATES, "jaccard_samples", lambda loss: 0.03, **{"data.structure": "tree"}
        )
    ).rename(columns={"head": "loss"})
    assert set(worlds.choose(rows, len(losses))["optimizer.lr"]) == {0.03}
    assert worlds.choose(rows[rows["loss"] != "margin"], len(losses)).empty


def test_a_rate_with_stored_rows_is_not_measured_again() -> None:
    for study, stored in (
        (pick_one.Rates(), Runs()), (NetworkRates(), Networks()), (GroupRates(), Groups()),
    ):  # fmt: skip
        known = set(map(command_of, stored.trials("full")))
        trials = [trial for trial in study.trials("full") if "data.structure" not in trial]
        assert len({trial["optimizer.lr"] for trial in trials}) == len(RATES) - 1
        # Without its rate, each trial is one of the study at one rate.
        same = {k: v for k, v in trials[0].items() if k != "optimizer.lr"}
        assert command_of(same) in known


@pytest.mark.parametrize(
    "study",
    [Structures(), worlds.Worlds(CONTESTANTS), pick_one.Rates()],
    ids=lambda s: s.experiment,
)
def test_a_world_without_pairwise_form_is_trained(study: Trainings) -> None:
    trial = next(t for t in study.trials("full") if t.get("data.structure") == "conjunctions")
    size = {"data.n_labels": 3, "data.cardinality": 1.0, "data.n_train": 60, "data.n_test": 40}
    small = {**trial, **size, "trainer.max_epochs": 1}
    ((row, *_),) = study._train([small], [configure(study.experiment, small)], 1.0)
    assert 0 <= row["jaccard_samples"] <= 1
    assert set(row) <= set(study.columns)
