"""The chart of heads by labels, rows and dependence, and the rule for where powerset passes sigmoid."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import norm, t

from experiments.harness.running import RESULTS
from experiments.powerset_samples.choice import SIMPLEST_FIRST, choice_table, choices
from experiments.powerset_samples.crossings import (
    censored_regression,
    coefficient_intervals,
    crossing_points,
    rule_of_thumb,
)
from experiments.powerset_samples.gains import choices_of_sigmoid, gains_with_all_rows
from experiments.powerset_samples.studies import HEADS, WIDER_RATES, MoreLabels


def _rows(regrets: dict[str, float], **setting: float) -> list[dict[str, object]]:
    lines = []
    for head in HEADS:
        for seed, noise in enumerate((-0.001, 0.001)):
            own = regrets.get(head, 0.2) + noise
            lines.append({"head": head, "seed": seed, **setting, "jaccard_samples": own})
    return lines


def test_the_simplest_head_near_the_lowest_regret_is_chosen() -> None:
    few = {"data.n_labels": 4, "data.dependence": 0.0, "data.n_train": 250}
    many = {"data.n_labels": 8, "data.dependence": 3.0, "data.n_train": 250}
    rows = pd.DataFrame(
        _rows({"sigmoid": 0.1, "powerset": 0.096}, **few)
        + _rows({"sigmoid": 0.1, "pairwise": 0.054, "label_powerset": 0.05}, **many)
    )
    found = choices(rows, "jaccard_samples")
    assert found.loc[(0.0, 6, 250), "head"] == "sigmoid"
    assert found.loc[(3.0, 8, 250), "head"] == "pairwise"
    assert round(found.loc[(3.0, 8, 250), "saved"], 6) == 0.046
    table = choice_table(rows, {"jaccard_samples": "Jaccard"})
    assert table.rows == [
        ["Jaccard", "none", "4", "sigmoid"],
        ["Jaccard", "strong", "8", "pairwise (0.046)"],
    ]


def test_another_head_than_sigmoid_is_chosen_only_under_dependence() -> None:
    lines = (RESULTS / "powerset_samples/choice.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "|" in line]
    others = {row[1] for row in rows[2:] if {*row[3:]} - {"sigmoid", "-"}}
    assert others == {"weak", "strong"}


def stored_worlds(n_labels: int, dependence: int, study: str = "runs") -> pd.DataFrame:
    rows = pd.read_csv(RESULTS / f"powerset_samples/{study}.csv")
    world = f"data.n_labels={n_labels} data.dependence={dependence} "
    rows = rows[rows["run"].str.startswith(world)]
    for key in ("data.n_train", "head", "optimizer.lr", " seed"):
        rows[key.strip()] = rows["run"].str.extract(rf"{key}=(\S+)")[0]
    return rows.astype({"data.n_train": int, "optimizer.lr": float})


def test_one_rate_costs_sigmoids_more_than_the_powerset_up_to_16000_rows() -> None:
    rows = stored_worlds(8, 3)
    assert len(rows) == 6 * 6 * 3 * 3
    by = ["data.n_train", "head"]
    chosen = rows.loc[rows.groupby([*by, "seed"])["val_loss"].idxmin()]
    slow = rows[rows["optimizer.lr"] == 0.002]
    cost = slow.groupby(by)["jaccard_samples"].mean() - chosen.groupby(by)["jaccard_samples"].mean()
    for n in (4_000, 16_000):
        assert min(cost[n, "sigmoid"], cost[n, "pairwise"]) > cost[n, "powerset"] + 0.004
    for n in (64_000, 200_000):
        assert min(cost[n, head] for head in ("sigmoid", "pairwise", "powerset")) > 0.003
        assert cost[n, "powerset"] > cost[n, "sigmoid"]


def stored_choices(rates: tuple[float, ...]) -> pd.DataFrame:
    """The runs of 10 and 12 labels whose rate the validation loss chooses among these."""
    rows = pd.concat(
        [stored_worlds(k, 3, "more_labels").assign(n_labels=k) for k in (10, 12)],
        ignore_index=True,
    )
    rows = rows[rows["optimizer.lr"].isin(rates)]
    setting = ["n_labels", "data.n_train", "head", "seed"]
    return rows.loc[rows.groupby(setting)["val_loss"].idxmin()]


def test_the_choices_among_four_rates_lie_at_edges() -> None:
    chosen = stored_choices(WIDER_RATES)
    assert len(chosen) == 108
    assert chosen["optimizer.lr"].isin([0.001, 0.03]).sum() == 44


def test_with_10_and_12_labels_pairs_and_chain_stay_ahead_of_the_powerset() -> None:
    chosen = stored_choices(MoreLabels.rates)
    for metric in ("jaccard_samples", "subset_accuracy"):
        means = chosen.groupby(["n_labels", "data.n_train", "head"])[metric].mean().unstack()
        assert len(means) == 6
        assert (means[["pairwise", "chain"]].max(axis=1) < means["powerset"]).all()
    by_run = chosen.pivot(
        index=["n_labels", "data.n_train", "seed"], columns="head", values="jaccard_samples"
    )
    assert (by_run["sigmoid"] - by_run["powerset"]).max() < 0.006


def test_what_powerset_gains_with_the_most_rows_is_that_of_each_world() -> None:
    setting = {"data.n_labels": 4, "data.n_train": 250}
    rows = pd.DataFrame(
        _rows({"sigmoid": 0.1, "powerset": 0.2}, **{"data.dependence": 0.0}, **setting)
        + _rows({"sigmoid": 0.1, "powerset": 0.096}, **{"data.dependence": 3.0}, **setting)
    )
    assert gains_with_all_rows(rows, "jaccard_samples") == "dependence 3 0.0040 to 0.0040"
    assert choices_of_sigmoid(rows, {"jaccard_samples": "Jaccard"}) == "Jaccard 2 of 2"
    assert choices_of_sigmoid(rows, {"jaccard_samples": "J"}, dependent=True) == "J 1 of 1"


def test_every_head_has_a_place() -> None:
    assert set(SIMPLEST_FIRST) == set(HEADS)


def test_a_crossing_lies_between_the_rows_that_it_parts() -> None:
    setting = {"data.n_labels": 4, "data.dependence": 3.0}
    rows = []
    for n, powerset in ((100, 0.3), (1000, 0.15), (10_000, 0.05)):
        for seed, shift in ((0, 0.0), (1, 1.0)):
            own = {**setting, "seed": seed, "data.n_train": n}
            rows += [
                {**own, "head": "sigmoid", "jaccard_samples": 0.1},
                {**own, "head": "powerset", "jaccard_samples": powerset + shift},
            ]
    found = crossing_points(pd.DataFrame(rows), "jaccard_samples").set_index("seed")["n"]
    assert found[0] == pytest.approx(10**3.5)
    assert np.isnan(found[1])


def test_a_regression_without_censored_values_is_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(50), rng.normal(size=(50, 2))])
    y = x @ [1.0, 2.0, -1.0] + rng.normal(size=50)
    found = censored_regression(x, y, np.zeros(50, dtype=bool))
    np.testing.assert_allclose(found, np.linalg.lstsq(x, y)[0], atol=1e-6)


def test_intervals_without_censored_values_are_those_of_least_squares() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(18), rng.normal(size=(18, 2))])
    y = x @ [1.0, 2.0, -1.0] + rng.normal(size=18)
    coefficients, half_widths = coefficient_intervals(x, y, np.zeros(18, dtype=bool))
    expected, (residual,), *_ = np.linalg.lstsq(x, y)
    errors = np.sqrt(residual / 15 * np.diag(np.linalg.inv(x.T @ x)))
    np.testing.assert_allclose(coefficients, expected, atol=1e-5)
    np.testing.assert_allclose(half_widths, t.ppf(0.975, 15) * errors, rtol=1e-2)


def test_intervals_with_censored_values_follow_from_the_curvature_of_the_likelihood() -> None:
    rng = np.random.default_rng(1)
    x = np.column_stack([np.ones(40), rng.normal(size=40)])
    y = x @ [1.0, 2.0] + 0.5 * rng.normal(size=40)
    censored, seen = y > 1.5, np.minimum(y, 1.5)

    def loss(parameters: np.ndarray) -> float:
        z = (seen - x @ parameters[:-1]) / np.exp(parameters[-1])
        return -float(np.where(censored, norm.logsf(z), norm.logpdf(z) - parameters[-1]).sum())

    best = minimize(
        loss, [0, 0, 0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12}
    ).x
    steps, hessian = 1e-3 * np.eye(3), np.empty((3, 3))
    for i, a in enumerate(steps):
        for j, b in enumerate(steps):
            corners = loss(best + a + b) - loss(best + a - b) - loss(best - a + b)
            hessian[i, j] = (corners + loss(best - a - b)) / 4e-6
    errors = np.sqrt(np.diag(np.linalg.inv(hessian))[:2] * 40 / 38)
    _, half_widths = coefficient_intervals(x, seen, censored)
    np.testing.assert_allclose(half_widths, t.ppf(0.975, 38) * errors, rtol=1e-2)


def test_a_regression_with_censored_values_is_that_of_the_greatest_likelihood() -> None:
    rng = np.random.default_rng(0)
    x = np.column_stack([np.ones(300), rng.normal(size=300)])
    y = x @ [1.0, 2.0] + 0.5 * rng.normal(size=300)
    censored, seen = y > 1.5, np.minimum(y, 1.5)

    def loss(parameters: np.ndarray) -> float:
        z = (seen - x @ parameters[:-1]) / np.exp(parameters[-1])
        own = np.where(censored, norm.logsf(z), norm.logpdf(z) - parameters[-1])
        return -float(own.sum())

    best = minimize(loss, [0, 0, 0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
    np.testing.assert_allclose(censored_regression(x, seen, censored), best.x[:-1], atol=1e-4)


def test_the_rule_of_thumb_is_not_flattered_by_worlds_that_have_not_crossed() -> None:
    rng = np.random.default_rng(0)
    worlds = [
        {"data.n_labels": k, "data.dependence": d, "seed": seed,
         "n": 100 * 2.0**k / d**2 * np.exp(0.2 * rng.normal())}
        for k in (4, 6, 8, 10, 12) for d in (1.0, 3.0) for seed in range(3)
    ]  # fmt: skip
    whole = pd.DataFrame(worlds)
    seen = whole.assign(n=whole["n"].where(whole["n"] < 20_000))
    assert seen["n"].isna().sum() >= 8
    assert rule_of_thumb(seen, 20_000).growth == pytest.approx(2.0, abs=0.1)
    few = rule_of_thumb(seen[seen["data.n_labels"] <= 6], 20_000)
    assert np.isnan(few.growth)
    assert "K = 4, 6" in few.text
