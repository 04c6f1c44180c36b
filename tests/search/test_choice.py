"""The choice of a trial takes validation values and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mlc.config.errors import ConfigError
from mlc.search.choice import (
    choose,
    choose_and_confirm,
    chosen_runs,
    trial_means,
    validation_values,
)

TUNED_ON = {"fixed": "nothing", "global": "validation", "per_label": "validation", "oracle": "test"}


def runs(n_trials: int = 6, n_seeds: int = 3, seed: int = 0) -> pd.DataFrame:
    """Runs of two heads with random values, test values among them."""
    draw = np.random.default_rng(seed)
    rows = [
        {
            "run": f"{head}/{trial}/{s}", "data": "toy", "head": head, "rule": rule, "seed": s,
            "trial": str(trial), "jaccard_samples": draw.random(), "hamming_loss": draw.random(),
            "val_jaccard_samples": draw.random(), "val_hamming_loss": draw.random(),
            "val_lrap": 0.1 * trial + 0.01 * s,
        }
        for head in ("sigmoid", "powerset")
        for trial in range(n_trials)
        for s in range(n_seeds)
        for rule in TUNED_ON
    ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("metric", ["jaccard_samples", "hamming_loss"])
def test_the_best_mean_over_the_seeds_is_chosen(metric: str) -> None:
    table = runs()
    choices = choose(validation_values(table, metric, TUNED_ON), metric)
    assert [choice.head for choice in choices] == ["sigmoid", "powerset"]
    for choice in choices:
        best: tuple[float, int, str] | None = None
        for trial in range(6):
            for rule in ("fixed", "global"):
                own = [
                    row[f"val_{metric}"]
                    for row in table.to_dict("records")
                    if (row["head"], row["trial"], row["rule"]) == (choice.head, str(trial), rule)
                ]
                mean = sum(own) / len(own)
                better = best is None or (mean > best[0] if metric[0] == "j" else mean < best[0])
                best = (mean, trial, rule) if better else best
        assert best is not None
        assert (choice.trial, choice.rule) == best[1:]
        assert choice.value == pytest.approx(best[0], abs=1e-12)
        assert (choice.n_seeds, choice.n_trials) == (3, 6)
        # A rule that is tuned on each label takes no part, and has a best trial of its own.
        assert set(choice.by_rule) == {"fixed", "global", "per_label"}


def test_test_values_do_not_take_part() -> None:
    table = runs()
    changed = table.copy()
    test = ["jaccard_samples", "hamming_loss"]
    changed[test] = changed[test].sample(frac=1, random_state=1).to_numpy()
    is_oracle = changed["rule"] == "oracle"
    changed.loc[is_oracle, "val_jaccard_samples"] = 1.0
    assert not changed[test].equals(table[test])
    one, other = (
        choose(validation_values(each, "jaccard_samples", TUNED_ON), "jaccard_samples")
        for each in (table, changed)
    )
    assert one == other


@pytest.mark.parametrize("column", ["jaccard_samples", "test", "val_jaccard_samples", "run"])
def test_a_table_with_other_columns_is_refused(column: str) -> None:
    values = validation_values(runs(), "jaccard_samples", TUNED_ON)
    for place in (0, 2, len(values.columns)):
        wider = values.copy()
        wider.insert(place, column, 0.5)
        with pytest.raises(ConfigError, match="needs the columns of validation_values"):
            choose(wider, "jaccard_samples")
    renamed = values.rename(columns={"value": column})
    with pytest.raises(ConfigError, match="needs the columns of validation_values"):
        choose(renamed, "jaccard_samples")


def test_a_rule_for_each_label_is_chosen_only_for_what_it_tunes() -> None:
    table = runs().rename(columns={"val_jaccard_samples": "val_f1_macro"})
    table.loc[table["rule"] == "per_label", "val_f1_macro"] += 1
    (first, _) = choose(validation_values(table, "f1_macro", TUNED_ON), "f1_macro")
    assert first.rule == "per_label"
    other = table.rename(columns={"val_f1_macro": "val_jaccard_samples"})
    values = validation_values(other, "jaccard_samples", TUNED_ON)
    assert choose(values, "jaccard_samples")[0].rule != "per_label"
    alone = values[values["rule"] == "per_label"]
    assert choose(alone, "jaccard_samples")[0].rule == "per_label"


def test_a_trial_with_a_failed_or_undefined_run_loses() -> None:
    table = runs()
    best = choose(validation_values(table, "jaccard_samples", TUNED_ON), "jaccard_samples")[0]
    own = (table["head"] == "sigmoid") & (table["trial"] == str(best.trial))
    missing = table[~(own & (table["seed"] == 1))]
    undefined = table.copy()
    undefined.loc[own & (table["seed"] == 1), "val_jaccard_samples"] = np.nan
    for changed in (missing, undefined):
        values = validation_values(changed, "jaccard_samples", TUNED_ON)
        choice = choose(values, "jaccard_samples")[0]
        assert choice.trial != best.trial
        assert (choice.n_seeds, choice.n_trials) == (3, 5)


def test_a_head_without_a_value_has_no_choice() -> None:
    table = runs(n_trials=2)
    table.loc[table["head"] == "sigmoid", "val_lrap"] = np.nan
    first, second = choose(validation_values(table, "lrap", TUNED_ON), "lrap")
    assert (first.trial, first.value, first.n_trials) == (None, None, 0)
    assert (second.trial, second.rule, second.n_seeds) == (1, "-", 3)
    assert second.value == pytest.approx(0.11)


def test_further_seeds_choose_the_rule_and_not_the_trial() -> None:
    """Trial 1 is best on the seeds of the search; its further seeds are worse than those of trial 0."""
    values = {
        ("a", 0): [0.5, 0.5], ("a", 1): [0.6, 0.6, 0.1, 0.1],
        ("b", 0): [0.4, 0.4], ("b", 1): [0.3, 0.3, 0.9, 0.9],
    }  # fmt: skip
    table = pd.DataFrame(
        [
            {"data": "d", "head": "h", "trial": trial, "rule": rule, "seed": seed, "value": value}
            for (rule, trial), of_seeds in values.items()
            for seed, value in enumerate(of_seeds)
        ]
    )
    (choice,) = choose_and_confirm(table, "jaccard_samples", [0, 1])
    assert (choice.trial, choice.rule, choice.n_seeds, choice.n_trials) == (1, "b", 4, 2)
    assert choice.value == pytest.approx(0.6)
    assert {rule: best.value for rule, best in choice.by_rule.items()} == pytest.approx(
        {"a": 0.35, "b": 0.6}
    )
    assert not choice.failed
    (of_search,) = choose_and_confirm(table[table["seed"] < 2], "jaccard_samples", [0, 1])
    assert (of_search.trial, of_search.rule, of_search.n_seeds) == (1, "a", 2)


def test_equal_trials_leave_the_first() -> None:
    table = runs()
    table["val_jaccard_samples"] = 0.5
    values = validation_values(table.sample(frac=1, random_state=0), "jaccard_samples", TUNED_ON)
    assert {choice.trial for choice in choose(values, "jaccard_samples")} == {0}


def test_settings_of_the_grid_are_chosen_for_each_by_itself() -> None:
    parts = [runs(seed=seed).assign(**{"data.n": text}) for seed, text in ((0, "5"), (1, "9"))]
    table = pd.concat(parts, ignore_index=True)
    values = validation_values(table, "jaccard_samples", TUNED_ON, ["data.n"])
    choices = choose(values, "jaccard_samples")
    assert [(c.head, c.settings["data.n"]) for c in choices] == [
        ("sigmoid", "5"), ("powerset", "5"), ("sigmoid", "9"), ("powerset", "9"),
    ]  # fmt: skip
    alone = choose(validation_values(parts[1], "jaccard_samples", TUNED_ON), "jaccard_samples")
    assert [choice.trial for choice in choices[2:]] == [choice.trial for choice in alone]


def test_the_rows_of_the_chosen_trials() -> None:
    table = runs()
    choices = choose(validation_values(table, "jaccard_samples", TUNED_ON), "jaccard_samples")
    rows = chosen_runs(table, choices)
    assert len(rows) == 2 * 3 * len(TUNED_ON)
    by_rule = chosen_runs(table, choices, by_rule=True)
    for choice in choices:
        for rule in TUNED_ON:
            trial = choice.by_rule[rule].trial if rule in choice.by_rule else choice.trial
            own = by_rule[(by_rule["head"] == choice.head) & (by_rule["rule"] == rule)]
            assert own["trial"].tolist() == [str(trial)] * 3


def test_runs_of_no_search_take_no_part() -> None:
    table = runs(n_trials=1)
    none = table.assign(trial="null")
    assert validation_values(none, "jaccard_samples", TUNED_ON).empty
    assert choose(validation_values(none, "jaccard_samples", TUNED_ON), "jaccard_samples") == []
    without = table.drop(columns="trial")
    assert validation_values(without, "lrap", TUNED_ON).empty
    assert chosen_runs(without, []).empty
    means = trial_means(validation_values(pd.concat([table, none]), "lrap", TUNED_ON))
    assert means["n_seeds"].tolist() == [3, 3]


def table_of(values: dict[tuple[int, int], float]) -> pd.DataFrame:
    """Values of one head and rule, by trial and seed."""
    return pd.DataFrame(
        {"data": "toy", "head": "focal", "trial": trial, "rule": "global", "seed": seed, "value": value}
        for (trial, seed), value in values.items()
    )  # fmt: skip


@pytest.mark.parametrize(
    ("values", "trial", "value", "n_seeds", "failed"),
    [
        # Seeds 2 and 3 are easier: no trial may win by them.
        (
            {(0, 0): 0.4, (0, 1): 0.6, (1, 2): 0.9, (1, 3): 0.9, (2, 0): 0.5, (2, 1): 0.7},
            2, 0.6, 2, {1: "no value for seeds 0, 1"},
        ),
        # Most trials have seeds 5 and 6, although trial 0 has others.
        (
            {(0, 0): 0.9, (0, 1): 0.9, (1, 5): 0.1, (1, 6): 0.1, (2, 5): 0.2, (2, 6): 0.1},
            2, 0.15, 2, {0: "no value for seeds 5, 6"},
        ),
        # More seeds than those of the others are no advantage where they lack.
        ({(0, 0): 0.4, (0, 1): 0.4, (1, 1): 0.9}, 0, 0.4, 2, {1: "no value for seed 0"}),
        ({(0, 0): np.nan, (0, 1): 0.4, (1, 1): 0.3, (1, 0): np.nan}, 0, 0.4, 1, {}),
    ],
)  # fmt: skip
def test_trials_are_compared_on_the_same_seeds(
    values: dict[tuple[int, int], float],
    trial: int,
    value: float,
    n_seeds: int,
    failed: dict[int, str],
) -> None:
    (choice,) = choose(table_of(values), "jaccard_samples")
    assert (choice.trial, choice.n_seeds, choice.failed) == (trial, n_seeds, failed)
    assert choice.value == pytest.approx(value, abs=1e-12)
    assert choice.by_rule["global"].n_seeds == n_seeds


@pytest.mark.parametrize(("metric", "sign"), [("jaccard_samples", 1), ("hamming_loss", -1)])
def test_values_that_differ_by_rounding_leave_the_lower_trial(metric: str, sign: int) -> None:
    high, low = np.nextafter(0.5, 1), np.nextafter(0.5, 0)
    values = table_of({(2, 0): high if sign > 0 else low, (1, 0): 0.5, (0, 0): 0.5 - sign * 1e-6})
    (choice,) = choose(values, metric)
    assert choice.trial == 1
    # The same between rules, whose best trials are others.
    other = values[values["trial"] == 1].assign(rule="fixed", trial=0)
    (choice,) = choose(pd.concat([values[values["trial"] == 2], other]), metric)
    assert (choice.trial, choice.rule) == (0, "fixed")


@pytest.mark.parametrize("infinite", [np.inf, -np.inf])
@pytest.mark.parametrize("metric", ["jaccard_samples", "loss"])
def test_an_infinite_value_is_a_failure(metric: str, infinite: float) -> None:
    values = table_of({(0, 0): 0.5, (0, 1): 0.5, (1, 0): infinite, (1, 1): 0.5})
    (choice,) = choose(values, metric)
    assert (choice.trial, choice.n_trials, choice.value) == (0, 1, 0.5)
    assert choice.failed == {1: "an infinite value for seed 0"}
    assert trial_means(values)["value"].tolist() == [0.5, 0.5]
    assert trial_means(values)["n_seeds"].tolist() == [2, 1]
    (alone,) = choose(values[values["trial"] == 1].head(1), metric)
    assert (alone.trial, alone.value) == (None, None)
