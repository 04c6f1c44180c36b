"""The comparison with an SVM: the linear backbone with its loss is the SVM."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

from benchmarks import measuring, words
from benchmarks.measuring import RESULTS, stored_rows
from mlc.evaluation.linear_models import YARDSTICKS, LinearSVMs, fit_scores
from mlc.evaluation.yardsticks import network_features
from mlc.training import defaults as training_defaults
from mlc.training.lbfgs import LBFGSOptions
from tests.benchmarks.toy import toy
from tests.conftest import REPOSITORY


def test_the_linear_backbone_with_the_loss_of_the_svm_is_the_svm() -> None:
    dataset, (split, _) = toy()
    scores, choice = words._linear("squared_hinge", dataset, split)
    features, targets = network_features(dataset, split), dataset.targets[split.train]
    expected = fit_scores(LinearSVMs(), features, targets, float(choice.removeprefix("C=")))
    # LIBLINEAR penalises the intercept a little.
    np.testing.assert_allclose(logit(scores["test"]), logit(expected["test"]), atol=0.02)


def test_weaker_penalties_than_each_chosen_one_were_tried() -> None:
    weakest = {kind.name: kind.strengths[-1] for kind in YARDSTICKS}
    weakest |= dict.fromkeys(("linear, sigmoid", "linear, squared_hinge"), LBFGSOptions().C[-1])
    chosen = {
        (row["data"], row["model"]): float(row["chosen"].removeprefix("C="))
        for row in stored_rows(RESULTS / "words.csv")
        if row["model"] in weakest
    }
    assert len(chosen) == 8
    assert all(chosen[data, model] < weakest[model] for data, model in chosen)


def test_a_row_of_each_model_is_stored_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "load", lambda *_: toy())
    monkeypatch.setattr(training_defaults, "EPOCHS", ((math.inf, 2),))
    monkeypatch.setattr(words, "STORED", tmp_path / "words.csv")
    monkeypatch.setattr(measuring, "RESULTS", tmp_path)
    words.main(["--folder", ".", "--data", "goemotions"])
    rows = {row["model"]: row for row in stored_rows(words.STORED)}
    assert list(rows) == [name for name, _ in words.models()]
    assert rows["linear_svm"]["jaccard_samples_difference"] == ""
    hinge, svm = (
        float(rows[name]["jaccard_samples"]) for name in ("linear, squared_hinge", "linear_svm")
    )
    assert rows["linear, squared_hinge"]["jaccard_samples_difference"].startswith(
        f"{hinge - svm:+.4f}"[:5]
    )
    assert "linear, squared_hinge" in (tmp_path / "words.md").read_text(encoding="utf-8")


def test_the_table_of_the_defaults_page_has_the_stored_values() -> None:
    rows = stored_rows(RESULTS / "words.csv")
    page = (REPOSITORY / "docs/defaults.md").read_text(encoding="utf-8")
    table = page[page.index("| data | model | Jaccard | less") :].split("\n\n")[0].splitlines()[2:]
    for line, row in zip(table, rows, strict=True):
        values = [number(row["jaccard_samples"]), difference(row["jaccard_samples_difference"])]
        values += [number(row["precision_at_1"]), difference(row["precision_at_1_difference"])]
        assert [cell.strip() for cell in line.strip("|").split("|")[2:]] == values
    by = {(row["data"], row["model"]): row for row in rows}
    for data in ("reuters21578", "goemotions"):
        for metric in ("jaccard_samples", "precision_at_1"):
            for model in ("mlp, sigmoid", "mlp, squared_hinge"):
                assert is_behind(by[data, model][f"{metric}_difference"])
            network = float(by[data, "mlp, sigmoid"][metric])
            assert float(by[data, "mlp, squared_hinge"][metric]) < network
            hinge = by[data, "linear, squared_hinge"]
            assert not is_behind(hinge[f"{metric}_difference"])
            others = ("linear, sigmoid", "logistic_regression")
            assert all(float(hinge[metric]) > float(by[data, other][metric]) for other in others)


def number(text: str) -> str:
    return f"{float(text):.3f}"


def difference(text: str) -> str:
    if not text:
        return ""
    mean, half_width = (float(part) for part in text.split(" ±"))
    return f"{mean:+.3f} ±{half_width:.3f}"


def is_behind(text: str) -> bool:
    mean, half_width = (float(part) for part in text.split(" ±"))
    return mean + half_width < 0
