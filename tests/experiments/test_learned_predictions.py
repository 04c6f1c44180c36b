"""Predictions on learned features are judged as they were written, over the same runs."""

from __future__ import annotations

import pandas as pd
import pytest
from scipy.stats import ttest_rel

from experiments.harness.experiment import ROOT
from experiments.harness.report import quoted
from experiments.harness.running import RESULTS
from experiments.harness.store import Store
from experiments.league.standings import select
from experiments.league.studies import RULES
from experiments.learned_features.decides import rank_correlations
from experiments.learned_features.findings import gains_of_trained, spreads_of_kinds
from experiments.learned_features.groups import chosen, groups_caption, n_rates
from experiments.learned_features.leads import LEADS, leads
from experiments.learned_features.outcomes import PROPERTIES, LeagueLeads, Properties
from experiments.learned_features.studies import STUDIES
from experiments.learned_features.tables import decides
from experiments.learned_features.tuned import (
    TITLES,
    best_pair,
    measured,
    values_of,
    with_at_least_one,
)
from mlc.reporting.statistics import Interval, holm, mean_interval

METRIC = "jaccard_samples"


def rows_of(values: dict[tuple[str, str, int], tuple[float, float]]) -> pd.DataFrame:
    """Rows by head, rule and seed: the validation and the test value."""
    return pd.DataFrame(
        [
            {"data": "d", "head": head, "rule": rule, "seed": seed, "run": f"{head} {seed}",
             f"val_{METRIC}": val, METRIC: test}
            for (head, rule, seed), (val, test) in values.items()
        ]
    )  # fmt: skip


def test_a_rule_without_empty_rows_is_itself_at_least_one() -> None:
    # Of seed 1 alone the rule leaves rows without a label.
    rows = rows_of(
        {
            ("sigmoid", "mode", 0): (0.9, 0.8),
            ("sigmoid", "mode", 1): (0.5, 0.4),
            ("sigmoid", "mode, at least one", 1): (0.6, 0.6),
            ("b", "mode", 0): (0.7, 0.7),
        }
    )
    full = with_at_least_one(rows)
    value = values_of(full, "mode, at least one", METRIC)
    assert value is not None
    assert (value.n, value.mean) == (2, pytest.approx(0.7))
    assert set(full[full["head"] == "b"]["rule"]) == {"mode"}
    assert full.iloc[: len(rows)].equals(rows)


def test_no_pair_is_best_for_the_one_seed_that_has_it() -> None:
    rows = rows_of(
        {
            ("a", "mode", 0): (0.9, 0.9),
            ("a", "mode, at least one", 0): (0.91, 0.9),
            ("a", "mode", 1): (0.3, 0.3),
            ("b", "mode", 0): (0.7, 0.7),
            ("b", "mode", 1): (0.7, 0.7),
        }
    )
    head, _, test = best_pair(with_at_least_one(rows), METRIC)
    assert (head, test.n) == ("b", 2)


def test_kinds_of_features_are_compared_among_those_of_the_prediction() -> None:
    means = {"words": 0.03, "bag": 0.04, "frozen": 0.035, "fine_tuned": 0.09}
    leads = {TITLES[f"goemotions_{kind}"]: Interval(mean, 0, 3) for kind, mean in means.items()}
    assert spreads_of_kinds(leads) == {"GoEmotions": pytest.approx(0.01)}


def test_trained_networks_are_judged_by_the_two_joint_heads() -> None:
    values = {"sigmoid": 0.5, "pairwise": 0.53, "label_powerset": 0.49, "pick_one": 0.9}
    rows = rows_of(
        {(head, "global", seed): (v, v) for head, v in values.items() for seed in (0, 1)}
    )
    gains = gains_of_trained({"ucmerced_cnn": rows, "ucmerced_frozen": rows})
    assert {name: round(gain.mean, 3) for name, gain in gains.items()} == {
        "d by label_powerset": -0.01,
        "d by pairwise": 0.03,
    }


def test_a_split_on_given_properties_takes_no_other() -> None:
    names = [f"d{number}" for number in range(6)]
    properties = pd.DataFrame(
        dict.fromkeys(("none", "per_row", "unseen", "dependence", "frequency", "labels"), 0.0),
        index=names,
    ).assign(one=[0, 0, 1, 1, 0, 1], rows=range(6), rows_per_label=range(6))
    found = pd.DataFrame({"group": names}).assign(
        **{key: [0, 0, 0, 1, 1, 1.0] for key in ("one_threshold", "own_rule", "pick_one", "exact")},
        exact_own_rule=0.0,
    )
    free, on_one = (
        {
            split.name
            for split in decides(properties, found, columns)["one_threshold"].chosen.values()
        }
        for columns in (("one", "rows"), ("one",))
    )
    assert (free, on_one) == ({"rows"}, {"one"})


def test_the_caption_says_how_many_rates_there_are() -> None:
    def rows(head: str, *rates: float) -> pd.DataFrame:
        return pd.DataFrame(
            [
                {"head": head, "rule": rule, "optimizer.lr": rate, "seed": seed, "data.n_train": 1000,
                 "val_subset_accuracy": rate, "subset_accuracy": rate, "impossible": 0.0}
                for rate in rates
                for rule in ("fixed", "highest_of_group")
                for seed in range(3)
            ]
        )  # fmt: skip

    one, three = rows("sigmoid", 0.01, 0.1), rows("three", 0.01).drop(columns="head")
    assert n_rates(one, three) == 1
    assert "at one rate" in groups_caption(one, three)
    assert "the best of 2 rates" in groups_caption(one, rows("three", 0.01, 0.1))
    assert set(chosen(one, three)["flat sigmoids, 0.5"]["optimizer.lr"]) == {0.01}


def stored_table(name: str) -> list[dict[str, str]]:
    lines = (RESULTS / f"learned_features/{name}.md").read_text(encoding="utf-8").splitlines()
    header, _, *rows = [[c.strip() for c in line.split("|")[1:-1]] for line in lines if "|" in line]
    return [dict(zip(header, row, strict=True)) for row in rows]


def of_finding(start: str) -> dict[str, str]:
    (row,) = [row for row in stored_table("findings") if row["predicted"].startswith(start)]
    return row


def test_the_features_of_goemotions_are_ordered_as_the_page_says() -> None:
    (level,) = [
        row
        for row in stored_table("levels")
        if (row["data"], row["metric"]) == ("goemotions", METRIC)
    ]
    assert level["features"] == TITLES["goemotions_fine_tuned"]
    values = dict(
        part.rsplit(" ", 2)[0:2]
        for part in of_finding(f"by {METRIC} GoEmotions, frozen MiniLM")["measured"].split("; ")
    )
    words, frozen = (float(values[TITLES[f"goemotions_{kind}"]]) for kind in ("words", "frozen"))
    assert frozen < words < float(level["test"].split()[0]) - 0.02


def test_what_the_verdict_calls_predicted_was() -> None:
    assert of_finding("the best head is ahead of sigmoid with one threshold")["held"] == "yes"
    assert of_finding("on one data set the lead over one threshold")["held"] == "**no**"
    texts = quoted((ROOT / "learned_features/README.md").read_text(encoding="utf-8"))
    own_rule = [
        float(item.split(" ±")[0].rsplit(" ", 1)[1])
        for item in texts["own_rule"].split(", ")
        if " +" in item or " -" in item
    ]
    # The first eight are those of texts and of frozen images.
    assert max(own_rule[:8]) <= 0.01


FOLDER = RESULTS / "learned_features"


def leads_of_the_league() -> pd.DataFrame:
    study = LeagueLeads()
    return Store(study, FOLDER).frame(study.trials("full"))


def test_on_texts_with_several_labels_one_threshold_is_not_behind() -> None:
    found = leads_of_the_league()
    for data in ("enron", "tmc2007-500", "imdb"):
        assert not mean_interval(found[found["data"] == data]["one_threshold"]).is_above


def test_with_the_leagues_rules_alone_what_decides_is_the_same() -> None:
    """Without "at least one label", and with one threshold tuned for the Jaccard index alone."""
    study = Properties([])
    properties = Store(study, FOLDER).frame(study.trials("full")).set_index("data")
    frames = {each.name: Store(each, FOLDER).frame(each.trials("full")) for each in STUDIES}
    kinds = [
        leads(rows[rows["rule"].isin(RULES)]).assign(data=name.split("_")[0], kind=name)
        for name, rows in measured(STUDIES, frames).items()
    ]
    of_kind = pd.concat([leads_of_the_league().assign(kind=""), *kinds])
    means = of_kind.groupby(["data", "kind"], sort=False)[list(LEADS)].mean()
    means = means.groupby("data", sort=False).mean()
    values = properties.loc[means.index, list(PROPERTIES)]
    significant = {}
    for lead in LEADS:
        table = rank_correlations(values, means[lead])
        significant[lead] = set(table.index[table["p_holm"] < 0.05])
    assert significant.pop("exact") == {"rows", "rows_per_label"}
    assert not any(significant.values())
    text = quoted((ROOT / "learned_features/README.md").read_text(encoding="utf-8"))
    assert [name.split()[0] for name in text["correlated_exact"].split(", ")] == [
        "rows_per_label",
        "rows",
    ]


def test_by_macro_f1_other_heads_lead_as_far_as_pairwise() -> None:
    rows = {row["head"]: row for row in stored_table("f1_macro")}

    def ahead(head: str, kind: str) -> float:
        values = [float(rows[name][kind].strip(">").split()[0]) for name in (head, "sigmoid")]
        return values[0] - values[1]

    for data in ("GoEmotions", "Reuters"):
        kind = f"{data}, embedding bag"
        assert all(ahead(head, kind) > 0.05 for head in ("pairwise", "pick_one", "label_powerset"))
    for kind in ("Reuters, words", "Reuters, frozen MiniLM"):
        assert ahead("softmax_uniform", kind) > ahead("pairwise", kind) > 0


def test_leads_of_trained_networks_on_three_seeds_are_at_the_edge() -> None:
    frames = {
        study.name: Store(study, FOLDER).frame(study.trials("full"))
        for study in STUDIES
        if study.name in ("ucmerced_cnn", "ucmerced_fine_tuned", "ucmerced_fine_tuned_96")
    }
    for name, rows in frames.items():
        tuned = select(rows[rows["rule"].notna()], METRIC)
        values = tuned.pivot_table(index="seed", columns="head", values=METRIC)
        heads = [head for head in values if head != "sigmoid"]
        adjusted = dict(
            zip(
                heads,
                holm([ttest_rel(values[h], values["sigmoid"]).pvalue for h in heads]),
                strict=True,
            )
        )
        assert len(values) == 3
        assert adjusted.get("pairwise", 1) > 0.05
        gain = (values["label_powerset"] - values["sigmoid"]).mean()
        if name != "ucmerced_cnn":
            assert (gain > 0) == (name == "ucmerced_fine_tuned")
