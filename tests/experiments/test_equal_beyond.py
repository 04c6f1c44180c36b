"""Configurations beyond the edges of the search."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments.equal_budgets.beyond import (
    COMPARED,
    FARTHER,
    MEASURED,
    NUMBERS,
    Beyond,
    configurations,
    passed,
    table,
)
from experiments.equal_budgets.further import compared
from experiments.equal_budgets.runs import METRICS
from experiments.equal_budgets.spaces import COMMON, N_CONFIGURATIONS, drawn, network_spaces
from experiments.equal_budgets.studies import CONFIRM, SEARCH, choice

HEADS = ("sigmoid", "pairwise", "focal")


@pytest.mark.parametrize("head", HEADS)
def test_one_value_of_a_drawn_configuration_lies_beyond_its_space(head: str) -> None:
    spaces = network_spaces(head)
    searched = [drawn(spaces, number) for number in range(1, N_CONFIGURATIONS)]
    for number, settings in configurations(head).items():
        option = "backbone.dropout" if NUMBERS[number].startswith("dropout") else "optimizer.lr"
        is_low = "lowest" in NUMBERS[number]
        value, space = float(settings[option]), COMMON[option]
        assert value < space.low if is_low else value > space.high
        (origin,) = [own for own in searched if {**own, option: settings[option]} == settings]
        outermost = min if is_low else max
        assert float(origin[option]) == outermost(float(own[option]) for own in searched)


def test_a_value_is_passed_by_those_farther_out_on_the_same_side() -> None:
    passed_by = {
        NUMBERS[number]: [
            n_studies
            for n_studies in range(1, len(MEASURED) + 1)
            if passed(number, list(MEASURED)[:n_studies])
        ]
        for number in NUMBERS
    }
    assert passed_by == {
        "twice the largest rate": [1, 2, 3],
        "four times the largest rate": [2, 3],
        "dropout of 0.9": [3],
        "eight times the largest rate": [2, 3],
        "sixteen times the largest rate": [],
        "dropout of 0.95": [],
        "half the lowest rate": [],
    }


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of a search and of what lies beyond it, with values that nothing explains."""
    rng = np.random.default_rng(0)
    monkeypatch.setattr(Beyond, "contestants", lambda self, data: list(HEADS))

    def of(numbers: range, phase: str) -> list[dict[str, object]]:
        return [
            {"data": data, "head": head, "phase": phase, "number": number, "seed": seed, "rule": rule,
             **{name: rng.random() for metric in METRICS for name in (metric, f"val_{metric}")}}
            for data in ("flags", "scene") for head in HEADS for number in numbers
            for seed in range(2) for rule in ("fixed", "global")
        ]  # fmt: skip

    searches = [*of(range(3), SEARCH), *of(range(3), CONFIRM)]
    return pd.DataFrame(searches), pd.DataFrame(of(range(8, 11), SEARCH))


def test_the_choices_are_those_of_a_loop(rows: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    searches, beyond = rows
    found = compared(searches, {Beyond(): beyond}).set_index(["data", "head", "metric"])
    assert len(found) == 2 * len(HEADS) * len(METRICS)
    own = searches[searches["phase"] == SEARCH]
    for (data, head, metric), line in found.iterrows():
        values = []
        for part in (own, pd.concat([own, beyond])):
            part = part[(part["data"] == data) & (part["head"] == head)]
            best = choice(part, data, head, metric)
            of_best = part[(part["number"] == best.trial) & (part["rule"] == best.rule)]
            values.append(of_best[metric].mean())
        assert line["number"] == best.trial
        sign = -1 if metric == "hamming_loss" else 1
        assert line["change"] == pytest.approx(sign * (values[1] - values[0]))


def test_the_table_counts_them_and_averages_over_data(
    rows: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    searches, beyond = rows
    found = compared(searches, {Beyond(): beyond})
    for study, numbers in COMPARED.items():
        for line in table(found, study).rows:
            own = found[found["metric"] == line[0]]
            shares = [round(100 * (own["number"] == number).mean()) for number in numbers]
            assert line[1:-2] == [str(len(own)), *map(str, shares)]
            mean = own.groupby("data")["change"].mean().mean()
            assert line[-2].startswith(f"{mean:+.3f}")


def test_a_second_study_competes_with_the_first_one(
    rows: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    searches, beyond = rows
    farther = beyond.assign(number=beyond["number"] + len(MEASURED["beyond"]))
    assert set(farther["number"].unique()) >= set(MEASURED[FARTHER])
    worse = farther.assign(**{f"val_{metric}": -1.0 for metric in METRICS})
    worse["val_hamming_loss"] = 2.0
    first, second = Beyond(), Beyond(FARTHER)
    alone = compared(searches, {first: beyond})
    pd.testing.assert_frame_equal(compared(searches, {first: beyond, second: worse}), alone)
    better = farther.assign(**{f"val_{metric}": 2.0 for metric in METRICS})
    better["val_hamming_loss"] = -1.0
    found = compared(searches, {first: beyond, second: better})
    assert set(found["number"]) <= set(farther["number"])
    part = worse[worse["data"] == "flags"]
    assert set(compared(searches, {first: beyond, second: part})["data"]) == {"flags"}


def test_data_sets_are_left_out_until_all_heads_are_measured(
    rows: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    searches, beyond = rows
    of_flags = compared(searches, {Beyond(): beyond}).query("data == 'flags'")
    part = beyond[(beyond["data"] == "flags") | (beyond["head"] == "focal")]
    found = compared(searches, {Beyond(): part})
    pd.testing.assert_frame_equal(found, of_flags.reset_index(drop=True))
    assert {trial["head"] for trial in Beyond().trials("quick")} == {"sigmoid", "pairwise"}
