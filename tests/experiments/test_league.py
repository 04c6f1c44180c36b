"""The league's tests, figures and published numbers."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import studentized_range, ttest_rel, wilcoxon
from torch import Tensor

from experiments.harness.experiment import ROOT
from experiments.harness.report import quoted
from experiments.harness.trainings import configure
from experiments.league.baselines import LogisticRegressions
from experiments.league.claims import (
    clear,
    constants,
    dependent_gains,
    exact_gains,
    over_logistic,
    separated,
    threshold_behind,
    top,
)
from experiments.league.decided import Decided
from experiments.league.ensembles import Ensembles
from experiments.league.pooled import best_ensembles
from experiments.league.published import PUBLISHED, published_table
from experiments.league.significance import (
    least_wilcoxon_holm,
    n_separated,
    nemenyi_p,
    ranks_figure,
)
from experiments.league.standings import (
    LEAST_SEEDS,
    against,
    optimism_table,
    ranks,
    rules_table,
    select,
    starred,
)
from experiments.league.studies import CONTESTANTS, METRICS, N_LABELS
from experiments.league.withdrawn import (
    NO_POSITIVE,
    WITHOUT_THRESHOLD,
    is_withdrawn,
    withdrawn_table,
    without_withdrawn,
)
from mlc.config.schema import Config
from mlc.data.base import SOURCES
from mlc.data.splits import split_dataset
from mlc.decisions.seen import Seen, distinct
from mlc.reporting.statistics import Interval, PairedDifference, paired_difference
from mlc.search.choice import choose, validation_values


def test_the_ranks_are_drawn_alike_whatever_order_sets_have() -> None:
    """Names that end in another way have other hashes, so that sets of them have another order."""
    assert len({_drawn(ending) for ending in ("", " a", " b", " c", " d")}) == 1


def _drawn(ending: str) -> bytes:
    """A diagram of heads whose names end so, drawn without these ends."""
    league = _random_league(10, 12, 1 / 20)
    figure = ranks_figure(league.assign(head=league["head"] + ending), "jaccard_samples")
    assert figure is not None
    labels = [text for text in figure.axes[0].texts if ending and ending in text.get_text()]
    assert len(labels) == (12 if ending else 0)
    for label in labels:
        label.set_text(label.get_text().replace(ending, ""))
    stream = io.BytesIO()
    figure.savefig(stream)
    return stream.getvalue()


def _random_league(n_data_sets: int, n_heads: int, step: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {"data": f"d{d}", "head": f"h{h}", "seed": 0, "jaccard_samples": step * h + rng.random()}
        for d in range(n_data_sets)
        for h in range(n_heads)
    )


def test_nemenyi_is_the_studentized_range_of_the_rank_differences() -> None:
    n_data_sets, n_heads = 11, 6
    tuned = _random_league(n_data_sets, n_heads, 0.1)
    found, average = (
        nemenyi_p(tuned, "jaccard_samples"),
        ranks(tuned, "jaccard_samples").mean(axis=1),
    )
    for a in average.index:
        for b in average.index.drop(a):
            error = np.sqrt(n_heads * (n_heads + 1) / (12 * n_data_sets))
            q = abs(average[a] - average[b]) / error
            assert found.loc[a, b] == pytest.approx(
                studentized_range.sf(q, n_heads, np.inf), abs=1e-3
            )


def test_means_that_rounding_alone_tells_apart_share_their_rank() -> None:
    values = {"a": (0.1, 0.2, 0.3), "b": (0.3, 0.2, 0.1), "c": (0.2, 0.2, 0.3)}
    tuned = pd.DataFrame(
        {"data": "d", "head": head, "seed": seed, "jaccard_samples": value}
        for head, own in values.items()
        for seed, value in enumerate(own)
    )
    assert sum(values["a"]) != sum(values["b"])  # 0.6000000000000001 and 0.6
    assert ranks(tuned, "jaccard_samples")["d"].to_dict() == {"a": 2.5, "b": 2.5, "c": 1.0}


def test_pairs_that_are_told_apart_are_counted_once() -> None:
    assert n_separated(nemenyi_p(_random_league(10, 3, 10), "jaccard_samples")) == 1
    assert n_separated(nemenyi_p(_random_league(40, 3, 10), "jaccard_samples")) == 3


@pytest.mark.parametrize("n_data_sets", [5, 7, 11])
def test_the_least_p_of_wilcoxon_is_that_of_differences_of_one_sign(n_data_sets: int) -> None:
    differences = np.arange(1.0, n_data_sets + 1)
    assert least_wilcoxon_holm(n_data_sets, 2) == wilcoxon(differences).pvalue
    assert least_wilcoxon_holm(n_data_sets, 4) == min(1, 6 * wilcoxon(differences).pvalue)


def test_published_values_stand_beside_those_that_were_chosen_on_validation_rows() -> None:
    rows = pd.DataFrame(
        [
            {"data": "emotions", "head": head, "seed": 0, "rule": rule,
             "val_hamming_loss": validation, "hamming_loss": test,
             "val_subset_accuracy": 1 - validation, "subset_accuracy": 1 - test}
            for head, rule, validation, test in [
                ("sigmoid", "fixed", 0.3, 0.31), ("sigmoid", "global", 0.2, 0.21),
                ("zlpr", "fixed", 0.1, 0.4), ("logistic_regression", "fixed", 0.0, 0.0),
            ]
        ]
    )  # fmt: skip
    table = published_table(rows, pd.DataFrame())
    assert len(table.rows) == len(PUBLISHED)
    _, _, _, _, sigmoid, best, its_value, _ = table.rows[0]
    assert (sigmoid, best, its_value) == ("0.210", "zlpr", "0.400")
    _, _, _, _, sigmoid, best, its_value, _ = table.rows[1]
    assert (sigmoid, best, its_value) == ("0.790", "zlpr", "0.600")
    assert all(row[4:7] == ["-", "-", "-"] for row in table.rows[2:])


def test_thresholds_by_label_are_chosen_for_f1_macro_alone() -> None:
    metrics = ("jaccard_samples", "f1_macro")
    rows = pd.DataFrame(
        {"data": "d", "head": "sigmoid", "seed": 0, "rule": rule,
         **{f"{part}{metric}": value for metric in metrics for part in ("val_", "")}}
        for rule, value in (("fixed", 0.1), ("global", 0.5), ("per_label", 0.9))
    )  # fmt: skip
    assert select(rows, "jaccard_samples")["rule"].tolist() == ["global"]
    assert select(rows, "f1_macro")["rule"].tolist() == ["per_label"]
    assert len(select(rows, "jaccard_samples", by_rule=True)) == 3
    assert best_ensembles(rows).loc["d", "chosen"] == ("sigmoid", "global")
    assert best_ensembles(rows).loc["d", "oracle"] == ("sigmoid", "per_label")


def _rows(values: dict[tuple[str, str, str], tuple[float, ...]], **more: object) -> pd.DataFrame:
    """Rows with the same value for all metrics, validation too: (data, head, rule) to a value a seed."""
    return pd.DataFrame(
        {"data": data, "head": head, "rule": rule, "seed": seed, "run": f"{data} {head} {seed}", **more,
         **{f"{part}{m}": value for m in METRICS for part in ("val_", "")}}
        for (data, head, rule), of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    )  # fmt: skip


def test_separated_pairs_are_counted_in_each_metrics_own_selection() -> None:
    """Each head has a run that is best by one metric alone, and there the heads' order is clear."""
    rng = np.random.default_rng(0)
    rows = []
    for d in range(12):
        for h in range(4):
            for metric in METRICS:
                # By its own metric the heads are h apart, or by nothing but noise.
                apart = h if metric in ("jaccard_samples", "subset_accuracy") else 0.0
                own = {m: float(rng.random()) for m in METRICS}
                own[metric] = apart + float(rng.random()) * 0.1
                sign = -1 if metric == "hamming_loss" else 1
                chosen = {f"val_{m}": -sign * 9.0 if m != metric else sign * 9.0 for m in METRICS}
                chosen["val_hamming_loss"] = -9.0 if metric == "hamming_loss" else 9.0
                rows.append(
                    {"data": f"d{d}", "head": f"h{h}", "seed": 0, "rule": "global", **own, **chosen}
                )
    found = pd.DataFrame(rows)
    counts = {
        part.split(" by ")[1]: int(part.split(" by ")[0]) for part in separated(found).split("; ")
    }
    for metric in METRICS:
        assert counts[metric] == n_separated(nemenyi_p(select(found, metric), metric))
    assert counts["jaccard_samples"] == counts["subset_accuracy"] >= 3
    assert counts["f1_macro"] == counts["hamming_loss"] == 0
    of_one = n_separated(nemenyi_p(select(found, "jaccard_samples"), "subset_accuracy"))
    assert of_one != counts["subset_accuracy"]


@pytest.mark.parametrize(
    ("n_seeds", "least", "most"), [(3, 0, 0), (5, 0.02, 0.05), (10, 0.02, 0.05)]
)
def test_stars_raise_a_false_alarm_in_at_most_one_data_set_in_twenty(
    n_seeds: int, least: float, most: float
) -> None:
    """Twelve heads that are all alike, seeds in pairs with one reference: any star is a false one."""
    rng = np.random.default_rng(0)
    n_data_sets, n_heads = 2000, 13
    values = rng.normal(size=(n_data_sets, 1, n_seeds)) + rng.normal(
        size=(n_data_sets, n_heads, n_seeds)
    )
    p = ttest_rel(values[:, 1:], values[:, :1], axis=-1).pvalue
    alarms = sum(
        any(starred([PairedDifference(Interval(0.0, 1.0, n_seeds), value) for value in own]))
        for own in p
    )
    assert least <= alarms / n_data_sets <= most
    if n_seeds >= LEAST_SEEDS:
        own = paired_difference(values[0, 1], values[0, 0])
        assert own.p_value == pytest.approx(p[0, 0])


def test_a_difference_of_three_seeds_has_no_star_and_a_clear_one_of_ten_has() -> None:
    noise = np.random.default_rng(0).normal(scale=0.01, size=10)
    base = np.full(10, 0.5)
    for n, star in ((3, ""), (4, ""), (5, "*"), (10, "*")):
        rows = _rows(
            {("d", "sigmoid", "global"): tuple(base[:n]),
             ("d", "better", "global"): tuple((base + 0.3 + noise)[:n]),
             ("d", "alike", "global"): tuple((base + noise - noise[:n].mean())[:n])}
        )  # fmt: skip
        found = against(rows, "jaccard_samples", "sigmoid")
        cells = dict(found.rows)
        own = paired_difference((base + 0.3 + noise)[:n], base[:n]).interval
        assert cells["better"] == own.signed() + star
        assert not cells["alike"].endswith("*")


def test_the_withdrawn_rows_are_those_of_the_conditions_in_words() -> None:
    rules = ("fixed", "global", "per_label", "mode")
    rows = pd.DataFrame(
        {"data": data, "head": head, "rule": rule, "seed": seed}
        for data in N_LABELS
        for head in CONTESTANTS
        for rule in rules
        for seed in range(6)
    )
    found = is_withdrawn(rows)
    for (_, row), gone in zip(rows.iterrows(), found, strict=True):
        seeds = NO_POSITIVE.get(row["data"], ())
        expected = (
            (row["head"] == "chain" and row["rule"] == "mode" and N_LABELS[row["data"]] > 16)
            or (row["rule"] == "per_label" and (seeds is None or row["seed"] in seeds))
            or (row["rule"] == "fixed" and row["head"] in WITHOUT_THRESHOLD)
        )
        assert gone == expected, row.to_dict()
    counts = [int(line[-1].replace(",", "")) for line in withdrawn_table(rows).rows]
    assert sum(counts) == found.sum()
    assert set(WITHOUT_THRESHOLD) <= set(CONTESTANTS)


def test_withdrawn_rows_take_no_part_in_choices_and_no_other_rule_takes_their_place() -> None:
    rows = _rows(
        {("birds", "chain", "mode"): (0.9,) * 6, ("birds", "chain", "global"): (0.5,) * 6,
         ("birds", "chain", "per_label"): (0.7,) * 6,
         ("yeast", "chain", "mode"): (0.9,) * 6, ("yeast", "chain", "per_label"): (0.4,) * 6,
         ("enron", "chain", "per_label"): (0.4,) * 6, ("enron", "chain", "global"): (0.4,) * 6}
    )  # fmt: skip
    kept = without_withdrawn(rows)
    by_jaccard = select(kept, "jaccard_samples").set_index(["data", "seed"])["rule"]
    assert set(by_jaccard["birds"]) == {"global"}
    assert set(by_jaccard["yeast"]) == {"mode"}
    # Seeds 4 and 5 of birds have no per_label, enron has none at all.
    by_f1 = select(kept, "f1_macro")
    assert by_f1[by_f1["data"] == "birds"]["seed"].tolist() == [0, 1, 2, 3]
    assert "enron" not in set(by_f1["data"])
    assert without_withdrawn(rows.iloc[:0]).empty
    assert len(rows) == len(kept) + is_withdrawn(rows).sum()


def test_a_rule_whose_rows_are_withdrawn_on_a_data_set_has_no_value_there() -> None:
    rows = _rows(
        {("enron", "chain", "per_label"): (0.4, 0.5), ("enron", "chain", "global"): (0.4, 0.6),
         ("yeast", "chain", "per_label"): (0.4, 0.5), ("yeast", "chain", "global"): (0.4, 0.6)}
    )  # fmt: skip
    kept = without_withdrawn(rows)
    for table in (rules_table(kept), optimism_table(kept, "jaccard_samples")):
        of_rule = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
        assert of_rule["per_label"]["enron"] == "-"
        assert of_rule["per_label"]["yeast"] != "-"


def test_a_claims_number_is_the_loop_over_seeds() -> None:
    rows = _rows(
        {("d", "sigmoid", "fixed"): (0.50, 0.60, 0.61), ("d", "sigmoid", "global"): (0.52, 0.58, 0.60),
         ("d", "pairwise", "mode"): (0.80, 0.70, 0.79), ("d", "pairwise", "global"): (0.60, 0.62, 0.64),
         ("d", "chain", "global"): (0.40, 0.41, 0.42),
         ("d", "bernoulli_mixture", "global"): (0.3, 0.2, 0.4),
         ("d", "logistic_regression", "global"): (0.9, 0.9, 0.9)}
    )  # fmt: skip
    exact, of_rule = exact_gains(rows, "pairwise")["d"]
    assert exact.mean == pytest.approx(np.mean([0.80 - 0.52, 0.70 - 0.60, 0.79 - 0.61]))
    assert of_rule.mean == pytest.approx(np.mean([0.80 - 0.60, 0.70 - 0.62, 0.79 - 0.64]))
    behind = threshold_behind(rows)["d"]
    assert behind.mean == pytest.approx(np.mean([0.80 - 0.52, 0.70 - 0.58, 0.79 - 0.60]))
    elsewhere = pd.concat([rows, rows[rows["head"] != "logistic_regression"].assign(data="e")])
    over = over_logistic(select(elsewhere, "jaccard_samples"))
    assert list(over) == ["d"]
    assert over["d"].mean == pytest.approx(np.mean([0.80, 0.70, 0.79]) - 0.9)
    dependent = dependent_gains(select(rows, "jaccard_samples"))["d"]
    of_seeds = [
        (0.80 + 0.40 + 0.3) / 3 - 0.52,
        (0.70 + 0.41 + 0.2) / 3 - 0.60,
        (0.79 + 0.42 + 0.4) / 3 - 0.61,
    ]
    assert dependent.mean == pytest.approx(np.mean(of_seeds))
    assert top(rows, "jaccard_samples") == "pairwise 2.0, sigmoid 3.0, chain 4.0"


def test_the_rules_part_of_exact_gains_is_what_the_page_says() -> None:
    text = quoted((ROOT / "league/README.md").read_text(encoding="utf-8"))["exact_gain"]
    found = re.findall(r"(\S+) ([+-]\S+)(?: ±\S+)? \(([+-][\d.]+)", text)
    shares = {data: float(of_rule) / float(gain) for data, gain, of_rule in found if float(gain)}
    assert all(shares[data] > 0.5 for data in ("yeast", "enron", "corel5k", "imdb"))
    assert shares["bibtex"] < 0.5


def test_a_claim_is_clear_where_its_interval_excludes_zero() -> None:
    gains = {
        "a": Interval(0.02, 0.01, 5),
        "b": Interval(0.02, 0.03, 5),
        "c": Interval(0.0, np.nan, 5),
    }
    assert clear(gains) == "a +0.020 ±0.010"
    assert clear({"b": gains["b"]}) == "none"


def test_sigmoids_exact_sets_are_held_against_the_most_frequent_set() -> None:
    rows = _rows({("a", "sigmoid", "global"): (0.04,), ("b", "sigmoid", "global"): (0.5,)})
    constant = _rows(
        {
            ("a", "most_frequent_set", "constant"): (0.1,),
            ("b", "most_frequent_set", "constant"): (0.3,),
        }
    )
    found = constants(rows, constant)
    assert found == {"below_constant": "a 0.040 below 0.100", "n_below_constant": "1 of 2"}
    assert constants(rows, constant.iloc[:0])["below_constant"] == "not measured"


def test_nothing_is_left_out_once_the_list_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = _rows(
        {("enron", "chain", "per_label"): (0.4,) * 2, ("enron", "chain", "mode"): (0.4,) * 2}
    )
    assert len(without_withdrawn(rows)) < len(rows)
    monkeypatch.setattr("experiments.league.withdrawn.WITHDRAWN", ())
    pd.testing.assert_frame_equal(without_withdrawn(rows), rows)
    assert withdrawn_table(rows).rows == []


@pytest.mark.parametrize("study", [LogisticRegressions, Ensembles])
def test_seen_sets_are_those_of_training_rows(
    study: type[Decided], monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Tensor] = []
    tune = Seen.tune

    def recorded(rule: Seen, scores: Tensor, targets: Tensor) -> Seen:
        assert rule.training_sets is not None
        found.append(distinct(rule.training_sets))
        return tune(rule, scores, targets)

    def quick(experiment: str, trial: Mapping[str, Any]) -> Config:
        short = {"trainer.max_epochs": 1, "data.n_train": 300, "data.n_test": 20}
        config = configure(experiment, {"seed": 0, **trial, **short})
        dataset = SOURCES["digits"].load(config.data)
        split = split_dataset(dataset, config.data, config.seed)
        outside = np.union1d(split.train, split.val)
        rows = split.train if study is LogisticRegressions else outside
        known.append(distinct(torch.as_tensor(dataset.targets[rows])))
        return config

    known: list[Tensor] = []
    monkeypatch.setattr(Seen, "tune", recorded)
    monkeypatch.setattr(f"{study.__module__}.configure", quick)
    if study is LogisticRegressions:
        of = LogisticRegressions({}, ("subset_accuracy",), ("seen",))
        of.measured({"data": "digits", "seed": 0, "C": 1.0})
    else:
        Ensembles({}, {}, ("subset_accuracy",), ("seen",)).measured(
            {"data": "digits", "head": "sigmoid", "n_seeds": 2, "seed": 0}
        )
    # Of the rows outside the test part, all but the few that both networks held out are trained on.
    assert len(found) == 1
    assert len(found[0]) >= (1.0 if study is LogisticRegressions else 0.9) * len(known[0])


@pytest.mark.parametrize("metric", ["jaccard_samples", "hamming_loss", "f1_macro"])
def test_the_leagues_choice_is_that_of_a_search_for_each_seed(metric: str) -> None:
    rng = np.random.default_rng(0)
    rules = ("fixed", "global", "per_label")
    # Values of one digit, so that many are equal, and some are missing.
    rows = pd.DataFrame(
        {"data": data, "head": head, "seed": seed, "trial": trial, "rule": rule, "run": trial,
         f"val_{metric}": rng.integers(10) / 10 if rng.random() < 0.8 else np.nan}
        for data in ("a", "b") for head in ("h", "i") for seed in range(3)
        for trial in range(4) for rule in rules
    )  # fmt: skip
    tuned = select(rows, metric).set_index(["data", "head", "seed"])
    assert len(tuned) == 12
    for seed, of_seed in rows.groupby("seed"):
        for choice in choose(validation_values(of_seed, metric, {}), metric):
            row = tuned.loc[(choice.data, choice.head, seed)]
            assert (row["trial"], row["rule"]) == (choice.trial, choice.rule)
            assert row[f"val_{metric}"] == choice.value
