"""The searches with equal budgets: draws, choices, stored decisions, ML-kNN and the bootstraps."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode

from experiments.equal_budgets import archive, studies
from experiments.equal_budgets.analysis import EXPERIMENT
from experiments.equal_budgets.chosen import best_by, complete, edges, tuned
from experiments.equal_budgets.findings import findings
from experiments.equal_budgets.front import sigmoid_behind
from experiments.equal_budgets.ml_knn import MLkNN
from experiments.equal_budgets.published import published_table
from experiments.equal_budgets.row_draws import chosen_draws
from experiments.equal_budgets.runs import COLUMNS, METRICS, Job, Run
from experiments.equal_budgets.sources import SampledOptions, _sample
from experiments.equal_budgets.spaces import N_CONFIGURATIONS, drawn, network_spaces, typed
from experiments.equal_budgets.studies import (
    CONFIRM,
    PLANS,
    SEARCH,
    Plan,
    choice,
    contestants,
    searched,
)
from experiments.equal_budgets.tables import epoch_gains
from experiments.league.published import Published
from mlc.config.errors import DataError
from mlc.config.schema import config_folder, register_configs
from mlc.data.base import Dataset
from mlc.launching.checks import sweep_overrides
from mlc.launching.search_plan import plan
from mlc.launching.search_request import read_request
from mlc.metrics.counts import COUNT_METRICS
from mlc.search.draws import configuration


def test_the_configurations_are_those_of_the_search_sweeper() -> None:
    heads = ("sigmoid_f1", "weighted_sigmoid", "chain")
    register_configs()
    GlobalHydra.instance().clear()
    hydra = Hydra.create_main_hydra2("test", create_config_search_path(str(config_folder())))
    words = ["hydra/sweeper=search", "experiment=equal_budgets", f"head={','.join(heads)}"]
    config = hydra.compose_config("train", words, run_mode=RunMode.MULTIRUN)
    request = read_request(config, sweep_overrides(config))
    assert request is not None
    planned = {each.group.head: each.group for each in plan(request, hydra.config_loader, config)}
    GlobalHydra.instance().clear()
    assert set(planned) == set(heads)
    for head in heads:
        spaces = network_spaces(head)
        assert dict(spaces) == planned[head].spaces, head
        for number in range(N_CONFIGURATIONS):
            text = configuration(planned[head].spaces, request.options.seed, number)
            assert drawn(spaces, number) == text
            values = typed(spaces, text)
            assert values.keys() == text.keys()
            for key, value in values.items():
                assert str(value).lower() == text[key] or value == float(text[key]), key


def test_decisions_come_back_from_their_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cases = {
        "sigmoid/0/global": rng.random((3, 13, 5)) < 0.3,
        "chain/2/mode": np.ones((1, 8, 1), dtype=bool),
        archive.TARGETS: np.zeros((1, 13, 5), dtype=bool),
    }
    path = archive.path_of(tmp_path, "yeast")
    assert archive.read(path) == {}
    for name, decisions in cases.items():
        archive.add(path, {name: decisions})
    assert archive.read(path, ["chain/2/mode"]).keys() == {"chain/2/mode"}
    stored = archive.read(path)
    assert stored.keys() == cases.keys()
    for name, decisions in cases.items():
        assert np.array_equal(stored[name], decisions), name


def test_damaged_decisions_are_refused_by_name_and_never_read_in_part(tmp_path: Path) -> None:
    path = archive.path_of(tmp_path, "yeast")
    archive.add(path, {"chain/2/mode": np.ones((2, 9, 3), dtype=bool)})
    whole = path.read_bytes()
    flipped = [bytearray(whole) for _ in whole]
    for place, content in enumerate(flipped):
        content[place] ^= 0x55
    plain = io.BytesIO()
    np.savez(plain, targets=np.ones(3))
    named: list[bool] = []
    for content in (b"", b"version https://git-lfs", whole[:-9], plain.getvalue(), *flipped):
        path.write_bytes(content)
        # Some bytes of a ZIP file, such as dates, mean nothing.
        try:
            stored = archive.read(path)
        except DataError as error:
            named.append(str(path) in str(error))
        else:
            assert np.array_equal(stored["chain/2/mode"], np.ones((2, 9, 3), dtype=bool))
    assert all(named)
    assert len(named) > len(whole) / 2


@pytest.mark.parametrize(("k", "smoothing"), [(3, 1.0), (5, 0.3), (100, 2.0)])
def test_ml_knn_is_the_formula_of_its_source_written_as_loops(k: int, smoothing: float) -> None:
    rng = np.random.default_rng(k)
    features, targets = rng.normal(size=(14, 3)), rng.random((14, 4)) < 0.4
    targets[:, 2], targets[:, 3] = False, True
    new = rng.normal(size=(5, 3))
    n_neighbours = min(k, 13)

    def nearest(row: np.ndarray, left_out: int | None) -> list[int]:
        distances = [(float(((row - other) ** 2).sum()), i) for i, other in enumerate(features)]
        return [i for _, i in sorted(distances) if i != left_out][:n_neighbours]

    expected = np.zeros((5, 4))
    for label in range(4):
        positives = int(targets[:, label].sum())
        prior = (smoothing + positives) / (2 * smoothing + 14)
        counted = {True: [0] * (n_neighbours + 1), False: [0] * (n_neighbours + 1)}
        for i in range(14):
            near = sum(targets[j, label] for j in nearest(features[i], i))
            counted[bool(targets[i, label])][near] += 1
        for row in range(5):
            near = sum(targets[j, label] for j in nearest(new[row], None))
            likelihood = {
                value: (smoothing + counts[near]) / (smoothing * (n_neighbours + 1) + sum(counts))
                for value, counts in counted.items()
            }
            yes, no = prior * likelihood[True], (1 - prior) * likelihood[False]
            expected[row, label] = yes / (yes + no)
    model = MLkNN(k, smoothing).fit(features, targets)
    assert model.predict_proba(new) == pytest.approx(expected, rel=1e-9)


HEADS = ("sigmoid", "pairwise", "logistic_regression", "most_frequent_set")
RULES = ("fixed", "global", "per_label", "auto")


def test_sigmoid_and_twelve_heads_search_three_options() -> None:
    numbers = {head: len(network_spaces(head)) for head in studies.HEADS}
    assert numbers["sigmoid"] == 3
    assert list(numbers.values()).count(3) == 13
    assert (min(numbers.values()), max(numbers.values())) == (3, 7)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, pd.DataFrame], Path]:
    """Rows and decisions of four contestants on three data sets, with values that nothing explains."""
    rng, folder = np.random.default_rng(0), tmp_path_factory.mktemp("results")
    frames = {study.name: pd.DataFrame() for study in EXPERIMENT.studies} | {
        data: pd.DataFrame() for data in PLANS
    }
    for data in ("flags", "emotions", "scene"):
        targets, rows = rng.random((30, 3)) < 0.4, []
        reported: dict[str, list[np.ndarray]] = {archive.TARGETS: [targets]}
        for head in HEADS:
            numbers = range(1) if head == "most_frequent_set" else range(3)
            jobs = [(CONFIRM, n, seed) for n in numbers for seed in range(2, 5)]
            if len(numbers) > 1:
                jobs += [(SEARCH, n, seed) for n in numbers for seed in range(2)]
            for phase, number, seed in jobs:
                rules = ("constant",) if head == "most_frequent_set" else RULES
                decided = {
                    rule: {part: targets ^ (rng.random((30, 3)) < 0.3) for part in ("val", "test")}
                    for rule in rules
                }
                settings = {"C": f"{10.0 ** (number - 2):g}"} if "logistic" in head else {}
                run = Run(Job(number, settings, seed), decided, {"val": targets, "test": targets})
                rows += [{"run": f"data={data} head={head}", "data": data, "head": head, **row}
                         for row in run.rows(phase)]  # fmt: skip
                if phase == CONFIRM:
                    for rule, parts in decided.items():
                        reported.setdefault(f"{head}/{number}/{rule}", []).append(parts["test"])
        stacked = {name: np.stack(each) for name, each in reported.items()}
        archive.add(archive.path_of(folder, data), stacked)
        frames[data] = pd.DataFrame(rows).reindex(columns=["run", "data", "head", *COLUMNS])
    return frames, folder


@pytest.mark.parametrize("metric", METRICS)
def test_the_choice_is_that_of_a_loop(
    metric: str, measured: tuple[dict[str, pd.DataFrame], Path]
) -> None:
    frames, _ = measured
    rows = pd.concat([frame for name, frame in frames.items() if len(frame)])
    chosen = tuned(rows, metric)
    sign = -1 if metric == "hamming_loss" else 1
    for (data, head), group in rows.groupby(["data", "head"]):
        allowed = ["constant", "fixed", "global"] + ["per_label"] * (metric == "f1_macro")

        def loop_best(part: pd.DataFrame, keys: list[str], allowed: list[str] = allowed) -> tuple:
            values: dict[tuple, list[float]] = {}
            for _, row in part[part["rule"].isin(allowed)].iterrows():
                values.setdefault(tuple(row[key] for key in keys), []).append(row[f"val_{metric}"])
            return max(values, key=lambda key: sign * sum(values[key]) / len(values[key]))

        number = 0
        if head != "most_frequent_set":
            number = loop_best(group[group["phase"] == SEARCH], ["number", "rule"])[0]
        reported = group[(group["phase"] == CONFIRM) & (group["number"] == number)]
        (rule,) = loop_best(reported, ["rule"])
        expected = reported[reported["rule"] == rule]
        of_head = chosen[(chosen["data"] == data) & (chosen["head"] == head)]
        assert of_head["seed"].tolist() == [2, 3, 4]
        assert of_head[metric].tolist() == expected[metric].tolist()


def test_the_bootstrapped_values_are_the_chosen_rows_means(
    measured: tuple[dict[str, pd.DataFrame], Path],
) -> None:
    frames, folder = measured
    rows = pd.concat([frame for frame in frames.values() if len(frame)])
    for metric, draws in chosen_draws(rows, METRICS[:3], folder, 200).items():
        chosen = tuned(rows, metric)
        assert list(draws) == ["flags", "emotions", "scene"]
        for data, each in draws.items():
            for head, value in zip(each.heads, each.values, strict=True):
                of_head = chosen[(chosen["data"] == data) & (chosen["head"] == head)]
                assert value == pytest.approx(of_head[metric].mean(), abs=1e-4)


def test_rows_without_their_decisions_are_refused(
    measured: tuple[dict[str, pd.DataFrame], Path], tmp_path: Path
) -> None:
    """The intervals would silently be over fewer data sets."""
    frames, folder = measured
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    archive.path_of(tmp_path, "emotions").unlink()
    rows = pd.concat([frame for frame in frames.values() if len(frame)])
    with pytest.raises(DataError, match=r"emotions\.npz is missing.*delete emotions\.csv"):
        chosen_draws(rows, METRICS[:1], tmp_path, 10)


def test_a_report_has_all_tables_from_decisions_and_fewer_without(
    measured: tuple[dict[str, pd.DataFrame], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.equal_budgets.analysis.N_DRAWS", 300)
    frames, folder = measured
    without = EXPERIMENT.report(frames)
    report = EXPERIMENT.report_from(folder, frames)
    of_rows = {f"{kind}_{m}" for kind in ("pooled", "gains") for m in METRICS[:3]}
    assert set(report.tables) == set(without.tables) | of_rows
    assert set(report.figures) == {"gains", "front"}
    assert len(report.findings) == 4
    assert report.numbers["ahead_gains_jaccard_samples"] == "none"
    _, pooled = report.tables["pooled_jaccard_samples"]
    assert {row[0] for row in pooled.rows} == set(HEADS)
    assert [row[1] for row in pooled.rows] == sorted(row[1] for row in pooled.rows)
    # What no configuration explains is not significant.
    _, by_data = report.tables["gains_jaccard_samples"]
    cells = [cell for row in by_data.rows[:-1] if row[0] != "most_frequent_set" for cell in row[1:]]
    assert sum("*" in cell for cell in cells) <= 1


def test_both_baselines_are_predicted_and_pairs_of_heads_are_counted() -> None:
    values = {"sigmoid": 0.50, "zlpr": 0.505, "focal": 0.52, "random_forest": 0.51}
    values |= {"logistic_regression": 0.49}

    def rows(metric: str) -> pd.DataFrame:
        return pd.DataFrame(
            {"data": data, "head": head, "seed": seed, metric: value}
            for data in ("flags", "birds", "yeast")
            for head, value in values.items()
            for seed in range(2)
        )

    by_metric = {metric: rows(metric) for metric in ("jaccard_samples", "subset_accuracy")}
    pairs, _, _, baselines = findings(by_metric)
    # Two of the three pairs of heads differ by more than 0.01.
    assert (pairs.measured, pairs.held) == ("2 of 3", False)
    assert "logistic_regression flags +0.030" in baselines.measured
    assert baselines.held is False, "the forest alone is near"
    assert sigmoid_behind(by_metric["jaccard_samples"]) == "flags 0.020, birds 0.020, yeast 0.020"
    values["logistic_regression"] = 0.505
    by_metric["jaccard_samples"] = rows("jaccard_samples")
    assert findings(by_metric)[-1].held is True


def test_the_heads_of_a_data_set_are_one_value_in_the_pilot() -> None:
    rows = pd.DataFrame(
        {"data.title": data, "head": head, "seed": seed, "rule": "global",
         "trainer.monitor": monitor, "jaccard_samples": 0.5 + gain * (monitor != "loss")}
        for data, gain in (("birds", 0.01), ("scene", 0.03))
        for head in ("sigmoid", "zlpr", "pick_one")
        for seed in range(3)
        for monitor in ("loss", "jaccard_samples")
    )  # fmt: skip
    values = epoch_gains(rows, "jaccard_samples")["jaccard_samples"]
    assert values.to_dict() == pytest.approx({"birds": 0.01, "scene": 0.03})


def test_edges_count_chosen_and_drawn_values() -> None:
    """Of three values of C, between 0.001 and 100, the last lies in the outermost tenth."""
    rows = []
    for seed in range(2):
        for number, strength in ((0, ""), (1, "C=1"), (2, "C=0.002"), (3, "C=90")):
            key = {"data": "flags", "head": "logistic_regression", "phase": SEARCH}
            key |= {"number": number, "seed": seed}
            values = dict.fromkeys(
                [f"val_{m}" for m in METRICS], {0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4}[number]
            )
            rows.append({**key, "rule": "-", "settings": strength})
            rows.append({**key, "rule": "global", **values})
    (line,) = edges(pd.DataFrame(rows)).reset_index().to_dict("records")
    # Hamming loss is least for the defaults, which are left out.
    assert line["option"] == "C"
    assert line["choices"] == 3
    assert line["chosen"] == line["high"] == 1
    assert line["low"] == 0
    assert line["drawn"] == pytest.approx(2 / 3)


def test_a_search_trains_all_configurations_and_the_chosen_ones_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tiny = {"data": "world", "data.n_train": 60, "data.n_test": 20, "data.n_labels": 3,
            "trainer.max_epochs": 2}  # fmt: skip
    monkeypatch.setitem(PLANS, "tiny", Plan(tiny, 3, 2, 3))
    monkeypatch.setattr("experiments.equal_budgets.studies.N_CONFIGURATIONS", 2)
    for head in ("pairwise", "random_forest_powerset", "most_frequent_set"):
        rows, decisions = searched("tiny", head)
        frame = pd.DataFrame(rows)
        runs = frame[frame["rule"] == "-"]
        has_search = head in ("pairwise", "random_forest_powerset")
        of_search = runs[runs["phase"] == SEARCH]
        assert len(of_search) == (4 if has_search else 0)
        if has_search:
            assert sorted(set(zip(of_search["number"], of_search["seed"], strict=True))) == [
                (0, 0), (0, 1), (1, 0), (1, 1),
            ]  # fmt: skip
        reported = runs[runs["phase"] == CONFIRM]
        assert set(reported["seed"]) == {2, 3, 4}
        assert (reported["number"].value_counts() == 3).all()
        if head != "most_frequent_set":
            assert {"global", "global+", "fixed+", "seen", "auto"} <= set(frame["rule"])
            assert frame.loc[frame["rule"] == "-", "average_precision_macro"].notna().all()
        assert ("mode" in set(frame["rule"])) == has_search
        for name, each in decisions.items():
            assert each.shape == (1 if name == archive.TARGETS else 3, 20, 3)
        for metric in METRICS[:3]:
            frame["data"], frame["head"] = "tiny", head
            chosen = tuned(frame, metric)
            key = f"{head}/{chosen['number'].iloc[0]}/{chosen['rule'].iloc[0]}"
            targets = torch.as_tensor(decisions[archive.TARGETS][0])
            values = [
                float(COUNT_METRICS[metric](torch.as_tensor(d), targets)) for d in decisions[key]
            ]
            assert chosen[metric].tolist() == pytest.approx(values, abs=1e-4)


def test_published_values_stand_beside_the_best_head_on_validation_rows(
    measured: tuple[dict[str, pd.DataFrame], Path],
) -> None:
    rows = pd.concat([frame for frame in measured[0].values() if len(frame)])
    published = (
        Published("scene", "hamming_loss", "an SVM", 0.1, "a page"),
        Published("scene", "f1_samples", "an SVM", 0.2, "a page"),
        Published("bibtex", "f1_samples", "not measured here", 0.3, "a page"),
    )
    hamming, f1, absent = published_table(rows, published).rows
    for line, chosen_by, metric, sign in (
        (hamming, "hamming_loss", "hamming_loss", -1),
        (f1, "jaccard_samples", "f1_samples", 1),
    ):
        chosen = tuned(rows[rows["data"] == "scene"], chosen_by)
        # No baseline is among the heads.
        heads = {head: chosen[chosen["head"] == head] for head in ("sigmoid", "pairwise")}
        best = max(heads, key=lambda head: sign * heads[head][f"val_{metric}"].mean())
        assert line[5] == best
        values = [float(cell.split(" ")[0]) for cell in (line[4], line[6])]
        expected = [heads[head][metric].mean() for head in ("sigmoid", best)]
        assert values == pytest.approx(expected, abs=6e-4)
    assert absent[4:7] == ["-", "-", "-"]


def test_incomplete_data_sets_are_left_out_once_one_is_complete() -> None:
    rows = pd.DataFrame(
        [{"data": "flags", "head": head} for head in contestants("flags")]
        + [{"data": "emotions", "head": head} for head in contestants("emotions")[1:]]
    )
    assert set(complete(rows)["data"]) == {"flags"}
    assert complete(rows[rows["data"] == "emotions"]).empty
    assert complete(rows.iloc[:0]).empty


def test_a_published_test_part_is_untouched_when_settings_are_compared() -> None:
    rng = np.random.default_rng(0)
    dataset = Dataset(
        "some", rng.random((50, 2)), rng.random((50, 3)) < 0.5, ("a", "b"), ("x", "y", "z"),
        np.ones(2, dtype=bool), {"train": np.arange(30), "test": np.arange(30, 50)},
    )  # fmt: skip
    options = SampledOptions(only_training=True, test_fraction=0.3)
    parts = _sample(dataset, options).parts
    assert len(parts["test"]) == 9
    assert sorted([*parts["test"], *parts["train"]]) == list(range(30))
    unpublished = replace(dataset, parts={})
    drawn_parts = _sample(unpublished, SampledOptions(n_train=12, n_test=7)).parts
    assert {part: len(rows) for part, rows in drawn_parts.items()} == {"train": 12, "test": 7}
    assert not set(drawn_parts["train"]) & set(drawn_parts["test"])
    again = _sample(unpublished, SampledOptions(n_train=12, n_test=7)).parts
    assert all(np.array_equal(drawn_parts[part], again[part]) for part in again)
    with pytest.raises(DataError, match=r"data\.n_train=44"):
        _sample(unpublished, SampledOptions(n_train=44, n_test=7))


def test_the_fast_choice_is_that_of_the_search() -> None:
    """Values of two digits tie often; sometimes a run is missing or failed."""
    rng = np.random.default_rng(0)
    for repetition in range(8):
        rules = rng.permutation(["fixed", "global", "per_label", "global+", "mode"])[:4]
        rows = [
            {"head": "chain", "number": number, "seed": seed, "rule": rule,
             **{f"val_{m}": round(float(rng.random()) / 8, 2) for m in METRICS}}
            for number in rng.permutation(4) for seed in range(2) for rule in rules
        ]  # fmt: skip
        if repetition % 3 == 1:
            rows[5]["val_f1_macro"] = float("nan")
        if repetition % 4 == 2:
            del rows[0]
        frame = pd.DataFrame(rows)
        for metric in METRICS:
            chosen = choice(frame, "flags", "chain", metric)
            found = best_by(["head"], frame, metric)
            assert found == {"chain": (chosen.trial, chosen.rule)}, (repetition, metric)
    assert best_by(["head"], frame.iloc[:0], "f1_macro") == {}
