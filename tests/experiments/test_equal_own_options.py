"""Values beyond the ends of options that single contestants have."""

from __future__ import annotations

from math import isclose

import numpy as np
import pandas as pd
import pytest

from experiments.equal_budgets.further import compared
from experiments.equal_budgets.own_options import (
    ENDS,
    OwnOptions,
    changes,
    chosen_share,
    configurations,
    findings,
    is_open,
    table,
)
from experiments.equal_budgets.runs import METRICS
from experiments.equal_budgets.spaces import N_CONFIGURATIONS, drawn, typed
from experiments.equal_budgets.studies import BASELINES, SEARCH, spaces_of
from mlc.config.errors import ConfigError
from mlc.config.options import check
from mlc.heads.base import HEADS
from mlc.search.spaces import edge


@pytest.mark.parametrize("name", ENDS)
def test_a_value_lies_beyond_an_end_in_the_defaults_and_in_a_drawn_configuration(name: str) -> None:
    spaces = spaces_of(name)
    searched = [drawn(spaces, number) for number in range(1, N_CONFIGURATIONS)]
    found = configurations(name)
    assert len(found) == sum(2 * len(end.values) for end in ENDS[name])
    for number, further in found.items():
        option, settings = further.end.option, further.settings
        own = float(settings[option])
        values = [float(each[option]) for each in searched]
        assert own < min(values) or own > max(values) or edge(spaces[option], own) is not None
        others = {key: text for key, text in settings.items() if key != option}
        if number % 2 == 0:
            assert not others
        else:
            origins = [each for each in searched if {**each, option: settings[option]} == settings]
            nearest = min(values, key=lambda value: abs(value - further.end.values[0]))
            assert nearest in [float(origin[option]) for origin in origins]


@pytest.mark.parametrize("name", [name for name in ENDS if name not in BASELINES])
def test_the_values_are_valid_and_limits_are_the_least_or_largest(name: str) -> None:
    options = HEADS[name].Options
    for further in configurations(name).values():
        values = typed(spaces_of(name), further.settings)
        own = {k.removeprefix("head."): v for k, v in values.items() if k.startswith("head.")}
        check(options(**own), "head.")
    for end in ENDS[name]:
        if end.is_limit:
            below = {end.option.removeprefix("head."): end.values[-1] - 1}
            with pytest.raises(ConfigError, match=r"head.*must be"):
                check(options(**below), "head.")


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of a search, and of what lies beyond it, of two contestants."""
    rng = np.random.default_rng(0)
    names = ("label_powerset", "weighted_sigmoid")
    monkeypatch.setattr(OwnOptions, "contestants", lambda self, data: names)

    def of(numbers: dict[str, list[int]]) -> pd.DataFrame:
        return pd.DataFrame(
            {"data": data, "head": name, "phase": SEARCH, "number": number, "seed": 0, "rule": "global",
             **{key: rng.random() for metric in METRICS for key in (metric, f"val_{metric}")}}
            for data in ("flags", "scene") for name in names for number in numbers[name]
        )  # fmt: skip

    searches = of({name: list(range(8)) for name in names})
    return searches, of({name: list(configurations(name)) for name in names})


def test_open_choices_are_at_a_last_value_that_is_no_limit(
    rows: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    searches, further = rows
    found = compared(searches, {OwnOptions(): further})
    assert len(found) == 2 * 2 * len(METRICS)
    # The last value of label_powerset has the numbers 102 and 103; 1 is the limit of a weight.
    expected = (found["head"] == "label_powerset") & found["number"].isin([102, 103])
    assert 0 < expected.sum() < chosen_share(found) * len(found)
    pd.testing.assert_series_equal(is_open(found), expected, check_names=False)
    assert chosen_share(found) == (found["number"] >= 100).mean()
    for line in table(found).rows:
        own = found[found["head"] == line[0]]
        by_value = [(own["number"] // 2 == 50 + index).mean() for index in range(2)]
        shares = [int(share) for share in line[-1].split(", ")]
        assert all(isclose(share, 100 * by_value[i], abs_tol=0.5) for i, share in enumerate(shares))
    for metric, interval in changes(found).items():
        own = found[found["metric"] == metric]
        assert interval.mean == pytest.approx(own.groupby("data")["change"].mean().mean())
        assert interval.n == 2


def test_nothing_changes_where_the_further_values_are_worse(
    rows: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    searches, further = rows
    worse = further.assign(**{f"val_{metric}": -1.0 for metric in METRICS[:-1]}, val_hamming_loss=2)
    found = compared(searches, {OwnOptions(): worse})
    assert (found["change"] == 0).all()
    assert [finding.held for finding in findings(found)] == [True, True]
    better = further.assign(
        **{f"val_{metric}": 2.0 for metric in METRICS[:-1]}, val_hamming_loss=-1
    )
    assert chosen_share(compared(searches, {OwnOptions(): better})) == 1


def test_all_contestants_with_such_an_option_are_measured_where_they_are_searched() -> None:
    trials = OwnOptions().trials("full")
    of_flags = {trial["head"] for trial in trials if trial["data"] == "flags"}
    assert of_flags == set(ENDS)
    of_corel = {trial["head"] for trial in trials if trial["data"] == "corel5k"}
    slow = ("chain", "rakel")
    assert of_corel == {
        n for n in ENDS if not n.endswith(slow) and "forest" not in n and "boost" not in n
    }
