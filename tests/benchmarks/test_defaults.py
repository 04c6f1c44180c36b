"""The search of default settings: resumable, blind to test rows, and quoted rightly."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import defaults
from benchmarks.measuring import RESULTS
from tests.benchmarks.resuming import rows_measured_once
from tests.conftest import REPOSITORY

PAGE = " ".join((REPOSITORY / "docs/defaults.md").read_text(encoding="utf-8").split())
DENSE = ("flags", "emotions", "birds", "cal500", "yeast", "scene")


def write(folder: Path, labels: list[str]) -> Path:
    """Texts that tell their label; `labels` are those of the test part."""
    of_data = folder / "reuters21578"
    of_data.mkdir(parents=True)
    for part, values in (("train", ["a", "b"] * 20), ("test", labels)):
        rows = [
            {"title": f"word {label}{label}", "text": f"more {n % 3}x", "labels": [label]}
            for n, label in enumerate(values)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (of_data / f"modapte90_{part}.jsonl").write_text(text, encoding="utf-8")
    return folder


def test_a_search_goes_on_and_test_rows_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(defaults, "COHORTS", (("sigmoid", (4,)), ("label_powerset", (4,))))
    monkeypatch.setattr(defaults, "epochs_for", lambda n_rows: 1)
    results = []
    for name, labels in (("one", ["a", "b"] * 4), ("other", ["b", "a"] * 4)):
        folder = write(tmp_path / name, labels)
        stored = folder / "stored.csv"
        monkeypatch.setattr(defaults, "STORED", stored)
        arguments = ["--folder", str(folder), "--data", "reuters21578"]
        results.append(rows_measured_once(defaults.main, arguments, stored, capsys))
    n_runs = [len(defaults.RATES[b]) * len(defaults.DROPOUTS[b]) for b in ("mlp", "embedding_bag")]
    assert len(results[0]) == 3 * sum(n_runs)  # three seeds: there are few rows
    assert results[0] == results[1]


def test_the_command_trains_the_cohorts_that_are_stored() -> None:
    rows = pd.read_csv(RESULTS / "defaults.csv", dtype=str, keep_default_na=False)
    stored = set(rows[list(defaults._KEY)].itertuples(index=False, name=None))
    assert {shape.key for shape in defaults.shapes(defaults.DATA)} == stored


@pytest.fixture(scope="module")
def losses() -> pd.DataFrame:
    """The loss of each setting to the best one of its data set, backbone and head."""
    rows = pd.read_csv(RESULTS / "defaults.csv", keep_default_na=False)
    rows["dense"] = rows["data"].isin(DENSE)
    rows["value"] = rows["val_global"].where(rows["dense"], rows["val_at_least_one"])
    cell = ["data", "backbone", "head", "widths", "dropout", "lr", "dense"]
    means = rows.groupby(cell, sort=False)["value"].mean().reset_index()
    best = means.groupby(["data", "backbone", "head"])["value"].transform("max")
    return means.assign(loss=best - means["value"])


def test_the_losses_on_the_page_are_those_of_the_rows(losses: pd.DataFrame) -> None:
    mlp = losses[(losses["backbone"] == "mlp") & (losses["dropout"] == 0.5)]
    means = mlp.groupby(["dense", "widths", "lr"])["loss"].mean()
    for dense, kind, widths in (
        (True, "dense", "128"), (True, "dense", "256 256"), (False, "sparse", "128"),
    ):  # fmt: skip
        values = " | ".join(f"{value:.3f}" for value in means[dense, widths])
        assert f"| {kind} | [{widths.replace(' ', ', ')}] | {values} |" in PAGE
    wide = means[True, "256 256"]
    assert f"leads by {wide[0.003] - wide[0.01]:.4f} on validation" in PAGE
    sparse = mlp[~mlp["dense"]].pivot(index="data", columns="lr", values="loss")
    assert sparse[0.01].idxmax() == sparse[0.003].idxmax() == "goemotions"
    largest = sparse.loc["goemotions"]
    assert largest[0.01] == pytest.approx(2 * largest[0.003], rel=0.1)
    assert f"its largest loss on sparse rows, {largest[0.01]:.4f} on GoEmotions, is twice" in PAGE
    assert largest.idxmin() == 0.001
    assert f"would prefer 0.001 (by {largest[0.003] - largest[0.001]:.3f})" in PAGE
    bags = losses[losses["backbone"] == "embedding_bag"].groupby("lr")["loss"].mean()
    assert f"The mean loss is {bags[0.03]:.3f} at 0.03 and {bags[0.01]:.3f} at 0.01." in PAGE
    assert bags.idxmin() == 0.03


def test_the_effect_of_no_dropout_on_sparse_rows() -> None:
    rows = pd.read_csv(RESULTS / "defaults.csv", keep_default_na=False)
    rows = rows[(rows["backbone"] == "mlp") & ~rows["data"].isin(DENSE) & (rows["lr"] == 0.003)]
    means = rows.groupby(["dropout", "data"])[["val_precision_at_1", "val_at_least_one"]].mean()
    first, sets = (means.loc[0.0] - means.loc[0.5]).T.to_numpy()
    by = dict(zip(means.loc[0.0].index, first, strict=True))
    assert len(by) == 7
    assert (
        f"rises by {by['reuters21578']:.3f} on Reuters-21578 and by {by['enron']:.3f} on enron,"
        f" and falls by {-by['corel5k']:.3f} on corel5k and by {-by['imdb']:.3f} on imdb;"
    ) in PAGE
    assert (
        f"the mean difference is {first.mean():+.3f}, that of the Jaccard index {sets.mean():+.3f}."
        in PAGE
    )


def test_the_page_names_the_data_on_which_the_defaults_are_behind() -> None:
    rows = pd.read_csv(RESULTS / "defaults_vs_linear.csv").set_index(["data", "model"])
    networks = rows.loc[pd.IndexSlice[:, ["sigmoid", "best head"]], :]
    behind = {
        pair
        for line in ("logistic_regression", "linear_svm")
        for pair in networks.index[
            networks[f"{line}_difference"] + networks[f"{line}_half_width"] < 0
        ]
    }
    assert {data for data, model in behind if model == "sigmoid"} == {"goemotions", "reuters21578"}
    assert {data for data, _ in behind} == {"goemotions", "reuters21578", "cal500"}
    assert rows.loc[("cal500", "best head"), "head"] == "label_powerset"
    assert re.search(
        r"by more than the interval on GoEmotions, on Reuters-21578 and \(label_powerset,[^)]*\) on"
        r" cal500:",
        PAGE,
    )
