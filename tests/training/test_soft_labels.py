"""Labels that are probabilities: read, trained on, and judged as positive from 0.5 on."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix, save_npz

from mlc.config.errors import ConfigError, DataError
from mlc.data.loading import load_data
from mlc.data.missing_labels import SOFT_NOTE
from mlc.data.targets import encode
from mlc.decisions.base import build_decision
from mlc.estimator import MultiLabelClassifier
from mlc.evaluation.judging import evaluate
from mlc.heads.base import HEADS
from mlc.metrics.final import decision_metrics
from mlc.runs.provenance import fingerprint
from tests.training.test_missing_labels import (
    FEATURES,
    KNOWN,
    SPLITS,
    TARGETS,
    dataset,
    trained,
)

SOFT = np.random.default_rng(1).random(TARGETS.shape).astype(np.float32)


def soft_data(known: Any = None) -> Any:
    soft = SOFT if known is None else np.where(known, SOFT, 0).astype(np.float32)
    return dataclasses.replace(dataset(known, SOFT >= 0.5), soft=soft)


class TestFiles:
    def test_numbers_from_0_to_1_are_read_where_this_is_stated(self, tmp_path: Path) -> None:
        (tmp_path / "toy.csv").write_text("size,a,b\n1,0.2,1\n2,,0.5\n3,0,0.9\n", encoding="utf-8")
        options: dict[str, Any] = {"path": str(tmp_path / "toy.csv"), "labels": ["a", "b"]}
        with pytest.raises(
            DataError, match=r"the label 'a' is '0\.2' in data row 1: labels must be"
        ):
            load_data("table", **options)
        with pytest.raises(DataError, match="the label 'a' is missing in data row 2: fill it"):
            load_data("table", **options, soft_labels=True)
        data = load_data("table", **options, soft_labels=True, missing_labels="mask")
        assert data.soft is not None
        assert data.known is not None
        np.testing.assert_allclose(data.soft, [[0.2, 1], [0, 0.5], [0, 0.9]], atol=1e-7)
        assert data.targets.tolist() == [[False, True], [False, True], [False, True]]
        assert data.known.tolist() == [[True, True], [False, True], [True, True]]
        assert SOFT_NOTE in data.notes

    @pytest.mark.parametrize("cell", ["1.5", "-0.1", "maybe"])
    def test_other_values_are_refused(self, cell: str, tmp_path: Path) -> None:
        (tmp_path / "toy.csv").write_text(f"size,a\n1,0.2\n2,{cell}\n", encoding="utf-8")
        with pytest.raises(
            DataError, match=f"the label 'a' is '{cell}' in data row 2: with data.so"
        ):
            load_data("table", path=str(tmp_path / "toy.csv"), labels=["a"], soft_labels=True)

    def test_a_test_file_has_probabilities_too(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("size,a\n1,0.2\n2,0.7\n", encoding="utf-8")
        (tmp_path / "b.csv").write_text("size,a\n1,0.9\n", encoding="utf-8")
        paths = {"path": str(tmp_path / "a.csv"), "test_path": str(tmp_path / "b.csv")}
        data = load_data("table", **paths, labels=["a"], soft_labels=True)
        assert data.soft is not None
        np.testing.assert_allclose(data.soft, [[0.2], [0.7], [0.9]], atol=1e-7)

    def test_arrays(self, tmp_path: Path) -> None:
        np.savez(tmp_path / "toy.npz", X=FEATURES, y=SOFT)
        path = str(tmp_path / "toy.npz")
        with pytest.raises(DataError, match="labels must be 0 or 1"):
            load_data("arrays", path=path)
        data = load_data("arrays", path=path, soft_labels=True)
        assert data.soft is not None
        np.testing.assert_array_equal(data.soft, SOFT)
        np.testing.assert_array_equal(data.targets, SOFT >= 0.5)
        np.savez(tmp_path / "toy.npz", X=FEATURES, y=2 * SOFT)
        with pytest.raises(DataError, match=r"y is 1\.\d+ in row \d+, column \d: with data.soft"):
            load_data("arrays", path=path, soft_labels=True)

    def test_a_missing_probability_is_never_a_target(self, tmp_path: Path) -> None:
        np.save(tmp_path / "X.npy", FEATURES[:3])
        y = np.array([[0.2, np.nan], [1, 0.5], [0, 1.0]])
        save_npz(tmp_path / "y.npz", csr_matrix(y))
        paths = {"path": str(tmp_path / "X.npy"), "labels_path": str(tmp_path / "y.npz")}
        with pytest.raises(DataError, match="y is NaN in row 1, column 2: fill it"):
            load_data("arrays", **paths, soft_labels=True)
        data = load_data("arrays", **paths, soft_labels=True, missing_labels="mask")
        assert data.known is not None
        assert data.soft is not None
        np.testing.assert_array_equal(data.known, ~np.isnan(y))
        np.testing.assert_allclose(data.soft, np.nan_to_num(y), atol=1e-7)
        decimals = np.array([[Decimal("0.25"), Decimal("NaN")]], dtype=object)
        with pytest.raises(DataError, match=r"in row 0, column 1 .*set missing_labels to 'mask'"):
            encode(decimals, soft=True)
        assert encode(decimals, "mask", soft=True).known.tolist() == [[True, False]]


@pytest.mark.parametrize("name", HEADS)
def test_every_head_takes_soft_labels_or_refuses(name: str) -> None:
    if HEADS[name].soft_targets:
        return
    y = SOFT[:40]
    with pytest.raises(ConfigError, match=f"The head '{name}' takes no soft labels: choose one"):
        MultiLabelClassifier(name, soft_labels=True, widths=(4,)).fit(FEATURES[:40], y)


def test_losses_are_those_of_the_probabilities() -> None:
    for known in (None, KNOWN):
        data = soft_data(known)
        training, epochs = trained(data, max_epochs=1)
        for run, rows in enumerate(training.val_rows.tolist()):
            index = torch.tensor([rows] * 2)
            with torch.no_grad():
                outputs = training.model.eval()(training.data.batch(index).features)[run]
            total = 0.0
            for row, number in enumerate(rows):
                for label in range(3):
                    if known is None or known[number, label]:
                        s = float(outputs[row, label].sigmoid())
                        p = float(SOFT[number, label])
                        total -= p * np.log(s) + (1 - p) * np.log(1 - s)
            assert float(epochs[0]["loss/val"][run]) == pytest.approx(total / len(rows), rel=1e-6)


@pytest.mark.parametrize("head", ["sigmoid", "squared_hinge", "softmax_all"])
def test_probabilities_0_and_1_are_labels(head: str) -> None:
    hard = dataset(None)
    soft = dataclasses.replace(hard, soft=TARGETS.astype(np.float32))
    for before, after in zip(trained(hard, head)[1], trained(soft, head)[1], strict=True):
        for name in before:
            assert torch.equal(before[name], after[name]), name
    assert fingerprint(hard) != fingerprint(soft)


def test_metrics_take_them_as_positive_from_a_half_on() -> None:
    data = soft_data()
    training, _ = trained(data, max_epochs=1)
    rules = [{"fixed": build_decision("fixed")} for _ in SPLITS]
    for split, result in zip(
        SPLITS, evaluate(training.model, training.data, data, SPLITS, rules), strict=True
    ):
        for part, rows in (("val", split.val), ("test", split.test)):
            decided = result.decisions[part]["fixed"]
            expected = decision_metrics(decided, SOFT[rows] >= 0.5)["jaccard_samples"]
            assert result.metrics[f"{part}/fixed/jaccard_samples"] == expected


class TestTheClassifier:
    def test_lists_of_probabilities_are_an_array(self) -> None:
        for y in ([[0.5, 0.5], [0.25, 1]], ((0.5, 0.5), (0.25, 1))):
            assert encode(y, soft=True).soft.tolist() == [[0.5, 0.5], [0.25, 1]]
        masked = encode([[0.5, None], [0.25, 1]], "mask", soft=True)
        assert masked.known.tolist() == [[True, False], [True, True]]

    def test_it_learns_probabilities(self) -> None:
        # Without features to learn from, the marginals are the mean probabilities.
        X = np.ones((200, 1))
        y = np.tile([[0.2, 0.9]], (200, 1))
        options: dict[str, Any] = {"widths": (), "max_epochs": 60, "lr": 0.05, "monitor": "loss"}
        fitted = MultiLabelClassifier(soft_labels=True, random_state=0, **options).fit(X, y)
        np.testing.assert_allclose(fitted.predict_proba(X[:1]), [[0.2, 0.9]], atol=0.03)

    def test_what_is_wrong_is_said(self) -> None:
        with pytest.raises(DataError, match=r"y is 1.5 in row 0, column 1: with soft_labels=True"):
            encode(np.array([[0.5, 1.5]]), soft=True)
        with pytest.raises(DataError, match="y must be numbers from 0 to 1"):
            encode([["a"], ["b", "c"]], soft=True)
        with pytest.raises(DataError, match=r"in row 1, column 0 .*set missing_labels to 'mask'"):
            encode(np.array([[0.5], [np.nan]]), soft=True)
        masked = encode(np.array([[0.5], [np.nan]]), "mask", soft=True)
        assert masked.known is not None
        assert masked.known.tolist() == [[True], [False]]
        with pytest.raises(DataError, match=r"y is 0\.5 in row 0, column 0"):
            encode(np.array([[0.5, 1.0]]))
